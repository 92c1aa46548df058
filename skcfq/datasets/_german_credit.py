"""German Credit: is an applicant a good or a bad credit risk (1973 to 1975)?"""

import pandas as pd

from ..actions import ActionSet, rising_transitions
from ._bunch import assemble
from ._files import PublishedFile, locate

FILE = PublishedFile(
    name="german.data",
    sha256="b21f3d81db8071257d5ff1deaeba1fd4303b62712e6fcc9715c7a86202cb5871",
    url="https://archive.ics.uci.edu/ml/machine-learning-databases/statlog/german/german.data",
)

COLUMNS = (
    "checking_status", "duration", "credit_history", "purpose", "credit_amount", "savings_status",
    "employment", "installment_rate", "personal_status", "other_parties", "residence_since",
    "property_magnitude", "age", "other_payment_plans", "housing", "existing_credits", "job",
    "num_dependents", "own_telephone", "foreign_worker", "class",
)  # fmt: skip

#: Meaning of the published codes, after Groemping (2019), who corrected the publisher's.
LABELS = {
    "checking_status": {
        "A11": "no account",
        "A12": "below 0 DM",
        "A13": "0 to 200 DM",
        "A14": "200 DM or more",
    },
    "credit_history": {
        "A30": "past delays",
        "A31": "critical or credits elsewhere",
        "A32": "none or all paid back",
        "A33": "existing paid so far",
        "A34": "all at this bank paid back",
    },
    "purpose": {
        "A40": "other",
        "A41": "new car",
        "A42": "used car",
        "A43": "furniture or equipment",
        "A44": "radio or television",
        "A45": "domestic appliances",
        "A46": "repairs",
        "A47": "education",
        "A48": "vacation",
        "A49": "retraining",
        "A410": "business",
    },
    "savings_status": {
        "A61": "unknown or none",
        "A62": "below 100 DM",
        "A63": "100 to 500 DM",
        "A64": "500 to 1000 DM",
        "A65": "1000 DM or more",
    },
    "employment": {
        "A71": "unemployed",
        "A72": "below 1 year",
        "A73": "1 to 4 years",
        "A74": "4 to 7 years",
        "A75": "7 years or more",
    },
    "personal_status": {
        "A91": "male divorced or separated",
        "A92": "female not single or male single",
        "A93": "male married or widowed",
        "A94": "female single",
    },
    "other_parties": {"A101": "none", "A102": "co-applicant", "A103": "guarantor"},
    "property_magnitude": {
        "A121": "unknown or none",
        "A122": "car or other",
        "A123": "building savings or life insurance",
        "A124": "real estate",
    },
    "other_payment_plans": {"A141": "bank", "A142": "stores", "A143": "none"},
    "housing": {"A151": "for free", "A152": "rent", "A153": "own"},
    "job": {
        "A171": "unskilled non-resident or unemployed",
        "A172": "unskilled resident",
        "A173": "skilled",
        "A174": "management or highly qualified",
    },
    "own_telephone": {"A191": "none", "A192": "yes"},
    "foreign_worker": {"A201": "no", "A202": "yes"},
    "class": {1: "good", 2: "bad"},
}

SAVINGS = ("below 100 DM", "100 to 500 DM", "500 to 1000 DM", "1000 DM or more")

ACTIONS = ActionSet(immutable=("age", "personal_status", "foreign_worker"), max_changes=4)

REALISTIC_ACTIONS = ActionSet(
    immutable=(
        "age", "personal_status", "foreign_worker", "credit_history", "purpose",
        "property_magnitude", "housing", "num_dependents",
    ),
    increase_only=("residence_since",),
    decrease_only=("credit_amount", "existing_credits"),
    bounds={
        "duration": (1, None),
        "credit_amount": (1, None),
        "installment_rate": (1, 4),
        "residence_since": (1, 4),
        "existing_credits": (1, None),
    },
    step={
        "duration": 1, "credit_amount": 1, "installment_rate": 1, "residence_since": 1,
        "existing_credits": 1,
    },
    transitions={
        "checking_status": {
            "no account": ("0 to 200 DM", "200 DM or more"),
            **rising_transitions(("below 0 DM", "0 to 200 DM", "200 DM or more")),
        },
        "savings_status": {"unknown or none": SAVINGS, **rising_transitions(SAVINGS)},
        "employment": rising_transitions(LABELS["employment"].values()),
        "other_parties": {"none": ("co-applicant", "guarantor")},
        "other_payment_plans": {"bank": ("none",), "stores": ("none",)},
        "job": rising_transitions(
            ("unskilled resident", "skilled", "management or highly qualified")
        ),
        "own_telephone": {"none": ("yes",)},
    },
    max_changes=4,
)  # fmt: skip

