"""Credit Default: does a client miss next month's card payment (Taiwan, 2005)?"""

import hashlib
import io

import pandas as pd

from ..actions import ActionSet, rising_transitions
from ._bunch import assemble
from ._files import PublishedFile, locate

TARGET = "default payment next month"

#: Meaning of the documented codes; an undocumented code is kept as it is, as a string.
LABELS = {
    "SEX": {1: "male", 2: "female"},
    "EDUCATION": {1: "graduate school", 2: "university", 3: "high school", 4: "others"},
    "MARRIAGE": {1: "married", 2: "single", 3: "others"},
    TARGET: {0: "no default", 1: "default"},
}

WORKBOOK_SHA256 = "30c6be3abd8dcfd3e6096c828bad8c2f011238620f5369220bd60cfc82700933"

ACTIONS = ActionSet(immutable=("SEX",), max_changes=4, cost="l2")

REALISTIC_ACTIONS = ActionSet(
    immutable=(
        "SEX", "AGE", "MARRIAGE", "LIMIT_BAL",
        "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6",
        "BILL_AMT2", "BILL_AMT3", "BILL_AMT4", "BILL_AMT5", "BILL_AMT6",
        "PAY_AMT2", "PAY_AMT3", "PAY_AMT4", "PAY_AMT5", "PAY_AMT6",
    ),
    increase_only=("PAY_AMT1",),
    decrease_only=("PAY_0", "BILL_AMT1"),
    bounds={"PAY_0": (-1, None), "BILL_AMT1": (0, None)},
    step={"PAY_0": 1, "BILL_AMT1": 1, "PAY_AMT1": 1},
    transitions={"EDUCATION": rising_transitions(("high school", "university", "graduate school"))},
    max_changes=4,
    cost="l2",
)  # fmt: skip

DESCR = """\
Default of Credit Card Clients

30,000 credit card clients of a bank in Taiwan; bills and payments from April to September 2005,
23 features. Target: default on the payment of October 2005 (no default: 77.9 %, favourable).
No split is published.

Source: UCI Machine Learning Repository, data set 350,
https://archive.ics.uci.edu/dataset/350/default+of+credit+card+clients
Citation: Yeh, I-C. (2009). Default of Credit Card Clients. UCI Machine Learning Repository.
https://doi.org/10.24432/C55S3H
Licence: CC BY 4.0.
Changes on reading: the workbook's sheet "Data" is read as CSV; ID is left out; the documented
codes of SEX, EDUCATION and MARRIAGE are decoded, while their undocumented codes (EDUCATION 0, 5
and 6, MARRIAGE 0) stay categories of their own.
"""


