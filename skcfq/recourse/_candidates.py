"""Every single change worth trying, and what each of them does to the margin."""

import torch

from ._base import MARGIN

#: Rows that the model is given at once.
N_ROWS = 16384


class Candidates:
    """Values that each feature of a problem's people may be given, one column per value.

    The first columns give a number another value, the next ones a discrete feature another
    choice, the last ones take back the change of a feature. ``C`` columns in all.

    Parameters
    ----------
    problem : Problem
    n_values : int
        The largest number of values of a numeric feature beside its limits.

    Attributes
    ----------
    feature : tensor of int, shape (C,)
        The feature that a column changes, numeric ones first.
    u : tensor of shape (n, n_numeric_columns)
        Weighted change of each of the first columns.
    price : tensor of shape (n, C)
        Weighted change of the feature after the move.
    open : tensor of bool, shape (n, C)
        What the limits allow, without duplicates.
    """

    def __init__(self, problem, n_values):
        n, m = problem.low.shape
        columns, features = [problem.x.new_zeros((n, 0))], []
        for j in range(m):
            columns.append(_line(problem, j, n_values))
            features += [j] * columns[-1].shape[1]
        self.u = torch.cat(columns, dim=1)
        n_features = m + problem.q
        self.feature = torch.cat(
            [torch.tensor(features, dtype=torch.int64), m + problem.owner, torch.arange(n_features)]
        )
        self.n_numeric, self.n_choices = self.u.shape[1], len(problem.owner)
        back = problem.x.new_zeros((n, n_features))
        self.price = torch.cat([self.u.abs(), problem.price, back], dim=1)
        fresh = self.u != 0
        same_line = self.feature[1 : self.n_numeric] == self.feature[: max(self.n_numeric - 1, 0)]
        fresh[:, 1:] &= (self.u[:, 1:] != self.u[:, :-1]) | ~same_line
        self.open = torch.cat([fresh, problem.allowed, torch.ones_like(back, dtype=bool)], dim=1)

    def select(self, index):
        """The candidates of some of the people."""
        part = object.__new__(Candidates)
        part.__dict__.update(self.__dict__)
        part.u, part.price, part.open = self.u[index], self.price[index], self.open[index]
        return part

    def moved(self, u, choice, rows, columns):
        """The states of `rows` after one move each, given by its column."""
        u, choice = u[rows], choice[rows]
        at = torch.arange(len(rows))
        feature, m = self.feature[columns], u.shape[1]
        line = (columns < self.n_numeric).nonzero().squeeze(1)
        u[line, feature[line]] = self.u[rows[line], columns[line]]
        picked = columns - self.n_numeric
        pick = ((picked >= 0) & (picked < self.n_choices)).nonzero().squeeze(1)
        choice[pick, feature[pick] - m] = picked[pick]
        back = picked >= self.n_choices
        numeric, discrete = at[back & (feature < m)], at[back & (feature >= m)]
        u[numeric, feature[numeric]] = 0.0
        choice[discrete, feature[discrete] - m] = -1
        return u, choice

    def extra(self, problem, change):
        """What each move adds to a cost that adds up over features, (n, C).

        Parameters
        ----------
        problem : Problem
        change : tensor of shape (n, m + q)
            Weighted changes before the move.
        """
        power = 2 if problem.norm == "l2" else 1
        return self.price**power - (change**power)[:, self.feature]

    def effective(self, problem, u, choice):
        """Which moves change a state, bool (n, C)."""
        change = problem.change(u, choice)  # (n, m + q)
        open_ = self.open.clone()
        numeric = self.feature[: self.n_numeric]
        open_[:, : self.n_numeric] &= self.u != u[:, numeric]
        k = torch.arange(self.n_choices)
        at_choice = choice[:, problem.owner] if problem.q else choice.new_zeros((len(u), 0))
        open_[:, self.n_numeric : self.n_numeric + self.n_choices] &= at_choice != k
        open_[:, self.n_numeric + self.n_choices :] &= change > 0
        return open_


