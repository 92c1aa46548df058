"""Exact recourse: branch and bound over regions of actions, with proof."""

import math
import numbers

import torch

from .._utils._errors import raise_problems
from ._base import BaseSolver
from ._branch import HAIR, BranchAndBound
from ._greedy import GreedySolver
from ._layers import read_layers

#: People searched together where activations are rounded: their regions are so many that memory would run short.
N_ROUNDED = 16


class ExactSolver(BaseSolver):
    """The cheapest recourse of ReLU networks, with proof.

    The action set of a person is split into ever smaller regions. In each, the network is
    enclosed between linear functions of the action [1]_; the cheapest action for these is a lower
    bound, and regions that cannot hold anything cheaper than the best action found are dropped.
    The first such action is the one that `start` finds, so what is left to search is small. The
    regions of all people go through the network together.

    Networks are linear layers with ReLUs, in full precision, with quantized weights, or with
    activations rounded to levels; also logistic regression. Rounded activations are bounded by intervals, and where
    few levels are open in a region, all their patterns are tried; before the proof, regions that only their bounds speak for are
    left out twice, which finds cheap actions soon. Every constraint and cost of
    :class:`~skcfq.ActionSet` is taken as it is. Euclidean costs are bounded through their
    squares, mixed costs by the mix of both bounds.

    Parameters
    ----------
    gap : float, default=1e-4
        Relative distance of cost and proven bound at which an action counts as optimal.
    time_limit : float, default=60.0
        Seconds for each person; the time of a batch is shared out by the regions looked at.
        After it, the best action found is returned with what bound was proven.
    max_regions : int, default=None
        Regions looked at for each person, after which it is the same; ``None``: as many as there is time for. What the
        time allows hangs on the machine and on what else it does: with a number, and ``time_limit=float("inf")``, the
        same people get the same result again. It is looked at between batches of regions, of which the last may go further.
    start : BaseSolver, default=None
        Finds the first action of each person; ``None`` is :class:`GreedySolver`.
    batch_size : int, default=128
        People searched together, at most 16 where activations are rounded; batches run on all cores.

    See Also
    --------
    GreedySolver : Thousands of people a second, without proof.

    Notes
    -----
    The status is "optimal" (no cheaper action but for `gap`), "infeasible" (no action of the set
    gets the target), "found" or "not found" (time or regions were used up). "Optimal" is meant among actions
    that reach the target with a margin of 2e-5 logits, which keeps rounding from undoing them. Where activations are
    rounded, an action has to hold right beside where it ends, too, which the bound then takes for granted, and what is cheaper by
    less than 2e-5 units of cost is not looked for. "Infeasible" is meant of all actions.

    References
    ----------
    .. [1] H. Zhang, T.-W. Weng, P.-Y. Chen, C.-J. Hsieh, L. Daniel (2018). "Efficient Neural
       Network Robustness Certification with General Activation Functions". arXiv:1811.00866

    Examples
    --------
    >>> from skcfq import ExactSolver, FullPrecisionClassifier
    >>> from skcfq.datasets import make_recourse_classification
    >>> data = make_recourse_classification(n_samples=300, random_state=0)
    >>> clf = FullPrecisionClassifier(
    ...     (8,), actions=data.actions, solver=ExactSolver(), max_epochs=5, random_state=0
    ... ).fit(data.data, data.target)
    >>> result = clf.solve_recourse(data.data.head(20))
    >>> sorted(set(result.status.tolist()) - {"not needed"})
    ['optimal']
    """

    _dtype = torch.float64

    def __init__(self, *, gap=1e-4, time_limit=60.0, max_regions=None, start=None, batch_size=128):
        self.gap = gap
        self.time_limit = time_limit
        self.max_regions = max_regions
        self.start = start
        self.batch_size = batch_size

    def _check(self, logits, actions):
        problems = []
        if not 0 <= self.gap < 1:
            problems.append(f"gap={self.gap!r}: a number in [0, 1) is needed.")
        if not self.time_limit >= 0:
            problems.append(f"time_limit={self.time_limit!r}: a number of seconds >= 0 is needed.")
        most = self.max_regions
        whole = isinstance(most, numbers.Integral) and not isinstance(most, bool)
        if most is not None and not (whole and most >= 1):
            problems.append(f"max_regions={most!r}: a whole number >= 1, or None, is needed.")
        raise_problems("ExactSolver", problems)
        if actions.causes is not None:
            raise TypeError(
                "ExactSolver knows no consequences of actions: use GreedySolver or PGDSolver with "
                "a causal graph."
            )
        read_layers(logits)

    def _together(self, margin):
        return min(self.batch_size, N_ROUNDED) if margin.rounds else self.batch_size, 8

    def _near(self, margin):
        return self.gap, HAIR if margin.rounds else 0.0

    def _search(self, margin, problem):
        start = GreedySolver() if self.start is None else self.start
        u, choice, _ = start._search(margin, problem)
        search = BranchAndBound(margin, problem, self.gap)
        search.offer(torch.arange(len(u)), u, choice)
        most = math.inf if self.max_regions is None else self.max_regions
        bound = search.run(self.time_limit, most)
        return search.u, search.choice, bound
