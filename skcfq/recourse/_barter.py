"""Trades between changes on true outputs: the local search for networks with plateaus."""

import torch

from ._cheaper import give_up, lower_cost

#: Trades that are tried at once; everybody keeps the best of them.
TOGETHER = 40

#: Share of the trades in which a change is made smaller and nothing else larger.
SMALLER_ONLY = 0.1

#: Share of the others in which a number becomes larger, not a choice: these succeed more often.
NUMBERS = 0.75

#: Rows of states that are put together at a time.
N_ROWS = 4096


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
    taker = taking.argmax(dim=1).masked_fill(kind < SMALLER_ONLY, -1)
    taken = 10.0 ** (-2.0 * size)  # from a hundredth of the change to all of it
    draws = giving, taken, taker, side, share.sqrt()
    change = problem.change(u, choice)
    tried, picked = (state.repeat(TOGETHER, 1, 1) for state in (u, choice))
    # As many trades at once as leave what is computed on the way in a cache.
    at_once = max(N_ROWS // max(n, 1), 1)
    for part in zip(*(of.split(at_once) for of in (tried, picked, *draws)), strict=True):
        _trade(problem, change, *part)
    return tried.flatten(0, 1), picked.flatten(0, 1)


def _trade(problem, change, u, choice, giving, taken, taker, side, share):
    """Change copies of states, (k, n, m) and (k, n, q), in place by a trade each: draws have k rows."""
    m = u.shape[2]
    change = change.expand(len(giving), -1, -1)  # (k, n, m + q)
    giver, part, left = give_up(change, giving[:, None], taken[:, None, None], m)
    paid = change.gather(2, giver)[:, :, 0]
    u *= left[:, :, :m]
    choice.masked_fill_(left[:, :, m:] == 0, -1)
    at = ((taker >= 0) & (taker < m)).nonzero().squeeze(1)
    before = u[at, :, taker[at]]  # (n_numbers, n)
    new = torch.where(side[at] < 0.5, 1.0, -1.0)[:, None].to(u)
    way = torch.where(before == 0, new, before.sign())
    u[at, :, taker[at]] = before + way * share[at, None] * (part[at, :, 0] * paid[at])
    at = (taker >= m).nonzero().squeeze(1)
    if len(at):
        feature = taker[at] - m
        starts, sizes = torch.tensor([(one.start, one.stop - one.start) for one in problem.spans]).T
        pick = starts[feature] + (side[at] * sizes[feature]).long()
        cheaper = (problem.allowed[:, pick] & (problem.price[:, pick] < paid[at].T)).T
        choice[at, :, feature] = torch.where(cheaper, pick[:, None], choice[at, :, feature])