def _line(problem, j, n_values):
    """Weighted changes of one number, (n, k): training values or all steps, and the limits."""
    low, high = problem.low[:, j : j + 1], problem.high[:, j : j + 1]
    unit = float(problem.unit[j])
    ends = torch.cat([low, high], dim=1)
    if unit > 0:
        n_steps = torch.round(ends / unit)
        first, last = int(n_steps.min()), int(n_steps.max())
        if last - first <= 2 * n_values:
            tried = torch.arange(first, last + 1, dtype=low.dtype) * unit
            inside = torch.minimum(torch.maximum(tried[None], low), high)
            return inside.sort(dim=1).values
    moves = problem.space.numeric
    values = moves.values[j]
    if len(values) > n_values:
        values = values[torch.linspace(0, len(values) - 1, n_values).round().long().numpy()]
    aim = torch.as_tensor(values * moves.weight[j], dtype=low.dtype)
    u = torch.nan_to_num(aim[None] - problem.value[:, j : j + 1], nan=0.0, posinf=0.0, neginf=0.0)
    if unit > 0:  # past the value, as a threshold on the way to it has to be crossed
        u = torch.sign(u) * torch.ceil(u.abs() / unit - 1e-4) * unit
    u = torch.minimum(torch.maximum(torch.cat([u, ends], dim=1), low), high)
    return u.sort(dim=1).values


@torch.no_grad()
def margin_after(margin, problem, candidates, u, choice, open_):
    """Margin after each open move of each state, (n, C); -inf where a move is closed.

    Parameters
    ----------
    margin : callable
    problem : Problem
    candidates : Candidates
    u, choice : tensors
        States, see `_problem`.
    open_ : tensor of bool, shape (n, C)
    """
    value = torch.full(open_.shape, -torch.inf, dtype=u.dtype)
    for pairs in open_.nonzero().split(N_ROWS):
        rows, columns = pairs.unbind(1)
        part = problem.select(rows)
        moved = candidates.moved(u, choice, rows, columns)
        value[rows, columns] = margin(part.encode(*moved), part.target).to(value.dtype)
    return value


@torch.no_grad()
def at_prices(problem, candidates, u, choice, gain, prices):
    """Yield the states that are best at each price of margin if single gains added up.

    At a price ``p``, a move is worth ``p * gain`` less what it costs, and the best state is that
    of the `max_changes` features whose best moves are worth most.

    Parameters
    ----------
    problem : Problem
    candidates : Candidates
    u, choice : tensors
        States, see `_problem`.
    gain : tensor of shape (n, C)
        Margin that each move adds; -inf for a closed one.
    prices : tensor of shape (n, n_prices)
        Cost per margin.

    Yields
    ------
    u, choice : tensors
        Other states.
    """
    change = problem.change(u, choice)  # (n, m + q)
    extra = candidates.extra(problem, change)
    n, n_features = change.shape
    n_back = candidates.price.shape[1] - n_features
    changed = change > 0
    for k in range(prices.shape[1]):
        worth = prices[:, k : k + 1] * gain - extra
        best, pick = [], []
        for f in range(n_features):
            columns = (candidates.feature[:n_back] == f).nonzero().squeeze(1)
            if not len(columns):
                best.append(torch.full((n,), -torch.inf))
                pick.append(torch.zeros(n, dtype=torch.int64))
                continue
            top, at = worth[:, columns].max(dim=1)
            best.append(top)
            pick.append(columns[at])
        best, pick = torch.stack(best, dim=1), torch.stack(pick, dim=1)  # (n, m + q)
        # Staying as one is has worth 0: as a change for those who have changed the feature.
        replaced = changed & (best > 0) | ~changed
        best = torch.where(changed, best.clamp(min=0), best)
        back = torch.where(changed, worth[:, n_back:], torch.zeros_like(best))
        advantage = best - back
        rank = advantage.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        kept = (rank < problem.max_changes) & (advantage > 0)
        new_u, new_choice = u, choice
        for f in range(n_features):
            move = torch.where(kept[:, f], pick[:, f], n_back + f)
            moving = ((kept[:, f] & replaced[:, f]) | (~kept[:, f] & changed[:, f])).nonzero()
            moving = moving.squeeze(1)
            if len(moving):
                if new_u is u:
                    new_u, new_choice = u.clone(), choice.clone()
                after = candidates.moved(new_u, new_choice, moving, move[moving])
                new_u[moving], new_choice[moving] = after
        yield new_u, new_choice


