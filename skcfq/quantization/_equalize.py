"""Give the hidden units of a layer ranges that one clip fits."""

import copy

import torch

from ._bits import unit_levels
from ._float import linear_layers


@torch.no_grad()
def equalize(network, x, unit_bits=None):
    """Scale the hidden units of a ReLU network to equal ranges; what it computes stays the same.

    A ReLU commutes with a positive factor: dividing a unit's weights and bias by its largest
    activation, relative to the layer's (geometric) mean of them, and multiplying the weights that
    read it changes nothing in full precision [1]_. A quantized activation has one distance of levels for
    the layer, though, and a unit of a small range would get few of them. Where units have widths
    of their own, ranges are made proportional to their largest levels instead.

    Parameters
    ----------
    network : torch.nn.Module
        Linear layers with ReLUs between them. Not changed.
    x : torch.Tensor of shape (n_samples, n_inputs), or list of torch.Tensor of shape (n_units,)
        Rows at which ranges are measured, or the ranges of each hidden layer. A unit that is never active is
        left alone.
    unit_bits : sequence of (tuple of int or None), default=None
        For each hidden layer the widths of its units; None where they have one. A unit without any bits
        is left alone.

    Returns
    -------
    torch.nn.Module
        A copy.

    References
    ----------
    .. [1] M. Nagel, M. van Baalen, T. Blankevoort, M. Welling (2019). "Data-Free Quantization
       Through Weight Equalization and Bias Correction". arXiv:1906.04721

    Examples
    --------
    >>> from skcfq.quantization import linear_layers, mlp
    >>> x = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
    >>> first, last = linear_layers(equalize(mlp((5, 4, 2)), x))
    >>> ranges = first(x).relu().amax(0)
    >>> torch.allclose(ranges[ranges > 0], ranges.max())
    True
    """
    network = copy.deepcopy(network)
    linears = linear_layers(network)
    if isinstance(x, torch.Tensor):
        x = [outputs.amax(0) for outputs in hidden_outputs(linears, x)]
    for i, (linear, ranges) in enumerate(zip(linears[:-1], x, strict=True)):
        if unit_bits is not None and unit_bits[i] is not None:
            tops = ranges.new_tensor(unit_levels(unit_bits[i]))
            ranges = torch.where(tops > 0, ranges / tops, 0.0)
        active = ranges > 0
        if active.any():
            scale = torch.where(active, ranges / ranges[active].log().mean().exp(), 1.0)
            linear.weight /= scale[:, None]
            if linear.bias is not None:
                linear.bias /= scale
            linears[i + 1].weight *= scale
    return network


def hidden_outputs(linears, x):
    """What each hidden layer computes, tensors of shape (n_samples, n_units)."""
    for linear in linears[:-1]:
        x = linear(x).relu()
        yield x
