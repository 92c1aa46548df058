"""Pictures in scikit-learn's Display form; matplotlib is loaded when one is drawn."""

from ._bits import LayerBitsDisplay
from ._budget import BudgetCurveDisplay
from ._gaps import RecourseGapDisplay
from ._groups import GroupComparisonDisplay
from ._person import PersonDisplay
from ._slice import BoundarySliceDisplay

__all__ = [
    "BoundarySliceDisplay",
    "BudgetCurveDisplay",
    "GroupComparisonDisplay",
    "LayerBitsDisplay",
    "PersonDisplay",
    "RecourseGapDisplay",
]
