"""Whether an action holds, also a hair beside where it ends."""

import torch

from ._base import MARGIN

#: How far a state may move and has to hold: relatively, and in units of cost.
WIGGLE = 1e-5, 2e-6


def steady(margin, problem, u, choice, rows=None, holds=None):
    """Whether states reach the margin, where activations are rounded also right beside them.

    Between two levels a margin jumps. A search for the cheapest of many points ends on such
    edges, where float32 rounding alone decides; in raw units they may lie on the other side.
    Choices have no length, so a margin that can is also asked what a hair at every level would do.

    Parameters
    ----------
    margin : callable
        Levels are rounded where it has a true attribute ``rounds``, see `Margin`; ``worst_nearby``
        is a method of `Inside`.
    problem : Problem
    u, choice : tensors
        States, see `_problem`.
    rows : tensor of int, default=None
        The people whose states they are; ``None``: everybody's.
    holds : tensor of bool, shape (n,), default=None
        Whether they reach the margin, if that is known.

    Returns
    -------
    tensor of bool, shape (n,)
    """
    if holds is None:
        holds = problem.margins(margin, u, choice, rows) >= MARGIN
    if not getattr(margin, "rounds", False):
        return holds
    at = holds.nonzero().squeeze(1)
    who = at if rows is None else rows[at]
    off = wiggle(u[at])
    # Both sides at once: few states come as far as here, and few cost hardly less than many.
    both = torch.cat([u[at] + off, u[at] - off])
    value = problem.margins(margin, both, choice[at].repeat(2, 1), who.repeat(2))
    holds[at] = (value.view(2, -1) >= MARGIN).all(dim=0)
    if hasattr(margin, "worst_nearby"):
        at = holds.nonzero().squeeze(1)
        who = at if rows is None else rows[at]
        holds[at] = problem.margins(margin.worst_nearby, u[at], choice[at], who) >= MARGIN
    return holds


def wiggle(u):
    """How far numeric changes, of any shape, are moved away from none, and towards it: they rise with it."""
    relative, absolute = WIGGLE
    return relative * u + absolute * u.sign()


def beside(low, high, side):
    """The limits that numeric changes lie in when they are moved.

    Parameters
    ----------
    low, high : tensors of shape (n, m)
        Their limits before.
    side : float
        1: away from none, -1: towards it, 0: they are not moved.

    Returns
    -------
    low, high : tensors of shape (n, m)
    """
    ends = low + side * wiggle(low), high + side * wiggle(high)
    if side >= 0:
        return ends
    # Tiny changes are moved across none, and none stays where it is.
    around, absolute = (low <= 0) & (high >= 0), WIGGLE[1]
    lowest, highest = -absolute * (high > 0).to(high), absolute * (low < 0).to(low)
    return (
        torch.where(around, torch.minimum(ends[0], lowest), ends[0]),
        torch.where(around, torch.maximum(ends[1], highest), ends[1]),
    )