DESCR = """\
Statlog (German Credit Data)

1,000 applicants of a bank in southern Germany, 1973 to 1975; 20 features. Target: whether the
credit was repaid as agreed (good: 70 %, favourable) or not (bad). Bad credits were sampled more
often than they occur. No split is published.

Source: UCI Machine Learning Repository, data set 144,
https://archive.ics.uci.edu/dataset/144/statlog+german+credit+data
Citation: Hofmann, H. (1994). Statlog (German Credit Data). UCI Machine Learning Repository.
https://doi.org/10.24432/C5NC77
Licence: CC BY 4.0.
Changes on reading: columns are named, and codes are decoded after Groemping, U. (2019), "South
German Credit Data: Correcting a Widely Used Data Set", Reports in Mathematics, Physics and
Chemistry 4/2019, Beuth University of Applied Sciences Berlin. The publisher's own description of
the codes is wrong for checking_status, credit_history, purpose, savings_status, personal_status,
property_magnitude, housing and foreign_worker. A model is the same under either naming; what a
person is told to do is not. By the corrected codes the sex of most applicants is unknown.
"""


def fetch_german_credit(*, data_home=None, download_if_missing=True):
    """Load German Credit: good or bad credit risk (classification, 1,000 rows).

    Rows are in published order; nothing is imputed (nothing is missing) or scaled. Categories
    carry readable names after the corrected code table of [3]_, not the publisher's.

    Parameters
    ----------
    data_home : path-like, default=None
        Folder that holds ``german.data``, and that a download goes to. ``None``: the
        environment variable ``SKCFQ_DATA``, else the user's cache folder.
    download_if_missing : bool, default=True
        Whether to fetch the file from the publisher if it is not in the folder.

    Returns
    -------
    sklearn.utils.Bunch
        With the fields

        - ``frame`` : DataFrame of shape (1000, 21), features and the column ``class``;
        - ``data`` : DataFrame of shape (1000, 20). int64: duration (months), credit_amount
          (DM), installment_rate (share of disposable income; 1: 35 % or more, 2: from 25 %,
          3: from 20 %, 4: less), residence_since (years; 1: below 1, 2: from 1, 3: from 4,
          4: from 7), age (years), existing_credits (at this bank; 1: one, 2: two or three,
          3: four or five, 4: more), num_dependents (1: up to 2, 2: more). Strings: checking_status, credit_history, purpose, savings_status,
          employment, personal_status, other_parties, property_magnitude,
          other_payment_plans, housing, job, own_telephone, foreign_worker;
        - ``target`` : Series of ``"bad"`` (published as 2) and ``"good"`` (1);
          ``target_names``, sorted;
        - ``favourable`` : ``"good"``;
        - ``feature_names`` : list of str;
        - ``train_index``, ``test_index`` : ``None``, no split is published;
        - ``actions`` : the :class:`~skcfq.ActionSet` of the source paper [2]_;
        - ``realistic_actions`` : what a person could do, see Notes;
        - ``sensitive_features`` : tuple of column names; ``age`` is a number, so cut it into
          bands before grouping by it;
        - ``DESCR`` : source, citation, licence, and what is wrong with the published codes.

    Raises
    ------
    OSError
        If the file is missing or does not have its published checksum.

    Notes
    -----
    ``actions`` fixes age, personal_status and foreign_worker and allows four changes; every
    other feature moves freely and continuously. ``realistic_actions`` also allows four changes:

    - *duration*, *installment_rate* are terms of the credit, to be negotiated in whole months
      and classes; *credit_amount* falls only, in whole DM: one asks for less;
    - *checking_status*, *savings_status* rise only; an account may be opened, and none is
      closed or hidden to please a model;
    - *employment*, *residence_since* rise only: tenure grows with time;
    - *job* rises only, by training; unskilled non-residents keep theirs, since training does
      not settle where one lives;
    - *other_parties*: a co-applicant or guarantor may be found;
    - *other_payment_plans* may be paid off, *existing_credits* repaid down to one;
    - *own_telephone* may be had;
    - *purpose* is fixed: it is what the money is for, and another answer would be untrue;
    - *property_magnitude*, *housing* are fixed: nobody buys a home to be lent a few thousand DM;
    - *credit_history* is fixed: it is the past; *num_dependents* is fixed: it is the family;
    - *age*, *personal_status*, *foreign_worker* are fixed.

    References
    ----------
    .. [1] H. Hofmann (1994). "Statlog (German Credit Data)". UCI Machine Learning
       Repository. https://doi.org/10.24432/C5NC77
    .. [2] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160
    .. [3] U. Groemping (2019). "South German Credit Data: Correcting a Widely Used Data Set".
       Reports in Mathematics, Physics and Chemistry 4/2019, Beuth University of Applied
       Sciences Berlin.

    Examples
    --------
    >>> from skcfq.datasets import fetch_german_credit
    >>> german = fetch_german_credit()  # doctest: +SKIP
    """
    (path,) = locate(
        "fetch_german_credit",
        (FILE,),
        data_home=data_home,
        download_if_missing=download_if_missing,
    )
    frame = pd.read_csv(path, sep=" ", header=None, names=list(COLUMNS))
    for column, labels in LABELS.items():
        frame[column] = frame[column].map(labels)
    return assemble(
        frame,
        target="class",
        favourable="good",
        actions=ACTIONS,
        realistic_actions=REALISTIC_ACTIONS,
        sensitive_features=("foreign_worker", "personal_status", "age"),
        DESCR=DESCR,
    )
