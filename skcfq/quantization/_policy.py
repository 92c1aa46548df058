"""What widths a model prefers, costs and has: functions of its parameters and buffers alone."""

import numpy as np
import torch

from .._utils._errors import raise_problems
from ._bits import canonical_bits, listed
from ._quant_linear import QuantLinear


def quant_layers(model):
    """The :class:`QuantLinear` layers of a model, in order.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    list of QuantLinear

    Examples
    --------
    >>> len(quant_layers(torch.nn.Sequential(QuantLinear(4, 2, (2, 4)), torch.nn.ReLU())))
    1
    """
    return [layer for layer in model.modules() if isinstance(layer, QuantLinear)]


def gumbel_noise(model, generator):
    """Gumbel noise for the preferences of every layer.

    Drawn by the caller, once per training step: all forward passes of a step then compute with
    the same widths, and the global random state is neither read nor changed.

    Parameters
    ----------
    model : torch.nn.Module
        With :class:`QuantLinear` layers.
    generator : torch.Generator
        On the CPU, where the noise is drawn: the same on every device.

    Returns
    -------
    list of torch.Tensor
        One per layer, of shape (n_candidates,), for the ``noise`` of :class:`QuantMLP`. Fixed
        layers have theirs too, and ignore it.

    References
    ----------
    .. [1] E. Jang, S. Gu, B. Poole (2017). "Categorical Reparameterization with
       Gumbel-Softmax". arXiv:1611.01144

    Examples
    --------
    >>> noise = gumbel_noise(QuantLinear(4, 2, (2, 4, 8)), torch.Generator().manual_seed(0))
    >>> [part.shape for part in noise]
    [torch.Size([3])]
    """
    noise = []
    for layer in quant_layers(model):
        exponential = torch.empty(len(layer.candidate_bits)).exponential_(generator=generator)
        noise.append(-exponential.clamp(min=1e-20).log().to(layer.bit_logits.device))
    return noise


def bit_cost(model):
    """Bits that the model's weights are expected to take, differentiable.

    ``sum_l n_l * E[bits_l]``, over layers with ``n_l`` weights: the BitCost of the paper's
    objective. Biases and steps are not counted.

    Parameters
    ----------
    model : torch.nn.Module
        With :class:`QuantLinear` layers.

    Returns
    -------
    torch.Tensor of shape ()

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160

    Examples
    --------
    >>> bit_cost(QuantLinear(10, 3, (2, 4))).item()
    90.0
    """
    return sum(layer.n_weights * layer.expected_bits() for layer in quant_layers(model))


def expected_average_bits(model):
    """Bits per weight that the model is expected to take, differentiable.

    Parameters
    ----------
    model : torch.nn.Module
        With :class:`QuantLinear` layers.

    Returns
    -------
    torch.Tensor of shape ()
        :func:`bit_cost` divided by the number of weights.

    Examples
    --------
    >>> expected_average_bits(QuantLinear(10, 3, (2, 4))).item()
    3.0
    """
    return bit_cost(model) / sum(layer.n_weights for layer in quant_layers(model))


def average_bits(model):
    """Bits per weight of a model whose widths are fixed.

    A function of the widths and sizes alone; no forward pass changes it. It is computed exactly
    and rounded once, so it never passes a budget that the allocation kept.

    Parameters
    ----------
    model : torch.nn.Module
        With :class:`QuantLinear` layers, all fixed.

    Returns
    -------
    float
        Ternary counts as ``log2(3)``. Biases and steps are not counted.

    Raises
    ------
    RuntimeError
        Names the layers that still search.

    Examples
    --------
    >>> average_bits(QuantLinear(10, 3, (4,)))
    4.0
    """
    layers = quant_layers(model)
    bits = [layer.total_bits() for layer in layers]
    searching = [index for index, total in enumerate(bits) if total is None]
    if searching:
        raise RuntimeError(
            f"Layers {searching} still search their widths: call apply_allocation first, "
            "or ask for expected_average_bits."
        )
    return float(sum(bits) / sum(layer.n_weights for layer in layers))


def bit_preferences(model):
    """Log-probability that each layer gives to each of its candidate widths.

    Parameters
    ----------
    model : torch.nn.Module
        With :class:`QuantLinear` layers that share their candidate widths.

    Returns
    -------
    numpy.ndarray of shape (n_layers, n_candidates)
        ``log_softmax(bit_logits)``, columns in rising order of width. Values for
        :func:`allocate_bits`.

    Examples
    --------
    >>> bit_preferences(QuantLinear(10, 3, (2, 4))).round(3)
    array([[-0.693, -0.693]])
    """
    layers = quant_layers(model)
    candidates = {layer.candidate_bits for layer in layers}
    if len(candidates) != 1:
        raise ValueError(
            f"Layers with one set of candidate widths are needed, not {len(candidates)}."
        )
    logits = torch.stack([layer.bit_logits.detach().double() for layer in layers])
    return np.asarray(logits.log_softmax(1).tolist())


def apply_allocation(model, bits):
    """Fix the widths of every layer.

    Parameters
    ----------
    model : torch.nn.Module
        With :class:`QuantLinear` layers. Changed in place.
    bits : sequence of width, or of tuples of width
        One per layer, see :func:`allocate_bits`; or for a layer a tuple of one per output.

    Raises
    ------
    ValueError
        Lists every layer that lacks its width. The model is unchanged.

    Examples
    --------
    >>> layer = QuantLinear(10, 3, (2, 4))
    >>> apply_allocation(layer, [2])
    >>> layer.bits
    2
    """
    layers, bits = quant_layers(model), list(bits)
    if len(bits) != len(layers):
        raise ValueError(f"{len(bits)} widths for {len(layers)} layers: one each is needed.")
    raise_problems(
        "Allocation",
        [
            f"layer {index} has no width {width!r}; its candidates are {listed(layer.candidate_bits)}."
            for index, (layer, given) in enumerate(zip(layers, bits, strict=True))
            for width in (given if isinstance(given, tuple) else (given,))
            if canonical_bits(width) not in layer.candidate_bits
        ],
    )
    for layer, width in zip(layers, bits, strict=True):
        layer.fix_bits(width)
