"""Thin scikit-learn faces over training."""

from ._cfq import CFQClassifier
from ._checks import model_problems
from ._compare import Comparison, compare
from ._full_precision import FullPrecisionClassifier
from ._joint import JointView, joint_view
from ._paper import paper_methods
from ._ptq import PTQClassifier
from ._qat import QATClassifier
from ._scores import ScoreView, classifier_view
from ._sessions import OnnxModel
from ._table import check_table, encode_rows, read_labels
from ._validity import ValidityCalibrator
from ._views import ClassifierView, NetworkView, is_fitted, network_view, unwrap

__all__ = [
    "CFQClassifier",
    "ClassifierView",
    "Comparison",
    "FullPrecisionClassifier",
    "JointView",
    "NetworkView",
    "OnnxModel",
    "PTQClassifier",
    "QATClassifier",
    "ScoreView",
    "ValidityCalibrator",
    "check_table",
    "classifier_view",
    "compare",
    "encode_rows",
    "is_fitted",
    "joint_view",
    "model_problems",
    "network_view",
    "paper_methods",
    "read_labels",
    "unwrap",
]
