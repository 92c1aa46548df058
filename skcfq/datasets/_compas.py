"""COMPAS: is a defendant charged again within two years (Broward County, 2013 and 2014)?"""

import pandas as pd

from ..actions import ActionSet
from ._bunch import assemble
from ._files import PublishedFile, locate

FILE = PublishedFile(
    name="compas-scores-two-years.csv",
    sha256="c451db85908b2f7fef1d83203bedf6b71ecda0d5af468d82ae62178f91d0cc7d",
    url=(
        "https://raw.githubusercontent.com/propublica/compas-analysis/master/"
        "compas-scores-two-years.csv"
    ),
)

COUNTS = ("juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count")
FEATURES = ("age", "sex", "race", *COUNTS, "c_charge_degree")
TARGET = "two_year_recid"
#: Read to choose the rows, then left out.
FILTER_COLUMNS = ("days_b_screening_arrest", "is_recid", "score_text")

ACTIONS = ActionSet(immutable=("age", "sex", "race"), max_changes=3)

REALISTIC_ACTIONS = ActionSet(
    immutable=("age", "sex", "race", "c_charge_degree"),
    decrease_only=COUNTS,
    bounds=dict.fromkeys(COUNTS, (0, None)),
    step=dict.fromkeys(COUNTS, 1),
    max_changes=3,
)

DESCR = """\
COMPAS recidivism data of ProPublica

6,172 defendants in Broward County, Florida, who were scored by the COMPAS tool in 2013 and 2014;
8 features. Target: whether a person was charged with a new offence within two years (no: 54 %,
favourable). No split is published.

Source: published with "Machine Bias" (Angwin, J., Larson, J., Mattu, S. and Kirchner, L., 2016),
https://github.com/propublica/compas-analysis
Licence: the publishing repository states none.
Changes on reading: ProPublica's filter leaves 6,172 of 7,214 rows. Names, dates of birth and case
numbers are in the file but are never read. Left out as well: the scores of COMPAS, which are the
output of another model, and everything recorded after the screening, which would reveal the
target.

Known errors: Barenstein (2019, "ProPublica's COMPAS Data Revisited", arXiv:1906.04711) showed that
people who reoffended were kept for a longer time of screening than others, which raises the rate
of recidivism in this file from 36 % to 45 %.
"""


def fetch_compas(*, data_home=None, download_if_missing=True):
    """Load COMPAS: recidivism within two years (classification, 6,172 rows).

    Rows are those that ProPublica's filter keeps, in published order; nothing is imputed
    (nothing is missing) or scaled. Names and dates of birth are never read.

    Parameters
    ----------
    data_home : path-like, default=None
        Folder that holds ``compas-scores-two-years.csv``, and that a download goes to.
        ``None``: the environment variable ``SKCFQ_DATA``, else the user's cache folder.
    download_if_missing : bool, default=True
        Whether to fetch the file from the publisher if it is not in the folder.

    Returns
    -------
    sklearn.utils.Bunch
        With the fields

        - ``frame`` : DataFrame of shape (6172, 9), features and the column
          ``two_year_recid``;
        - ``data`` : DataFrame of shape (6172, 8): age (years), sex, race, juv_fel_count,
          juv_misd_count, juv_other_count and priors_count (offences before the screening),
          c_charge_degree (``"F"`` felony, ``"M"`` misdemeanour). Numbers are int64,
          categories strings;
        - ``target`` : Series of ``"no recidivism"`` (published as 0) and ``"recidivism"``
          (1); ``target_names``, sorted;
        - ``favourable`` : ``"no recidivism"``;
        - ``feature_names`` : list of str;
        - ``train_index``, ``test_index`` : ``None``, no split is published;
        - ``actions`` : the :class:`~skcfq.ActionSet` of the source paper [2]_;
        - ``realistic_actions`` : what a person could do, see Notes;
        - ``sensitive_features`` : tuple of column names; ``age`` is a number, so cut it into
          bands before grouping by it;
        - ``DESCR`` : source, citation, known errors.

    Raises
    ------
    OSError
        If the file is missing or does not have its published checksum.

    Notes
    -----
    The filter keeps rows with ``-30 <= days_b_screening_arrest <= 30``, ``is_recid != -1``,
    ``c_charge_degree != "O"`` and a ``score_text``: a screening that belongs to the charge, and
    a charge that can lead to jail [1]_.

    ``actions`` fixes age, sex and race and allows three changes; the counts move freely and
    continuously. ``realistic_actions`` also allows three changes:

    - *juv_fel_count*, *juv_misd_count*, *juv_other_count*, *priors_count* fall only, by whole
      offences, to 0 at the least: a record can be corrected, sealed or expunged, and no
      action adds to it. With whole counts the points that a person can reach are few enough
      to be listed, which makes this a data set to check solvers on;
    - *c_charge_degree* is fixed: the prosecutor chooses the charge, not the person charged;
    - *age*, *sex*, *race* are fixed.

    A person cannot act on most of what this model sees. That is a finding about such models,
    and a reason not to build one; the data set is here because the literature uses it.

    References
    ----------
    .. [1] J. Angwin, J. Larson, S. Mattu, L. Kirchner (2016). "Machine Bias". ProPublica.
       https://github.com/propublica/compas-analysis
    .. [2] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160

    Examples
    --------
    >>> from skcfq.datasets import fetch_compas
    >>> compas = fetch_compas()  # doctest: +SKIP
    """
    (path,) = locate(
        "fetch_compas", (FILE,), data_home=data_home, download_if_missing=download_if_missing
    )
    # Personal data stay on the disk: only these columns are parsed.
    rows = pd.read_csv(path, usecols=[*FEATURES, TARGET, *FILTER_COLUMNS])
    kept = (
        rows["days_b_screening_arrest"].between(-30, 30)
        & (rows["is_recid"] != -1)
        & (rows["c_charge_degree"] != "O")
        & rows["score_text"].notna()  # pandas reads the published "N/A" as missing
    )
    frame = rows.loc[kept, [*FEATURES, TARGET]].reset_index(drop=True)
    frame[TARGET] = frame[TARGET].map({0: "no recidivism", 1: "recidivism"})
    return assemble(
        frame,
        target=TARGET,
        favourable="no recidivism",
        actions=ACTIONS,
        realistic_actions=REALISTIC_ACTIONS,
        sensitive_features=("race", "sex", "age"),
        DESCR=DESCR,
    )
