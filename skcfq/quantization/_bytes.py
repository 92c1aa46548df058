"""How many bytes a quantized network takes, and the bit budget that a budget in bytes leaves."""

import collections
import math
from fractions import Fraction

from ._bits import TERNARY_BITS, exact_average
from ._policy import quant_layers

#: Bytes of a step, a bias or a clip.
FLOAT_BYTES = 4


def packed_bytes(model):
    """Bytes of a quantized network: packed codes, steps, biases and steps of activations.

    Codes of whole widths are a stream of bits, ternary codes go five to a byte; each layer, and in it
    the outputs of each width, begin with a new byte. Where the outputs of a layer have widths of
    their own, each takes a byte for it. Steps and biases are single precision.

    Parameters
    ----------
    model : QuantMLP
        With fixed widths.

    Returns
    -------
    int

    Examples
    --------
    >>> from skcfq.quantization import build_quantized, linear_layers, mlp
    >>> packed_bytes(build_quantized(linear_layers(mlp((10, 4, 2))), bits=(4,)))
    72
    """
    return sum(map(_layer_bytes, quant_layers(model))) + _other_bytes(model)


def _layer_bytes(layer):
    """Bytes of a layer's codes, and of its widths if there are several."""
    outputs = collections.Counter(layer.channel_bits)
    codes = sum(_code_bytes(n * layer.in_features, width) for width, n in outputs.items())
    return codes + (layer.out_features if len(outputs) > 1 else 0)


def byte_budget_bits(model, byte_budget, per_channel=False):
    """The bit budget with which any allocation keeps a budget in bytes.

    Parameters
    ----------
    model : QuantMLP
        Its layers may search their widths, or be fixed.
    byte_budget : int
        Largest number of bytes, as :func:`packed_bytes` counts.
    per_channel : bool, default=False
        Whether outputs are going to have widths of their own.

    Returns
    -------
    float
        Average bits per weight. It reckons with the bits that no layer's last byte uses, which are
        none where the number of weights is a multiple of 8 and no width is ternary.

    Raises
    ------
    ValueError
        If the narrowest widths, or those that are fixed, take more.

    Examples
    --------
    >>> from skcfq.quantization import build_quantized, linear_layers, mlp
    >>> byte_budget_bits(build_quantized(linear_layers(mlp((10, 4, 2))), bits=(2, 4)), 72)
    4.0
    """
    layers = quant_layers(model)
    sizes = [layer.n_weights for layer in layers]
    narrowest = [layer.candidate_bits[0] if layer.bits is None else layer.bits for layer in layers]
    # As many bits as the last bytes leave unused, at most.
    waste = 0
    least = _other_bytes(model)
    for layer, size in zip(layers, sizes, strict=True):
        if layer.bits is not None:
            least += _layer_bytes(layer)
            waste += (
                8 * _layer_bytes(layer) - sum(map(Fraction, layer.channel_bits)) * layer.in_features
            )
            continue
        least += _code_bytes(size, layer.candidate_bits[0])
        unused = [
            8 * _code_bytes(size, width) - size * Fraction(width) for width in layer.candidate_bits
        ]
        waste += max(unused)
        if per_channel:
            # A last byte for each width, and a byte for the width of each output.
            waste += 8 * len(unused) + 8 * layer.out_features
    if byte_budget < least:
        raise ValueError(
            f"byte_budget={byte_budget!r}: with the narrowest widths, and those that are pinned, the network "
            f"takes {least} bytes. Raise the budget, or add a narrower width to bits."
        )
    average = (8 * (byte_budget - _other_bytes(model)) - waste) / Fraction(sum(sizes))
    # The narrowest widths are affordable, whatever last bytes waste.
    average = max(average, exact_average(sizes, narrowest))
    rounded = float(average)
    return rounded if Fraction(rounded) >= average else math.nextafter(rounded, math.inf)


def _code_bytes(n_weights, bits):
    return -(-n_weights // 5) if bits == TERNARY_BITS else -(-n_weights * bits // 8)


def _other_bytes(model):
    layers = quant_layers(model)
    numbers = sum(layer.log_step[0].numel() for layer in layers)
    numbers += sum(layer.out_features for layer in layers if layer.bias is not None)
    numbers += sum(activation.bits is not None for activation in model.activations)
    return FLOAT_BYTES * numbers
