"""Proposals that cost less and still hold: what every search on true outputs ends with."""

import torch

from ._base import MARGIN
from ._steady import steady


@torch.no_grad()
def lower_cost(margin, problem, u, choice, proposals):
    """Lower the cost of valid states by what is proposed for them.

    Parameters
    ----------
    margin : Margin
    problem : Problem
    u, choice : tensors
        States, see `_problem`. Those that do not reach the margin are returned as they came.
    proposals : callable
        ``proposals(part, u, choice, cost)``, of those that do, yields a problem of ``k`` copies
        of `part`, one behind the other, and as many states that its action set allows. What it
        is given is changed in place as proposals are taken.

    Returns
    -------
    u, choice : tensors
    """
    u, choice = u.clone(), choice.clone()
    cost = problem.cost(u, choice)
    valid = problem.margins(margin, u, choice) >= MARGIN
    who = (valid & (cost > 0)).nonzero().squeeze(1)
    if len(who):
        at = u[who], choice[who], cost[who]
        for proposed in proposals(problem.select(who), *at):
            take_cheapest(margin, *proposed, *at)
        u[who], choice[who], _ = at
    return u, choice


def take_cheapest(margin, problem, tried_u, tried_choice, u, choice, cost):
    """Take, in place, the cheapest valid one of several states of each person, if it is cheaper.

    Parameters
    ----------
    margin : Margin
    problem : Problem
        Of ``k * n`` rows, the copies of all people one behind the other.
    tried_u, tried_choice : tensors of shape (k * n, m) and (k * n, q)
        States to choose from.
    u, choice, cost : tensors of shape (n, m), (n, q) and (n,)
        Valid states and what they cost; changed.
    """
    n = len(u)
    times = len(tried_u) // n
    new_cost = problem.cost(tried_u, tried_choice)
    less = (new_cost < (cost * (1 - 1e-6)).repeat(times)) & (new_cost > 0)
    rows = less.nonzero().squeeze(1)
    if not len(rows):
        return
    value = problem.margins(margin, tried_u[rows], tried_choice[rows], rows)
    rows = rows[value >= MARGIN]
    kept = torch.full_like(new_cost, torch.inf)
    kept[rows] = new_cost[rows]
    kept = kept.view(times, n)
    who = kept.isfinite().any(dim=0).nonzero().squeeze(1)
    while len(who):  # until everybody's cheapest one is steady, or there is none
        least, trade = kept[:, who].min(dim=0)
        left = least.isfinite()
        who, least, trade = who[left], least[left], trade[left]
        rows = trade * n + who
        known = torch.ones_like(who, dtype=torch.bool)
        fine = steady(margin, problem, tried_u[rows], tried_choice[rows], rows, known)
        won, rows, least = who[fine], rows[fine], least[fine]
        u[won], choice[won], cost[won] = tried_u[rows], tried_choice[rows], least
        who, trade = who[~fine], trade[~fine]
        kept[trade, who] = torch.inf


def give_up(change, giving, share, n_numbers):
    """Which change each person gives up in part, and what share of every change is left.

    Parameters
    ----------
    change : tensor of shape (..., n, m + q)
        See :meth:`Problem.change`.
    giving : tensor of shape (..., 1, m + q)
        Random numbers: of what has changed, the largest gives.
    share : float or tensor of shape (..., 1, 1)
        Of a number's change; a choice gives all of it.
    n_numbers : int
        ``m``.

    Returns
    -------
    giver : tensor of int64, shape (..., n, 1)
    part : tensor of shape (..., n, 1)
        The share that it gives.
    left : tensor of shape (..., n, m + q)
    """
    giver = (giving * (change > 0)).argmax(dim=-1, keepdim=True)
    part = torch.where(giver < n_numbers, share, 1.0).to(change)
    return giver, part, torch.ones_like(change).scatter_(-1, giver, 1 - part)
