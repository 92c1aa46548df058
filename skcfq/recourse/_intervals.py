"""Bounds of a network over many small regions of actions, where activations are rounded to levels.

There, lines around activations are never closer than a step while several levels are in reach, so that nothing
is proven before regions are small: what counts is how many are looked at in a second. So inputs of activations are bounded by
interval arithmetic, level by level, and lines are put together once, for the logits alone.
"""

import dataclasses

import torch

from ._regions import choice_slices
from ._relaxation import Lines, Relaxation, relax

#: Patterns of levels are tried where at most so many activations of the first layer are open.
MOST_OPEN = 6

#: So many patterns are tried at once.
N_PATTERNS = 8192


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
        steepest = self._steepest(above > 0, below < 0)
        up = torch.minimum(up, extent.room[:, None] * steepest[0])
        down = torch.maximum(down, -extent.room[:, None] * steepest[1])
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

    def decide(self, hidden, versus, threshold):
        """Try all levels of the first layer that small regions leave open: which reach a threshold.

        Where few activations of the first layer may have one of two levels, everything behind them is known for
        each of their patterns.

        Parameters
        ----------
        hidden : list of Reach
        versus : tensor of shape (N, r, C)
            Functions of the logits that have to reach the threshold, all of them.
        threshold : tensor of shape (N,)

        Returns
        -------
        possible : tensor of bool, shape (N,)
            False: nothing in the region reaches the threshold.
        unit : tensor of int64, shape (N,)
            An output of the first layer that has to be on one side of a limit for it, -1 where none has to be.
        side : tensor of shape (N,)
            1: above the limit, -1: below.
        limit : tensor of shape (N,)
        """
        first, step = hidden[0], self.layers[0].step
        possible = torch.ones(len(first.low), dtype=torch.bool)
        unit = torch.full((len(possible),), -1)
        side, limit = self.base.new_zeros((2, len(possible)))
        if step is None:
            return possible, unit, side, limit
        open_ = first.spread > 0
        count = open_.sum(dim=1)
        count[first.spread.amax(dim=1) > 1.5 * step] = MOST_OPEN + 1
        for k in range(MOST_OPEN + 1):
            high = (torch.arange(2**k)[:, None] >> torch.arange(k)) % 2 == 1  # (2**k, k)
            for rows in (count == k).nonzero().squeeze(1).split(max(1, N_PATTERNS >> k)):
                at = open_[rows].nonzero()[:, 1].view(len(rows), k)
                reaches = self._patterns(first.least[rows], at, high, versus[rows], threshold[rows])
                possible[rows] = reaches.any(dim=1)
                if not k:
                    continue
                # What all patterns that reach it have in common.
                above = ~(reaches[:, :, None] & ~high).any(dim=1)
                below = ~(reaches[:, :, None] & high).any(dim=1)
                middle = first.least[rows].gather(1, at) + step / 2
                share = (middle - first.low[rows].gather(1, at)) / first.width[rows].gather(1, at)
                cut = torch.where(above, share, torch.where(below, 1 - share, -1.0))
                most, j = cut.max(dim=1, keepdim=True)
                unit[rows] = torch.where(most >= 0, at.gather(1, j), -1).squeeze(1)
                side[rows] = torch.where(above.gather(1, j), 1.0, -1.0).to(side).squeeze(1)
                limit[rows] = middle.gather(1, j).squeeze(1)
        return possible, unit, side, limit

    def _patterns(self, least, at, high, versus, threshold):
        """Which patterns of levels reach the threshold, bool of shape (N, 2**k)."""
        start = least @ self.weights[1].T + self.biases[1]
        jumps = self.layers[0].step * self.weights[1].T[at]  # (N, k, H)
        low, high = loosened(*[start[:, None] + high.to(jumps) @ jumps] * 2)
        for i, layer in enumerate(self.layers[1:-1], start=1):
            low, high = loosened(*self._linear(i + 1, activate(layer, low), activate(layer, high)))
        rows = versus[:, None]
        most = rows.clamp(min=0) @ high[..., None] + rows.clamp(max=0) @ low[..., None]
        return (most.squeeze(3) >= threshold[:, None, None]).all(dim=2)


def loosened(low, high):
    """Limits a little further apart than rounding of the sums can be off, far below what a margin is held to."""
    slack = 1e-11 * (1 + torch.maximum(low.abs(), high.abs()))
    return low - slack, high + slack


def activate(layer, a):
    """The activation of a layer, of tensors of any shape."""
    if layer.step is None:
        return a.clamp(min=0) if layer.relu else a
    return (a / layer.step).round().clamp(min=0).minimum(a.new_tensor(layer.top)) * layer.step
