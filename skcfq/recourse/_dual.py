"""The cheapest action of a region that reaches a linear margin: lower bounds and what they exclude.

With a price ``p`` for each unit of margin, every feature chooses for itself: the change with the
least ``cost - p * gain``, and the `max_changes` best of these are made. What the whole costs,
plus ``p`` times the margin that is needed, is never more than the cheapest action (Lagrangian
duality), whatever the price. The bound is concave in the price, so the best price lies where tangents
from both sides cross. Euclidean costs are bounded by their squares.
"""

import dataclasses
import math

import torch

from ._base import MARGIN
from ._regions import choice_slices

#: The price lies between 1 / FAR and FAR of its unit, and is looked for so many times.
FAR, N_PRICES = 1e9, 40

#: Right above a price and right below it, relatively: where tangents of prices far apart meet is known less exactly.
APART = 1e-9, 1e-7, 1e-5, 1e-3, math.inf, math.inf

#: Tangents that leave less than this to gain, relatively, are as good as the best.
CLOSE = 1e-10


@dataclasses.dataclass(frozen=True)
class Bargain:
    """The best change of every feature of N regions at a price of margin.

    Attributes
    ----------
    total : tensor of shape (N,)
        Lower bound of the cost (of its square, for Euclidean costs).
    gain : tensor of shape (N, m + q)
        Margin that each feature's change adds.
    surplus : tensor of shape (N,)
        Gain of all changes beyond what is needed.
    value : tensor of shape (N, m + q)
        ``cost - p * gain`` of the best change of each feature that is made, 0 for others.
    reserve : tensor of shape (N,)
        The same of the best change that found no place among `max_changes`, at most 0.
    number : tensor of shape (N, m)
        Numeric changes that are made.
    choice : tensor of int64, shape (N, q)
        Choices that are made, -1 for none.
    """

    total: torch.Tensor
    gain: torch.Tensor
    surplus: torch.Tensor
    value: torch.Tensor
    reserve: torch.Tensor
    number: torch.Tensor
    choice: torch.Tensor


@dataclasses.dataclass
class _Side:
    """Prices on one side of the best ones, with the tangents of the bound there, each (N,)."""

    price: torch.Tensor
    total: torch.Tensor
    surplus: torch.Tensor

    @classmethod
    def start(cls, dual, price):
        bargain = dual.at(price)
        return cls(price, bargain.total, bargain.surplus)

    def move(self, where, price, bargain):
        """Take other prices for some of the regions."""
        self.price = torch.where(where, price, self.price)
        self.total = torch.where(where, bargain.total, self.total)
        self.surplus = torch.where(where, bargain.surplus, self.surplus)

    def meets(self, other):
        """Price at which the tangent meets that of the other side, and the bound is at most there."""
        steeper = other.surplus - self.surplus
        run = other.total - self.total + other.surplus * (other.price - self.price)
        price = self.price + torch.where(steeper > 0, run / steeper, 0.0).clamp(min=0)
        price = torch.minimum(price, other.price)
        return price, self.total - self.surplus * (price - self.price)


