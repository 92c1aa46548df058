"""The cheapest action if the margin were linear."""

import torch

from ._base import MARGIN


@torch.no_grad()
def cheapest_linear(problem, gradient, value, z, n_prices=12):
    """States that are cheapest, or nearly so, if the margin were linear with given slopes.

    With at most `max_changes` changes this is a small knapsack. At a price ``p`` of cost in
    margin, a change is worth what it gains less ``p`` times its cost, and the best set is that
    of the `max_changes` features that are worth most. A set is filled up to the missing
    margin, by gain per cost. Sets at several prices are compared; the cheapest one wins. (One
    greedy pass fills the few places with small bargains, and has none left for what it needs.)

    Parameters
    ----------
    problem : Problem
    gradient : tensor of shape (n, d)
        Slopes of the margin in encoded units.
    value : tensor of shape (n,)
        Margin at `z`.
    z : tensor of shape (n, d)
        Where the slopes were taken.
    n_prices : int, default=12

    Returns
    -------
    u, choice : tensors
        States, see `_problem`: those that reach the linear margin, or come nearest to it.
    """
    best_u, best_choice = problem.start()
    m, q = best_u.shape[1], problem.q
    if m + q == 0:
        return best_u, best_choice
    missing = MARGIN * 1.5 - (value + (gradient * (problem.x - z)).sum(1))
    missing = missing.clamp(min=1e-9)[:, None]  # (n, 1)
    slope = problem.slopes(gradient)  # (n, m), margin per unit of cost
    room = torch.where(slope > 0, problem.high, -problem.low)
    rate = torch.where(room > 1e-7, slope.abs(), torch.zeros_like(slope))
    # Numbers from the best rate on, in which order they are filled up.
    rate, order = rate.sort(dim=1, descending=True, stable=True)
    room = room.gather(1, order)
    numbers = _Numbers(problem, rate, room, order)
    length = torch.minimum(room, missing / rate.clamp(min=1e-12))
    picks = _Picks(problem, gradient, best_choice, missing)
    dearest = torch.cat([rate[:, :1], picks.bargain], dim=1).amax(dim=1, keepdim=True).clamp(min=0)
    best_cost = torch.full_like(missing, torch.inf)
    best_left = torch.full_like(missing, torch.inf)
    for t in range(n_prices):
        price = dearest * (1 - (t + 1) / n_prices) ** 1.5
        worth = torch.cat([(rate - price) * length, picks.worth(price)], dim=1)
        kept = worth > 0
        if problem.max_changes < m + q:
            most = worth.topk(problem.max_changes, dim=1).indices
            kept &= torch.zeros_like(kept).scatter_(1, most, True)
        kept_picks = kept[:, m:]
        left = missing - (picks.gain * kept_picks).sum(dim=1, keepdim=True)
        filled, left = numbers.fill(kept[:, :m], left)
        cost = filled.sum(dim=1, keepdim=True)
        cost = cost + (picks.price * kept_picks).sum(dim=1, keepdim=True)
        reached = left <= 1e-5 * missing
        better = torch.where(reached, cost < best_cost, torch.isinf(best_cost) & (left < best_left))
        best_cost = torch.where(better & reached, cost, best_cost)
        best_left = torch.where(better, left, best_left)
        best_u = torch.where(better, filled, best_u)
        best_choice = torch.where(better, torch.where(kept_picks, picks.pick, -1), best_choice)
    best_u = torch.zeros_like(best_u).scatter_(1, order, best_u)
    return problem.snap(torch.where(slope > 0, best_u, -best_u)), best_choice


class _Picks:
    """The choice of each discrete feature that is worth most at a price of margin.

    Of choices that cost the same it is the one that gains most, at every price.

    Attributes
    ----------
    bargain : tensor of shape (n, q)
        The most margin per unit of cost that any choice of a feature brings.
    pick, price, gain : tensors of shape (n, q)
        Of the last price that was asked about.
    """

    def __init__(self, problem, gradient, choice, missing):
        value, here = problem.values(gradient, choice)
        value = value.masked_fill_(~problem.allowed, -torch.inf)
        self.problem, self.missing, self.value, self.here = problem, missing, value, here
        self.pick, self.price = torch.zeros_like(choice), torch.zeros_like(here)
        self.gain, self.bargain = torch.zeros_like(here), torch.zeros_like(here)
        for k, span in enumerate(problem.spans):
            if problem.alike[k]:
                best, at = value[:, span].max(dim=1)
                self._take(k, best - here[:, k], at)
                useful, price = self.gain[:, k, None], self.price[:, k, None]
            else:
                useful, price = value[:, span] - here[:, k, None], problem.price[:, span]
            useful = torch.minimum(useful, missing)
            self.bargain[:, k] = (useful / price.clamp(min=1e-6)).amax(dim=1)

    def worth(self, price):
        """What the picks are worth, (n, q), at a price of cost in margin, (n, 1)."""
        for k, span in enumerate(self.problem.spans):
            if not self.problem.alike[k]:
                gain = self.value[:, span] - self.here[:, k, None]
                worth = torch.minimum(gain, self.missing) - price * self.problem.price[:, span]
                at = worth.argmax(dim=1, keepdim=True)
                self._take(k, gain.gather(1, at).squeeze(1), at.squeeze(1))
        return torch.minimum(self.gain, self.missing) - price * self.price

    def _take(self, k, gain, at):
        pick = at + self.problem.spans[k].start
        # What is not open gains less than nothing, but has to stay a number: 0 times it is 0.
        self.pick[:, k], self.gain[:, k] = pick, gain.clamp(min=-1e30)
        self.price[:, k] = self.problem.price.gather(1, pick[:, None]).squeeze(1)


class _Numbers:
    """Numeric features, from the best rate of margin on."""

    def __init__(self, problem, rate, room, order):
        self.rate, self.room, self.gain = rate, room, rate * room
        self.per_margin = 1 / rate.clamp(min=1e-12)
        self.unit = problem.unit[order] if problem.has_steps else None

    def fill(self, kept, left):
        """Lengths of those kept that bring the margin that is left, and what is left then."""
        gain = self.gain * kept
        part = torch.minimum((left - (gain.cumsum(dim=1) - gain)).clamp(min=0), gain)
        length = part * self.per_margin
        if self.unit is not None:
            unit = torch.where(self.unit > 0, self.unit, torch.ones_like(self.unit))
            whole = torch.minimum(torch.ceil(length / unit - 1e-4) * unit, self.room)
            length = torch.where(self.unit > 0, whole, length)
            part = self.rate * length
        return length, left - part.sum(dim=1, keepdim=True)