@torch.no_grad()
def likely_pairs(problem, candidates, u, choice, value, gain, prices, *, n_moves=40, n_pairs=64):
    """Pairs of moves that are cheaper than a valid state and likely to be valid, if gains added up.

    Parameters
    ----------
    problem : Problem
    candidates : Candidates
    u, choice : tensors
        States, see `_problem`.
    value : tensor of shape (n,)
        Their margin.
    gain : tensor of shape (n, C)
        Margin that each move adds; -inf for a closed one.
    prices : tensor of shape (n, n_prices)
        Cost per margin, at which the `n_moves` best moves are looked for.

    Returns
    -------
    rows, first, second : tensors of int, shape (n_tried,)
        Person and columns of the two moves.
    """
    change = problem.change(u, choice)
    extra = candidates.extra(problem, change)
    useful = torch.isfinite(gain) & ~_dominated(candidates, gain, extra)
    rank = torch.full(gain.shape, gain.shape[1], dtype=torch.int64)
    for k in range(prices.shape[1]):
        worth = torch.where(useful, prices[:, k : k + 1] * gain - extra, -torch.inf)
        rank = torch.minimum(rank, worth.argsort(dim=1, descending=True).argsort(dim=1))
    rank = torch.where(useful, rank, gain.shape[1])
    n_moves = min(n_moves, gain.shape[1])
    rank, best = rank.topk(n_moves, dim=1, largest=False)  # (n, T)
    gain, extra = gain.gather(1, best), extra.gather(1, best)
    gain = torch.where(rank < useful.shape[1], gain, -torch.inf)
    feature = candidates.feature[best]
    changed = change.gather(1, feature) > 0
    back = best >= useful.shape[1] - change.shape[1]
    more = (~changed).int() - (changed & back).int()
    n_changed = problem.n_changes(u, choice)[:, None, None] + more[:, :, None] + more[:, None]
    valid = (value >= MARGIN)[:, None, None]
    open_ = (feature[:, :, None] < feature[:, None]) & (n_changed <= problem.max_changes)
    open_ &= (extra[:, :, None] + extra[:, None] < -1e-6) | ~valid
    after = torch.where(open_, gain[:, :, None] + gain[:, None], -torch.inf).flatten(1)
    top, at = after.topk(min(n_pairs, after.shape[1]), dim=1)
    rows, column = torch.isfinite(top).nonzero(as_tuple=True)
    at = at[rows, column]
    return rows, best[rows, at // n_moves], best[rows, at % n_moves]


def _dominated(candidates, gain, extra):
    """Whether another value of the same feature gains as much for less, bool (n, C)."""
    dominated = torch.zeros_like(gain, dtype=torch.bool)
    for f in candidates.feature.unique().tolist():
        columns = (candidates.feature == f).nonzero().squeeze(1)
        order = extra[:, columns].argsort(dim=1, stable=True)
        ranked = gain[:, columns].gather(1, order)
        best = ranked.cummax(dim=1).values
        worse = torch.zeros_like(ranked, dtype=torch.bool)
        worse[:, 1:] = ranked[:, 1:] <= best[:, :-1]
        dominated[:, columns] = torch.zeros_like(worse).scatter_(1, order, worse)
    return dominated
