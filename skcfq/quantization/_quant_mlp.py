"""The quantized network: layers and activations in turn."""

import numbers

from torch import nn

from ._pruning import magnitude_masks
from ._quant_linear import QuantLinear
from ._quant_relu import QuantReLU


class QuantMLP(nn.Module):
    """Quantized Linear-ReLU-...-Linear.

    Parameters
    ----------
    layers : sequence of QuantLinear
        At least one.
    activations : sequence of QuantReLU
        One between each two layers.

    Examples
    --------
    >>> import torch
    >>> model = QuantMLP([QuantLinear(4, 3, (2, 4)), QuantLinear(3, 2, (2, 4))], [QuantReLU()])
    >>> model(torch.zeros(5, 4)).shape
    torch.Size([5, 2])
    """

    def __init__(self, layers, activations):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.activations = nn.ModuleList(activations)
        if len(self.layers) != len(self.activations) + 1:
            raise ValueError(
                f"{len(self.layers)} layers with {len(self.activations)} activations: "
                "one activation is needed between each two layers."
            )

    def forward(self, x, noise=None):
        """Map (n_samples, n_inputs) to logits, (n_samples, n_classes).

        `noise`, of :func:`gumbel_noise`, draws the widths while they are searched: with the same
        noise, several passes see the same network. ``None`` takes the preferred widths.
        """
        noise = [None] * len(self.layers) if noise is None else noise
        x = self.layers[0](x, noise[0])
        for i, activation in enumerate(self.activations, start=1):
            x = self.layers[i](activation(x), noise[i])
        return x


def build_quantized(
    linears,
    bits,
    per_channel=True,
    activation_bits=None,
    clips=None,
    prune_fraction=0.0,
    clip_rule="pact",
):
    """Quantize the layers of a float network.

    Parameters
    ----------
    linears : sequence of torch.nn.Linear
        See :func:`linear_layers`. Copied, not changed.
    bits : sequence of width
        Candidate widths of every layer, see :class:`QuantLinear`.
    per_channel : bool, default=True
        One step per output; otherwise one per layer.
    activation_bits : {None, 2, 3, 4, 5, 6, 7, 8} or sequence of them, default=None
        Width of the hidden activations, of all or of each; ``None`` leaves them in full precision. In a
        sequence, a tuple gives each unit of a layer a width of its own, see :class:`QuantReLU`.
    clips : sequence of float, default=None
        Where each hidden activation's clip starts, see :func:`calibrate_clips`.
    prune_fraction : float, default=0.0
        Share of the weights that are 0 and stay so, see :func:`magnitude_masks`.
    clip_rule : {"pact", "lsq"}, default="pact"
        What clips learn from, see :class:`QuantReLU`.

    Returns
    -------
    QuantMLP

    Examples
    --------
    >>> from skcfq.quantization import linear_layers, mlp
    >>> build_quantized(linear_layers(mlp((4, 3, 2))), bits=(2, 4), activation_bits=8, clips=[2.0])
    QuantMLP(
      (layers): ModuleList(
        (0): QuantLinear(in_features=4, out_features=3, bits=(2, 4), per_channel=True)
        (1): QuantLinear(in_features=3, out_features=2, bits=(2, 4), per_channel=True)
      )
      (activations): ModuleList(
        (0): QuantReLU(bits=8, clip=2)
      )
    )
    """
    linears = list(linears)
    n_hidden = len(linears) - 1
    if clips is not None and len(clips) != n_hidden:
        raise ValueError(
            f"clips has {len(clips)} values: one per hidden layer, {n_hidden}, is needed."
        )
    layers = [QuantLinear.from_linear(linear, bits, per_channel) for linear in linears]
    if prune_fraction:
        masks = magnitude_masks([linear.weight for linear in linears], prune_fraction)
        for layer, kept in zip(layers, masks, strict=True):
            layer.prune(kept)
    widths = activation_bits
    if widths is None or isinstance(widths, numbers.Real):
        widths = [widths] * n_hidden
    if len(widths) != n_hidden:
        raise ValueError(
            f"activation_bits has {len(widths)} widths: one per hidden layer, {n_hidden}, is needed."
        )
    activations = [
        QuantReLU(width, 6.0 if clips is None else clips[i], clip_rule)
        for i, width in enumerate(widths)
    ]
    return QuantMLP(layers, activations).to(linears[0].weight)


def unit_widths(model):
    """Width of the activation of every hidden unit.

    Parameters
    ----------
    model : QuantMLP

    Returns
    -------
    tuple of (tuple of int or None)
        For each hidden layer; None where activations are floats.

    Examples
    --------
    >>> unit_widths(QuantMLP([QuantLinear(4, 3, (2,)), QuantLinear(3, 2, (2,))], [QuantReLU(4)]))
    ((4, 4, 4),)
    """
    return tuple(
        None if each.bits is None else each.unit_bits or (each.bits,) * layer.out_features
        for layer, each in zip(model.layers, model.activations, strict=False)
    )


def average_activation_bits(model):
    """Bits of a hidden activation on average over the units; None if any of them are floats.

    Parameters
    ----------
    model : QuantMLP

    Returns
    -------
    float or None

    Examples
    --------
    >>> model = QuantMLP([QuantLinear(4, 3, (2,)), QuantLinear(3, 2, (2,))], [QuantReLU((2, 8, 2))])
    >>> average_activation_bits(model)
    4.0
    """
    widths = unit_widths(model)
    if not widths or None in widths:
        return None
    widths = [width for each in widths for width in each]
    return sum(widths) / len(widths)
