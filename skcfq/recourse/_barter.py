"""Trades between changes on true outputs: the local search for networks with plateaus."""

import torch

from ._cheaper import lower_cost

#: Trades that are tried at once; everybody keeps the best of them.
TOGETHER = 5

#: Share of the trades in which a change is made smaller and nothing else larger.
SMALLER_ONLY = 0.3


def barter(margin, problem, u, choice, n_trades, generator):
    """Lower the cost of valid states by random trades that keep the margin.

    A trade takes part of one numeric change, or all of a change, and gives some of the cost that
    is saved to another feature, or to none. It is kept if the margin still holds, the best of a
    few. Slopes play no part, so rounded activations, whose plateaus lead ascents astray, do no
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
        many = part.repeat(TOGETHER)
        for _ in range(-(-n_trades // TOGETHER)):
            yield many, *many.project(*_trades(many, u, choice, generator))

    return lower_cost(margin, problem, u, choice, trades)


def _trades(problem, u, choice, generator):
    """`TOGETHER` copies of states, one behind the other, after a trade each, not projected yet."""
    n, m = u.shape
    u, choice = u.repeat(TOGETHER, 1), choice.repeat(TOGETHER, 1)
    copy = torch.arange(TOGETHER).repeat_interleave(n)
    giving, taking = torch.rand(2, TOGETHER, m + problem.q, generator=generator)
    size, share, side, kind = torch.rand(4, TOGETHER, generator=generator)
    change = problem.change(u, choice)
    giver = (giving[copy] * (change > 0)).argmax(dim=1)
    paid = change.gather(1, giver[:, None]).squeeze(1)
    taken = (10.0 ** (-2.0 * size))[copy]  # from a hundredth of the change to all of it
    share = share.sqrt()
    number = (giver < m).nonzero().squeeze(1)
    u[number, giver[number]] *= 1 - taken[number]
    picked = (giver >= m).nonzero().squeeze(1)
    choice[picked, giver[picked] - m] = -1
    takers = taking.argmax(dim=1).masked_fill(kind < SMALLER_ONLY, -1)
    at = ((takers >= 0) & (takers < m))[copy].nonzero().squeeze(1)
    taker = takers[copy[at]]
    way = u[at, taker].sign()
    way = torch.where(way == 0, torch.where(side < 0.5, 1.0, -1.0)[copy[at]], way)
    given = torch.where(giver < m, taken * paid, paid)
    u[at, taker] += way * share[copy[at]] * given[at]
    for i, taker in enumerate(takers.tolist()):
        if taker >= m:
            rows = slice(i * n, (i + 1) * n)
            choices = (problem.owner == taker - m).nonzero().squeeze(1)
            pick = choices[int(side[i] * len(choices))]
            cheaper = problem.allowed[rows, pick] & (problem.price[rows, pick] < paid[rows])
            choice[rows, taker - m] = torch.where(cheaper, pick, choice[rows, taker - m])
    return u, choice
