"""Recourse for any scoring function: true scores of candidate values, no gradients."""

import torch

from ._base import MARGIN, BaseSolver
from ._candidates import Candidates, at_prices, likely_pairs, margin_after
from ._polish import shrink
from ._scatter import random_states


class CoordinateSolver(BaseSolver):
    """Cheap recourse for a model that only gives scores, such as a forest or boosted trees.

    Every feature is tried, one at a time, at its training values, steps, limits and categories,
    in large batches on the model's true scores. What the single changes gain is put
    together as if gains added up, at several prices of margin; the resulting actions are
    scored, and the best ones improved by the same steps from where they are. At last every change
    is dropped or shortened as far as the target allows, up to the edge of a plateau.

    Parameters
    ----------
    n_values : int, default=48
        The largest number of values that are tried of a numeric feature.
    n_starts : int, default=4
        How many of the first actions are improved.
    n_rounds : int, default=6
        The largest number of improvements of each.
    n_random : int, default=64
        Random actions tried for people for whom nothing else was found; the same in every call.
    batch_size : int, default=1024
        People searched together; batches run on all cores.

    See Also
    --------
    GreedySolver : Follows gradients: faster and cheaper actions where the model is a network.

    Notes
    -----
    "Not found" is a failed search, not a proof that there is no recourse. Scores must rise with
    the decision for the class, and are best logits or probabilities.

    Examples
    --------
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from skcfq.datasets import make_recourse_classification
    >>> from skcfq.estimators import classifier_view
    >>> data = make_recourse_classification(n_samples=300, random_state=0)
    >>> X = data.data.select_dtypes("number")
    >>> model = HistGradientBoostingClassifier(max_iter=20).fit(X, data.target)
    >>> view = classifier_view(model, X)
    >>> result = view.solve(CoordinateSolver(), X.head(20), "granted", view.bind(None, X))
    >>> bool(result.success.all())
    True
    """

    uses_gradients = False

    def __init__(self, *, n_values=48, n_starts=4, n_rounds=6, n_random=64, batch_size=1024):
        self.n_values = n_values
        self.n_starts = n_starts
        self.n_rounds = n_rounds
        self.n_random = n_random
        self.batch_size = batch_size

    @torch.no_grad()
    def _search(self, margin, problem):
        u, choice = problem.start()
        candidates = Candidates(problem, self.n_values)
        if not candidates.price.shape[1]:
            return u, choice
        best = _Best(problem, 1)
        starts = _Best(problem, max(1, self.n_starts))
        value = margin(problem.encode(u, choice), problem.target)
        open_ = candidates.effective(problem, u, choice)
        _expand(margin, problem, candidates, u, choice, value, open_, starts)
        self._improve(margin, problem, candidates, starts, best)
        random = torch.Generator().manual_seed(0)
        lost = torch.isinf(best.cost[:, 0]).nonzero().squeeze(1)
        if len(lost) and self.n_random:
            part = problem.select(lost)
            starts = _Best(part, max(1, self.n_starts))
            for state in random_states(part, self.n_random, random):
                starts.add(part, *state, margin(part.encode(*state), part.target))
            found = _Best(part, 1)
            self._improve(margin, part, candidates.select(lost), starts, found)
            best.put(lost, found)
        return best.u[:, 0], best.choice[:, 0]

    def _improve(self, margin, problem, candidates, starts, best):
        """Improve the starts of each person, and write what is cheapest into `best`."""
        who, slot = starts.filled.nonzero(as_tuple=True)
        if not len(who):
            return
        part, mine = problem.select(who), candidates.select(who)
        u, choice = self._descend(
            margin, part, mine, starts.u[who, slot], starts.choice[who, slot], who
        )
        value = margin(part.encode(u, choice), part.target)
        who, first = _first(who, _order(value, part.cost(u, choice)))
        part = problem.select(who)
        u, choice = shrink(margin, part, u[first], choice[first])
        u, choice = tighten(margin, part, u, choice)
        best.add(part, u, choice, margin(part.encode(u, choice), part.target), who)

    def _descend(self, margin, problem, candidates, u, choice, who):
        """Replace states by better ones among their neighbours until there are none.

        Of the states of the same person (`who`) that have become one, only one goes on.
        """
        u, choice = u.clone(), choice.clone()
        active = torch.arange(len(u))
        part, mine = problem, candidates
        value = margin(part.encode(u, choice), part.target)
        for _ in range(self.n_rounds):
            at_u, at_choice = u[active], choice[active]
            cost = part.cost(at_u, at_choice)
            open_ = mine.effective(part, at_u, at_choice)
            # A single change that is dearer than a whole valid action is in no cheaper one.
            reached = value[active] >= MARGIN
            open_ &= (mine.price < cost[:, None]) | ~reached[:, None]
            near = _Best(part, 1)
            near.add(part, at_u, at_choice, value[active])
            _expand(margin, part, mine, at_u, at_choice, value[active], open_, near)
            better = near.improved[:, 0].nonzero().squeeze(1)
            at = active[better]
            u[at], choice[at] = near.u[better, 0], near.choice[better, 0]
            value[at] = near.value[better, 0]
            cost = part.cost(u[active], choice[active])
            key = torch.stack([who[active].double(), cost.double(), value[active].double()], dim=1)
            _, same = key.unique(dim=0, return_inverse=True)
            _, one = _first(same, torch.arange(len(same)))
            going = torch.zeros(len(active), dtype=torch.bool)
            going[one] = True
            active = active[going & near.improved[:, 0]]
            if not len(active):
                break
            part, mine = problem.select(active), candidates.select(active)
        return u, choice


