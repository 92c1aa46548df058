"""The cheapest action that gets the target. Knows a logit function and actions, no quantizer."""

from ._greedy import GreedySolver
from ._problem import Problem, target_margin
from ._result import RecourseResult

__all__ = ["GreedySolver", "Problem", "RecourseResult", "target_margin"]
