"""How many bytes a quantized network takes, and the bit budget that a budget in bytes leaves."""

import math
from fractions import Fraction

from ._bits import TERNARY_BITS, exact_average
from ._policy import quant_layers

#: Bytes of a step, a bias or a clip.
FLOAT_BYTES = 4


def packed_bytes(model):
    """Bytes of a quantized network: packed codes, steps, biases and steps of activations.

    Codes of whole widths are a stream of bits, layer by layer; ternary codes go five to a byte. Steps
    and biases are single precision.

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
    codes = sum(_code_bytes(layer.n_weights, layer.bits) for layer in quant_layers(model))
    return codes + _other_bytes(model)


def byte_budget_bits(model, byte_budget):
    """The bit budget with which any allocation keeps a budget in bytes.

    Parameters
    ----------
    model : QuantMLP
        Its layers may search their widths, or be fixed.
    byte_budget : int
        Largest number of bytes, as :func:`packed_bytes` counts.

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
    widths = [layer.candidate_bits if layer.bits is None else (layer.bits,) for layer in layers]
    narrowest = [min(allowed) for allowed in widths]
    least = _other_bytes(model) + sum(map(_code_bytes, sizes, narrowest))
    if byte_budget < least:
        raise ValueError(
            f"byte_budget={byte_budget!r}: with the narrowest widths, and those that are pinned, the network "
            f"takes {least} bytes. Raise the budget, or add a narrower width to bits."
        )
    waste = sum(
        max(8 * _code_bytes(size, width) - size * Fraction(width) for width in allowed)
        for size, allowed in zip(sizes, widths, strict=True)
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
