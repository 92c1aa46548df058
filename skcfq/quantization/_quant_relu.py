"""ReLU, plain or quantized, with a learned clip stored by its logarithm."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ._bits import activation_levels, unit_levels
from ._functional import lsq_quantize, pact_quantize
from ._state import check_same


class QuantReLU(nn.Module):
    """ReLU, in full precision or quantized with a learned clip.

    Units may have widths of their own. All levels are equally far apart, so a narrower unit has fewer of
    them and a smaller clip, and what reads the levels computes with integers and one step as before.

    Parameters
    ----------
    bits : {None, 2, 3, 4, 5, 6, 7, 8} or tuple of {0, ..., 8}, default=None
        Width of the activation: ``2**bits`` levels. ``None`` is a plain ReLU; a tuple holds a width for each
        unit, 0 for one that is always 0.
    clip : float, default=6.0
        Where the clip starts, the widest unit's, > 0; :func:`calibrate_clips` measures a better one.
    rule : {"pact", "lsq"}, default="pact"
        What the clip learns from. ``"pact"``: from activations that it cuts off [1]_. ``"lsq"``: from the
        rounding errors of the others, too [2]_. Units' own widths are always learned by ``"lsq"``.

    Attributes
    ----------
    bits : int, float or None
        The width; the average of units' own.
    unit_bits : tuple of int or None
        Width of each unit; None if all have one.
    log_clip : Parameter of shape () or None
        Logarithm of the clip; None for a plain ReLU.

    References
    ----------
    .. [1] J. Choi et al. (2018). "PACT: Parameterized Clipping Activation for Quantized Neural
       Networks". arXiv:1805.06085
    .. [2] S. K. Esser et al. (2020). "Learned Step Size Quantization". arXiv:1902.08153

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

    def __init__(self, bits=None, clip=6.0, rule="pact"):
        super().__init__()
        self.unit_bits = low = top = log_clip = None
        if isinstance(bits, tuple):
            top = torch.tensor(unit_levels(bits)).to(torch.get_default_dtype())
            low = torch.zeros_like(top)
            self.unit_bits = tuple(map(int, bits))
            bits, rule = sum(self.unit_bits) / len(bits), "lsq"
        elif bits is not None:
            activation_levels(bits)
            bits = int(bits)
        if rule not in ("pact", "lsq"):
            raise ValueError(f'rule={rule!r}: "pact" or "lsq" is needed.')
        if bits is not None:
            if not 0 < clip < math.inf:
                raise ValueError(f"clip={clip!r}: a finite number > 0 is needed.")
            log_clip = nn.Parameter(torch.tensor(math.log(clip)))
        self.bits = bits
        self.rule = rule
        # The smallest and the largest level of each unit.
        self.register_buffer("_low", low, persistent=False)
        self.register_buffer("_top", top, persistent=False)
        self.register_parameter("log_clip", log_clip)

    def forward(self, x):
        """Activate, in the shape of `x`."""
        if self.bits is None:
            return F.relu(x)
        if self.rule == "pact":
            return pact_quantize(x, self.clip, self.bits)
        low = 0 if self.unit_bits is None else self._low
        return lsq_quantize(x, self.clip / self._n_steps, low, self.top)

    @property
    def clip(self):
        """The clip, the widest unit's, a differentiable tensor of shape (); None for a plain ReLU."""
        return None if self.bits is None else self.log_clip.exp()

    @property
    def top(self):
        """The largest level, an int, or a tensor of shape (n_units,); None for a plain ReLU."""
        return self._n_steps if self.unit_bits is None else self._top

    @property
    def _n_steps(self):
        """Steps from 0 to the clip."""
        if self.bits is None:
            return None
        return (
            activation_levels(self.bits) if self.unit_bits is None else 2 ** max(self.unit_bits) - 1
        )

    def step(self):
        """Distance of two levels, a detached tensor of shape (); None for a plain ReLU."""
        return None if self.bits is None else self.clip.detach() / self._n_steps

    def get_extra_state(self):
        """The width, or those of the units, for the state dict; 0 for a plain ReLU."""
        return torch.tensor(self.unit_bits or self.bits or 0)

    def set_extra_state(self, state):
        """Refuse a state dict of another width."""
        given = tuple(state.tolist()) if state.ndim else int(state) or None
        check_same("activation bits", given, self.unit_bits or self.bits)

    def extra_repr(self):
        """Width and clip."""
        return "" if self.bits is None else f"bits={self.bits:.4g}, clip={self.clip.item():.4g}"
