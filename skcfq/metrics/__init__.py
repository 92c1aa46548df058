"""What quantization did to recourse: figures with counts and intervals."""

from ._compare import recourse_measures
from ._estimate import Estimate
from ._gaps import action_overlap, direction_similarity, recourse_gap
from ._intervals import share_estimate
from ._people import person_figures
from ._score import RecourseScore
from ._scorers import (
    neg_abs_recourse_gap_scorer,
    neg_decision_flips_scorer,
    neg_validity_drop_scorer,
    recourse_scoring,
)
from ._select_best import select_best
from ._shares import accuracy, decision_flips, feasible_rate, validity_drop

__all__ = [
    "Estimate",
    "RecourseScore",
    "accuracy",
    "action_overlap",
    "decision_flips",
    "direction_similarity",
    "feasible_rate",
    "neg_abs_recourse_gap_scorer",
    "neg_decision_flips_scorer",
    "neg_validity_drop_scorer",
    "person_figures",
    "recourse_gap",
    "recourse_measures",
    "recourse_scoring",
    "select_best",
    "share_estimate",
    "validity_drop",
]
