"""Loaders with their action sets, and a generator with known recourse.

Every function returns a :class:`sklearn.utils.Bunch` with the same fields: ``frame``, ``data``,
``target``, ``target_names``, ``feature_names``, ``favourable``, ``train_index``, ``test_index``,
``actions``, ``realistic_actions``, ``sensitive_features`` and ``DESCR``. No statistic of the data
is computed on loading, so nothing from test rows can reach a model before the split.
"""

from ._adult import fetch_adult
from ._bank_marketing import fetch_bank_marketing
from ._compas import fetch_compas
from ._credit_default import fetch_credit_default
from ._german_credit import fetch_german_credit
from ._synthetic import make_recourse_classification

__all__ = [
    "fetch_adult",
    "fetch_bank_marketing",
    "fetch_compas",
    "fetch_credit_default",
    "fetch_german_credit",
    "make_recourse_classification",
]
