"""Adult: does a person earn more than 50,000 dollars a year (United States, 1994)?"""

import numpy as np
import pandas as pd

from ..actions import ActionSet
from ._bunch import assemble
from ._files import PublishedFile, locate

TRAIN_FILE = PublishedFile(
    name="adult.data",
    sha256="5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    url="https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.data",
)
TEST_FILE = PublishedFile(
    name="adult.test",
    sha256="a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
    url="https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.test",
)

COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation",
    "relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week",
    "native-country", "income",
)  # fmt: skip

ACTIONS = ActionSet(immutable=("age", "sex", "race", "native-country"), max_changes=5)

REALISTIC_ACTIONS = ActionSet(
    immutable=(
        "age", "sex", "race", "native-country", "marital-status", "relationship", "fnlwgt",
        "capital-gain", "capital-loss", "education",
    ),
    increase_only=("education-num",),
    bounds={"education-num": (1, 16), "hours-per-week": (1, 60)},
    step={"education-num": 1, "hours-per-week": 1},
    allowed_values={
        "workclass": (
            "Private", "Self-emp-not-inc", "Self-emp-inc", "Federal-gov", "Local-gov", "State-gov",
        ),
        "occupation": (
            "Tech-support", "Craft-repair", "Other-service", "Sales", "Exec-managerial",
            "Prof-specialty", "Handlers-cleaners", "Machine-op-inspct", "Adm-clerical",
            "Farming-fishing", "Transport-moving", "Priv-house-serv", "Protective-serv",
        ),
    },
    max_changes=5,
)  # fmt: skip

DESCR = """\
Adult ("Census Income")

48,842 adults drawn from the 1994 Current Population Survey of the United States; 14 features.
Target: income above 50,000 dollars a year (favourable, 24 %). The publisher's split is kept:
32,561 training rows, then 16,281 test rows.

Source: UCI Machine Learning Repository, data set 2, https://archive.ics.uci.edu/dataset/2/adult
Citation: Becker, B. and Kohavi, R. (1996). Adult. UCI Machine Learning Repository.
https://doi.org/10.24432/C5XW20
Licence: CC BY 4.0.
Changes on reading: "?" becomes a missing value; the full stop behind the test labels is removed.
"""


def fetch_adult(*, data_home=None, download_if_missing=True):
    """Load Adult: income above 50,000 dollars a year (classification, 48,842 rows).

    Rows are in published order, the training file first. Nothing is imputed, scaled or
    dropped: a missing category (in workclass, occupation, native-country) stays missing.

    Parameters
    ----------
    data_home : path-like, default=None
        Folder that holds ``adult.data`` and ``adult.test``, and that a download goes to.
        ``None``: the environment variable ``SKCFQ_DATA``, else the user's cache folder.
    download_if_missing : bool, default=True
        Whether to fetch the files from the publisher if they are not in the folder.

    Returns
    -------
    sklearn.utils.Bunch
        With the fields

        - ``frame`` : DataFrame of shape (48842, 15), features and the column ``income``;
        - ``data`` : DataFrame of shape (48842, 14): age (years), workclass, fnlwgt (persons
          that the row stands for), education, education-num (level, 1 to 16), marital-status,
          occupation, relationship, race, sex, capital-gain and capital-loss (dollars a year),
          hours-per-week, native-country. Numbers are int64, categories strings;
        - ``target`` : Series of ``"<=50K"`` and ``">50K"``; ``target_names``, sorted;
        - ``favourable`` : ``">50K"``;
        - ``feature_names`` : list of str;
        - ``train_index``, ``test_index`` : positions of the published split;
        - ``actions`` : the :class:`~skcfq.ActionSet` of the source paper [2]_;
        - ``realistic_actions`` : what a person could do, see Notes;
        - ``sensitive_features`` : tuple of column names; ``age`` is a number, so cut it into
          bands before grouping by it;
        - ``DESCR`` : source, citation, licence.

    Raises
    ------
    OSError
        If a file is missing or does not have its published checksum.

    Notes
    -----
    ``actions`` fixes age, sex, race and native-country and allows five changes; every other
    feature moves freely and continuously. ``realistic_actions`` also allows five changes:

    - *education-num* rises only, in whole levels: nobody loses a degree;
    - *education* is fixed, because it is the same information as education-num in words, and
      one change must not be paid for twice. Of the two, the number has an order and a cost
      per level. A row changed this way contradicts its own *education*: to keep rows
      consistent, drop that column before fitting and leave it out of the action set;
    - *hours-per-week* moves by whole hours and ends at 60 at most, ten hours on six days;
    - *workclass*, *occupation* change to any paid civilian work, never to missing;
    - *marital-status*, *relationship* are fixed: marrying is no advice to give, and
      "Husband" and "Wife" also state the sex;
    - *capital-gain*, *capital-loss* are fixed: they are part of the income that is predicted;
    - *fnlwgt* is fixed: it is a survey weight, not a property of the person;
    - *age*, *sex*, *race*, *native-country* are fixed.

    References
    ----------
    .. [1] B. Becker, R. Kohavi (1996). "Adult". UCI Machine Learning Repository.
       https://doi.org/10.24432/C5XW20
    .. [2] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160

    Examples
    --------
    >>> from skcfq.datasets import fetch_adult
    >>> adult = fetch_adult()  # doctest: +SKIP
    >>> X_train = adult.data.iloc[adult.train_index]  # doctest: +SKIP
    """
    train_path, test_path = locate(
        "fetch_adult",
        (TRAIN_FILE, TEST_FILE),
        data_home=data_home,
        download_if_missing=download_if_missing,
    )
    train = _read(train_path)
    # The test file opens with a comment line.
    test = _read(test_path, skiprows=1)
    frame = pd.concat([train, test], ignore_index=True)
    frame["income"] = frame["income"].str.removesuffix(".")
    return assemble(
        frame,
        target="income",
        favourable=">50K",
        train_index=np.arange(len(train)),
        test_index=np.arange(len(train), len(frame)),
        actions=ACTIONS,
        realistic_actions=REALISTIC_ACTIONS,
        sensitive_features=("sex", "race", "native-country", "marital-status", "age"),
        DESCR=DESCR,
    )


def _read(path, **options):
    return pd.read_csv(
        path,
        header=None,
        names=list(COLUMNS),
        skipinitialspace=True,
        na_values=["?"],
        keep_default_na=False,
        **options,
    )
