"""Recourse for any scoring function: true scores of candidate values, no gradients."""

import torch

from ._base import MARGIN, BaseSolver, no_bound
from ._candidates import N_ROWS, Candidates, at_prices, likely_pairs, margin_after
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
        pool = _neighbours(margin, problem, candidates, u, choice, edges=True)
        who, part_u, part_choice, value = self._improve(margin, problem, candidates, pool)
        u[who], choice[who] = part_u, part_choice
        lost = torch.ones(len(u), dtype=torch.bool)
        lost[who[value >= MARGIN]] = False
        lost = lost.nonzero().squeeze(1)
        if len(lost) and self.n_random:
            part = problem.select(lost)
            pool = _random_pool(margin, part, self.n_random)
            who, part_u, part_choice, _ = self._improve(margin, part, candidates.select(lost), pool)
            u[lost[who]], choice[lost[who]] = part_u, part_choice
        return u, choice, no_bound(problem)

    def _improve(self, margin, problem, candidates, pool):
        """Improve the best states of a pool, and give what is best for each person.

        Returns
        -------
        who : tensor of int
            People of whom the pool has states.
        u, choice, value : tensors
            A state of each, and its margin.
        """
        who, u, choice, value = _best_few(problem, *pool, self.n_starts)
        if not len(who):
            return who, u, choice, value
        u, choice, value = self._descend(
            margin, problem.select(who), candidates.select(who), u, choice, who
        )
        who, u, choice, value = _best_few(problem, who, u, choice, value, 1)
        part = problem.select(who)
        u, choice = tighten(margin, part, *shrink(margin, part, u, choice)[:2])
        return who, u, choice, margin(part.encode(u, choice), part.target)

    def _descend(self, margin, problem, candidates, u, choice, who):
        """Replace states by better ones among their neighbours until there are none.

        Of the states of the same person (`who`) that have become one, only one goes on.
        """
        value = margin(problem.encode(u, choice), problem.target)
        active, part, mine = torch.arange(len(u)), problem, candidates
        for _ in range(self.n_rounds):
            rank = _rank(part, u[active], choice[active], value[active])
            pool = _neighbours(margin, part, mine, u[active], choice[active])
            near, *state, near_value = _best_few(part, *pool, 1)
            better = _rank(part.select(near), *state, near_value) < rank[near] - 1e-7
            near, moved = near[better], active[near[better]]
            u[moved], choice[moved], value[moved] = (t[better] for t in (*state, near_value))
            cost = problem.select(moved).cost(u[moved], choice[moved])
            key = torch.stack([who[moved].double(), cost.double(), value[moved].double()], dim=1)
            _, same = key.unique(dim=0, return_inverse=True)
            _, one = _first(same, torch.arange(len(same)))
            active = moved[one.sort().values]
            if not len(active):
                break
            part, mine = problem.select(active), candidates.select(active)
        return u, choice, value


def _rank(problem, u, choice, value):
    """A number that is small for cheap valid states, large for others, less so near the target."""
    return torch.where(value >= MARGIN, problem.cost(u, choice).double(), 1e9 - value.double())


def _first(group, key, size=1):
    """Each group with the positions of its smallest keys, at most `size` for each group."""
    order = key.argsort(stable=True)
    order = order[group[order].argsort(stable=True)]
    _, count = group[order].unique_consecutive(return_counts=True)
    place = torch.arange(len(order)) - (count.cumsum(0) - count).repeat_interleave(count)
    order = order[place < size]
    return group[order], order


def _best_few(problem, who, u, choice, value, size):
    """The best different states of each person in a pool, at most `size`; as a pool."""
    part = problem.select(who)
    kept = (part.n_changes(u, choice) <= part.max_changes) & torch.isfinite(value)
    rank = _rank(part, u, choice, value)
    if size > 1:
        # States of the same cost and margin are one, found in several ways.
        key = torch.stack([who.double(), rank], dim=1)
        _, same = key.unique(dim=0, return_inverse=True)
        _, one = _first(same, torch.arange(len(same)))
        kept &= torch.zeros_like(kept).index_fill(0, one, True)
    kept = kept.nonzero().squeeze(1)
    who, at = _first(who[kept], rank[kept], size)
    at = kept[at]
    return who, u[at], choice[at], value[at]


def _random_pool(margin, problem, n_states):
    """Random states of everybody and their margins, as a pool."""
    states = list(random_states(problem, n_states, torch.Generator().manual_seed(0)))
    people = torch.arange(len(problem.x))
    if not states:
        u, choice = problem.start()
        return people[:0], u[:0], choice[:0], u.new_zeros(0)
    value = [margin(problem.encode(*state), problem.target) for state in states]
    u, choice = (torch.cat(parts) for parts in zip(*states, strict=True))
    return people.repeat(len(states)), u, choice, torch.cat(value)


