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
    gain = problem.gains(gradient, choice)  # (n, M), 0 for what is chosen already
    present = torch.gather(problem.price, 1, choice.clamp(min=0)) * (choice >= 0)  # (n, q)
    extra = problem.price - present.index_select(1, problem.owner)
    value = torch.minimum(gain, need[:, None]) / extra.clamp(min=1e-3)
    unchanged = (choice < 0).index_select(1, problem.owner)
    closed = ~problem.allowed | (gain <= 1e-9) | (full[:, None] & unchanged)
    best, index = value.masked_fill(closed, -torch.inf).max(dim=1)
    return numeric, (index, best)


def _better_move(margin, problem, u, choice, value, need, numeric, discrete):
    """Take the numeric move or the choice, whichever truly buys more per unit of cost."""
    index, step, numeric_efficiency = numeric
    pick, discrete_efficiency = discrete
    can_step, can_pick = numeric_efficiency > -torch.inf, discrete_efficiency > -torch.inf
    new_u = u.clone()
    if u.shape[1]:
        moved = u.gather(1, index[:, None]).squeeze(1) + torch.where(can_step, step, 0.0)
        moved = torch.where(moved.abs() < 1e-7, 0.0, moved)
        new_u.scatter_(1, index[:, None], moved[:, None])
    take_pick = can_pick & (discrete_efficiency > numeric_efficiency)
    new_choice = choice
    if problem.q:
        owner = problem.owner[pick][:, None]
        new_choice = choice.clone().scatter_(1, owner, pick[:, None])
        # Linear predictions of a jump are rough: where both are near, ask the model.
        unsure = can_step & can_pick & (discrete_efficiency > 0.25 * numeric_efficiency)
        unsure &= numeric_efficiency < 1e2
        rows = unsure.nonzero().squeeze(1)
        if len(rows):
            part, both = problem.select(rows), []
            before = part.change(u[rows], choice[rows]).sum(1)
            for state in ((new_u[rows], choice[rows]), (u[rows], new_choice[rows])):
                gain = part.margins(margin, *state) - value[rows]
                extra = part.change(*state).sum(1) - before
                both.append(torch.minimum(gain, need[rows]) / extra.clamp(min=1e-4))
            take_pick[rows] = both[1] > both[0]
        take_pick &= can_pick
        new_choice = torch.where(take_pick[:, None], new_choice, choice)
    new_u = torch.where(take_pick[:, None], u, new_u)
    return new_u, new_choice, can_step | can_pick
