"""Regions of actions, many at once, and the most that a linear function reaches in them.

Branch and bound covers the action set of a person with regions, bounds what any action inside can
reach and must cost, and splits them. All figures are in units of cost, see `_problem`.
"""

import dataclasses
import math

import torch


@dataclasses.dataclass
class Regions:
    """N regions: boxes of numeric changes times sets of choices.

    Attributes
    ----------
    person : tensor of int64, shape (N,)
        Whose actions they hold: an index into the problem.
    low, high : tensors of shape (N, m)
        Limits of the numeric changes.
    changed : tensor of bool, shape (N, m)
        Numeric features that count as changed whatever their limits.
    open : tensor of bool, shape (N, M)
        Choices that may be picked.
    stay : tensor of bool, shape (N, q)
        Whether a discrete feature may keep its value.
    bound : tensor of shape (N,)
        Lower bound on the cost of a valid action inside.
    """

    person: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    changed: torch.Tensor
    open: torch.Tensor
    stay: torch.Tensor
    bound: torch.Tensor

    @classmethod
    def whole(cls, problem):
        """The whole action set of every person."""
        n, m = problem.low.shape
        return cls(
            torch.arange(n),
            problem.low.clone(),
            problem.high.clone(),
            torch.zeros((n, m), dtype=torch.bool),
            problem.allowed.clone(),
            torch.ones((n, problem.q), dtype=torch.bool),
            torch.zeros(n, dtype=problem.x.dtype),
        )

    @classmethod
    def join(cls, parts):
        """All of several batches."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(torch.cat(column) for column in columns))

    def __len__(self):
        return len(self.person)

    def take(self, index):
        """Some of them, in memory of their own."""
        if isinstance(index, torch.Tensor):
            index = index.nonzero().squeeze(1) if index.dtype == torch.bool else index
            return Regions(*(value.index_select(0, index) for value in vars(self).values()))
        return Regions(*(value[index] for value in vars(self).values()))

    def write(self, others, index):
        """Put these in the places of some others."""
        for name, value in vars(self).items():
            getattr(others, name)[index] = value

    def anchor(self):
        """Numeric changes nearest to none, (N, m)."""
        return self.low.clamp(min=0) + self.high.clamp(max=0)

    def forced(self):
        """Features that every action inside changes, bool of shape (N, m + q)."""
        return torch.cat([self.changed | (self.low > 0) | (self.high < 0), ~self.stay], dim=1)


class Extent:
    """How far linear functions reach in regions, within a budget and `max_changes`.

    Parameters
    ----------
    problem : Problem
    regions : Regions
    budget : tensor of shape (N,)
        Largest cost that is of interest; may be infinite.
    """

    def __init__(self, problem, regions, budget):
        self.regions = regions
        self.parts = choice_slices(problem)
        self.anchor = regions.anchor()
        self.forced = regions.forced()
        n_features = self.forced.shape[1]
        most = min(problem.max_changes, n_features)
        self.slots = most - self.forced.sum(dim=1) if most < n_features else None
        price = problem.price[regions.person].masked_fill(~regions.open, torch.inf)
        self.price = price.new_zeros(len(regions), len(self.parts))
        for k, part in enumerate(self.parts):
            self.price[:, k] = price[:, part].amin(dim=1)
        spent = self.anchor.abs().sum(dim=1) + self.price.masked_fill(regions.stay, 0.0).sum(dim=1)
        self.room = (summed_budget(problem, budget) - spent).clamp(min=0)

    def __call__(self, number, choice):
        """Largest values of linear functions.

        Parameters
        ----------
        number : tensor of shape (N or 1, r, m)
            Per unit of cost of each numeric change.
        choice : tensor of shape (N or 1, r, M)
            Of each choice.

        Returns
        -------
        most : tensor of shape (N, r)
            Upper bound of the largest value; tight for prices that are alike within a feature.
        part : tensor of shape (N, r, m + q)
            The most that each feature adds, each for itself.
        """
        regions, anchor = self.regions, self.anchor[:, None]
        end = torch.where(number > 0, regions.high[:, None], regions.low[:, None])
        gains, prices = [number * (end - anchor)], [(end - anchor).abs()]
        base, parts = [(number * anchor)], [number * end]
        for k, part in enumerate(self.parts):
            closed = ~regions.open[:, None, part]
            best = choice[:, :, part].masked_fill(closed, -torch.inf).amax(dim=2, keepdim=True)
            stay = regions.stay[:, None, k, None]
            best = torch.where(stay, best.clamp(min=0), best)
            gains.append(torch.where(stay, best, 0.0))
            prices.append(self.price[:, None, k, None].expand_as(best))
            base.append(torch.where(stay, 0.0, best))
            parts.append(best)
        gain, price = torch.cat(gains, dim=2), torch.cat(prices, dim=2)
        most = _knapsack(gain, price, self.room[:, None])
        if self.slots is not None:
            most = torch.minimum(most, _best_few(gain, self.forced[:, None], self.slots))
        return torch.cat(base, dim=2).sum(dim=2) + most, torch.cat(parts, dim=2)


def _knapsack(gain, price, room):
    """The most gain for a total price of `room`, (N, r), when parts of changes may be bought."""
    order = (gain / price.clamp(min=1e-300)).argsort(dim=2, descending=True)
    gain, price = gain.gather(2, order), price.gather(2, order)
    before = price.cumsum(dim=2) - price
    bought = ((room[:, :, None] - before) / price.clamp(min=1e-300)).clamp(0.0, 1.0)
    return (gain * torch.where(gain > 0, bought, 0.0)).sum(dim=2)


def _best_few(gain, forced, slots):
    """The gain of forced features and of the best `slots` others, (N, r)."""
    free = gain.masked_fill(forced, 0.0).sort(dim=2, descending=True).values.cumsum(dim=2)
    last = (slots - 1).clamp(min=0)[:, None, None].expand(-1, gain.shape[1], 1)
    best = free.gather(2, last).squeeze(2) * (slots > 0)[:, None]
    return best + gain.masked_fill(~forced, 0.0).sum(dim=2)


def summed_budget(problem, budget):
    """The largest sum of weighted changes that a budget allows, whatever the norm."""
    if problem.norm == "l1":
        return budget
    mix = 1.0 if problem.norm == "l2" else problem.mix
    n_changes = max(1, min(problem.max_changes, problem.low.shape[1] + problem.q))
    return budget / (mix / math.sqrt(n_changes) + 1.0 - mix)


def choice_slices(problem):
    """Where the choices of each discrete feature lie among all M."""
    ends = (
        torch.bincount(problem.owner, minlength=problem.q).cumsum(0).tolist() if problem.q else []
    )
    return [slice(start, stop) for start, stop in zip([0, *ends], ends, strict=False)]
