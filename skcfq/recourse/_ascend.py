"""Ascent of the margin, one move at a time: the one that buys most of it per unit of cost."""

import torch

from ._base import MARGIN
from ._slopes import with_slopes


@torch.no_grad()
def ascend(margin, problem, u, choice, max_iter, trust, limit=None):
    """Move everybody until the margin is reached, nothing helps or it costs as much as `limit`.

    Returns
    -------
    u, choice, reached : tensors
        States and their margins.
    """
    u, choice, reached = u.clone(), choice.clone(), torch.zeros_like(problem.x[:, 0])
    active, part = torch.arange(len(u)), problem
    part_u, part_choice = u.clone(), choice.clone()
    for _ in range(max_iter):
        z = part.encode(part_u, part_choice)
        value, slopes = with_slopes(margin, z, part.target)
        reached[active] = value
        short = value < MARGIN
        if limit is not None:
            short &= part.cost(part_u, part_choice) < limit[active]
        rows = None
        if not short.all():
            rows = short.nonzero().squeeze(1)
            active, part, value = active[rows], part.select(rows), value[rows]
            part_u, part_choice = part_u[rows], part_choice[rows]
        if not len(active):
            break
        need = MARGIN * 1.5 - value
        numeric, discrete = best_moves(part, slopes(rows), part_u, part_choice, need, trust)
        part_u, part_choice, moved = _better_move(
            margin, part, part_u, part_choice, value, need, numeric, discrete
        )
        u[active], choice[active] = part_u, part_choice
        if not moved.all():
            kept = moved.nonzero().squeeze(1)
            active, part = active[kept], part.select(kept)
            part_u, part_choice = part_u[kept], part_choice[kept]
    else:
        reached[active] = part.margins(margin, part_u, part_choice)
    return u, choice, reached


def best_moves(problem, gradient, u, choice, need, trust):
    """The best numeric move and the best choice of each person, by linear prediction.

    Returns
    -------
    numeric : (index, step, efficiency), each (n,)
    discrete : (index among M, efficiency), each (n,)
        Efficiency is margin per unit of cost, what exceeds `need` not counted; -inf: no move.
    """
    full = problem.n_changes(u, choice) >= problem.max_changes  # (n,)
    slope = problem.slopes(gradient, u)  # (n, m), margin per unit of cost
    rising = slope > 0
    room = torch.where(rising, problem.high - u, u - problem.low)
    # A move back towards no change earns cost: it stops at 0, and comes first.
    back = (u != 0) & (rising == (u < 0))
    room = torch.where(back, u.abs(), room)
    size = slope.abs()
    wanted = need[:, None] / size.clamp(min=1e-12)
    step = torch.minimum(torch.minimum(room, wanted), torch.full_like(room, trust))
    stepped = problem.unit > 0
    unit = torch.where(stepped, problem.unit, torch.ones_like(problem.unit))
    whole = torch.minimum(torch.ceil(step / unit - 1e-4).clamp(min=1) * unit, room)
    step = torch.where(stepped, whole, step)
    # Whole steps overshoot: what they buy beyond the need is worth nothing.
    efficiency = torch.minimum(size * step, need[:, None]) / step.clamp(min=1e-12)
    efficiency = torch.where(back, efficiency + 1e3, efficiency)
    closed = (room <= 1e-7) | (size <= 1e-9) | (full[:, None] & (u == 0))
    efficiency = efficiency.masked_fill(closed, -torch.inf)
    if efficiency.shape[1]:
        best, index = efficiency.max(dim=1)
        pick = index[:, None]
        signed = step.gather(1, pick).squeeze(1) * torch.where(
            rising.gather(1, pick).squeeze(1), 1.0, -1.0
        )
        numeric = (index, signed, best)
    else:
        none = torch.zeros(len(u))
        numeric = (none.long(), none, none - torch.inf)
    if not problem.q:
        none = torch.zeros(len(u))
        return numeric, (none.long(), none - torch.inf)
    return numeric, _best_pick(problem, gradient, choice, need, full)


def _best_pick(problem, gradient, choice, need, full):
    """Index among the M choices of the best one, and its margin per unit of cost; -inf: none."""
    value, here = problem.values(gradient, choice)
    value = value.masked_fill_(~problem.allowed, -torch.inf)
    present = problem.paid(choice)  # (n, q)
    picks = torch.empty_like(choice)
    for k, span in enumerate(problem.spans):
        if problem.alike[k]:  # the one that gains most
            _, at = value[:, span].max(dim=1, keepdim=True)
        else:
            gain = value[:, span] - here[:, k, None]
            extra = (problem.price[:, span] - present[:, k, None]).clamp(min=1e-3)
            at = (torch.minimum(gain, need[:, None]) / extra).argmax(dim=1, keepdim=True)
        picks[:, k, None] = at + span.start
    gains = value.gather(1, picks) - here  # 0 for what is chosen already
    extra = problem.price.gather(1, picks) - present
    efficiency = torch.minimum(gains, need[:, None]) / extra.clamp(min=1e-3)
    closed = (gains <= 1e-9) | (full[:, None] & (choice < 0))
    best, feature = efficiency.masked_fill(closed, -torch.inf).max(dim=1, keepdim=True)
    return picks.gather(1, feature).squeeze(1), best.squeeze(1)


def _better_move(margin, problem, u, choice, value, need, numeric, discrete):
    """Take the numeric move or the choice, whichever truly buys more per unit of cost."""
    index, step, numeric_efficiency = numeric
    pick, discrete_efficiency = discrete
    can_step, can_pick = numeric_efficiency > -torch.inf, discrete_efficiency > -torch.inf
    new_u, dearer = u, torch.zeros_like(value)
    if u.shape[1]:
        before = u.gather(1, index[:, None]).squeeze(1)
        moved = before + torch.where(can_step, step, 0.0)
        moved = torch.where(moved.abs() < 1e-7, 0.0, moved)
        new_u = u.scatter(1, index[:, None], moved[:, None])
        dearer = moved.abs() - before.abs()
    if not problem.q:
        return new_u, choice, can_step
    owner = problem.owner[pick][:, None]
    new_choice = choice.scatter(1, owner, pick[:, None])
    take_pick = can_pick & (discrete_efficiency > numeric_efficiency)
    # Linear predictions of a jump are rough: where both are near, ask the model.
    unsure = can_step & can_pick & (discrete_efficiency > 0.25 * numeric_efficiency)
    unsure &= numeric_efficiency < 1e2
    rows = unsure.nonzero().squeeze(1)
    if len(rows):
        told = problem.margins(
            margin,
            torch.cat([new_u.index_select(0, rows), u.index_select(0, rows)]),
            torch.cat([choice.index_select(0, rows), new_choice.index_select(0, rows)]),
            rows.repeat(2),
        ).view(2, -1)
        here = choice[rows].gather(1, owner[rows])
        price = problem.price.index_select(0, rows)
        extra = price.gather(1, pick[rows, None]) - price.gather(1, here.clamp(min=0)) * (here >= 0)
        extra = torch.stack([dearer[rows], extra.squeeze(1)])
        bought = torch.minimum(told - value[rows], need[rows]) / extra.clamp(min=1e-4)
        take_pick[rows] = bought[1] > bought[0]
    new_choice = torch.where(take_pick[:, None], new_choice, choice)
    return torch.where(take_pick[:, None], u, new_u), new_choice, can_step | can_pick
