"""Points on lines: what slopes cannot see where activations are rounded to levels."""

import torch

from ._cheaper import lower_cost

#: Where a line is asked, as shares of the present cost: nothing is monotone between two levels.
SHARES = (0.97, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.025, 0.0125, 0.006, 0.003)

#: Rays, and where each is asked, as shares of what may be spent on it.
N_RAYS = 100
ON_RAYS = (0.98, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.35, 0.2)

#: Share of the rays that move three numbers instead of two.
THREE = 0.3


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


def fan(margin, problem, u, choice, generator):
    """The cheapest valid point on random rays, for valid states.

    A ray begins where no number has changed, and moves two or three of them at once in random proportion; on every
    other one choices stay as they are, on the rest they are undone. What is cheapest among plateaus often
    changes two numbers so that each crosses a level, which no path there shows. The draws are the same for
    everybody, but for directions that are closed: these turn round.

    Parameters
    ----------
    margin, problem, u, choice : object
        As in `lower_cost`.
    generator : torch.Generator

    Returns
    -------
    u, choice : tensors
    """

    def proposals(part, u, choice, cost):
        times, m = len(ON_RAYS), u.shape[1]
        many = part.repeat(times)
        share = torch.tensor(ON_RAYS, dtype=u.dtype)[:, None, None]
        for i in range(N_RAYS if m > 1 else 0):
            n_moved = 3 if torch.rand((), generator=generator) < THREE else 2
            moved = torch.randperm(m, generator=generator)[:n_moved]
            size, side = torch.rand(2, len(moved), generator=generator)
            size = -size.clamp(min=1e-6).log()  # all proportions alike
            up = (side < 0.5) & (part.high[:, moved] > 0) | (part.low[:, moved] == 0)
            ray = torch.zeros_like(u)
            ray[:, moved] = (torch.where(up, 1.0, -1.0) * (size / size.sum())).to(u)
            kept = choice if i % 2 else torch.full_like(choice, -1)
            room = cost - part.paid(kept).sum(dim=1)
            tried = share * room[:, None] * ray  # (times, n, m)
            yield many, *many.project(tried.view(-1, m), kept.repeat(times, 1))

    return lower_cost(margin, problem, u, choice, proposals)
