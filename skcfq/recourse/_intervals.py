"""Bounds of a network over many small regions of actions, where activations are rounded to levels.

There, lines around activations are never closer than a step while several levels are in reach, so that nothing
is proven before regions are small: what counts is how many are looked at in a second. So inputs of activations are bounded by
interval arithmetic, level by level, and lines are put together once, for the logits alone.
"""

import dataclasses

import torch

from ._regions import choice_slices
from ._relaxation import Lines, Relaxation, relax

#: Patterns of levels are told apart where at most so many activations of the first layer are open, and until more than
#: so many are left.
MOST_OPEN, MOST_PATTERNS = 16, 32

#: Of the levels that all patterns ask for, so many are told.
MOST_LEVELS = 4

#: For so many regions at once.
N_AT_ONCE = 256


@dataclasses.dataclass(frozen=True)
class Reach:
    """What is known of a hidden layer over N regions, tensors of shape (N, H).

    Attributes
    ----------
    lines : Lines
        Around its activations.
    gap : tensor
        Distance of the lines.
    low, width : tensor
        Lower end and width of the interval that the inputs of the activations lie in.
    least, spread : tensor
        The same of the activations.
    parts : tuple
        Of the first layer, what regions leave open: ``length`` (N, m) of the numeric changes, and for each
        discrete feature the regions that leave it open and what that adds to the widths.
    """

    lines: Lines
    gap: torch.Tensor
    low: torch.Tensor
    width: torch.Tensor
    least: torch.Tensor
    spread: torch.Tensor
    parts: tuple = ()

    def take(self, index):
        """That of some of the regions, without `lines` and `parts`."""
        names = ("gap", "low", "width", "least", "spread")
        return Reach(None, *(getattr(self, name)[index] for name in names))


@dataclasses.dataclass(frozen=True)
class Levels:
    """What levels of the first layer an action must have to reach a threshold, for N regions.

    Attributes
    ----------
    possible : tensor of bool, shape (N,)
        False: nothing in the region reaches the threshold.
    unit : tensor of int64, shape (N, MOST_LEVELS)
        Outputs of the first layer that have to be on one side of a limit for it, those that cut off most first; -1 where
        there are no more.
    side : tensor of shape (N, MOST_LEVELS)
        1: above the limit, -1: below.
    limit : tensor of shape (N, MOST_LEVELS)
    n_open : tensor of int64, shape (N,)
        Outputs of the first layer that have several levels in reach.
    """

    possible: torch.Tensor
    unit: torch.Tensor
    side: torch.Tensor
    limit: torch.Tensor
    n_open: torch.Tensor

    def take(self, index):
        """Those of some of the regions."""
        return Levels(*(value[index] for value in vars(self).values()))


