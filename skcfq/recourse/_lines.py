"""Valid points on lines: what slopes cannot see where activations are rounded to levels."""

import torch

from ._base import MARGIN
from ._steady import steady

#: Where a line is asked, as shares of the present cost: nothing is monotone between two levels.
SHARES = (0.97, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.025, 0.0125, 0.006, 0.003)


@torch.no_grad()
def scan(margin, problem, u, choice):
    """The cheapest valid point on a few lines, for valid states.

    The lines are the present action itself, made smaller, every numeric feature alone, up and
    down, and every single choice. On a network with rounded activations a tiny change may cross
    a level that flips the decision, while slopes ask for a large one.

    Parameters
    ----------
    margin : Margin
    problem : Problem
    u, choice : tensors
        States, see `_problem`. Those that do not reach the margin are returned as they came.

    Returns
    -------
    u, choice : tensors
    """
    u, choice = u.clone(), choice.clone()
    cost = problem.cost(u, choice)
    valid = problem.margins(margin, u, choice) >= MARGIN
    who = (valid & (cost > 0)).nonzero().squeeze(1)
    if not len(who):
        return u, choice
    part, n = problem.select(who), len(who)
    at_u, at_choice, at_cost = u[who], choice[who], cost[who]
    many = part.repeat(len(SHARES))
    share = torch.tensor(SHARES, dtype=u.dtype).repeat_interleave(n)

    def consider(tried, tried_u, tried_choice):
        trade_for_less(margin, tried, tried_u, tried_choice, at_u, at_choice, at_cost)

    ray = at_u.repeat(len(SHARES), 1) * share[:, None], at_choice.repeat(len(SHARES), 1)
    consider(many, *many.project(*ray))
    nothing, no_choice = part.start()
    for j in range(u.shape[1]):
        for side in (-1.0, 1.0):
            line, picks = many.start()
            line[:, j] = side * share * at_cost.repeat(len(SHARES))
            consider(many, many.snap(line), picks)
    for c in range(part.price.shape[1]):
        if (part.allowed[:, c] & (part.price[:, c] < at_cost)).any():
            pick = no_choice.clone()
            pick[:, part.owner[c]] = c
            consider(part, *part.project(nothing, pick))
    u[who], choice[who] = at_u, at_choice
    return u, choice


def trade_for_less(margin, problem, tried_u, tried_choice, u, choice, cost):
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
    rows = rows[steady(margin, problem, tried_u[rows], tried_choice[rows], rows)]
    kept = torch.full_like(new_cost, torch.inf)
    kept[rows] = new_cost[rows]
    least, trade = kept.view(times, n).min(dim=0)
    won = torch.isfinite(least).nonzero().squeeze(1)
    rows = trade[won] * n + won
    u[won], choice[won], cost[won] = tried_u[rows], tried_choice[rows], least[won]
