"""Trades between changes on true outputs: the local search for networks with plateaus."""

import torch

from ._base import MARGIN


@torch.no_grad()
def barter(margin, problem, u, choice, n_trades, generator):
    """Lower the cost of valid states by random trades that keep the margin.

    A trade takes part of one numeric change, or all of a change, and gives some of the cost that
    is saved to another feature. It is kept if the margin still holds. Slopes play no part, so
    rounded activations, whose plateaus lead ascents astray, do no harm. The draws are the same for
    everybody: nobody's result depends on who else is in the batch.

    Parameters
    ----------
    margin : Margin
    problem : Problem
    u, choice : tensors
        States, see `_problem`. Those that do not reach the margin are returned as they came.
    n_trades : int
    generator : torch.Generator

    Returns
    -------
    u, choice : tensors
    """
    u, choice = u.clone(), choice.clone()
    cost = problem.cost(u, choice)
    valid = margin(problem.encode(u, choice), problem.target) >= MARGIN
    who = (valid & (cost > 0)).nonzero().squeeze(1)
    if not len(who):
        return u, choice
    part, at_u, at_choice, at_cost = problem.select(who), u[who], choice[who], cost[who]
    for _ in range(n_trades):
        state = part.project(*_trade(part, at_u, at_choice, generator))
        new_cost = part.cost(*state)
        rows = (new_cost < at_cost * (1 - 1e-6)).nonzero().squeeze(1)
        if not len(rows):
            continue
        new_u, new_choice = (values[rows] for values in state)
        holds = part.margins(margin, new_u, new_choice, rows) >= MARGIN
        rows = rows[holds]
        at_u[rows], at_choice[rows], at_cost[rows] = new_u[holds], new_choice[holds], new_cost[rows]
    u[who], choice[who] = at_u, at_choice
    return u, choice


def _trade(problem, u, choice, generator):
    """States after one trade of each person, not projected yet."""
    m = u.shape[1]
    liked = torch.rand(2, m + problem.q, generator=generator)
    size, share, side = torch.rand(3, generator=generator).tolist()
    change = problem.change(u, choice)
    giver = (liked[0] * (change > 0)).argmax(dim=1)
    paid = change.gather(1, giver[:, None]).squeeze(1)
    u, choice = u.clone(), choice.clone()
    taken = 10.0 ** (-3.0 * size)  # from a thousandth of the change to all of it
    number = (giver < m).nonzero().squeeze(1)
    u[number, giver[number]] *= 1 - taken
    picked = (giver >= m).nonzero().squeeze(1)
    choice[picked, giver[picked] - m] = -1
    taker = int(liked[1].argmax())
    if taker < m:
        way = torch.where(u[:, taker] == 0, 1.0 if side < 0.5 else -1.0, u[:, taker].sign())
        u[:, taker] += way * share * torch.where(giver < m, taken * paid, paid)
    else:
        choices = (problem.owner == taker - m).nonzero().squeeze(1)
        pick = choices[int(side * len(choices))]
        cheaper = problem.allowed[:, pick] & (problem.price[:, pick] < paid)
        choice[:, taker - m] = torch.where(cheaper, pick, choice[:, taker - m])
    return u, choice
