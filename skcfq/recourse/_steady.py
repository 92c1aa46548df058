"""Whether an action holds, also a hair beside where it ends."""

from ._base import MARGIN

#: How far a state may move and has to hold: relatively, and in units of cost.
WIGGLE = 1e-5, 2e-6


def steady(margin, problem, u, choice, rows=None):
    """Whether states reach the margin, where activations are rounded also right beside them.

    Between two levels a margin jumps. A search for the cheapest of many points ends on such
    edges, where float32 rounding alone decides; in raw units they may lie on the other side.

    Parameters
    ----------
    margin : callable
        Levels are rounded where it has a true attribute ``rounds``, see `Margin`.
    problem : Problem
    u, choice : tensors
        States, see `_problem`.
    rows : tensor of int, default=None
        The people whose states they are; ``None``: everybody's.

    Returns
    -------
    tensor of bool, shape (n,)
    """
    holds = problem.margins(margin, u, choice, rows) >= MARGIN
    if not getattr(margin, "rounds", False):
        return holds
    relative, absolute = WIGGLE
    for side in (1.0, -1.0):
        at = holds.nonzero().squeeze(1)
        beside = u[at] + side * (relative * u[at] + absolute * u[at].sign())
        who = at if rows is None else rows[at]
        holds[at] = problem.margins(margin, beside, choice[at], who) >= MARGIN
    return holds
