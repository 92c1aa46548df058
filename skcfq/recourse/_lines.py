"""Points on lines: what slopes cannot see where activations are rounded to levels."""

import torch

from ._cheaper import lower_cost

#: Where a line is asked, as shares of the present cost: nothing is monotone between two levels.
SHARES = (0.97, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.025, 0.0125, 0.006, 0.003)


def scan(margin, problem, u, choice):
    """The cheapest valid point on a few lines, for valid states.

    The lines are the present action itself, made smaller, every numeric feature alone, up and
    down, and every single choice. On a network with rounded activations a tiny change may cross
    a level that flips the decision, while slopes ask for a large one.

    Parameters
    ----------
    margin, problem, u, choice : object
        As in `lower_cost`.

    Returns
    -------
    u, choice : tensors
    """
    return lower_cost(margin, problem, u, choice, _points)


def _points(part, u, choice, cost):
    """Proposals for `lower_cost`."""
    times = len(SHARES)
    many = part.repeat(times)
    share = torch.tensor(SHARES, dtype=u.dtype).repeat_interleave(len(u))
    yield many, *many.project(u.repeat(times, 1) * share[:, None], choice.repeat(times, 1))
    for j in range(u.shape[1]):
        for side in (-1.0, 1.0):
            line, no_choice = many.start()
            line[:, j] = side * share * cost.repeat(times)
            yield many, *many.project(line, no_choice)
    for c in range(part.price.shape[1]):
        if (part.allowed[:, c] & (part.price[:, c] < cost)).any():
            nothing, pick = part.start()
            pick[:, part.owner[c]] = c
            yield part, *part.project(nothing, pick)
