"""The cheapest action that gets the target. Knows a logit function and actions, no quantizer."""

from ._base import BaseSolver
from ._bounds import Bounds, preactivation_bounds
from ._certificate import MarginCertificate, certify_margins
from ._coordinate import CoordinateSolver
from ._diverse import alternatives_frame
from ._ensemble import EnsembleSolver
from ._exact import ExactSolver
from ._greedy import GreedySolver
from ._layers import Layer, read_layers
from ._pair_bounds import difference_bounds
from ._pgd import PGDSolver
from ._problem import Problem, target_margin
from ._relaxed import RelaxedBox, relaxed_steps
from ._result import RecourseResult
from ._threads import one_thread

__all__ = [
    "BaseSolver",
    "Bounds",
    "CoordinateSolver",
    "EnsembleSolver",
    "ExactSolver",
    "GreedySolver",
    "Layer",
    "MarginCertificate",
    "PGDSolver",
    "Problem",
    "RecourseResult",
    "RelaxedBox",
    "alternatives_frame",
    "certify_margins",
    "difference_bounds",
    "one_thread",
    "preactivation_bounds",
    "read_layers",
    "relaxed_steps",
    "target_margin",
]
