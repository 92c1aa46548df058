"""Undo what an action does not need."""

import torch

from ._base import MARGIN
from ._slopes import slope_and_value
from ._steady import steady

#: Share of a limit that counts as a rounding error.
NEAR_LIMIT = 1e-6


@torch.no_grad()
def shrink(margin, problem, u, choice, value=None, *, n_iter=5, tolerance=1e-3):
    """Drop, then shorten every change as far as the margin allows.

    The change that bought least margin per unit of cost goes first. States that do not reach
    the margin are returned as they came.

    Parameters
    ----------
    margin : callable
    problem : Problem
    u, choice : tensors
        States, see `_problem`.
    value : tensor of shape (n,), default=None
        Their margins, if they are known.
    n_iter : int, default=5
        Evaluations of the line search for each numeric change.
    tolerance : float, default=1e-3
        Share of a change that is not worth another evaluation.

    Returns
    -------
    u, choice, value : tensors
        States and their margins.
    """
    u, choice = u.clone(), choice.clone()
    value = problem.margins(margin, u, choice) if value is None else value.clone()
    who = ((value >= MARGIN) & (problem.n_changes(u, choice) > 0)).nonzero().squeeze(1)
    if not len(who):
        return u, choice, value
    part, everyones = problem.select(who), value
    at_u, at_choice, value = u[who], choice[who], value[who]
    m = at_u.shape[1]
    change = part.change(at_u, at_choice)  # (n, m + q)
    changed = change > 0
    most = int(changed.sum(1).max())
    # What each change is worth: the margin lost without it, per unit of cost.
    worth = torch.full_like(change, torch.inf)
    without = torch.full_like(change, -torch.inf)
    for j in changed.any(0).nonzero().squeeze(1).tolist():
        rows = changed[:, j].nonzero().squeeze(1)
        try_u, try_choice = _without(at_u[rows], at_choice[rows], j, m)
        left = part.margins(margin, try_u, try_choice, rows)
        without[rows, j] = left
        worth[rows, j] = (value[rows] - left) / change[rows, j]
    order = worth.argsort(dim=1, stable=True)
    for slot in range(most):
        feature = order[:, slot]
        rows = changed.gather(1, feature[:, None]).squeeze(1).nonzero().squeeze(1)
        if not len(rows):
            continue
        if slot == 0:
            left = without[rows, feature[rows]]
        else:
            try_u, try_choice = _without_each(at_u[rows], at_choice[rows], feature[rows], m)
            left = part.margins(margin, try_u, try_choice, rows)
        free = left >= MARGIN
        gone, value[rows[free]] = rows[free], left[free]
        at_u[gone], at_choice[gone] = _without_each(at_u[gone], at_choice[gone], feature[gone], m)
        rows, left = rows[~free], left[~free]
        lines = feature[rows] < m
        rows, left = rows[lines], left[lines]
        if len(rows):
            line = feature[rows]
            at_u[rows, line], value[rows] = _shorten(
                margin, part, at_u, at_choice, rows, line, left, value[rows], n_iter, tolerance
            )
    u[who], choice[who], everyones[who] = at_u, at_choice, value
    return u, choice, everyones


@torch.no_grad()
def sweep(margin, problem, u, choice, share=0.01):
    """Give numeric changes that are hardly any to the largest, where the margin still holds.

    Random trades and shortening leave crumbs: nobody should be told to change a second feature by
    a thousandth of the first. The cost stays the same.

    Parameters
    ----------
    margin : Margin
    problem : Problem
    u, choice : tensors
        Valid states, see `_problem`.
    share : float, default=0.01
        Largest share of the largest numeric change that counts as a crumb.

    Returns
    -------
    u : tensor of shape (n, m)
    """
    if not u.shape[1]:
        return u
    size = u.abs()
    most, largest = size.max(dim=1)
    crumbs = (size > 0) & (size < share * most[:, None])
    who = crumbs.any(dim=1).nonzero().squeeze(1)
    if not len(who):
        return u
    part, rows = problem.select(who), torch.arange(len(who))
    swept, at = u[who].masked_fill(crumbs[who], 0.0), largest[who]
    swept[rows, at] += (size * crumbs)[who].sum(dim=1) * swept[rows, at].sign()
    swept, at_choice = part.project(swept, choice[who])
    holds = steady(margin, part, swept, at_choice)
    holds &= part.cost(swept, at_choice) <= part.cost(u[who], choice[who]) * (1 + 1e-5)
    u = u.clone()
    u[who[holds]] = swept[holds]
    return u


@torch.no_grad()
def reach_limits(margin, problem, u, choice):
    """Let numbers that end a rounding error before a limit end on it, where the margin still holds.

    A bisection stops there or does not, as sums happen to be rounded: nobody should keep a
    millionth of a loan.

    Parameters
    ----------
    margin : Margin
    problem : Problem
    u, choice : tensors
        Valid states, see `_problem`.

    Returns
    -------
    u : tensor of shape (n, m)
    """
    limit = torch.where(u < 0, problem.low, problem.high)
    near = (u != limit) & (u != 0) & ((u - limit).abs() <= NEAR_LIMIT * limit.abs())
    who = near.any(dim=1).nonzero().squeeze(1)
    if not len(who):
        return u
    tried = torch.where(near[who], limit[who], u[who])
    holds = steady(margin, problem, tried, choice[who], who)
    u = u.clone()
    u[who[holds]] = tried[holds]
    return u


