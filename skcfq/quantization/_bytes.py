"""How many bytes a quantized network takes, and the bit budget that a budget in bytes leaves."""

import collections
import math
from fractions import Fraction

from ._bits import MAX_SHIFT, TERNARY_BITS, coarse_bits, exact_average
from ._policy import quant_layers

#: Bytes of a step, a bias or a clip.
FLOAT_BYTES = 4


def packed_bytes(model):
    """Bytes of a quantized network: packed codes, steps, biases and steps of activations.

    Codes of whole widths are a stream of bits, ternary codes go five to a byte; each layer, and in it
    the weights of each width of outputs and shift of inputs, begin with a new byte. Where outputs of a layer have widths
    of their own, each takes a byte for it, and so does each input where inputs do with fewer bits, and each
    hidden unit where activations have widths of their own. Steps and
    biases are single precision.

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
    """Bytes of a layer's codes, of its widths if there are several, and of its shifts if there are any."""
    outputs = collections.Counter(layer.channel_bits)
    inputs = collections.Counter(layer.input_shifts.tolist())
    codes = sum(
        _code_bytes(n * m, coarse_bits(width, shift))
        for width, n in outputs.items()
        for shift, m in inputs.items()
    )
    widths = layer.out_features if len(outputs) > 1 else 0
    return codes + widths + (layer.in_features if any(inputs) else 0)


def byte_budget_bits(model, byte_budget, per_channel=False, per_input=False):
    """The bit budget with which any allocation keeps a budget in bytes.

    Parameters
    ----------
    model : QuantMLP
        Its layers may search their widths, or be fixed.
    byte_budget : int
        Largest number of bytes, as :func:`packed_bytes` counts.
    per_channel : bool, default=False
        Whether outputs are going to have widths of their own.
    per_input : bool, default=False
        Whether inputs are going to do with fewer bits than those.

    Returns
    -------
    float
        Average bits per weight. It reckons with the bits that no layer's last byte uses, which are
        none where the number of weights is a multiple of 8 and no width is ternary. With `per_input`, 0
        where there is no room for telling what each input does without.

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
    narrowest = [layer.candidate_bits[0] if layer.searches else layer.bits for layer in layers]
    # As many bits as the last bytes leave unused, at most.
    waste = 0
    least = _other_bytes(model)
    for layer, size in zip(layers, sizes, strict=True):
        if not layer.searches:
            least += _layer_bytes(layer)
            waste += 8 * _layer_bytes(layer) - layer.total_bits()
            continue
        least += _code_bytes(size, layer.candidate_bits[0])
        unused = [
            8 * _code_bytes(size, width) - size * Fraction(width) for width in layer.candidate_bits
        ]
        waste += max(unused)
        # A last byte for each width and shift, and a byte for the width of each output and the shift of each input.
        if per_channel or per_input:
            waste += 8 * (len(unused) if per_channel else 1) * (1 + MAX_SHIFT if per_input else 1)
        waste += 8 * (per_channel * layer.out_features + per_input * layer.in_features)
    if byte_budget < least:
        raise ValueError(
            f"byte_budget={byte_budget!r}: with the narrowest widths, and those that are pinned, the network "
            f"takes {least} bytes. Raise the budget, or add a narrower width to bits."
        )
    average = (8 * (byte_budget - _other_bytes(model)) - waste) / Fraction(sum(sizes))
    least = exact_average(sizes, narrowest)
    if per_input and average < least:
        return 0.0
    average = max(average, least)  # the narrowest widths are affordable, whatever last bytes waste
    rounded = float(average)
    return rounded if Fraction(rounded) >= average else math.nextafter(rounded, math.inf)


def _code_bytes(n_weights, bits):
    return -(-n_weights // 5) if bits == TERNARY_BITS else -(-n_weights * bits // 8)


def _other_bytes(model):
    layers = quant_layers(model)
    numbers = sum(layer.log_step[0].numel() for layer in layers)
    numbers += sum(layer.out_features for layer in layers if layer.bias is not None)
    numbers += sum(activation.bits is not None for activation in model.activations)
    units = sum(len(activation.unit_bits or ()) for activation in model.activations)
    return FLOAT_BYTES * numbers + units
