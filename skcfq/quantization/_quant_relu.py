"""ReLU, plain or quantized, with a learned clip stored by its logarithm."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ._autograd import PACT
from ._bits import activation_levels, unit_levels
from ._state import check_same


class QuantReLU(nn.Module):
    """ReLU, in full precision or quantized by PACT with a learned clip.

    Parameters
    ----------
    bits : {None, 2, 3, 4, 5, 6, 7, 8} or sequence of {0, ..., 8}, default=None
        Width of the activation: ``2**bits`` levels. ``None`` is a plain ReLU; a sequence gives each unit
        a width of its own, see :func:`pact_quantize`.
    clip : float, default=6.0
        Where the clip of the widest unit starts, > 0; :func:`calibrate_clips` measures a better one.

    Attributes
    ----------
    unit_bits : tuple of int or None
        Width of each unit; None if all have one.
    log_clip : Parameter of shape () or None
        Logarithm of the clip; None for a plain ReLU.

    Examples
    --------
    >>> import torch
    >>> QuantReLU(bits=2, clip=3.0)(torch.tensor([-1.0, 0.9, 7.0])).detach()
    tensor([0., 1., 3.])
    >>> QuantReLU()(torch.tensor([-1.0, 0.9, 7.0]))
    tensor([0.0000, 0.9000, 7.0000])
    >>> units = QuantReLU(bits=(2, 0, 1), clip=3.0)
    >>> units.bits, units(torch.tensor([7.0, 7.0, 7.0])).detach()
    (1.0, tensor([3., 0., 1.]))
    """

    def __init__(self, bits=None, clip=6.0):
        super().__init__()
        log_clip = top = self.unit_bits = None
        if isinstance(bits, tuple | list):
            top = torch.tensor(unit_levels(bits), dtype=torch.get_default_dtype())
            self.unit_bits = tuple(int(width) for width in bits)
        elif bits is not None:
            activation_levels(bits)
            bits = int(bits)
        if bits is not None:
            if not 0 < clip < math.inf:
                raise ValueError(f"clip={clip!r}: a finite number > 0 is needed.")
            log_clip = nn.Parameter(torch.tensor(math.log(clip)))
        self._width = bits if self.unit_bits is None else self.unit_bits
        self.register_buffer("_top", top, persistent=False)
        self.register_parameter("log_clip", log_clip)

    def forward(self, x):
        """Activate, in the shape of `x`."""
        return F.relu(x) if self._width is None else PACT.apply(x, self.clip, self.top)

    @property
    def bits(self):
        """Width of the activation, an int; the average, a float, of units' own; None for a plain ReLU."""
        if self.unit_bits is None:
            return self._width
        return sum(self.unit_bits) / len(self.unit_bits)

    @property
    def top(self):
        """Largest level, an int, or a tensor of shape (n_units,) of units' own; None for a plain ReLU."""
        if self._width is None:
            return None
        return activation_levels(self._width) if self.unit_bits is None else self._top

    @property
    def clip(self):
        """The widest unit's clip, a differentiable tensor of shape (); None for a plain ReLU."""
        return None if self._width is None else self.log_clip.exp()

    def step(self):
        """Distance of two levels, a detached tensor of shape (); None for a plain ReLU."""
        if self._width is None:
            return None
        return self.clip.detach() / (self.top if self.unit_bits is None else self.top.max())

    def get_extra_state(self):
        """The width, or those of units, for the state dict; 0 for a plain ReLU."""
        return torch.tensor(self._width or 0)

    def set_extra_state(self, state):
        """Refuse a state dict of another width."""
        given = state.tolist()
        given = tuple(given) if isinstance(given, list) else given or None
        check_same("activation bits", given, self._width)

    def extra_repr(self):
        """Width and clip."""
        return "" if self._width is None else f"bits={self.bits:.4g}, clip={self.clip.item():.4g}"