def _neighbours(margin, problem, candidates, u, choice, n_prices=12, *, edges=False):
    """States one or several moves away that may be better, and their margins.

    With `edges` also, for every continuous feature, the shortest single change that is valid: values
    of training rows may lie far apart where a person may take any.

    Returns
    -------
    who : tensor of int
        The state that each one is a neighbour of; several for each.
    u, choice, value : tensors
    """
    everybody = torch.arange(len(u))
    value = margin(problem.encode(u, choice), problem.target)
    open_ = candidates.effective(problem, u, choice)
    # A single change that is dearer than a whole valid action is in no cheaper one.
    cost = torch.where(value >= MARGIN, problem.cost(u, choice), torch.inf)
    open_ &= candidates.price < cost[:, None]
    after = margin_after(margin, problem, candidates, u, choice, open_)  # (n, C)
    if not after.shape[1]:
        return everybody[:0], u[:0], choice[:0], value[:0]
    change = problem.change(u, choice)
    fits = (problem.n_changes(u, choice)[:, None] < problem.max_changes) | (
        change[:, candidates.feature] > 0
    )
    rank = torch.where(after >= MARGIN, _cost_after(problem, candidates, change), 1e6 - after)
    column = torch.where(fits, rank, torch.inf).argmin(dim=1)
    who, states = [everybody], [candidates.moved(u, choice, everybody, column)]
    found = [torch.where(open_ & fits, after, -torch.inf)[everybody, column]]
    if edges:
        rows, state = _edges(margin, problem, candidates, u, choice, after)
        if len(rows):
            who.append(rows)
            states.append(state)
            part = problem.select(rows)
            found.append(margin(part.encode(*state), part.target))
    gain = after - value[:, None]
    prices = _prices(candidates.extra(problem, change), gain, value, n_prices)
    for state in at_prices(problem, candidates, u, choice, gain, prices):
        moved = ((state[0] != u).any(1) | (state[1] != choice).any(1)).nonzero().squeeze(1)
        who.append(moved)
        states.append((state[0][moved], state[1][moved]))
    rows, first, second = likely_pairs(problem, candidates, u, choice, value, gain, prices[:, 1::3])
    once = candidates.moved(u, choice, rows, first)
    who.append(rows)
    states.append(candidates.select(rows).moved(*once, torch.arange(len(rows)), second))
    who, tried = torch.cat(who), [torch.cat(parts) for parts in zip(*states, strict=True)]
    more = torch.arange(sum(map(len, found)), len(who))
    for rows in more.split(N_ROWS) if len(more) else ():
        part = problem.select(who[rows])
        found.append(margin(part.encode(*(t[rows] for t in tried)), part.target))
    return who, *tried, torch.cat(found)


def _edges(margin, problem, candidates, u, choice, after):
    """States one continuous change away, each shortened to the edge of what is valid."""
    rows, columns = [], []
    for j in (problem.unit == 0).nonzero().squeeze(1).tolist():
        own = (candidates.feature[: candidates.n_numeric] == j).nonzero().squeeze(1)
        if not len(own):
            continue
        price = torch.where(after[:, own] >= MARGIN, candidates.price[:, own], torch.inf)
        least, at = price.min(dim=1)
        valid = torch.isfinite(least).nonzero().squeeze(1)
        rows.append(valid)
        columns.append(own[at[valid]])
    rows = torch.cat(rows) if rows else torch.arange(0)
    columns = torch.cat(columns) if columns else rows
    state = candidates.moved(u, choice, rows, columns)
    if not len(rows):
        return rows, state
    return rows, tighten(margin, problem.select(rows), *state)


def _prices(extra, gain, value, n_prices):
    """Costs per margin, from half of what the best bargain asks upwards, (n, n_prices)."""
    short = torch.where(value < MARGIN, MARGIN - value, torch.inf)[:, None]
    efficiency = torch.minimum(gain, short) / extra.clamp(min=1e-3)
    helpful = (gain > 1e-9) & torch.isfinite(gain)
    best = torch.where(helpful, efficiency, 0.0).amax(dim=1, keepdim=True).clamp(min=1e-9)
    return 2.0 ** (torch.arange(n_prices, dtype=extra.dtype) * 0.6 - 1.0) / best


def _cost_after(problem, candidates, change):
    """Cost after each single move, (n, C), from the changes before it."""
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
        if not len(rows):
            continue
        # A little past the edge, since raw values are not rounded to float32 as these are.
        place = problem.columns[column][:, None]
        size = part.encode(u[rows], choice[rows]).abs().gather(1, place).squeeze(1)
        past = hi + torch.sign(hi) * 2.5e-7 * size / problem.rate[column].abs()
        past = torch.where(unit > 0, hi, past)
        low, high = (t.gather(1, column[:, None]).squeeze(1) for t in (part.low, part.high))
        try_u = u[rows]
        try_u[torch.arange(len(rows)), column] = torch.minimum(torch.maximum(past, low), high)
        holds = margin(part.encode(try_u, choice[rows]), part.target) >= MARGIN
        u[rows[holds]] = try_u[holds]
    return u, choice
