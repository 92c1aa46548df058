"""The regions that a branch and bound has left: the most promising at hand, the others put by."""

import torch

from ._regions import Regions

#: So many times what is looked at together are at hand, at most.
AT_HAND = 32


class Pool:
    """Regions that are left to look at, of several people.

    Sorting and copying all of them at every step would take longer than looking at a few. So those with the lowest
    bounds are at hand, and the others are put by until these are used up.

    Parameters
    ----------
    regions : Regions
    n_regions : int
        Looked at together.
    wanted : callable
        Regions to bool, (N,): which may still hold something. What is put by is asked when it comes back.
    dives : bool
        Whether every other time the smallest regions come first: they end soonest, with an action that spares
        regions of others.
    """

    def __init__(self, regions, n_regions, wanted, dives=False):
        self.n_regions, self.wanted = n_regions, wanted
        self.at_hand, self.put_by = regions, []
        self.dives, self.turn = dives, 0

    def take(self):
        """Regions to look at next, each person's lowest bounds, the same number of each; none: there are no more.

        They are no longer here.
        """
        while not len(self.at_hand) and self.put_by:
            back, self.put_by = Regions.join(self.put_by), []
            self.put(back)
        self.turn += 1
        smallest = self.dives and self.turn % 2 == 0
        first = best_of_each(
            self.at_hand, self.n_regions, sizes(self.at_hand) if smallest else None
        )
        rest = _others(first, self.at_hand)
        taken, self.at_hand = self.at_hand.take(first), self.at_hand.take(rest)
        return taken

    def put(self, regions):
        """Add regions, and forget what is not wanted any more."""
        self.at_hand = Regions.join([self.at_hand, regions])
        self.at_hand = self.at_hand.take(self.wanted(self.at_hand))
        most = AT_HAND * self.n_regions
        if len(self.at_hand) > most:
            near = best_of_each(self.at_hand, most // 2)
            self.put_by.append(self.at_hand.take(_others(near, self.at_hand)))
            self.at_hand = self.at_hand.take(near)

    def give_up(self, late):
        """Take out, and return, all regions of people for whom `late` (bool, one for each person) is true."""
        parts = self.at_hand, *self.put_by
        given_up = Regions.join([part.take(late[part.person]) for part in parts])
        self.at_hand, *self.put_by = (part.take(~late[part.person]) for part in parts)
        return given_up


def sizes(regions):
    """How much is left open in each region, (N,)."""
    return (regions.high - regions.low).sum(dim=1) + regions.open.sum(dim=1)


def best_of_each(regions, n, value=None):
    """Indices of `n` regions at most: each person's lowest values, or bounds, the same number of each."""
    order = (regions.bound if value is None else value).argsort(stable=True)
    order = order[regions.person[order].argsort(stable=True)]
    count = torch.bincount(regions.person)
    start = (count.cumsum(0) - count)[regions.person[order]]
    rank = torch.arange(len(order)) - start
    return order[rank.argsort(stable=True)[:n]]


def _others(index, regions):
    """Mask of the regions that are not at `index`."""
    rest = torch.ones(len(regions), dtype=torch.bool)
    rest[index] = False
    return rest
