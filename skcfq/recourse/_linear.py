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
    length = torch.minimum(room, missing / rate.clamp(min=1e-12))
    gain = problem.gains(gradient, best_choice)  # (n, M)
    useful = torch.minimum(gain, missing).masked_fill(~problem.allowed, -torch.inf)
    bargain = torch.cat([rate, useful / problem.price.clamp(min=1e-6)], dim=1)
    dearest = bargain.amax(dim=1, keepdim=True).clamp(min=0)
    alike = [_best_alike(problem, useful, k) for k in range(q)]
    # Best rate first, at every price the same order.
    order = rate.argsort(dim=1, descending=True, stable=True)
    best_cost = torch.full_like(missing, torch.inf)
    best_left = torch.full_like(missing, torch.inf)
    for t in range(n_prices):
        price = dearest * (1 - (t + 1) / n_prices) ** 1.5
        worth, picks = _worth(problem, price, rate, length, useful, alike)
        most = worth.topk(min(problem.max_changes, m + q), dim=1).indices
        kept = torch.zeros_like(worth, dtype=torch.bool).scatter_(1, most, True) & (worth > 0)
        choice = torch.where(kept[:, m:], picks, -1)
        taken = torch.gather(gain, 1, choice.clamp(min=0)) * (choice >= 0)
        left = missing - taken.sum(dim=1, keepdim=True)
        u, left = _fill(problem, rate * kept[:, :m], room, left, order)
        cost = problem.change(u, choice).sum(dim=1, keepdim=True)
        reached = left <= 1e-5 * missing
        better = torch.where(reached, cost < best_cost, torch.isinf(best_cost) & (left < best_left))
        best_cost = torch.where(better & reached, cost, best_cost)
        best_left = torch.where(better, left, best_left)
        best_u = torch.where(better, torch.where(slope > 0, u, -u), best_u)
        best_choice = torch.where(better, choice, best_choice)
    return problem.snap(best_u), best_choice


def _best_alike(problem, useful, k):
    """The most useful choice of a feature whose choices cost the same: usefulness, pick and price.

    None for a feature with listed numbers, where it depends on the price of margin.
    """
    if problem.space.discrete[k].numbers is not None:
        return None
    choices = (problem.owner == k).nonzero().squeeze(1)
    value, at = useful.index_select(1, choices).max(dim=1)
    return value, choices[at], problem.price[:, choices[0]]


def _worth(problem, price, rate, length, useful, alike):
    """What each feature is worth at a price of cost, and the pick that is: (n, m + q), (n, q)."""
    worth = [((rate - price) * length).clamp(min=0)]
    picks = torch.full((len(price), problem.q), -1, dtype=torch.int64)
    for k, best in enumerate(alike):
        if best is None:
            choices = (problem.owner == k).nonzero().squeeze(1)
            value, at = (useful[:, choices] - price * problem.price[:, choices]).max(dim=1)
            pick = choices[at]
        else:
            value, pick = best[0] - price[:, 0] * best[2], best[1]
        picks[:, k] = torch.where(value > 0, pick, -1)
        worth.append(value.clamp(min=0)[:, None])
    return torch.cat(worth, dim=1), picks


def _fill(problem, rate, room, left, order):
    """Lengths that bring the margin that is left, in an order, and what is left then."""
    gain = (rate * room).gather(1, order)
    part = torch.minimum((left - (gain.cumsum(dim=1) - gain)).clamp(min=0), gain)
    length = torch.zeros_like(rate)
    length.scatter_(1, order, part / rate.gather(1, order).clamp(min=1e-12))
    unit = torch.where(problem.unit > 0, problem.unit, torch.ones_like(problem.unit))
    whole = torch.minimum(torch.ceil(length / unit - 1e-4) * unit, room)
    length = torch.where(problem.unit > 0, whole, length)
    return length, left - (rate * length).sum(dim=1, keepdim=True)