def fetch_credit_default(*, data_home=None, download_if_missing=True):
    """Load Credit Default: default on a card payment (classification, 30,000 rows).

    Rows are in published order; nothing is imputed (nothing is missing) or scaled.

    Parameters
    ----------
    data_home : path-like, default=None
        Folder that holds ``default-of-credit-card-clients.csv``, and that a download goes
        to. ``None``: the environment variable ``SKCFQ_DATA``, else the user's cache folder.
    download_if_missing : bool, default=True
        Whether to fetch the file from the publisher if it is not in the folder. It is
        published as an Excel workbook, so this needs the package ``xlrd``. By hand: save the
        sheet "Data" without its first row as CSV, with integers and LF line ends.

    Returns
    -------
    sklearn.utils.Bunch
        With the fields

        - ``frame`` : DataFrame of shape (30000, 24), features and the column
          ``default payment next month``;
        - ``data`` : DataFrame of shape (30000, 23): LIMIT_BAL (credit limit), SEX,
          EDUCATION, MARRIAGE, AGE (years), PAY_0 and PAY_2 to PAY_6 (repayment status in
          September, then August back to April: -1 paid on time, 1 and more months of
          delay; -2 and 0 also occur and are not documented), BILL_AMT1 to BILL_AMT6
          (statements) and PAY_AMT1 to PAY_AMT6 (payments), September back to April. Amounts
          are in New Taiwan dollars. Numbers are int64, categories strings;
        - ``target`` : Series of ``"default"`` (published as 1) and ``"no default"`` (0);
          ``target_names``, sorted;
        - ``favourable`` : ``"no default"``;
        - ``feature_names`` : list of str;
        - ``train_index``, ``test_index`` : ``None``, no split is published;
        - ``actions`` : the :class:`~skcfq.ActionSet` of the source paper [2]_;
        - ``realistic_actions`` : what a person could do, see Notes;
        - ``sensitive_features`` : tuple of column names; ``AGE`` is a number, so cut it into
          bands before grouping by it;
        - ``DESCR`` : source, citation, licence.

    Raises
    ------
    OSError
        If the file is missing or does not have its published checksum.
    ImportError
        If the file has to be fetched and ``xlrd`` is not installed.

    Notes
    -----
    ``actions`` fixes SEX, allows four changes and measures them in the L2 norm; every other
    feature moves freely and continuously. ``realistic_actions`` keeps the four changes and
    the norm. September is the month in progress when October is predicted, so it can still be
    acted on; the months before it are history:

    - *PAY_AMT1* rises only, by whole dollars: more can be paid;
    - *PAY_0* falls only, by whole months and to -1 at the least: arrears can be settled;
    - *BILL_AMT1* falls only, by whole dollars and to 0 at the least: less can be spent;
    - *EDUCATION* rises only; others and undocumented codes stay;
    - *PAY_2* to *PAY_6*, *BILL_AMT2* to *BILL_AMT6*, *PAY_AMT2* to *PAY_AMT6* are fixed: they
      are the past;
    - *LIMIT_BAL* is fixed: the bank sets it;
    - *SEX*, *AGE*, *MARRIAGE* are fixed.

    References
    ----------
    .. [1] I-C. Yeh (2009). "Default of Credit Card Clients". UCI Machine Learning
       Repository. https://doi.org/10.24432/C55S3H
    .. [2] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160

    Examples
    --------
    >>> from skcfq.datasets import fetch_credit_default
    >>> credit = fetch_credit_default()  # doctest: +SKIP
    """
    (path,) = locate(
        "fetch_credit_default",
        (FILE,),
        data_home=data_home,
        download_if_missing=download_if_missing,
    )
    frame = pd.read_csv(path, usecols=lambda column: column != "ID")
    for column, labels in LABELS.items():
        frame[column] = [labels.get(code, str(code)) for code in frame[column].tolist()]
    return assemble(
        frame,
        target=TARGET,
        favourable="no default",
        actions=ACTIONS,
        realistic_actions=REALISTIC_ACTIONS,
        sensitive_features=("SEX", "MARRIAGE", "AGE"),
        DESCR=DESCR,
    )


def _workbook_to_csv(content):
    """The sheet "Data" as CSV: its second row is the header, every cell is an integer."""
    found = hashlib.sha256(content).hexdigest()
    if found != WORKBOOK_SHA256:
        raise OSError(f"the workbook has SHA-256 {found}, expected was {WORKBOOK_SHA256}")
    try:
        frame = pd.read_excel(io.BytesIO(content), sheet_name="Data", header=1, engine="xlrd")
    except ImportError as error:
        raise ImportError(
            f"fetch_credit_default: {FILE.name} is published as an Excel workbook, and reading "
            "that needs xlrd: run `pip install xlrd`. Or name the folder that holds the CSV "
            "file in data_home or in the environment variable SKCFQ_DATA."
        ) from error
    return frame.to_csv(index=False, lineterminator="\n").encode()


FILE = PublishedFile(
    name="default-of-credit-card-clients.csv",
    sha256="4edce6da569b2c30788a85fd98a9bafb1a983e8ca1a7aac875dd7ff853cbd0bb",
    url="https://archive.ics.uci.edu/static/public/350/default+of+credit+card+clients.zip",
    members=("default of credit card clients.xls",),
    convert=_workbook_to_csv,
)
