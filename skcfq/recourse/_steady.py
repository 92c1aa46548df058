"""Whether an action holds, also a hair beside where it ends."""

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
        Levels are rounded where it has a true attribute ``rounds``, see `Margin`; ``nudged`` is
        a method of `Inside`.
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
    relative, absolute = WIGGLE
    for side in (1.0, -1.0):
        for nudged in (False, True) if hasattr(margin, "nudged") else (False,):
            at = holds.nonzero().squeeze(1)
            beside = u[at]
            if not nudged:  # one after the other: together they could undo each other
                beside = beside + side * (relative * beside + absolute * beside.sign())
            who = at if rows is None else rows[at]
            asked = margin.nudged(side) if nudged else margin
            holds[at] = problem.margins(asked, beside, choice[at], who) >= MARGIN
    return holds
