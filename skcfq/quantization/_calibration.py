"""Steps and clips to start from: measured on weights and activations, before any training."""

import numpy as np
import torch

from ._bits import TERNARY_BITS, activation_levels, canonical_bits, levels, unit_levels
from ._float import linear_layers
from ._functional import coarse_limits, dequantize, quantize_codes

# Steps tried, as shares of the smallest step that clips nothing. That one comes first: of
# equally good steps the first is kept.
GRID = (1.0, *(share / 100 for share in range(1, 121) if share != 100))

# Clips tried, as shares of the largest activation.
CLIP_GRID = tuple(share / 50 for share in range(50, 0, -1))

# Weights quantized at once in trying steps: few enough to stay in the cache.
N_AT_ONCE = 65_536


@torch.no_grad()
def mse_step(weight, bits, per_channel=True, importance=None, grain=None):
    """The step, on a grid, that quantizes a weight with the least squared error.

    The grid holds 1 to 120 % of the smallest step that clips nothing; for ternary weights also
    the mean magnitude, as in BitNet b1.58. A channel of zeros takes the range of the whole weight.

    Parameters
    ----------
    weight : torch.Tensor of shape (out, in)
        Finite values.
    bits : width
        See :func:`canonical_bits`.
    per_channel : bool, default=True
        One step per row of `weight`; otherwise one for all.
    importance : torch.Tensor of shape (in,), default=None
        Factor on the squared error of each input's weights; ``None``: all count alike.
    grain : torch.Tensor of shape (in,), default=None
        Powers of two that the codes of each input are multiples of; ``None``: all are 1.

    Returns
    -------
    torch.Tensor of shape (out, 1) or (1, 1)
        Positive, in the type of `weight`.

    References
    ----------
    .. [1] S. Ma et al. (2024). "The Era of 1-bit LLMs: All Large Language Models are in 1.58
       Bits". arXiv:2402.17764

    Examples
    --------
    >>> import torch
    >>> weight = torch.tensor([[-1.0, 0.0, 0.5], [-4.0, 2.0, 0.1]])
    >>> mse_step(weight, 2)
    tensor([[0.5000],
            [2.0000]])
    """
    grain = weight.new_ones(()) if grain is None else grain.to(weight)
    q_min, q_max = levels(bits)
    low, high = coarse_limits(q_min, q_max, grain)
    weight = weight * (low < high)  # what can be 0 alone sets no range
    shape = weight.shape if per_channel else (1, -1)
    rows, grain, low, high = (
        each.expand(weight.shape).reshape(shape) for each in (weight, grain, low, high)
    )
    # The smallest step that clips nothing, shape (out or 1, 1). A single bit has no positive code.
    ranges = [
        (rows / (limit * grain)).nan_to_num_(posinf=0.0, neginf=0.0).amax(1, keepdim=True)
        for limit in (low, high)
    ]
    whole = torch.maximum(*ranges)
    spare = weight.abs().max() / q_max
    whole = torch.where(whole > 0, whole, torch.where(spare > 0, spare, torch.ones_like(spare)))
    steps = whole * whole.new_tensor(GRID).view(-1, 1, 1)  # (n_steps, out or 1, 1)
    if canonical_bits(bits) == TERNARY_BITS:
        steps = torch.cat([steps, rows.abs().mean(1, keepdim=True)[None]])
    steps.clamp_(min=torch.finfo(weight.dtype).tiny)
    factor = weight.new_ones(()) if importance is None else importance.to(weight)
    factor = factor.expand(weight.shape).reshape(shape)
    errors = []
    for part in steps.split(max(1, N_AT_ONCE // weight.numel())):
        part = part * grain
        quantized = dequantize(quantize_codes(rows, part, low, high), part)
        errors.append(quantized.sub_(rows).square_().mul_(factor).sum(2, keepdim=True))
    return steps.gather(0, torch.cat(errors).argmin(0, keepdim=True))[0]


@torch.no_grad()
def calibrate_clips(float_mlp, x, quantile=0.999):
    """Clips for the activations of a float network: a high quantile of each hidden layer.

    Parameters
    ----------
    float_mlp : torch.nn.Module
        Linear-ReLU-...-Linear, see :func:`mlp`.
    x : torch.Tensor of shape (n_samples, n_inputs)
        Rows to measure on.
    quantile : float, default=0.999
        In (0, 1]. Taken over all activations of a layer; where it is 0, the largest activation
        is the clip, and 1.0 where all are 0.

    Returns
    -------
    list of float
        One per hidden layer, > 0.

    Examples
    --------
    >>> import torch
    >>> from skcfq.quantization import mlp
    >>> clips = calibrate_clips(mlp((3, 4, 2)), torch.randn(50, 3))
    >>> len(clips), clips[0] > 0
    (1, True)
    """
    if not 0 < quantile <= 1:
        raise ValueError(f"quantile={quantile!r}: must lie in (0, 1].")
    clips = []
    for layer in linear_layers(float_mlp)[:-1]:
        x = layer(x).relu_()  # (n_samples, n_hidden)
        clip = float(np.quantile(x.cpu().numpy(), quantile))
        clips.append(clip or float(x.max()) or 1.0)
    return clips


@torch.no_grad()
def mse_clip(inputs, bits, outputs=None, weight=None):
    """The clip, on a grid, at which a quantized activation has the least squared error.

    The grid holds 2 to 100 % of the largest activation, or of the least clip that cuts off no unit.

    Parameters
    ----------
    inputs : torch.Tensor of shape (n_samples, n_hidden)
        What the activation is given, before the ReLU.
    bits : {2, 3, 4, 5, 6, 7, 8}, or sequence of {0, ..., 8} of shape (n_hidden,)
        Width of the activation, or of each unit's, see :class:`QuantReLU`.
    outputs : torch.Tensor of shape (n_samples, n_hidden), default=None
        What it should be; ``None``: the ReLU of `inputs`.
    weight : torch.Tensor of shape (n_samples,), default=None
        Weights of the rows; ``None``: all count alike.

    Returns
    -------
    float
        The widest unit's, > 0; 1.0 where no activation is.

    Examples
    --------
    >>> import torch
    >>> mse_clip(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), bits=2)
    3.0
    >>> mse_clip(torch.tensor([[-1.0]]), bits=2)
    1.0
    """
    outputs = inputs.relu() if outputs is None else outputs
    weight = inputs.new_ones(len(inputs)) if weight is None else weight
    several = isinstance(bits, tuple)
    tops = outputs.new_tensor(unit_levels(bits) if several else [activation_levels(bits)])
    # The step at which no unit is cut off.
    largest = (outputs.amax(0) / tops)[tops.expand(outputs.shape[1]) > 0].max()
    if not largest > 0:
        return 1.0
    low, steps, errors = torch.zeros_like(tops), [largest * share for share in CLIP_GRID], []
    for step in steps:
        codes = quantize_codes(inputs, step, low, tops)
        errors.append(float(weight @ dequantize(codes, step).sub_(outputs).square_().sum(1)))
    return float(steps[int(np.argmin(errors))] * tops.max())
