"""What a trained network computes when it is used: integer codes times steps, nothing learned."""

import copy

import torch
from torch import nn

from ..quantization import QuantMLP


def deployed(module, dtype=torch.float32):
    """The network as it is deployed.

    Quantized layers become linear layers with ``codes * step``; activations keep their
    quantizers. Decisions are taken in float64, where rounding does not depend on the size of
    the batch; recourse is searched in float32.

    Parameters
    ----------
    module : QuantMLP or torch.nn.Module
        With fixed widths.
    dtype : torch.dtype, default=torch.float32

    Returns
    -------
    torch.nn.Sequential
        In evaluation mode, on the CPU, sharing no memory.
    """
    if not isinstance(module, QuantMLP):
        return copy.deepcopy(module).cpu().to(dtype).eval().requires_grad_(False)
    parts = []
    for i, layer in enumerate(module.layers):
        # Without initial weights: drawing them would move torch's global random state.
        linear = nn.utils.skip_init(nn.Linear, layer.in_features, layer.out_features, dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_((layer.codes().to(dtype) * layer.steps().to(dtype)).cpu())
            linear.bias.copy_(layer.bias.cpu())
        parts.append(linear)
        if i < len(module.activations):
            parts.append(copy.deepcopy(module.activations[i]).cpu().to(dtype))
    return nn.Sequential(*parts).eval().requires_grad_(False)
