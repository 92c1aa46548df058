"""Linear bounds of a network over regions of actions.

Every activation is enclosed between two lines over the interval of its input (ReLU: [1]_, [2]_;
activations rounded to levels: lines through the corners of the steps). Substituted backwards
through the layers, they bound any linear function of the logits by a linear function of the
action, exactly where all activations are linear over the region.

References
----------
.. [1] H. Zhang, T.-W. Weng, P.-Y. Chen, C.-J. Hsieh, L. Daniel (2018). "Efficient Neural Network
   Robustness Certification with General Activation Functions". arXiv:1811.00866
.. [2] G. Singh, T. Gehr, M. Püschel, M. Vechev (2019). "An Abstract Domain for Certifying Neural
   Networks". https://doi.org/10.1145/3290354
"""

import dataclasses

import torch


@dataclasses.dataclass(frozen=True)
class Lines:
    """Lines below and above an activation, each tensor of the shape of its input's limits.

    Attributes
    ----------
    low_slope, low_offset, high_slope, high_offset : tensors
        ``low_slope * a + low_offset <= activation(a) <= high_slope * a + high_offset``.
    """

    low_slope: torch.Tensor
    low_offset: torch.Tensor
    high_slope: torch.Tensor
    high_offset: torch.Tensor

    def gap(self, low, high):
        """Distance of the lines in the middle of the interval."""
        middle = (low + high) / 2
        slope = self.high_slope - self.low_slope
        return slope * middle + self.high_offset - self.low_offset


def relax(layer, low, high):
    """Lines around the activation of a layer for inputs between `low` and `high`.

    Parameters
    ----------
    layer : Layer
    low, high : tensors
        Limits of the inputs, of any shape.

    Returns
    -------
    Lines
    """
    if layer.step is not None:
        return _relax_levels(low, high, layer.step, layer.top)
    zero = torch.zeros_like(low)
    if not layer.relu:
        return Lines(zero + 1, zero, zero + 1, zero)
    chord = high / (high - low).clamp(min=1e-300)
    off, on = high <= 0, low >= 0
    slope = torch.where(on, 1.0, torch.where(off, 0.0, chord))
    offset = torch.where(on | off, zero, -chord * low)
    # Of 0 and the identity, the one nearer to the activation.
    below = torch.where(on | (~off & (high > -low)), 1.0, zero)
    return Lines(below, zero, slope, offset)


def _relax_levels(low, high, step, top):
    """Lines around ``clip(round(a / step), 0, top) * step``.

    The steps' upper corners are ``((k - 1/2) step, k step)``, the lower ones
    ``((k - 1/2) step, (k - 1) step)``. The line above is a constant, the line through all upper
    corners, or a line from the left end over the corners, whichever is lowest in the middle. The
    line below is the same of the mirrored function.
    """
    top = torch.as_tensor(top).to(low).expand_as(low)  # also one for each unit
    first, last = ((each / step).round().clamp(min=0).minimum(top) for each in (low, high))
    lines = Lines(torch.zeros_like(low), first * step, torch.zeros_like(low), first * step)
    # Where regions are small, mostly one level is in reach.
    at = (last > first).reshape(-1).nonzero().squeeze(1)
    if len(at):
        low, high, first, last, top = (
            each.reshape(-1).index_select(0, at) for each in (low, high, first, last, top)
        )
        # activation(a) = top * step - mirrored(top * step - a), and its line below is the mirror
        # image of that one's line above.
        span = top * step
        above = _cover(low, high, first, last, step)
        slope, offset = _cover(span - high, span - low, top - last, top - first, step)
        found = slope, span - offset - slope * span, *above
        for value, part in zip(vars(lines).values(), found, strict=True):
            value.view(-1).index_copy_(0, at, part)
    return lines


def _cover(low, high, first, last, step):
    """Slope and offset of a line above the levels `first` to `last` of steps on an interval."""
    middle = (low + high) / 2
    start, stop = (first + 0.5) * step, (last - 0.5) * step  # first and last jump
    room = (start - low).clamp(min=1e-12 * step)
    steepest = torch.maximum(step / room, (last - first) * step / (room + stop - start))
    candidates = (
        (torch.zeros_like(low), last * step),
        (steepest, first * step - steepest * low),
        (torch.ones_like(low), torch.full_like(low, 0.5 * step)),
    )
    slope, offset = candidates[0]
    for k, (other_slope, other_offset) in enumerate(candidates[1:]):
        lower = other_slope * middle + other_offset < slope * middle + offset
        # The line through the corners starts above the first level only from its own corner on.
        lower &= (last > first) & ((k == 0) | (start - low <= step))
        slope = torch.where(lower, other_slope, slope)
        offset = torch.where(lower, other_offset, offset)
    return slope, offset