def _without(u, choice, j, m):
    """The states without the change of feature ``j``."""
    u, choice = u.clone(), choice.clone()
    if j < m:
        u[:, j] = 0.0
    else:
        choice[:, j - m] = -1
    return u, choice


def _without_each(u, choice, feature, m):
    """The states without the change of a feature of each row."""
    u, choice = u.clone(), choice.clone()
    lines = (feature < m).nonzero().squeeze(1)
    u[lines, feature[lines]] = 0.0
    picks = (feature >= m).nonzero().squeeze(1)
    choice[picks, feature[picks] - m] = -1
    return u, choice


def _shorten(margin, problem, u, choice, rows, feature, below, value, n_iter, tolerance):
    """Shortest numeric change that keeps the margin, by the Illinois form of regula falsi.

    Between 0, where the margin is `below` (short), and the present length, where it is `value`.
    On a step function it falls back to halving, since only values on either side are compared.

    Returns
    -------
    length, value : tensors of shape (n_rows,)
        The shortest change of the feature, and the margin there.
    """
    full = u[rows, feature]
    length, reached = full.clone(), value.clone()
    step = problem.unit[feature]
    lo, hi, side = torch.zeros_like(full), full, torch.zeros_like(full)
    at, below = value - MARGIN, below - MARGIN
    people, place = rows, torch.arange(len(rows))
    for i in range(n_iter):
        width = hi - lo
        share = -below / (at - below).clamp(min=1e-12)
        # A little past the predicted root, so that both ends close in.
        share = (share + tolerance).clamp(0.01, 0.99) if i % 3 != 2 else torch.full_like(share, 0.5)
        middle = lo + width * share
        live = width.abs() > tolerance * full.abs()
        if problem.has_steps:
            grid = step > 0
            unit = torch.where(grid, step, torch.ones_like(middle))
            middle = torch.where(grid, torch.trunc(middle / unit * (1 + 1e-6)) * unit, middle)
            live &= middle != hi
            # The candidate may fall on the lower end; one step further is the last try.
            stuck = live & grid & ((middle - lo).abs() < 1e-9)
            middle = torch.where(stuck, lo + unit * torch.sign(full), middle)
        live &= ((middle - hi).abs() > 1e-9) & ((middle - lo).abs() > 1e-9)
        if not live.all():
            live = live.nonzero().squeeze(1)
            if not len(live):
                break
            people, place, feature, full, step, lo, hi, side, at, below, middle = (
                part.index_select(0, live)
                for part in (people, place, feature, full, step, lo, hi, side, at, below, middle)
            )
        try_u = u.index_select(0, people).scatter_(1, feature[:, None], middle[:, None])
        value = problem.margins(margin, try_u, choice.index_select(0, people), people) - MARGIN
        holds = value >= 0
        # An end that stays for a second time counts half, else the other one hardly moves.
        below = torch.where(holds, torch.where(side > 0, below / 2, below), value)
        at = torch.where(holds, value, torch.where(side < 0, at / 2, at))
        hi, lo = torch.where(holds, middle, hi), torch.where(holds, lo, middle)
        side = torch.where(holds, 1.0, -1.0).to(side)
        length[place] = hi
        up = holds.nonzero().squeeze(1)
        reached[place[up]] = value[up] + MARGIN
    return length, reached


@torch.no_grad()
def descend_l2(margin, problem, u, choice, n_rounds=6):
    """Lower the Euclidean cost of valid states along the boundary.

    On an affine margin with slope ``s`` per weighted change, the cheapest L2 action within a
    set of features is proportional to ``s``. Each round turns the numeric change towards the
    slopes at the present point, within limits, scales it to the margin and keeps it if it is
    cheaper. Features with steps keep their whole steps.
    """
    u, choice = u.clone(), choice.clone()
    if not len(u):
        return u, choice
    cost = problem.cost(u, choice)
    for _ in range(n_rounds):
        gradient, _ = slope_and_value(margin, problem.encode(u, choice), problem.target)
        slope = problem.slopes(gradient, u)
        slope = slope.masked_fill((problem.unit > 0) & (u == 0), 0.0)
        slope = torch.where(slope > 0, slope * (problem.high > 0), slope * (problem.low < 0))
        free = problem.max_changes - (choice >= 0).sum(1)
        rank = slope.abs().argsort(dim=1, descending=True).argsort(dim=1)
        aim = slope * (rank < free[:, None])
        for mixed in (
            aim,
            0.5 * aim
            + 0.5 * u * aim.norm(dim=1, keepdim=True) / u.norm(dim=1, keepdim=True).clamp(min=1e-9),
        ):
            mixed, _ = problem.project(mixed * 1e-9, choice)
            direction = mixed / mixed.norm(dim=1, keepdim=True).clamp(min=1e-30)
            reach = cost.clone()
            lo, hi = torch.zeros_like(reach), reach
            best_u = u.clone()
            for _ in range(12):
                middle = (lo + hi) / 2 if _ else hi
                try_u = problem.snap(direction * middle[:, None])
                holds = margin(problem.encode(try_u, choice), problem.target) >= MARGIN
                hi = torch.where(holds, middle, hi)
                lo = torch.where(holds, lo, middle)
                new_cost = problem.cost(try_u, choice)
                better = (
                    holds
                    & (new_cost < cost)
                    & (problem.n_changes(try_u, choice) <= problem.max_changes)
                )
                best_u = torch.where(better[:, None], try_u, best_u)
                cost = torch.where(better, new_cost, cost)
            u = best_u
    return u, choice
