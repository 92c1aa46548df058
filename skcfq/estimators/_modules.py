"""Networks as NumPy arrays and plain values, and back."""

import itertools

import numpy as np
import torch

from ..quantization import QuantLinear, QuantMLP, QuantReLU, linear_layers, mlp


def module_state(module):
    """Describe a network by plain values and arrays.

    Parameters
    ----------
    module : QuantMLP or torch.nn.Sequential
        A network of this package.

    Returns
    -------
    dict
        ``sizes``, the quantizers' settings if there are any, and ``weights``.
    """
    quantized = isinstance(module, QuantMLP)
    layers = list(module.layers) if quantized else linear_layers(module)
    state = {
        "sizes": [layers[0].in_features, *(layer.out_features for layer in layers)],
        "weights": {
            name: np.array(value.detach().cpu().numpy())
            for name, value in module.state_dict().items()
        },
    }
    if quantized:
        state["bits"] = list(layers[0].candidate_bits)
        state["per_channel"] = layers[0].per_channel
        state["activation_bits"] = [
            activation.unit_bits or activation.bits for activation in module.activations
        ]
    return state


def restore_module(state):
    """Build the network that :func:`module_state` described.

    Parameters
    ----------
    state : dict

    Returns
    -------
    QuantMLP or torch.nn.Sequential
    """
    sizes = state["sizes"]
    ignored = torch.Generator()  # of initial weights, to leave the global random state alone
    if "bits" in state:
        pairs = list(itertools.pairwise(sizes))
        module = QuantMLP(
            [
                QuantLinear(
                    a, b, state["bits"], per_channel=state["per_channel"], generator=ignored
                )
                for a, b in pairs
            ],
            [QuantReLU(bits) for bits in state["activation_bits"]],
        )
    else:
        module = mlp(sizes, ignored)
    module.load_state_dict(
        {name: torch.from_numpy(np.array(value)) for name, value in state["weights"].items()}
    )
    return module
