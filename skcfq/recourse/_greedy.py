"""Greedy recourse: the most target margin per unit of cost, then everything unneeded undone."""

import torch

from ._ascend import ascend, best_moves
from ._barter import barter
from ._base import MARGIN, BaseSolver, no_bound
from ._inside import look_inside
from ._linear import cheapest_linear
from ._lines import fan, scan
from ._polish import descend_l2, reach_limits, shrink, sweep
from ._rebuild import rebuild
from ._rescue import ascend_blind
from ._scatter import apart, random_states, scatter, stacked
from ._slopes import slope_and_value
from ._steady import steady

#: Up to this many directions and choices, everybody gets what else is for the lost.
FEW_MOVES = 12

#: Steps of an ascent after which it counts as led astray.
FAR = 8.0

#: An action without its dearest number is searched where slopes promise one for so many times the present cost:
#: often enough they grow steeper on the way.
PROMISED = 1.2


class GreedySolver(BaseSolver):
    """Cheap recourse by steepest ascent of the target margin per unit of cost.

    One feature or category is moved at a time, the one that buys the most target margin per
    unit of cost; then every change is dropped or shrunk as far as the target allows. The search
    is repeated with the slopes at the point that it reached, which often shows a cheaper way, and without
    the choice of those who pay most for one, or the dearest number where slopes promise as much without.
    People for whom the gradient leads nowhere are searched move by move on the true outputs, and
    from random actions. Where few features may move, or move in steps, so is everybody: slopes
    mislead where a network bends, and know nothing of what whole steps leave over. Where
    activations are quantized, a decision may flip and flip back within a thousandth of a change:
    there everybody's cost is also lowered along lines and rays, by building actions up again in small steps, and by
    random trades, and advice holds right beside where it ends as well, so that rounding cannot undo it.

    Parameters
    ----------
    n_rounds : int, default=1
        How often the search is repeated with the slopes at the best point so far.
    max_iter : int, default=40
        Largest number of moves in one ascent.
    trust : float, default=1.0
        Longest single move of a numeric feature, in units of cost (with ``"std"`` weights: in
        standard deviations).
    n_random : int, default=128
        Random actions tried for people whom the ascents do not help; the same in every call.
    n_trades : int, default=800
        Random trades between changes on true outputs, where activations are rounded, so that
        slopes do not show what is cheapest, and where few features may move or some move in
        steps.
    batch_size : int, default=8192
        People searched together; batches run on all cores.

    See Also
    --------
    PGDSolver : Projected gradient steps, as in the paper.

    Notes
    -----
    "Not found" is a failed search, not a proof that there is no recourse.

    On the networks of ``examples/benchmarks/recourse.py`` whose activations are floats, costs are on average within 1 % of the
    proven optimum. With rounded activations they are a hundredth above it on Adult and up to a seventh on German Credit: what is cheapest
    there may be a tiny change of just the right three or four numbers. :class:`ExactSolver` with ``max_regions=20_000`` takes
    seconds a person, and is within 1 % of what could be proven.

    Examples
    --------
    >>> from skcfq import FullPrecisionClassifier, GreedySolver
    >>> from skcfq.datasets import make_recourse_classification
    >>> data = make_recourse_classification(n_samples=300, random_state=0)
    >>> clf = FullPrecisionClassifier(
    ...     actions=data.actions, solver=GreedySolver(n_rounds=0), max_epochs=5, random_state=0
    ... ).fit(data.data, data.target)
    >>> result = clf.solve_recourse(data.data.head(5))
    >>> bool(result.success.all())
    True
    """

    def __init__(
        self, *, n_rounds=1, max_iter=40, trust=1.0, n_random=128, n_trades=800, batch_size=8192
    ):
        self.n_rounds = n_rounds
        self.max_iter = max_iter
        self.trust = trust
        self.n_random = n_random
        self.n_trades = n_trades
        self.batch_size = batch_size

    def _search(self, margin, problem):
        margin, problem = look_inside(margin, problem)
        best_u, best_choice = problem.start()
        best_cost = torch.full((len(best_u),), torch.inf, dtype=best_u.dtype)
        best_value = -best_cost
        everyone = torch.arange(len(best_u))

        def keep(part, who, u, choice, value):
            cost = part.cost(u, choice)
            won = ((cost < best_cost[who]) & (value >= MARGIN)).nonzero().squeeze(1)
            if margin.rounds:
                won = won[steady(margin, part, u[won], choice[won], won)]
            at = who[won]
            best_u[at], best_choice[at] = u[won], choice[won]
            best_cost[at], best_value[at] = cost[won], value[won]

        def offer(part, who, states):
            for state in states if len(who) else ():
                tried = part.repeat(len(state[0]) // len(who))
                for end in apart(shrink(margin, tried, *state), len(who)):
                    keep(part, who, *end)

        random = torch.Generator().manual_seed(0)
        # Slopes mislead where few features may move, and know nothing of whole steps.
        thorough = 2 * best_u.shape[1] + problem.price.shape[1] <= FEW_MOVES
        thorough |= bool((problem.unit > 0).any())
        keep(problem, everyone, *self._ascend(margin, problem, *problem.start()))
        if thorough:
            offer(problem, everyone, ascend_blind(margin, problem))
            offer(problem, everyone, self._ascents(margin, problem, random))
        rescues = (ascend_blind, self._scattered, self._ascents)
        for rescue in (self._scattered,) if thorough else rescues:
            lost = torch.isinf(best_cost).nonzero().squeeze(1)
            if len(lost):
                part = problem.select(lost)
                offer(part, lost, rescue(margin, part, random))
        # Whom slopes led far may stand where most of the network is silent: no slope tells of what
        # is near. Draws of their own, since others depend on whether somebody is lost.
        far = (best_cost > FAR * self.trust).nonzero().squeeze(1)
        if len(far):
            part = problem.select(far)
            offer(part, far, self._scattered(margin, part, torch.Generator().manual_seed(2)))
        who, first = everyone, best_cost.clone()
        for _ in range(self.n_rounds):
            part, before = problem.select(who), best_cost[who]
            z = part.encode(best_u[who], best_choice[who])
            start = cheapest_linear(part, *slope_and_value(margin, z, part.target), z)
            offer(part, who, [self._ascend(margin, part, *start)])
            # The slopes have changed only for those who have found a cheaper way.
            who = who[best_cost[who] < before]
            if not len(who):
                break
        # What the first ascent found is shortened where it has stayed the best.
        who = ((best_cost == first) & torch.isfinite(first)).nonzero().squeeze(1)
        last = [(who, (best_u[who], best_choice[who], best_value[who]))]
        # What looks like the best bargain may be one too many: the dearest change is left out once.
        who, part = _without_dearest(margin, problem, best_u, best_choice, best_cost, self.trust)
        last.append((who, self._ascend(margin, part, *part.start(), best_cost[who])))
        # Both at once, since shortening the actions of a few takes hardly less than those of many.
        people, states = zip(*last, strict=True)
        ends = shrink(
            margin, problem.select(torch.cat(people)), *map(torch.cat, zip(*states, strict=True))
        )
        sizes = [len(who) for who in people]
        for who, *end in zip(people, *(part.split(sizes) for part in ends), strict=True):
            keep(problem.select(who), who, *end)
        if problem.norm != "l1":
            found = torch.isfinite(best_cost).nonzero().squeeze(1)
            part = problem.select(found)
            state = descend_l2(margin, part, best_u[found], best_choice[found])
            keep(part, found, *state, part.margins(margin, *state))
        if thorough or margin.rounds:
            # Draws of its own: those above depend on whether somebody is lost.
            random = torch.Generator().manual_seed(1)
            if margin.rounds:
                offer(problem, everyone, [scan(margin, problem, best_u, best_choice)])
                for search in (rebuild, fan):
                    state = search(margin, problem, best_u, best_choice, random)
                    keep(problem, everyone, *state, problem.margins(margin, *state))
            state = barter(margin, problem, best_u, best_choice, self.n_trades, random)
            state = (*state, problem.margins(margin, *state))
            keep(problem, everyone, *state)  # shortened, it may end on an edge
            offer(problem, everyone, [state])
        best_u = sweep(margin, problem, best_u, best_choice)
        best_u = reach_limits(margin, problem, best_u, best_choice)
        return best_u, best_choice, no_bound(problem)

    def _ascend(self, margin, problem, u, choice, limit=None):
        return ascend(margin, problem, u, choice, self.max_iter, self.trust, limit)

    def _scattered(self, margin, problem, random):
        """The cheapest valid one of random actions."""
        yield scatter(margin, problem, self.n_random, random, self.batch_size)[:2]

    def _ascents(self, margin, problem, random):
        """Ascents from random actions: other features, other sides of a ridge."""
        starts = random_states(problem, self.n_random // 8, random)
        for states in stacked(starts, self.batch_size):
            tried = problem.repeat(len(states[0]) // len(problem.x))
            yield self._ascend(margin, tried, *states)


def _without_dearest(margin, problem, u, choice, cost, trust):
    """Who may do without the dearest change, and their problem with that number or choice closed.

    A choice is all or nothing, and slopes know little of what it saves: all who pay most for one are asked. Of the
    others those who pay no more than a step, for whom a step or two will tell, and only if slopes without the
    number promise nearly as little.

    Returns
    -------
    who : tensor of int64
    part : Problem
    """
    n_numbers, change = u.shape[1], problem.change(u, choice)
    if not change.shape[1]:
        return torch.arange(0), problem.select(torch.arange(0))
    dearest = change.argmax(dim=1)
    asked = (dearest >= n_numbers) & torch.isfinite(cost)
    near = ((dearest < n_numbers) & (cost <= trust)).nonzero().squeeze(1)
    if len(near):
        part = _closed(problem.select(near), dearest[near], n_numbers)
        start = part.start()
        z = part.encode(*start)
        gradient, value = slope_and_value(margin, z, part.target)
        need = MARGIN * 1.5 - value
        (*_, by_number), (_, by_choice) = best_moves(part, gradient, *start, need, trust)
        promised = need / torch.maximum(by_number, by_choice).clamp(min=1e-9)
        asked[near] = promised < PROMISED * cost[near]
    who = asked.nonzero().squeeze(1)
    return who, _closed(problem.select(who), dearest[who], n_numbers)


def _closed(problem, change, n_numbers):
    """The problem, of which it takes hold, without one number or choice of each person."""
    problem.allowed &= problem.owner != change[:, None] - n_numbers
    here = torch.arange(n_numbers) == change[:, None]
    problem.low, problem.high = (
        limit.masked_fill(here, 0.0) for limit in (problem.low, problem.high)
    )
    return problem
