"""Round the weights of a network in turn: in which order, and where they start."""

import torch

from ..quantization import linear_layers, quant_layers
from ._sensitivity import FisherSensitivity, RecourseSensitivity


@torch.no_grad()
def start_in_turn(module, network, lesson):
    """Give a quantized network its weights in full precision back, and say in which order they are to be rounded.

    Parameters
    ----------
    module : QuantMLP
        With fixed widths and their steps. Changed in place.
    network : torch.nn.Module
        What it quantizes, linear layers with ReLUs between them.
    lesson : Lesson
        Weights whose rounding does most to its advice are the first; if nobody has any, to the predictions.

    Returns
    -------
    list of tensor of shape (out_features, in_features)
        For each layer the share, from 0 to below 1, of the weights that are rounded before each. Weights that have one
        level only are not counted, and have 0.
    """
    advised = lesson.advice is not None and bool(lesson.counted.any())
    sensitivity = RecourseSensitivity() if advised else FisherSensitivity()
    effects = sensitivity.weight_effects(module, network, lesson)
    free = []
    for layer, linear in zip(quant_layers(module), linear_layers(network), strict=True):
        free.append(layer.free())
        layer.weight.copy_(linear.weight)
        if layer.bias is not None:
            layer.bias.copy_(linear.bias)
        layer.relax_codes()
    sizes = [each.numel() for each in free]
    free, effects = (torch.cat([each.flatten() for each in part]) for part in (free, effects))
    shares = torch.zeros(len(free))
    order = effects[free].argsort(descending=True, stable=True)
    shares[free.nonzero()[order, 0]] = torch.arange(len(order)) / max(1, len(order))
    return [
        share.view(layer.weight.shape)
        for share, layer in zip(shares.split(sizes), quant_layers(module), strict=True)
    ]