def _first(group, key):
    """Each group once, and the position of its smallest key."""
    order = key.argsort(stable=True)
    order = order[group[order].argsort(stable=True)]
    kept, count = group[order].unique_consecutive(return_counts=True)
    return kept, order[count.cumsum(0) - count]


class _Best:
    """The best few states of each person: valid ones by cost, then others by margin."""

    def __init__(self, problem, size):
        u, choice = problem.start()
        n = len(u)
        self.u = u[:, None].repeat(1, size, 1)
        self.choice = choice[:, None].repeat(1, size, 1)
        self.cost = torch.full((n, size), torch.inf, dtype=u.dtype)
        self.value = torch.full((n, size), -torch.inf, dtype=u.dtype)
        self.improved = torch.zeros((n, size), dtype=torch.bool)
        self.filled = torch.zeros((n, size), dtype=torch.bool)

    def add(self, problem, u, choice, value, rows=None):
        """Take in a state of each person (of each of `rows`, which `problem` is of)."""
        rows = torch.arange(len(u)) if rows is None else rows
        fits = problem.n_changes(u, choice) <= problem.max_changes
        cost = problem.cost(u, choice)
        cost = torch.where((value >= MARGIN) & fits, cost, torch.inf)
        self._insert(rows, u, choice, cost, torch.where(fits, value, -torch.inf))

    def put(self, rows, other):
        """Take in the best states of some of the people."""
        self._insert(rows, other.u[:, 0], other.choice[:, 0], other.cost[:, 0], other.value[:, 0])

    def _insert(self, rows, u, choice, cost, value):
        for s in range(self.cost.shape[1]):
            worst_cost, worst_value = self.cost[rows, s], self.value[rows, s]
            won = (cost < worst_cost * (1 - 1e-6)) | (
                torch.isinf(cost) & torch.isinf(worst_cost) & (value > worst_value + 1e-7)
            )
            equal = (cost == worst_cost) & (value == worst_value)
            hit = won.nonzero().squeeze(1)
            at = rows[hit]
            old = [t[at, s].clone() for t in (self.u, self.choice, self.cost, self.value)]
            had = self.filled[at, s].clone()
            for held, new in zip(
                (self.u, self.choice, self.cost, self.value), (u, choice, cost, value), strict=True
            ):
                held[at, s] = new[hit]
            self.improved[at, s], self.filled[at, s] = had | self.improved[at, s], True
            # What was displaced moves on; what is already held is not taken twice.
            u, choice, cost, value = u.clone(), choice.clone(), cost.clone(), value.clone()
            for carried, gone in zip((u, choice, cost, value), old, strict=True):
                carried[hit] = gone
            cost[equal], value[equal] = torch.inf, -torch.inf


