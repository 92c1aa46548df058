"""The cheapest action that gets the target. Knows a logit function and actions, no quantizer."""

from ._base import BaseSolver
from ._coordinate import CoordinateSolver
from ._diverse import alternatives_frame
from ._ensemble import EnsembleSolver
from ._greedy import GreedySolver
from ._layers import Layer, read_layers
from ._pgd import PGDSolver
from ._problem import Problem, target_margin
from ._relaxed import RelaxedBox, relaxed_steps
from ._result import RecourseResult
from ._threads import one_thread

__all__ = [
    "BaseSolver",
    "CoordinateSolver",
    "EnsembleSolver",
    "GreedySolver",
    "Layer",
    "PGDSolver",
    "Problem",
    "RecourseResult",
    "RelaxedBox",
    "alternatives_frame",
    "one_thread",
    "read_layers",
    "relaxed_steps",
    "target_margin",
]
