"""Random states of the action set: starts, and a last resort where slopes lead nowhere."""

import itertools

import torch

from ._base import MARGIN

#: Rows of states that are drawn at a time.
N_ROWS = 8192


def random_states(problem, n_states, generator):
    """Yield states that change a random number of the features open to each person.

    Numbers go to a random place between their limits, half of the time to a limit itself. The
    draws are the same for everybody, so that nobody's result depends on who else is in the
    batch.

    Parameters
    ----------
    problem : Problem
    n_states : int
    generator : torch.Generator

    Yields
    ------
    u, choice : tensors
        States, see `_problem`.
    """
    n, m = problem.low.shape
    n_features = m + problem.q
    if n_features == 0:
        return
    most = min(problem.max_changes, n_features)
    at_once = max(N_ROWS // max(n, 1), 1)
    for start in range(0, n_states, at_once):
        draws = [
            (
                torch.rand(m, generator=generator),
                torch.rand(len(problem.owner), generator=generator),
                torch.rand(n_features, generator=generator),
                torch.randint(1, most + 1, (), generator=generator),
            )
            for _ in range(min(at_once, n_states - start))
        ]
        place, liked, order, size = (torch.stack(part) for part in zip(*draws, strict=True))
        share = (place * 2.0 - 0.5).clamp(0.0, 1.0)[:, None]  # (k, 1, m)
        u = problem.snap(problem.low + share * (problem.high - problem.low))  # (k, n, m)
        choice = torch.full((len(u), n, problem.q), -1, dtype=torch.int64)
        for k in range(problem.q):
            choices = (problem.owner == k).nonzero().squeeze(1)
            best, at = (liked[:, None, choices] * problem.allowed[:, choices]).max(dim=2)
            choice[:, :, k] = torch.where(best > 0, choices[at], -1)
        changed = torch.cat([u != 0, choice >= 0], dim=2)
        rank = (order[:, None] + 2.0 * ~changed).argsort(dim=2).argsort(dim=2)
        kept = rank < size[:, None, None]
        yield from zip(u * kept[..., :m], torch.where(kept[..., m:], choice, -1), strict=True)


@torch.no_grad()
def scatter(margin, problem, n_states, generator, n_rows):
    """The cheapest valid one of random states.

    Parameters
    ----------
    margin : callable
    problem : Problem
    n_states : int
    generator : torch.Generator
    n_rows : int
        Rows that are asked together, if that is more than there are people.

    Returns
    -------
    u, choice : tensors
        States, see `_problem`; the start for people for whom none is valid.
    cost : tensor of shape (n,)
        Infinite for them.
    """
    best_u, best_choice = problem.start()
    best_cost = torch.full((len(best_u),), torch.inf, dtype=best_u.dtype)
    for states in stacked(random_states(problem, n_states, generator), n_rows):
        tried = problem.repeat(len(states[0]) // len(best_u))
        cost = tried.cost(*states)
        cost = cost.masked_fill(tried.margins(margin, *states) < MARGIN, torch.inf)
        for u, choice, paid in apart([*states, cost], len(best_u)):
            won = paid < best_cost
            best_u[won], best_choice[won], best_cost[won] = u[won], choice[won], paid[won]
    return best_u, best_choice, best_cost


def stacked(states, n_rows):
    """States of the same people, as many behind one another as fit into a number of rows.

    A few people cost a network hardly less than a few thousand: what is tried for them is tried
    at once.

    Parameters
    ----------
    states : iterator of (u, choice)
        Tensors of shape (n, m) and (n, q).
    n_rows : int

    Yields
    ------
    u, choice : tensors of shape (k * n, m) and (k * n, q)
    """
    for u, choice in states:
        more = itertools.islice(states, max(n_rows // max(len(u), 1) - 1, 0))
        group = [(u, choice), *more]
        yield tuple(torch.cat(part) for part in zip(*group, strict=True))


def apart(states, n):
    """Undo `stacked`: tuples of tensors of `n` rows each."""
    return zip(*(values.split(n) for values in states), strict=True)