class IntervalRelaxation(Relaxation):
    """As `Relaxation`, with intervals instead of lines for the inputs of hidden activations.

    Parameters
    ----------
    layers : tuple of Layer
    problem : Problem
        In float64.
    """

    def __init__(self, layers, problem):
        super().__init__(layers, problem)
        self.slices = choice_slices(problem)
        self.sizes = [weight.abs() for weight in self.weights]
        self.number_size = self.per_number.abs()  # (H, m)
        # What the present values contribute, (n, q, H).
        self.present = (problem.x[:, None] * problem.block) @ self.weights[0].T

    def hidden(self, regions, extent):
        """Bound the activations of every hidden layer over regions.

        Parameters
        ----------
        regions : Regions
        extent : Extent
            Of the same regions: where changes start, and what they may cost.

        Returns
        -------
        list of Reach
        """
        found = []
        low, high, parts = self._first(regions, extent)
        for i, layer in enumerate(self.layers[:-1]):
            low, high = loosened(low, high)
            lines = relax(layer, low, high)
            least, most = activate(layer, low), activate(layer, high)
            gap = lines.gap(low, high)
            found.append(Reach(lines, gap, low, high - low, least, most - least, parts))
            parts = ()
            if i + 1 < len(self.layers) - 1:
                low, high = self._linear(i + 1, least, most)
        return found

    def _linear(self, i, least, most):
        """Limits of the outputs of a linear layer, from those of its inputs."""
        middle = (least + most) @ (self.weights[i].T / 2) + self.biases[i]
        half = (most - least) @ (self.sizes[i].T / 2)
        return middle - half, middle + half

    def _first(self, regions, extent):
        """Limits of the outputs of the first layer, and what causes their width, see `Reach`."""
        length, anchor = regions.high - regions.low, extent.anchor
        start = torch.addmm(self.base[regions.person], anchor, self.per_number.T)
        rise, fall = self.per_number.clamp(min=0).T, self.per_number.clamp(max=0).T  # (m, H)
        above, below = regions.high - anchor, regions.low - anchor
        up, down = above @ rise + below @ fall, above @ fall + below @ rise
        # No more can be spent than there is room for, on what gains most by it.
        tight = (extent.room < (above - below).sum(dim=1)).nonzero().squeeze(1)
        if len(tight):
            room = extent.room[tight, None]
            steepest = self._steepest(above[tight] > 0, below[tight] < 0)
            up[tight] = torch.minimum(up[tight], room * steepest[0])
            down[tight] = torch.maximum(down[tight], -room * steepest[1])
        open_choices = []
        for k, part in enumerate(self.slices):
            low, high, free = self._choices(regions, k, part)
            if low is not None:
                up, down = up + high, down + low
            if free is not None:
                open_choices.append((k, free, (high - low)[free]))
        return start + down, start + up, (length, open_choices)

    def _steepest(self, up, down):
        """The most that a unit of cost adds to each output, and takes from it, (N, H) each."""
        most = least = up.new_zeros((), dtype=self.base.dtype)
        for i, slope in enumerate(self.per_number.T):
            ways = up[:, i, None] * slope, down[:, i, None] * -slope
            for way in ways:
                most, least = torch.maximum(most, way), torch.maximum(least, -way)
        return most, least

    def _choices(self, regions, k, part):
        """What a discrete feature may add to each output, at least and at most; where it is open."""
        open_, stay = regions.open[:, part], regions.stay[:, k]
        moving = open_.any(dim=1)
        if not moving.any():
            return None, None, None
        n, width = len(regions), self.base.shape[1]
        low = self.base.new_zeros((n, width))
        high = low.clone()
        rows = moving.nonzero().squeeze(1)
        present = self.present[regions.person[rows], k]
        least = torch.where(stay[rows, None], 0.0, torch.inf).expand(-1, width)
        most = -least
        for c, column in zip(range(part.start, part.stop), open_[rows].T, strict=True):
            value = self.per_choice[:, c] - present
            least = torch.where(column[:, None], torch.minimum(least, value), least)
            most = torch.where(column[:, None], torch.maximum(most, value), most)
        low[rows], high[rows] = least, most
        free = (open_.sum(dim=1) + stay > 1).nonzero().squeeze(1)
        return low, high, free if len(free) else None

    def blame(self, hidden, rows):
        """How much the distances between lines loosen bounds of the logits, by feature.

        Parameters
        ----------
        hidden : list of Reach
        rows : tensor of shape (N, r, C)
            Functions of the logits, as for `above`.

        Returns
        -------
        tensor of shape (N, m + q)
        """
        own = [rows.abs().sum(dim=1) * layer.gap for layer, rows in self._carried(hidden, rows)]
        carried = 0.0
        for j in range(len(hidden) - 1, -1, -1):
            # A layer's inputs are as uncertain as the levels before it.
            rate = (own[-1 - j] + carried) / hidden[j].width
            if j:
                carried = (rate @ self.sizes[j]) * hidden[j - 1].spread
        length, open_choices = hidden[0].parts
        scores = rate.new_zeros(len(length), length.shape[1] + len(self.slices))
        scores[:, : length.shape[1]] = (rate @ self.number_size) * length
        for k, free, width in open_choices:
            scores[free, length.shape[1] + k] = (rate[free] * width).sum(dim=1)
        return scores

    def output(self, person, unit):
        """Outputs of the first layer as functions of the action.

        Parameters
        ----------
        person, unit : tensors of int64, shape (N,)
            Of whom, and which output.

        Returns
        -------
        constant : tensor of shape (N,)
        number : tensor of shape (N, m)
        choice : tensor of shape (N, M)
        """
        choice = self.per_choice[unit]
        if len(self.owner):
            choice = choice - self.present[person, :, unit][:, self.owner]
        return self.base[person, unit], self.per_number[unit], choice

    def decide(self, hidden, versus, threshold, possible):
        """Try the levels of the first layer that small regions leave open: which reach a threshold.

        Where few activations of the first layer may have one of two levels, everything behind them is known for
        each of their patterns, and nearly known where some of these are settled.

        Parameters
        ----------
        hidden : list of Reach
        versus : tensor of shape (N, r, C)
            Functions of the logits that have to reach the threshold, all of them.
        threshold : tensor of shape (N,)
        possible : tensor of bool, shape (N,)
            Regions for which that is not known yet.

        Returns
        -------
        Levels
        """
        first, step = hidden[0], self.layers[0].step
        possible, unit = possible.clone(), torch.full((len(possible), MOST_LEVELS), -1)
        side, limit = self.base.new_zeros((2, *unit.shape))
        several = (first.spread > 0).sum(dim=1)
        found = Levels(possible, unit, side, limit, several)
        if step is None:
            return found
        tried = possible & (several <= MOST_OPEN)
        for rows in tried.nonzero().squeeze(1).split(N_AT_ONCE):
            part = first.take(rows)
            at, n_open, owner, bits = self._patterns(part, versus[rows], threshold[rows])
            n_left = torch.bincount(owner, minlength=len(rows))
            possible[rows] = n_left > 0
            if not at.shape[1]:
                continue
            # What all patterns that are left have in common: 1, 0, and neither where not all were told apart.
            ones, zeros = (
                torch.zeros(at.shape, dtype=torch.int64).index_add_(0, owner, (bits == bit).long())
                for bit in (1, 0)
            )
            known = torch.arange(at.shape[1]) < n_open[:, None]
            above, below = ((each == n_left[:, None]) & known for each in (ones, zeros))
            middle = part.least.gather(1, at) + step / 2
            share = (middle - part.low.gather(1, at)) / part.width.gather(1, at)
            cut = torch.where(above, share, torch.where(below, 1 - share, -1.0))
            k = min(MOST_LEVELS, at.shape[1])
            most, j = cut.topk(k, dim=1)
            unit[rows, :k] = torch.where(most >= 0, at.gather(1, j), -1)
            side[rows, :k] = torch.where(above.gather(1, j), 1.0, -1.0).to(side)
            limit[rows, :k] = middle.gather(1, j)
        return found

    def _patterns(self, first, versus, threshold):
        """Which patterns of two levels may reach the threshold, found by settling one unit after the other.

        Parameters
        ----------
        first : Reach
            Of the first layer.
        versus, threshold : tensors
            As in `decide`.

        Returns
        -------
        at : tensor of int64, shape (N, k)
            Units with two levels, those that do most first.
        n_open : tensor of int64, shape (N,)
            How many of these there are.
        owner : tensor of int64, shape (n_left,)
            Whose pattern.
        bits : tensor of int8, shape (n_left, k)
            1 for the upper level, 0 for the lower one, -1 where it has not been settled.
        """
        step, inner = self.layers[0].step, self.sizes[1:]
        rows, need = versus, threshold[:, None]
        # As functions of the last activations, these are bounded more closely than by each logit for itself.
        if len(inner) > 1:
            rows, need = rows @ self.weights[-1], need - rows @ self.biases[-1]
            inner = inner[:-1]
        up, down = rows.clamp(min=0), rows.clamp(max=0)
        weigh = (up - down).sum(dim=1)
        for size in reversed(inner):
            weigh = weigh @ size
        rises, falls = (
            (step * self.weights[1].T).clamp(**side) for side in ({"min": 0}, {"max": 0})
        )
        two = (first.spread > 0) & (first.spread < 1.5 * step)
        n_open = two.sum(dim=1)
        at = weigh.masked_fill(~two, -1.0).topk(max(n_open.tolist(), default=0), dim=1).indices
        owner, bits = torch.arange(len(at)), torch.full(at.shape, -1, dtype=torch.int8)
        low, high = loosened(*self._linear(1, first.least, first.least + first.spread))
        done = []
        growing = torch.ones(len(at), dtype=torch.bool)
        for k in range(at.shape[1]):
            growing = growing & (n_open > k)
            grows = growing[owner]
            if not grows.all():
                done.append((owner[~grows], bits[~grows]))
                owner, bits, low, high = (each[grows] for each in (owner, bits, low, high))
            if not len(owner):
                break
            rise, fall = rises[at[owner, k]], falls[at[owner, k]]
            low, high = torch.cat([low - fall, low + rise]), torch.cat([high - rise, high + fall])
            n = len(owner)
            owner, bits = owner.repeat(2), bits.repeat(2, 1)
            bits[:n, k], bits[n:, k] = 0, 1
            reached = (self._most(low, high, up[owner], down[owner]) >= need[owner]).all(dim=1)
            kept = reached.nonzero().squeeze(1)
            owner, bits, low, high = (each[kept] for each in (owner, bits, low, high))
            growing &= torch.bincount(owner, minlength=len(at)) <= MOST_PATTERNS
        done.append((owner, bits))
        return at, n_open, *(torch.cat(each) for each in zip(*done, strict=True))

    def _most(self, low, high, up, down):
        """The most that functions of the last activations are, from limits of the second layer's outputs.

        `up` and `down`, (N, r, H), are the functions' positive and negative coefficients.
        """
        for i, layer in enumerate(self.layers[1:-1], start=1):
            low, high = activate(layer, low), activate(layer, high)
            if i + 1 < len(self.layers) - 1:
                low, high = loosened(*self._linear(i + 1, low, high))
        return (up @ high[..., None] + down @ low[..., None]).squeeze(2)


def loosened(low, high):
    """Limits a little further apart than rounding of the sums can be off, far below what a margin is held to."""
    slack = torch.maximum(low.abs(), high.abs()).add_(1).mul_(1e-11)
    return low - slack, high + slack


def activate(layer, a):
    """The activation of a layer, of tensors of any shape."""
    if layer.step is None:
        return a.clamp(min=0) if layer.relu else a
    levels = (a / layer.step).round_().clamp_(min=0)
    return torch.minimum(levels, a.new_tensor(layer.top), out=levels).mul_(layer.step)
