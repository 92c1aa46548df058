"""Quantize a layer so that its outputs change least: rounding that makes up for itself."""

import torch

from ._calibration import mse_step
from ._functional import coarse_limits, quantize_codes

#: Share of the mean variance of the inputs that is added to each: inputs that hardly vary would
#: else be rounded arbitrarily.
DAMPING = 0.01

#: Passes over the inputs, at most; it usually settles earlier.
N_SWEEPS = 20

#: Rows that are in double precision at a time.
N_ROWS = 8192


@torch.no_grad()
def reconstruct(layer, inputs, outputs, weight=None):
    """Choose a layer's codes, steps and bias so that its outputs are near the wanted ones.

    Minimises ``sum_n weight_n * ||layer(inputs_n) - outputs_n||**2``: weights in full precision
    have a closed form, a ridge regression towards the present ones. From their nearest levels, codes
    descend one input at a time, so that the rounding errors of correlated inputs make up for each
    other [1]_, in turn with the steps, which have a closed form again. The error never
    rises. The bias makes the mean error 0 [2]_.

    Parameters
    ----------
    layer : QuantLinear
        With a fixed width. Changed in place; pruned weights stay 0.
    inputs : torch.Tensor of shape (n_samples, in_features)
        What the layer will be given: the outputs of the quantized layers before it.
    outputs : torch.Tensor of shape (n_samples, out_features)
        What it should compute, e.g. what the layer in full precision computes.
    weight : torch.Tensor of shape (n_samples,), default=None
        Weights of the rows; ``None``: all count alike.

    References
    ----------
    .. [1] K. Behdin, A. Acharya, A. Gupta, Q. Song, S. Zhu, S. Keerthi, R. Mazumder (2023).
       "QuantEase: Optimization-based Quantization for Language Models". arXiv:2309.01885
    .. [2] M. Nagel, M. van Baalen, T. Blankevoort, M. Welling (2019). "Data-Free Quantization
       Through Weight Equalization and Bias Correction". arXiv:1906.04721

    Examples
    --------
    >>> import torch
    >>> from skcfq.quantization import QuantLinear
    >>> x = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    >>> linear = torch.nn.Linear(4, 2)
    >>> layer = QuantLinear.from_linear(linear, bits=(8,))
    >>> reconstruct(layer, x, linear(x))
    >>> bool((layer(x) - linear(x)).mean(0).abs().max() < 1e-6)
    True
    """
    share = inputs.new_ones(len(inputs)) if weight is None else weight
    share = (share / share.sum()).double()[:, None]  # (n_samples, 1)
    centre_in, centre_out, moments, cross = _moments(inputs, outputs, share, layer.bias is not None)
    ridge = DAMPING * moments.diagonal().mean().clamp(min=1e-12)
    moments.diagonal().add_(ridge)
    cross += ridge * layer.weight.double()
    wanted = torch.linalg.solve(moments, cross, left=False)
    steps = _nearest_steps(layer, wanted, moments.diagonal())
    codes, steps = _descend(wanted, steps, layer.limits(), layer.grain(), moments, layer.kept)
    layer.set_codes(codes, steps)
    if layer.bias is not None:
        layer.bias.copy_(centre_out - layer.quantized_weight().double() @ centre_in)


def _moments(inputs, outputs, share, centred):
    """Weighted means (in,), (out,) and second moments (in, in), (out, in), in double precision.

    The means are 0 unless the moments are to be centred.
    """
    parts = list(zip(*(rows.split(N_ROWS) for rows in (inputs, outputs, share)), strict=True))
    centre_in = sum((s * x.double()).sum(0) for x, _, s in parts) * centred
    centre_out = sum((s * y.double()).sum(0) for _, y, s in parts) * centred
    moments = cross = 0.0
    for x, y, s in parts:
        x, y = x.double() - centre_in, y.double() - centre_out
        weighted = s * x
        moments, cross = moments + x.T @ weighted, cross + y.T @ weighted
    return centre_in, centre_out, moments, cross


def _nearest_steps(layer, wanted, importance):
    """Steps of nearest rounding at the layer's widths, of shape (out or 1, 1)."""
    steps = wanted.new_ones(len(layer.bit_index), 1)
    for index in layer.bit_index.unique().tolist():
        width = layer.candidate_bits[index]
        found = mse_step(wanted * layer.kept, width, layer.per_channel, importance, layer.grain())
        steps = torch.where((layer.bit_index == index)[:, None], found, steps)
    return steps


def _descend(wanted, steps, limits, grain, moments, kept):
    """Codes and steps by coordinate descent on ``tr (W - sQ) M (W - sQ)'``, from nearest rounding."""
    grain = grain.to(wanted)
    low, high = (each.expand(wanted.shape) for each in coarse_limits(*limits, grain))
    codes = quantize_codes(wanted, steps * grain, low, high).mul_(grain * kept)  # (out, in)
    for _ in range(N_SWEEPS):
        before = codes.clone()
        for i in moments.diagonal().argsort(descending=True, stable=True).tolist():
            # The code at which the errors of all weights of an output, seen by input i, cancel.
            seen = (codes * steps - wanted) @ moments[i] / moments[i, i]
            best = (codes[:, i] - seen / steps[:, 0]).div_(grain[i]).round_()
            codes[:, i] = best.clamp_(low[:, i], high[:, i]).mul_(grain[i] * kept[:, i])
        seen = codes @ moments
        along, size = (seen * wanted).sum(1, keepdim=True), (seen * codes).sum(1, keepdim=True)
        if len(steps) == 1:
            along, size = along.sum(0, keepdim=True), size.sum(0, keepdim=True)
        steps = torch.where((along > 0) & (size > 0), along / size, steps)
        if torch.equal(codes, before):
            break
    return codes, steps