@dataclasses.dataclass(frozen=True)
class Hidden:
    """What is known of a hidden layer over N regions.

    Attributes
    ----------
    lines : Lines
        Around its activations, tensors of shape (N, H).
    looseness : tensor of shape (N, H, m + q)
        Distance of the lines, shared out over the features whose freedom causes it.
    """

    lines: Lines
    looseness: torch.Tensor


class Relaxation:
    """A network and a problem's people, to bound logits over regions of their actions.

    Parameters
    ----------
    layers : tuple of Layer
    problem : Problem
        In float64.
    """

    def __init__(self, layers, problem):
        self.layers = layers
        self.weights = [problem.x.new_tensor(layer.weight) for layer in layers]
        self.biases = [problem.x.new_tensor(layer.bias) for layer in layers]
        self.owner = problem.owner
        # The outputs of the first layer are linear in every move.
        first = self.weights[0]
        self.base = problem.x @ first.T + self.biases[0]  # (n, H)
        self.per_number = first[:, problem.columns] * problem.rate  # (H, m)
        self.per_choice = first @ problem.table.T  # (H, M)
        self.x, self.block = problem.x, problem.block.to(problem.x)
        self.columns, self.rate, self.table = problem.columns, problem.rate, problem.table

    def hidden(self, regions, reach):
        """Bound the activations of every hidden layer over regions.

        Parameters
        ----------
        regions : Regions
        reach : callable
            ``reach(number, choice)``: largest value over each region of linear functions of the
            action, (N, r), and the most that each feature adds to it, (N, r, m + q).

        Returns
        -------
        list of Hidden
        """
        found = []
        for i, layer in enumerate(self.layers[:-1]):
            unit = torch.eye(len(self.biases[i]), dtype=self.base.dtype)
            ends = []
            for sign in (-1.0, 1.0):
                constant, number, choice = self.above(regions.person, found, i, sign * unit)
                most, part = reach(number, choice)
                ends.append((constant + most, part))
            (low, part_low), (high, part_high) = ends
            # Rounding of the sums above, far below what a margin is held to.
            slack = 1e-11 * (1 + torch.maximum(low.abs(), high.abs()))
            low, high = -low - slack, high + slack
            lines = relax(layer, low, high)
            share = (part_low + part_high) / (high - low)[:, :, None]
            found.append(Hidden(lines, lines.gap(low, high)[:, :, None] * share))
        return found

    def above(self, person, hidden, i, rows):
        """Bound linear functions of the outputs of layer `i` from above by functions of the action.

        Parameters
        ----------
        person : tensor of int64, shape (N,)
        hidden : list of Hidden
            Of the layers before.
        i : int
        rows : tensor of shape (r, H) or (N, r, H)
            Coefficients of the functions.

        Returns
        -------
        constant : tensor of shape (N, r)
            Value at no action.
        number : tensor of shape (N or 1, r, m)
            Per unit of cost of each numeric change.
        choice : tensor of shape (N or 1, r, M)
            Of each choice.
        """
        constant, rows = 0.0, rows if rows.ndim == 3 else rows[None]
        for j in range(i, 0, -1):
            constant = constant + rows @ self.biases[j]
            rows = rows @ self.weights[j]
            lines = hidden[j - 1].lines
            up, down = rows.clamp(min=0), rows.clamp(max=0)
            constant = constant + _dot(up, lines.high_offset) + _dot(down, lines.low_offset)
            rows = up * lines.high_slope[:, None] + down * lines.low_slope[:, None]
        constant = constant + _dot(rows, self.base[person])
        rows = rows @ self.weights[0]  # of the inputs, (N or 1, r, d)
        choice = rows @ self.table.T
        if len(self.owner):  # a choice takes away what the present value contributes
            choice = choice - ((rows * self.x[person, None]) @ self.block.T)[:, :, self.owner]
        return constant, rows[:, :, self.columns] * self.rate, choice

    def blame(self, hidden, rows):
        """How much the distances between lines loosen bounds of the logits, by feature.

        Parameters
        ----------
        hidden : list of Hidden
        rows : tensor of shape (N, r, C)
            Functions of the logits, as for `above`.

        Returns
        -------
        tensor of shape (N, m + q)
        """
        carried = self._carried(hidden, rows)
        return sum(
            torch.einsum("nrh,nhf->nf", rows.abs(), layer.looseness) for layer, rows in carried
        )

    def _carried(self, hidden, rows):
        """Each hidden layer, the last one first, and the functions of the logits as those of its activations."""
        for j in range(len(hidden), 0, -1):
            rows, lines = rows @ self.weights[j], hidden[j - 1].lines
            yield hidden[j - 1], rows
            up, down = rows.clamp(min=0), rows.clamp(max=0)
            rows = up * lines.high_slope[:, None] + down * lines.low_slope[:, None]


def _dot(rows, values):
    """``rows`` (N or 1, r, H) times ``values`` (N, H): (N, r)."""
    return (rows @ values[:, :, None]).squeeze(2)
