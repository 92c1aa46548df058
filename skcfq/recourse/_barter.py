"""Trades between changes on true outputs: the local search for networks with plateaus."""

import torch

from ._cheaper import give_up, lower_cost

#: Trades that are tried at once; everybody keeps the best of them.
TOGETHER = 40

#: Share of the trades in which a change is made smaller and nothing else larger.
SMALLER_ONLY = 0.1

#: Share of the others in which a number becomes larger, not a choice: these succeed more often.
NUMBERS = 0.75


def barter(margin, problem, u, choice, n_trades, generator):
    """Lower the cost of valid states by random trades that keep the margin.

    A trade takes part of one numeric change, or all of a change, and gives some of the cost that
    is saved to another feature, or to none. The cheapest of
    `TOGETHER` whose margin still holds is kept. Slopes play no part, so rounded activations, whose plateaus lead ascents astray, do no
    harm. The draws are the same for everybody: nobody's result depends on who else is in the
    batch.

    Parameters
    ----------
    margin, problem, u, choice : object
        As in `lower_cost`.
    n_trades : int
        Trades to try, in rounds of `TOGETHER`.
    generator : torch.Generator

    Returns
    -------
    u, choice : tensors
    """

    def trades(part, u, choice, cost):
        many, step = part.repeat(TOGETHER), torch.zeros_like(u)
        for _ in range(-(-n_trades // TOGETHER)):
            tried, picked = _trades(part, u, choice, generator)
            # What has just lowered a person's cost is tried once more.
            again = (step != 0).any(dim=1).nonzero().squeeze(1)
            tried[again], picked[again] = u[again] + step[again], choice[again]
            before = u.clone()
            yield many, *many.project(tried, picked)
            step = u - before

    return lower_cost(margin, problem, u, choice, trades)


def _trades(problem, u, choice, generator):
    """`TOGETHER` copies of states, one behind the other, after a trade each, not projected yet."""
    n, m = u.shape
    giving, taking = torch.rand(2, TOGETHER, m + problem.q, generator=generator)
    size, share, side, kind, number = torch.rand(5, TOGETHER, generator=generator)
    # A number or a choice first, then which one.
    taking[:, :m] += (number < NUMBERS)[:, None]
    taking[:, m:] += (number >= NUMBERS)[:, None]
    takers = taking.argmax(dim=1).masked_fill(kind < SMALLER_ONLY, -1)
    taken = 10.0 ** (-2.0 * size)  # from a hundredth of the change to all of it
    share = share.sqrt()
    change = problem.change(u, choice)
    tried, picked = u.repeat(TOGETHER, 1), choice.repeat(TOGETHER, 1)
    for i, taker in enumerate(takers.tolist()):
        at_u, at_choice = (part[i * n : (i + 1) * n] for part in (tried, picked))
        giver, part, kept = give_up(change, giving[i], float(taken[i]), m)
        paid = change.gather(1, giver)
        at_u *= kept[:, :m]
        at_choice.masked_fill_(kept[:, m:] == 0, -1)
        if 0 <= taker < m:
            way = at_u[:, taker].sign()
            way = torch.where(way == 0, 1.0 if side[i] < 0.5 else -1.0, way)
            at_u[:, taker] += way * share[i] * (part * paid)[:, 0]
        elif taker >= m:
            choices = problem.spans[taker - m]
            pick = choices.start + int(side[i] * (choices.stop - choices.start))
            cheaper = problem.allowed[:, pick] & (problem.price[:, pick] < paid[:, 0])
            at_choice[:, taker - m] = torch.where(cheaper, pick, at_choice[:, taker - m])
    return tried, picked
