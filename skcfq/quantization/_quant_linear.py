"""A linear layer that computes with quantized weights and learns steps and widths.

Its forward pass stores nothing on it: what it computes follows from its parameters, buffers and
mode alone, so a copy, a pickle or a state dict gives the same outputs.

Steps are stored by their logarithm. They stay positive by construction, and an optimizer changes
them by a share of their size, the same for wide and narrow widths, which is what LSQ's gradient
scale is meant to bring about.
"""

import collections
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import nn

from ._bits import MAX_SHIFT, canonical_bits, canonical_widths, coarse_bits, levels, listed
from ._calibration import mse_step
from ._functional import coarse_limits, lsq_grad_scale, lsq_quantize, quantize_codes
from ._held_codes import HeldCodes
from ._state import check_same


class QuantLinear(HeldCodes, nn.Module):
    """A linear layer with quantized weights, at one width or searching among several.

    While it searches (``bits is None``), it computes with the width that is largest in
    ``bit_logits + noise``, the widest of equals. With Gumbel noise, given by the caller so that
    a draw is reproducible, that is a draw from ``softmax(bit_logits)``; without noise it is the
    preferred width. In training the preferences get the gradient of a straight-through one-hot
    (Gumbel-softmax). After :meth:`fix_bits` only the fixed width is computed, or with steps per
    channel that of each output. Weights are signed; the bias stays in full precision. Pruned
    weights count as 0 in everything that is computed, whatever training makes of the parameter
    behind them. Inputs may do with fewer bits than the outputs' widths, see :meth:`coarsen`.

    Parameters
    ----------
    in_features, out_features : int
        Sizes.
    bits : sequence of width
        Candidate widths, see :func:`canonical_bits`; kept in rising order. A single one is fixed
        from the start.
    per_channel : bool, default=True
        One step per output; otherwise one for the layer.
    bias : bool, default=True
        Whether there is a bias.
    tau : float, default=1.0
        Temperature of the Gumbel-softmax.
    generator : torch.Generator, default=None
        Draws the weights (He initialisation); ``None`` is torch's global one.

    Attributes
    ----------
    candidate_bits : tuple of int or float
        Widths in rising order.
    weight : Parameter of shape (out_features, in_features)
        Full-precision weights behind the quantized ones.
    bias : Parameter of shape (out_features,) or None
    log_step : Parameter of shape (n_candidates, out_features or 1, 1)
        Logarithm of the learned step of each width.
    bit_logits : Parameter of shape (n_candidates,)
        Preference for each width, 0 at first.
    bit_index : buffer, int64 of shape (out_features or 1,)
        Index of the fixed width of each step, -1 while searching.
    kept : buffer, bool of shape (out_features, in_features)
        False where a weight is pruned, see :meth:`prune`.
    input_shifts : buffer, int64 of shape (in_features,)
        Lowest bits that are 0 in the codes of each input, 0 at first.
    held_codes : buffer of shape (out_features, in_features) or None
        Integer weights that training leaves as they are, see :meth:`hold_codes`.
    held : buffer, bool of shape (out_features, in_features) or None
        Which of these are held so far, see :meth:`relax_codes`; None: all of them, or none if there are no `held_codes`.

    References
    ----------
    .. [1] S. K. Esser et al. (2020). "Learned Step Size Quantization". arXiv:1902.08153
    .. [2] E. Jang, S. Gu, B. Poole (2017). "Categorical Reparameterization with
       Gumbel-Softmax". arXiv:1611.01144

    Examples
    --------
    >>> import torch
    >>> layer = QuantLinear(8, 3, bits=(2, 4, 8))
    >>> layer.bits is None
    True
    >>> layer.fix_bits(4)
    >>> layer.bits, layer(torch.zeros(5, 8)).shape, layer.codes().dtype
    (4, torch.Size([5, 3]), torch.int8)
    """

    def __init__(
        self, in_features, out_features, bits, per_channel=True, bias=True, tau=1.0, generator=None
    ):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.candidate_bits = tuple(sorted(canonical_widths(bits)))
        self.per_channel = bool(per_channel)
        self.tau = float(tau)
        n_candidates = len(self.candidate_bits)
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.register_parameter("bias", nn.Parameter(torch.zeros(out_features)) if bias else None)
        n_steps = out_features if per_channel else 1
        self.log_step = nn.Parameter(torch.empty(n_candidates, n_steps, 1))
        self.bit_logits = nn.Parameter(torch.zeros(n_candidates))
        self.register_buffer("bit_index", torch.full((n_steps,), 0 if n_candidates == 1 else -1))
        self.register_buffer("input_shifts", torch.zeros(in_features, dtype=torch.int64))
        self.register_buffer("held_codes", None)
        self.register_buffer("held", None)
        self.register_buffer("kept", torch.ones(out_features, in_features, dtype=torch.bool))
        self.register_buffer(
            "_widths", torch.tensor(self.candidate_bits, dtype=torch.float32), persistent=False
        )
        # (q_min, q_max, gradient scale) of each width, also as a table.
        n_shared = in_features if per_channel else in_features * out_features
        limits = [levels(width) for width in self.candidate_bits]
        self._lsq_constants = tuple((*pair, lsq_grad_scale(n_shared, pair[1])) for pair in limits)
        self.register_buffer("_lsq_table", torch.tensor(self._lsq_constants), persistent=False)
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu", generator=generator)
        self.reset_steps()

    @classmethod
    def from_linear(cls, linear, bits, per_channel=True, tau=1.0):
        """Quantize a float layer: copy its weights, and set each width's step by :func:`mse_step`.

        Parameters
        ----------
        linear : torch.nn.Linear
            It is not changed, and shares no memory with the new layer.
        bits, per_channel, tau
            As in the class.

        Returns
        -------
        QuantLinear

        Examples
        --------
        >>> QuantLinear.from_linear(torch.nn.Linear(4, 2), bits=(4,))
        QuantLinear(in_features=4, out_features=2, bits=(4,), per_channel=True, fixed=4)
        """
        layer = cls(
            linear.in_features,
            linear.out_features,
            bits,
            per_channel=per_channel,
            bias=linear.bias is not None,
            tau=tau,
            generator=torch.Generator(),  # leaves the global random state alone
        ).to(linear.weight)
        with torch.no_grad():
            layer.weight.copy_(linear.weight)
            if linear.bias is not None:
                layer.bias.copy_(linear.bias)
        layer.reset_steps()
        return layer

    @torch.no_grad()
    def reset_steps(self):
        """Set each width's step to :func:`mse_step` of the present weights."""
        weight, grain = self._kept_weight(), self.grain()
        for log_step, bits in zip(self.log_step, self.candidate_bits, strict=True):
            log_step.copy_(mse_step(weight, bits, self.per_channel, grain=grain).log_())

    @torch.no_grad()
    def prune(self, kept):
        """Count weights as 0 from now on, for good, and set the steps anew.

        Parameters
        ----------
        kept : torch.Tensor of bool, of shape (out_features, in_features)
            False where a weight goes; what is pruned already stays so.
        """
        self.kept &= kept
        self.reset_steps()

    @torch.no_grad()
    def coarsen(self, shifts):
        """Let the lowest bits of some inputs' codes be 0, and set the steps anew.

        The weights of input `i` then take ``shifts[i]`` bits less than the widths of the outputs, or
        none: an input can have a width of its own though steps belong to outputs, and what is
        computed is integer weights times a step per output as before.

        Parameters
        ----------
        shifts : sequence of int of shape (in_features,)
            From 0 to 8; a weight that no bit is left for is 0.

        Raises
        ------
        ValueError
            If there are not as many as inputs, or one lies outside.

        Examples
        --------
        >>> layer = QuantLinear(4, 3, bits=(4,))
        >>> layer.coarsen([0, 0, 2, 4])
        >>> layer.bits, (layer.codes() % layer.grain()).any().item()
        (2.5, False)
        """
        shifts = torch.as_tensor(shifts)
        if (
            shifts.shape != (self.in_features,)
            or not torch.isin(shifts, torch.arange(1 + MAX_SHIFT)).all()
        ):
            raise ValueError(
                f"shifts={shifts.tolist()!r}: {self.in_features} whole numbers from 0 to {MAX_SHIFT}, one per "
                "input, are needed."
            )
        self.release_codes()
        self.input_shifts.copy_(shifts)
        self.reset_steps()

    def grain(self):
        """What the codes of each input are multiples of, ``2**input_shifts``.

        Returns
        -------
        torch.Tensor of shape (in_features,)
            In the type of the weights.
        """
        return (torch.ones_like(self.input_shifts) << self.input_shifts).to(self.weight)

    def _kept_weight(self):
        return self.weight * self.kept

    def forward(self, x, noise=None):
        """Map (..., in_features) to (..., out_features) with the quantized weight."""
        if self.held_codes is None or self.held is not None or not self.training:
            return F.linear(x, self.quantized_weight(noise=noise), self.bias)
        # Steps scale the sums: then neither codes nor weights need a gradient, whose product is the dearest.
        sums, steps = F.linear(x, self.held_codes), self._log_step(self._fixed_index()).exp().T
        return sums * steps if self.bias is None else torch.addcmul(self.bias, sums, steps)

    def quantized_weight(self, choice=None, noise=None):
        """The weight as the forward pass uses it.

        Parameters
        ----------
        choice : int, default=None
            Index into ``candidate_bits``. ``None`` is what forward takes: the fixed widths or,
            while searching, that of the largest ``bit_logits + noise``.
        noise : torch.Tensor of shape (n_candidates,), default=None
            See :func:`gumbel_noise`. ``None`` adds none.

        Returns
        -------
        torch.Tensor of shape (out_features, in_features)
            Exactly ``codes * step``.
        """
        if choice is None:
            choice = self._index()
        if choice is not None:
            return self._quantize(choice)
        logits = self.bit_logits if noise is None else self.bit_logits + noise
        quantized = self._quantize(_widest_of_largest(logits))
        if not self.training:
            return quantized
        # Exactly zero: it adds the gradient of a straight-through one-hot, and leaves the weight
        # on its levels.
        share = (logits / self.tau).softmax(0)  # (n_candidates,)
        return quantized + self._through(share - share.detach())

    def _through(self, share):
        """Mix the quantized weights of all candidates; only `share` gets a gradient."""
        with torch.no_grad():
            grain = self.grain()
            steps = self.log_step.exp() * grain
            candidates = (self._kept_weight() / steps).round_()  # (n_candidates, out, in)
            for codes, (q_min, q_max, _) in zip(candidates, self._lsq_constants, strict=True):
                codes.clamp_(*coarse_limits(q_min, q_max, grain))
            candidates.mul_(steps)
        return (share @ candidates.flatten(1)).view_as(self.weight)

    def _quantize(self, index):
        step = self._log_step(index).exp()
        if self.held is not None:
            free = self._relaxed() if self.training else self.codes().to(step)
            return torch.where(self.held, self.held_codes, free) * step
        if self.held_codes is not None:
            return self.held_codes * step
        q_min, q_max, grad_scale = self._constants(index)
        if self.input_shifts.any():
            grain = self.grain()
            step, (q_min, q_max) = step * grain, coarse_limits(q_min, q_max, grain)
        return lsq_quantize(self._kept_weight(), step, q_min, q_max, grad_scale)

    # An index is an int, or a tensor of shape (out_features,) where outputs have widths of their own.

    def _index(self):
        """Index of the fixed widths; None while searching."""
        indices = self.bit_index.tolist()
        if indices.count(indices[0]) < len(indices):
            return self.bit_index
        return None if indices[0] < 0 else indices[0]

    def _log_step(self, index):
        if isinstance(index, int):
            return self.log_step[index]
        return self.log_step.gather(0, index.view(1, -1, 1))[0]

    def _constants(self, index):
        """Smallest and largest code and gradient scale: numbers, or tensors of shape (out_features, 1)."""
        if isinstance(index, int):
            return self._lsq_constants[index]
        return self._lsq_table[index].unsqueeze(-1).unbind(1)

    def fix_bits(self, bits):
        """End the search: compute with one width from now on, or with one per output.

        Parameters
        ----------
        bits : width or sequence of width of shape (out_features,)
            Of ``candidate_bits``. Several need ``per_channel=True``.

        Raises
        ------
        ValueError
            If it is none of them, or there are not as many as outputs.

        Examples
        --------
        >>> layer = QuantLinear(8, 3, bits=(2, 4, 8))
        >>> layer.fix_bits([2, 4, 4])
        >>> layer.channel_bits, round(layer.bits, 3)
        ((2, 4, 4), 3.333)
        """
        several = isinstance(bits, (tuple, list))
        widths = [canonical_bits(width) for width in (bits if several else [bits])]
        if not set(widths) <= set(self.candidate_bits):
            raise ValueError(
                f"bits={bits!r}: not a candidate of this layer. Allowed: {listed(self.candidate_bits)}."
            )
        if several and len(widths) != len(self.bit_index):
            raise ValueError(
                f"{len(widths)} widths for {len(self.bit_index)} steps: one each, or one for all, is needed."
            )
        indices = [self.candidate_bits.index(width) for width in widths]
        self.bit_index.copy_(torch.tensor(indices))

    @property
    def searches(self):
        """Whether its width is still open."""
        return self.bit_index[0].item() < 0

    @property
    def bits(self):
        """The fixed width, an int or `TERNARY_BITS`; None while searching.

        The average, a float, if outputs or inputs have widths of their own.
        """
        index = self._index()
        if index is None:
            return None
        if isinstance(index, int) and not self.input_shifts.any():
            return self.candidate_bits[index]
        return float(self.total_bits() / self.n_weights)

    @property
    def channel_bits(self):
        """The fixed width of each output, a tuple of length out_features; None while searching.

        Inputs may do with less, see :meth:`coarsen`.
        """
        index = self._index()
        if index is None:
            return None
        indices = [index] * self.out_features if isinstance(index, int) else index.tolist()
        return tuple(self.candidate_bits[k] for k in indices)

    def output_bits(self, bits):
        """Bits that the weights of one output take at a width in canonical form, an exact Fraction."""
        shifts = collections.Counter(self.input_shifts.tolist())
        return sum(n * Fraction(coarse_bits(bits, shift)) for shift, n in shifts.items())

    def total_bits(self):
        """Bits that all weights take at the fixed widths, an exact Fraction; None while searching."""
        if self.searches:
            return None
        widths = collections.Counter(self.channel_bits)
        return sum(n * self.output_bits(width) for width, n in widths.items())

    @property
    def n_weights(self):
        """How many weights the width applies to; the bias is not among them."""
        return self.weight.numel()

    def expected_bits(self):
        """Bits per weight that the preferences lead to expect, differentiable.

        Returns
        -------
        torch.Tensor of shape ()
            ``softmax(bit_logits) @ candidate_bits``; the fixed width, without a gradient, after
            the search.
        """
        if not self.searches:
            return self._widths.new_tensor(self.bits)
        return self.bit_logits.softmax(0) @ self._widths

    def steps(self):
        """Steps of the fixed widths.

        Returns
        -------
        torch.Tensor of shape (out_features or 1, 1)
            Detached.
        """
        return self._log_step(self._fixed_index()).detach().exp()

    @torch.no_grad()
    def codes(self):
        """Integer weights of the fixed widths: what is packed and deployed.

        Returns
        -------
        torch.Tensor of int8, of shape (out_features, in_features)
            ``codes() * steps()`` is :meth:`quantized_weight`, to the bit.
        """
        if self.held is not None:
            grain = self.grain()
            rounded = (self._relaxed() / grain).round_().mul_(grain)
            return torch.where(self.held, self.held_codes, rounded).to(torch.int8)
        if self.held_codes is not None:
            return self.held_codes.to(torch.int8)
        grain = self.grain()
        limits = coarse_limits(*self.limits(), grain)
        codes = quantize_codes(self._kept_weight(), self.steps() * grain, *limits)
        return codes.mul_(grain).to(torch.int8)

    def limits(self):
        """Smallest and largest code of the fixed widths.

        Returns
        -------
        q_min, q_max : int, or torch.Tensor of shape (out_features, 1)
            Tensors if outputs have widths of their own.
        """
        return self._constants(self._fixed_index())[:2]

    def free(self):
        """Which weights have more than one level: they are not pruned, and have a bit.

        Returns
        -------
        torch.Tensor of bool, of shape (out_features, in_features)
        """
        low, high = coarse_limits(*self.limits(), self.grain())
        return self.kept & (low < high)

    @torch.no_grad()
    def set_codes(self, codes, steps):
        """Compute with these integer weights and steps.

        Parameters
        ----------
        codes : torch.Tensor of shape (out_features, in_features)
            Within :meth:`limits`, multiples of :meth:`grain`.
        steps : torch.Tensor of shape (out_features or 1, 1)
            Positive.
        """
        self._fixed_index()
        self.log_step.scatter_(
            0, self.bit_index.view(1, -1, 1), steps.log().to(self.log_step)[None]
        )
        self.weight.copy_(codes * self.steps())

    def _fixed_index(self):
        index = self._index()
        if index is None:
            raise RuntimeError(
                "The layer still searches its width: call fix_bits or apply_allocation first. "
                f"Candidates: {listed(self.candidate_bits)}."
            )
        return index

    def get_extra_state(self):
        """The candidate widths, for the state dict."""
        return torch.tensor(self.candidate_bits, dtype=torch.float64)

    def set_extra_state(self, state):
        """Refuse a state dict that counts other candidates: its index would mean another width."""
        check_same("candidate bits", canonical_widths(state.tolist()), self.candidate_bits)

    def extra_repr(self):
        """Sizes, widths and, when it is settled, the width in use."""
        fixed = "" if self.searches else f", fixed={self.bits:.4g}"
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bits={listed(self.candidate_bits)}, per_channel={self.per_channel}{fixed}"
        )


def _widest_of_largest(logits):
    values = logits.tolist()
    return max(range(len(values)), key=lambda k: (values[k], k))