def _expand(margin, problem, candidates, u, choice, value, open_, best, n_prices=12):
    """Try single moves from the states, and moves together; add all to `best`."""
    after = margin_after(margin, problem, candidates, u, choice, open_)  # (n, C)
    change = problem.change(u, choice)
    extra = candidates.extra(problem, change)
    cost = _cost_after(problem, candidates, u, choice)
    n_changed = problem.n_changes(u, choice)[:, None]
    adds = (change[:, candidates.feature] == 0).int()
    fits = n_changed + adds <= problem.max_changes
    valid = (after >= MARGIN) & fits
    cheapest, column = torch.where(valid, cost, torch.inf).min(dim=1)
    nearest = torch.where(fits, after, -torch.inf).max(dim=1).indices
    column = torch.where(torch.isinf(cheapest), nearest, column)
    rows = torch.arange(len(u))
    best.add(problem, *candidates.moved(u, choice, rows, column), after[rows, column])
    gain = after - value[:, None]
    helpful = (gain > 1e-9) & torch.isfinite(after)
    short = torch.where(value < MARGIN, MARGIN - value, torch.inf)[:, None]
    efficiency = torch.minimum(gain, short) / extra.clamp(min=1e-3)
    efficiency = torch.where(helpful, efficiency, 0.0).amax(dim=1).clamp(min=1e-9)
    steps = 2.0 ** (torch.arange(n_prices, dtype=u.dtype) * 0.6 - 1.0)
    prices = steps[None] / efficiency[:, None]
    for state in at_prices(problem, candidates, u, choice, gain, prices):
        moved = ((state[0] != u).any(1) | (state[1] != choice).any(1)).nonzero().squeeze(1)
        if len(moved):
            part, try_u, try_choice = problem.select(moved), state[0][moved], state[1][moved]
            reached = margin(part.encode(try_u, try_choice), part.target)
            best.add(part, try_u, try_choice, reached, moved)
    pairs = likely_pairs(problem, candidates, u, choice, value, gain, prices[:, 1::3])
    rows, first, second = pairs
    if len(rows):
        once = candidates.moved(u, choice, rows, first)
        twice = candidates.select(rows).moved(*once, torch.arange(len(rows)), second)
        part = problem.select(rows)
        reached = margin(part.encode(*twice), part.target)
        who, at = _first(rows, _order(reached, part.cost(*twice)))
        best.add(part.select(at), twice[0][at], twice[1][at], reached[at], who)


def _order(value, cost):
    """A number that is small for cheap valid states, large for others, by margin."""
    return torch.where(value >= MARGIN, cost, 1e6 - value)


def _cost_after(problem, candidates, u, choice):
    """Cost of each state after each single move, (n, C)."""
    change = problem.change(u, choice)
    before = change[:, candidates.feature]
    l1 = change.sum(1, keepdim=True) - before + candidates.price
    if problem.norm == "l1":
        return l1
    square = (change**2).sum(1, keepdim=True) - before**2 + candidates.price**2
    l2 = square.clamp(min=0) ** 0.5
    return l2 if problem.norm == "l2" else problem.mix * l2 + (1 - problem.mix) * l1


@torch.no_grad()
def tighten(margin, problem, u, choice, n_iter=12):
    """Shorten every numeric change to the edge of what is valid, by halving.

    Parameters
    ----------
    margin : callable
    problem : Problem
    u, choice : tensors
        States, see `_problem`; those that are not valid are returned as they came.
    n_iter : int, default=12

    Returns
    -------
    u, choice : tensors
    """
    u = u.clone()
    valid = margin(problem.encode(u, choice), problem.target) >= MARGIN
    for slot in range(int((u != 0).sum(1).max()) if u.numel() else 0):
        rank = (u != 0).int().cumsum(1) - 1
        column = ((u != 0) & (rank == slot)).int().argmax(1)
        rows = (valid & ((u != 0).sum(1) > slot)).nonzero().squeeze(1)
        column = column[rows]
        part = problem.select(rows)
        hi, lo = u[rows, column], torch.zeros(len(rows), dtype=u.dtype)
        unit = problem.unit[column]
        for _ in range(n_iter):
            middle = (lo + hi) / 2
            n_steps = torch.trunc(middle / torch.where(unit > 0, unit, 1.0) * (1 + 1e-6))
            middle = torch.where(unit > 0, n_steps * unit, middle)
            live = (hi - lo).abs() > torch.where(unit > 0, unit * 1.5, hi.abs() * 1e-4)
            at = live.nonzero().squeeze(1)
            if not len(at):
                break
            sub, try_u = part.select(at), u[rows[at]]
            try_u[torch.arange(len(at)), column[at]] = middle[at]
            holds = margin(sub.encode(try_u, choice[rows[at]]), sub.target) >= MARGIN
            hi[at] = torch.where(holds, middle[at], hi[at])
            lo[at] = torch.where(holds, lo[at], middle[at])
        u[rows, column] = hi
    return u, choice
