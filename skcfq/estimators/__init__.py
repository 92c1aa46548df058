"""Thin scikit-learn faces over training."""

from ._cfq import CFQClassifier
from ._compare import Comparison, compare
from ._full_precision import FullPrecisionClassifier
from ._qat import QATClassifier
from ._table import check_table
from ._views import NetworkView, is_fitted, network_view, unwrap

__all__ = [
    "CFQClassifier",
    "Comparison",
    "FullPrecisionClassifier",
    "NetworkView",
    "QATClassifier",
    "check_table",
    "compare",
    "is_fitted",
    "network_view",
    "unwrap",
]