class Dual:
    """Bounds for regions in which a linear function of the action must reach a value.

    Parameters
    ----------
    problem : Problem
    regions : Regions
    number : tensor of shape (N, m)
        Gain per unit of cost of each numeric change.
    choice : tensor of shape (N, M)
        Gain of each choice.
    need : tensor of shape (N,)
        Gain that is needed.
    square : bool
        Bound the square of the Euclidean cost instead of the sum.
    """

    def __init__(self, problem, regions, number, choice, need, square):
        self.regions, self.square = regions, square
        self.number, self.gain, self.need = number, choice, need
        self.parts = choice_slices(problem)
        self.forced = regions.forced()
        most = min(problem.max_changes, self.forced.shape[1])
        self.slots = most - self.forced.sum(dim=1)
        self.limited = most < self.forced.shape[1]
        self.anchor = regions.anchor()
        cost = problem.price[regions.person]
        self.cost = (cost * cost if square else cost).masked_fill(~regions.open, torch.inf)
        size = torch.cat(
            [number.abs(), choice.abs(), torch.ones_like(need)[:, None] * 1e-12], dim=1
        )
        self.scale = 1.0 / size.amax(dim=1)

    def at(self, price):
        """The best changes at a price, (N,)."""
        price = price[:, None]
        number, value, gain = self._numbers(price)
        values, gains, picks = [value], [gain], []
        worth = self.cost - price * self.gain
        for k, part in enumerate(self.parts):
            best, pick = worth[:, part].min(dim=1)
            made = (best < 0) | ~self.regions.stay[:, k]
            picks.append(torch.where(made, pick + part.start, -1))
            values.append(torch.where(made, best, 0.0)[:, None])
            gained = self.gain[:, part].gather(1, pick[:, None])
            gains.append(torch.where(made[:, None], gained, 0.0))
        value, gain = torch.cat(values, dim=1), torch.cat(gains, dim=1)
        choice = torch.stack(picks, dim=1) if picks else self.regions.stay.long()
        reserve = torch.zeros_like(self.need)
        if self.limited:
            free = value.masked_fill(self.forced, torch.inf)
            last = (self.slots - 1).clamp(min=0)[:, None]
            worst = free.sort(dim=1).values.gather(1, last)
            made = self.forced | ((free <= worst) & (self.slots > 0)[:, None])
            reserve = value.masked_fill(made, 0.0).amin(dim=1)
            value, gain = value * made, gain * made
            m = number.shape[1]
            number, choice = number * made[:, :m], torch.where(made[:, m:], choice, -1)
        total = price[:, 0] * self.need + value.sum(dim=1)
        surplus = gain.sum(dim=1) - self.need
        return Bargain(total, gain, surplus, value, reserve, number, choice)

    def _numbers(self, price):
        """The best numeric changes at a price, what they are worth and gain: each (N, m)."""
        low, high, slope = self.regions.low, self.regions.high, self.number
        if self.square:
            best = torch.minimum(torch.maximum(price * slope / 2, low), high)
            gain = slope * best
            return best, best * best - price * gain, gain
        end = torch.where(slope > 0, high, low)
        better = price * slope.abs() > 1.0  # a unit of cost buys more than it is worth
        # Towards the side that loses margin, the nearest to no change is best.
        best = torch.where(better, end, self.anchor)
        gain = slope * best
        return best, best.abs() - price * gain, gain

    def solve(self):
        """The best price and the changes at it.

        Returns
        -------
        bound : tensor of shape (N,)
            Lower bound on the cost, very large where the value cannot be reached.
        price : tensor of shape (N,)
            At which the changes reach the value, if any do.
        bargain : Bargain
            At that price.
        jump : tensor of shape (N, m + q)
            Change of gain just below that price, of features that cannot change in part: what
            keeps the bound from the cheapest action.
        """
        least = self.at(torch.zeros_like(self.scale)).total  # what is forced
        low, high = _Side.start(self, self.scale / FAR), _Side.start(self, self.scale * FAR)
        best = torch.maximum(low.total, high.total)
        settled = (low.surplus >= 0) | (high.surplus < 0)  # nothing is needed, or too much
        for k in range(N_PRICES):
            price, most = low.meets(high)
            if k % 4 == 3:  # a long flat side would be followed in small steps
                price = (low.price * high.price).sqrt()
            if (settled | (most <= best + CLOSE * best.abs() + 1e-12)).all():
                break
            bargain = self.at(price)
            best = torch.maximum(best, bargain.total)
            enough = bargain.surplus >= 0
            high.move(enough, price, bargain)
            low.move(~enough, price, bargain)
        # Right above the best price, where what is made reaches the value, and right below it.
        meets, _ = low.meets(high)
        meets = torch.where(low.surplus >= 0, low.price, meets)
        apart = torch.full_like(meets, APART[0])
        for further in APART[1:]:
            price = torch.minimum(meets * (1 + apart), high.price)
            bargain = self.at(price)
            short = bargain.surplus < 0
            if not short.any():
                break
            apart = torch.where(short, further, apart)
        least = torch.maximum(torch.maximum(least, best), bargain.total)
        below = torch.maximum(meets * (1 - apart), low.price)
        jump = (bargain.gain - self.at(below).gain).abs()
        m = self.number.shape[1]
        jump[:, :m] *= self.limited & ~self.forced[:, :m]
        return (least.clamp(min=0).sqrt() if self.square else least), price, bargain, jump

    def without_surplus(self, price, bargain, spare=1e-3 * MARGIN):
        """Numeric changes that reach the value and no more, (N, m).

        The change that is just worth its cost is made in part: with summed costs, that is the
        cheapest action if the margin is linear and nothing has steps.
        """
        number, slope = bargain.number, self.number
        if not number.shape[1]:
            return number
        off = (price[:, None] * slope.abs() - 1).abs()
        off = off.masked_fill((number == self.anchor) | (slope == 0), torch.inf)
        nearest, at = off.min(dim=1, keepdim=True)
        rate = slope.gather(1, at)
        back = ((bargain.surplus - spare).clamp(min=0)[:, None] / rate).nan_to_num(0.0, 0.0, 0.0)
        room = (number - self.anchor).gather(1, at)
        back = torch.where(torch.isfinite(nearest) & (back.abs() <= room.abs()), back, 0.0)
        return number.scatter_add(1, at, -back)

    def tighten(self, price, bargain, budget):
        """Cut off what cannot be part of an action within the budget, in place.

        Making any other change of a feature costs the difference of their worths on top of the
        bound (reduced costs).

        Parameters
        ----------
        price : tensor of shape (N,)
        bargain : Bargain
        budget : tensor of shape (N,)
            Largest cost that is of interest.
        """
        regions = self.regions
        m = regions.low.shape[1]
        limit = budget * budget if self.square else budget
        # What the worth of each feature's change may be at most, (N, m + q).
        spare = (limit - bargain.total)[:, None] + bargain.value
        spare = spare + 1e-9 * (1 + spare.abs())
        # No change at all leaves its place to another feature.
        must = spare - bargain.reserve[:, None] < 0
        price = price[:, None]
        low, high = self._worthwhile(price * self.number, spare[:, :m])
        regions.low.copy_(
            torch.maximum(regions.low, torch.where(must[:, :m], low, low.clamp(max=0)))
        )
        regions.high.copy_(
            torch.minimum(regions.high, torch.where(must[:, :m], high, high.clamp(min=0)))
        )
        for k, part in enumerate(self.parts):
            worth = self.cost[:, part] - price * self.gain[:, part]
            regions.open[:, part] &= worth <= spare[:, m + k, None]
        regions.stay &= ~must[:, m:]

    def _worthwhile(self, pull, spare):
        """Limits of the numeric changes that are worth at most `spare`, (N, m); low > high: none."""
        if self.square:  # u * u - pull * u <= spare
            inside = pull * pull / 4 + spare
            root = inside.clamp(min=0).sqrt()
            empty = inside < 0
            return torch.where(empty, torch.inf, pull / 2 - root), pull / 2 + root
        # |u| - pull * u <= spare: u * up <= spare above 0, -u * down <= spare below.
        up, down = 1 - pull, 1 + pull
        far = torch.full_like(pull, torch.inf)
        high = torch.where(up > 0, spare / up.clamp(min=1e-300), far)
        low = torch.where(down > 0, -spare / down.clamp(min=1e-300), -far)
        # With nothing to spare, only changes that gain more than they cost.
        low = torch.where((spare < 0) & (up < 0), spare / up.clamp(max=-1e-300), low)
        high = torch.where((spare < 0) & (down < 0), -spare / down.clamp(max=-1e-300), high)
        return low, high


def snap_inwards(regions, unit):
    """Move limits inwards to whole steps, in place; True where a region still holds something.

    Parameters
    ----------
    regions : Regions
    unit : tensor of shape (m,)
        Steps in units of cost, 0 for continuous features.

    Returns
    -------
    tensor of bool, shape (N,)
    """
    stepped = unit > 0
    step = torch.where(stepped, unit, torch.ones_like(unit))
    low = torch.ceil(regions.low / step - 1e-6) * step
    high = torch.floor(regions.high / step + 1e-6) * step
    regions.low.copy_(torch.where(stepped, low, regions.low))
    regions.high.copy_(torch.where(stepped, high, regions.high))
    return (regions.low <= regions.high).all(dim=1)
