"""A network seen from behind its first layer, and a problem that goes with it."""

import dataclasses

import numpy as np
import torch

from ._base import Margin
from ._layers import read_layers

#: Outputs of a first layer that are always few enough, and how many times the inputs may be more:
#: copies of people hold them, and behind few inputs they save little time.
N_OUTPUTS, TIMES_INPUTS = 256, 2

#: Rows on which what was read of a network is compared with what it computes.
N_COMPARED = 64

#: What float32 may be wrong by, in units of a step, where activations are rounded.
HAIR = 2e-6


class Inside:
    """The margin as a function of what the first linear layer gives.

    Changes enter the first layer linearly, so `Problem.behind` moves its outputs by fixed vectors
    and the widest product of a network is done once a person. Activations that are rounded have
    levels 0, 1, 2, ... here: their steps are in the weights on both sides.

    Parameters
    ----------
    layers : list of Layer
        As `read_layers` gives them, the last one without activation.
    dtype : torch.dtype

    Attributes
    ----------
    first : tuple of tensors
        Weight and bias of the first layer, what `Problem.behind` takes.
    rounds : bool
        As of `Margin`.
    """

    def __init__(self, layers, dtype):
        def as_tensor(a):
            return torch.as_tensor(a).to(dtype).contiguous()

        self.rounds = any(layer.step is not None for layer in layers)
        tops = [layer.top for layer in layers[:-1]]
        tops = [as_tensor(top) if isinstance(top, np.ndarray) else top for top in tops]
        self.activations = [(layer.relu, top) for layer, top in zip(layers, tops, strict=False)]
        parts, before = [], 1.0
        for layer in layers:
            step = 1.0 if layer.step is None else layer.step
            parts.append((layer.weight * (before / step), layer.bias / step))
            before = step
        self.two_classes = len(parts[-1][1]) == 2
        if self.two_classes:  # one output is enough: the second logit minus the first
            parts[-1] = tuple(part[1:] - part[:1] for part in parts[-1])
        self.first, *self.rest = [(as_tensor(w), as_tensor(b)) for w, b in parts]

    def __call__(self, h, target):
        """Margins, (n,), of outputs of the first layer, (n, n_outputs), to classes (n,)."""
        return self._margin(self._forward(h)[-1], target)[0]

    def with_slopes(self, h, target):
        """As `_slopes.with_slopes`, by products with the weights."""
        outputs = self._forward(h)
        value, top_slopes = self._margin(outputs[-1], target)

        def slopes(rows=None):
            gradient = top_slopes if rows is None else top_slopes.index_select(0, rows)
            for i in range(len(self.rest) - 1, -1, -1):
                gradient = gradient @ self.rest[i][0]
                before = outputs[i] if rows is None else outputs[i].index_select(0, rows)
                gradient = _passed(gradient, before, *self.activations[i])
            return gradient

        return value, slopes

    def worst_nearby(self, h, target):
        """The least margin if everything that is rounded were a hair larger or smaller."""
        sides = [self._forward(h, shift)[-1] for shift in (HAIR, -HAIR)]
        return torch.minimum(*(self._margin(logits, target)[0] for logits in sides))

    def _forward(self, h, shift=0.0):
        """Outputs of every linear layer."""
        outputs = [h]
        for (relu, top), (weight, bias) in zip(self.activations, self.rest, strict=True):
            a = outputs[-1]
            if top is not None:
                a = (a + shift if shift else a).round()
                several = isinstance(top, torch.Tensor)
                a = a.clamp_(min=0).minimum(top) if several else a.clamp_(0, top)
            elif relu:
                a = a.relu()
            outputs.append(torch.addmm(bias, a, weight.T))
        return outputs

    def _margin(self, logits, target):
        """Margins, and their slopes in the logits."""
        if self.two_classes:
            sign = torch.where(target == 1, 1.0, -1.0).to(logits.dtype)
            return logits[:, 0] * sign, sign[:, None]
        at = target[:, None]
        strongest, rival = logits.scatter(1, at, -torch.inf).max(dim=1)
        slopes = torch.zeros_like(logits).scatter_(1, at, 1.0)
        slopes.scatter_(1, rival[:, None], -1.0)
        return logits.gather(1, at).squeeze(1) - strongest, slopes


def nudged(layers, side):
    """The layers with all that is rounded a hair larger (1) or smaller (-1), as `Inside.worst_nearby` asks."""
    return tuple(
        layer
        if layer.step is None
        else dataclasses.replace(layer, bias=layer.bias + side * HAIR * layer.step)
        for layer in layers
    )


def _passed(gradient, before, relu, top):
    """What an activation passes of a gradient: slope 1 strictly between its limits."""
    if isinstance(top, torch.Tensor):
        return gradient * ((before > 0) & (before < top))
    if top is not None:
        return torch.ops.aten.hardtanh_backward(gradient, before, 0.0, float(top))
    return torch.ops.aten.threshold_backward(gradient, before, 0.0) if relu else gradient


@torch.no_grad()
def look_inside(margin, problem):
    """The same question from behind the first layer, where a network can be read.

    Parameters
    ----------
    margin : Margin
    problem : Problem

    Returns
    -------
    margin : Inside or Margin
    problem : Problem
        Both as they came if the network is not made of linear layers and ReLUs alone, computes
        something else than its layers say, or has a first layer that is very wide.
    """
    try:
        layers = read_layers(margin.logits)
    except (AttributeError, TypeError):
        return margin, problem
    n_outputs, n_inputs = layers[0].weight.shape
    wide = n_outputs > max(N_OUTPUTS, TIMES_INPUTS * n_inputs)
    if type(margin) is not Margin or layers[-1].relu or wide:
        return margin, problem
    inside = Inside(layers, problem.x.dtype)
    behind = problem.behind(*inside.first)
    rows = slice(0, N_COMPARED)
    told, seen = (
        which(part.x[rows], part.target[rows])
        for which, part in ((margin, problem), (inside, behind))
    )
    told, seen = told[told.isfinite()], seen[told.isfinite()]
    near = (told - seen).abs() <= 1e-3 * (1 + told.abs())
    # All but a few: rounding may send an output that lies between two levels to the other one.
    if len(near) and near.float().mean() < 0.9:
        return margin, problem
    return inside, behind
