"""What a model weighs once it is packed."""

import math

from ..quantization import QuantReLU, linear_layers, quant_layers


def packed_bytes(model):
    """Bytes of a fitted classifier's packed parameters.

    Parameters
    ----------
    model : FullPrecisionClassifier, QATClassifier or CFQClassifier

    Returns
    -------
    int
        ``sum(n_weights * bits / 8)`` over the layers, each rounded up, plus 4 bytes for every
        bias, step and clip. In full precision 4 bytes for every weight and bias.
    """
    module = model.net_.module_
    layers = quant_layers(module)
    if not layers:
        return 4 * sum(
            part.numel() for layer in linear_layers(module) for part in layer.parameters()
        )
    weights = sum(math.ceil(layer.n_weights * layer.bits / 8) for layer in layers)
    biases = sum(layer.bias.numel() for layer in layers if layer.bias is not None)
    steps = sum(layer.steps().numel() for layer in layers)
    clips = sum(isinstance(part, QuantReLU) and part.bits is not None for part in module.modules())
    return weights + 4 * (biases + steps + clips)
