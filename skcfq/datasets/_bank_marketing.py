"""Bank Marketing: does a customer subscribe to a term deposit (Portugal, 2008 to 2010)?"""

import pandas as pd

from ..actions import ActionSet, rising_transitions
from ._bunch import assemble
from ._files import PublishedFile, locate

FILE = PublishedFile(
    name="bank-full.csv",
    sha256="d1513ec63b385506f7cfce9f2c5caa9fe99e7ba4e8c3fa264b3aaf0f849ed32d",
    url="https://archive.ics.uci.edu/static/public/222/bank+marketing.zip",
    members=("bank.zip", "bank-full.csv"),
)

FEATURES = (
    "age", "job", "marital", "education", "default", "balance", "housing", "loan", "contact",
    "day", "month", "campaign", "pdays", "previous", "poutcome",
)  # fmt: skip
TARGET = "y"

ACTIONS = ActionSet(immutable=("age",), max_changes=5)

REALISTIC_ACTIONS = ActionSet(
    immutable=(
        "age", "marital", "day", "month", "campaign", "pdays", "previous", "poutcome",
    ),
    step={"balance": 1},
    allowed_values={
        "job": (
            "admin.", "blue-collar", "entrepreneur", "housemaid", "management", "self-employed",
            "services", "technician",
        ),
    },
    transitions={
        "education": rising_transitions(("primary", "secondary", "tertiary")),
        "default": {"yes": ("no",)},
        "housing": {"yes": ("no",)},
        "loan": {"yes": ("no",)},
        "contact": {
            "unknown": ("telephone", "cellular"),
            "telephone": ("cellular",),
            "cellular": ("telephone",),
        },
    },
    max_changes=5,
)  # fmt: skip

DESCR = """\
Bank Marketing

45,211 telephone contacts of a Portuguese bank with its customers, May 2008 to November 2010;
15 features. Target: whether the customer subscribed to a term deposit (yes: 11.7 %, favourable).
No split is published.

Source: UCI Machine Learning Repository, data set 222,
https://archive.ics.uci.edu/dataset/222/bank+marketing (bank-full.csv in bank.zip)
Citation: Moro, S., Rita, P. and Cortez, P. (2014). Bank Marketing. UCI Machine Learning
Repository. https://doi.org/10.24432/C5K306
Licence: CC BY 4.0.
Changes on reading: the column "duration", the length of the call in seconds, is left out: it is
known only when the call, and with it the customer's answer, is over.
"""


def fetch_bank_marketing(*, data_home=None, download_if_missing=True):
    """Load Bank Marketing: subscription of a term deposit (classification, 45,211 rows).

    Rows are in published order, which is the order in time; nothing is imputed or scaled.
    ``"unknown"`` is a category that the publisher uses, and stays one. The published column
    ``duration`` is left out: it is known only once the call has ended.

    Parameters
    ----------
    data_home : path-like, default=None
        Folder that holds ``bank-full.csv``, and that a download goes to. ``None``: the
        environment variable ``SKCFQ_DATA``, else the user's cache folder.
    download_if_missing : bool, default=True
        Whether to fetch the file from the publisher if it is not in the folder.

    Returns
    -------
    sklearn.utils.Bunch
        With the fields

        - ``frame`` : DataFrame of shape (45211, 16), features and the column ``y``;
        - ``data`` : DataFrame of shape (45211, 15): age (years), job, marital, education,
          default (has credit in default), balance (mean of a year, euros), housing (has a
          housing loan), loan (has a personal loan), contact, day (of the month) and month
          of the last contact, campaign (contacts in this campaign), pdays (days since the
          campaign before, -1: never), previous (contacts before this campaign), poutcome
          (outcome of the campaign before). Numbers are int64, categories strings;
        - ``target`` : Series of ``"no"`` and ``"yes"``; ``target_names``, sorted;
        - ``favourable`` : ``"yes"``;
        - ``feature_names`` : list of str;
        - ``train_index``, ``test_index`` : ``None``, no split is published;
        - ``actions`` : the :class:`~skcfq.ActionSet` of the source paper [2]_;
        - ``realistic_actions`` : what a person could do, see Notes;
        - ``sensitive_features`` : tuple of column names; ``age`` is a number, so cut it into
          bands before grouping by it;
        - ``DESCR`` : source, citation, licence.

    Raises
    ------
    OSError
        If the file is missing or does not have its published checksum.

    Notes
    -----
    ``actions`` fixes age and allows five changes; every other feature moves freely and
    continuously. ``realistic_actions`` also allows five changes:

    - *balance* moves by whole euros, in both directions;
    - *default*, *housing*, *loan*: a debt may be settled; none is taken on to please a model;
    - *education* rises only; where it is unknown it stays unknown;
    - *job* changes to any paid work; nobody retires, studies or loses work as an action;
    - *contact*: a customer may give the bank another number, but not take one back;
    - *day*, *month*, *campaign* are fixed: the bank decides when and how often it calls;
    - *pdays*, *previous*, *poutcome* are fixed: they are the past;
    - *age*, *marital* are fixed.

    References
    ----------
    .. [1] S. Moro, P. Rita, P. Cortez (2014). "Bank Marketing". UCI Machine Learning
       Repository. https://doi.org/10.24432/C5K306
    .. [2] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160

    Examples
    --------
    >>> from skcfq.datasets import fetch_bank_marketing
    >>> bank = fetch_bank_marketing()  # doctest: +SKIP
    """
    (path,) = locate(
        "fetch_bank_marketing",
        (FILE,),
        data_home=data_home,
        download_if_missing=download_if_missing,
    )
    frame = pd.read_csv(path, sep=";", usecols=[*FEATURES, TARGET], keep_default_na=False)
    return assemble(
        frame,
        target=TARGET,
        favourable="yes",
        actions=ACTIONS,
        realistic_actions=REALISTIC_ACTIONS,
        sensitive_features=("marital", "age"),
        DESCR=DESCR,
    )
