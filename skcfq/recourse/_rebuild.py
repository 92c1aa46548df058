"""Actions that are partly given up and built up again, step by step, on true outputs."""

import torch

from ._cheaper import give_up, lower_cost

#: Rounds, and in how many steps each spends again what was given up, in turn.
N_ROUNDS = 24
N_STEPS = (3, 6, 12)

#: Share of the moves that a round has, once all have been tried: rounds would else be alike.
SHARE_OF_MOVES = 0.6

#: Share of the rounds in which the whole action is given up.
ALL_OF_IT = 0.3


def rebuild(margin, problem, u, choice, generator):
    """Lower the cost of valid states by building parts of them up again for less.

    In each round a part of a change is given up, or the whole action. What it cost is spent again in equal
    steps, each in the numeric feature and direction after which the true margin is largest. Where activations are
    rounded, small changes of a few features that each cross a level may buy what slopes ask a large one for; neither lines
    (`scan`), which have one feature, nor single trades (`barter`) find these. The draws are the same for everybody.

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
        m = u.shape[1]
        moves = torch.cat([torch.eye(m), -torch.eye(m)]).to(u)  # (2 * m, m)
        for i in range(N_ROUNDS):
            every = i < len(N_STEPS)
            kept = part.start() if every else _kept(part, u, choice, generator)
            room = 0.999 * (cost - part.cost(*kept))
            tried = torch.rand(len(moves), generator=generator) < (1.0 if every else SHARE_OF_MOVES)
            n_steps = N_STEPS[i % len(N_STEPS)]
            for state in _climb(margin, part, *kept, room / n_steps, n_steps, moves[tried]):
                yield part, *state

    return lower_cost(margin, problem, u, choice, proposals)


def _kept(problem, u, choice, generator):
    """What is left of states after part of a change is given up, or nothing."""
    giving = torch.rand(u.shape[1] + problem.q, generator=generator)
    whole, size = torch.rand(2, generator=generator).tolist()
    if whole < ALL_OF_IT:
        return problem.start()
    # A number gives up a thirtieth to all of its change.
    share = 10.0 ** (-1.5 * size)
    *_, left = give_up(problem.change(u, choice), giving, share, u.shape[1])
    return u * left[:, : u.shape[1]], choice.masked_fill(left[:, u.shape[1] :] == 0, -1)


def _climb(margin, problem, u, choice, length, n_steps, moves):
    """States after each of some steps of a length (n,), always by the move after which the margin is largest."""
    n, m = u.shape
    many, everyone = problem.repeat(len(moves)), torch.arange(n)
    # A whole step at least, where there are steps.
    steps = torch.maximum(length[:, None], problem.unit) * moves[:, None]  # (len(moves), n, m)
    for _ in range(n_steps if len(moves) else 0):
        tried, kept = many.project((u + steps).view(-1, m), choice.repeat(len(moves), 1))
        rows = (tried != u.repeat(len(moves), 1)).any(dim=1).nonzero().squeeze(1)
        value = torch.full((len(tried),), -torch.inf, dtype=u.dtype)
        value[rows] = many.margins(margin, tried[rows], kept[rows], rows)
        best = value.view(-1, n).argmax(dim=0) * n + everyone
        u, choice = tried[best], kept[best]
        yield u, choice
