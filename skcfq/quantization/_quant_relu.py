"""ReLU, plain or quantized, with a learned clip stored by its logarithm."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ._bits import activation_levels
from ._functional import pact_quantize
from ._state import check_same


class QuantReLU(nn.Module):
    """ReLU, in full precision or quantized by PACT with a learned clip.

    Parameters
    ----------
    bits : {None, 2, 3, 4, 5, 6, 7, 8}, default=None
        Width of the activation: ``2**bits`` levels. ``None`` is a plain ReLU.
    clip : float, default=6.0
        Where the clip starts, > 0; :func:`calibrate_clips` measures a better one.

    Attributes
    ----------
    bits : int or None
    log_clip : Parameter of shape () or None
        Logarithm of the clip; None for a plain ReLU.

    Examples
    --------
    >>> import torch
    >>> QuantReLU(bits=2, clip=3.0)(torch.tensor([-1.0, 0.9, 7.0])).detach()
    tensor([0., 1., 3.])
    >>> QuantReLU()(torch.tensor([-1.0, 0.9, 7.0]))
    tensor([0.0000, 0.9000, 7.0000])
    """

    def __init__(self, bits=None, clip=6.0):
        super().__init__()
        log_clip = None
        if bits is not None:
            activation_levels(bits)
            if not 0 < clip < math.inf:
                raise ValueError(f"clip={clip!r}: a finite number > 0 is needed.")
            log_clip = nn.Parameter(torch.tensor(math.log(clip)))
            bits = int(bits)
        self.bits = bits
        self.register_parameter("log_clip", log_clip)

    def forward(self, x):
        """Activate, in the shape of `x`."""
        return F.relu(x) if self.bits is None else pact_quantize(x, self.clip, self.bits)

    @property
    def clip(self):
        """The clip, a differentiable tensor of shape (); None for a plain ReLU."""
        return None if self.bits is None else self.log_clip.exp()

    def step(self):
        """Distance of two levels, a detached tensor of shape (); None for a plain ReLU."""
        return None if self.bits is None else self.clip.detach() / activation_levels(self.bits)

    def get_extra_state(self):
        """The width, for the state dict; 0 for a plain ReLU."""
        return torch.tensor(self.bits or 0)

    def set_extra_state(self, state):
        """Refuse a state dict of another width."""
        check_same("activation bits", int(state) or None, self.bits)

    def extra_repr(self):
        """Width and clip."""
        return "" if self.bits is None else f"bits={self.bits}, clip={self.clip.item():.4g}"
