"""Thin scikit-learn faces over training."""

from ._cfq import CFQClassifier
from ._checks import model_problems
from ._compare import Comparison, compare
from ._full_precision import FullPrecisionClassifier
from ._paper import paper_methods
from ._ptq import PTQClassifier
from ._qat import QATClassifier
from ._table import check_table, encode_rows, read_labels
from ._validity import ValidityCalibrator
from ._views import NetworkView, is_fitted, network_view, unwrap

__all__ = [
    "CFQClassifier",
    "Comparison",
    "FullPrecisionClassifier",
    "NetworkView",
    "PTQClassifier",
    "QATClassifier",
    "ValidityCalibrator",
    "check_table",
    "compare",
    "encode_rows",
    "is_fitted",
    "model_problems",
    "network_view",
    "paper_methods",
    "read_labels",
    "unwrap",
]
