"""Layers that compute with quantized weights and activations and learn their quantizers.

A layer's forward pass stores nothing on it: what it computes follows from its parameters,
buffers and mode alone, so a copy, a pickle or a state dict gives the same outputs.

Steps and clips are stored by their logarithm. They stay positive by construction, and an
optimizer step changes them by a share of their size, the same for wide and narrow widths,
which is what LSQ's gradient scale is meant to bring about.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ._bits import activation_levels, canonical_bits, canonical_widths, levels
from ._calibration import mse_step
from ._functional import dequantize, lsq_grad_scale, lsq_quantize, pact_quantize, quantize_codes


class QuantLinear(nn.Module):
    """A linear layer with quantized weights, at one width or searching among several.

    While it searches (``bits is None``), training draws one width per forward pass from
    ``softmax(bit_logits)``, by Gumbel-softmax with a straight-through one-hot; evaluation uses
    the width with the largest logit, the widest of equals. After :meth:`fix_bits` only that
    width is computed. Weights are signed; the bias stays in full precision.

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
    bit_index : buffer, int64 of shape ()
        Index of the fixed width, -1 while searching.

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

    def __init__(self, in_features, out_features, bits, per_channel=True, bias=True, tau=1.0):
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
        self.register_buffer("bit_index", torch.tensor(0 if n_candidates == 1 else -1))
        self.register_buffer(
            "_widths", torch.tensor(self.candidate_bits, dtype=torch.float32), persistent=False
        )
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
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
        for log_step, bits in zip(self.log_step, self.candidate_bits, strict=True):
            log_step.copy_(mse_step(self.weight, bits, self.per_channel).log_())

    def forward(self, x):
        """Map (..., in_features) to (..., out_features) with the quantized weight."""
        return F.linear(x, self.quantized_weight(), self.bias)

    def quantized_weight(self, choice=None):
        """The weight as the forward pass uses it.

        Parameters
        ----------
        choice : int, default=None
            Index into ``candidate_bits``. ``None`` is what forward takes: the fixed width or,
            while searching, a draw in training and the preferred width in evaluation.

        Returns
        -------
        torch.Tensor of shape (out_features, in_features)
            Exactly ``codes * step``.
        """
        if choice is None:
            choice = int(self.bit_index)
        if choice >= 0:
            return self._quantize(choice)
        if not self.training:
            return self._quantize(self._preferred())
        one_hot = F.gumbel_softmax(self.bit_logits, tau=self.tau, hard=True)
        quantized = self._quantize(int(one_hot.argmax()))
        with torch.no_grad():
            candidates = torch.stack(
                [self._quantize(k).flatten() for k in range(len(self.candidate_bits))]
            )
        # Exactly zero: it adds the one-hot's gradient, and leaves the weight on its levels.
        through = (one_hot - one_hot.detach()) @ candidates
        return quantized + through.view_as(quantized)

    def _quantize(self, choice):
        q_min, q_max = levels(self.candidate_bits[choice])
        step = self.log_step[choice].exp()
        grad_scale = lsq_grad_scale(self.weight.numel() // step.numel(), q_max)
        return lsq_quantize(self.weight, step, q_min, q_max, grad_scale)

    def _preferred(self):
        logits = self.bit_logits.tolist()
        return max(range(len(logits)), key=lambda k: (logits[k], k))

    def fix_bits(self, bits):
        """End the search: compute with one width from now on.

        Parameters
        ----------
        bits : width
            One of ``candidate_bits``.

        Raises
        ------
        ValueError
            If it is none of them.
        """
        width = canonical_bits(bits)
        if width not in self.candidate_bits:
            raise ValueError(
                f"bits={bits!r}: not a candidate of this layer. Allowed: {_listed(self.candidate_bits)}."
            )
        self.bit_index.fill_(self.candidate_bits.index(width))

    @property
    def bits(self):
        """The fixed width, an int or `TERNARY_BITS`; None while searching."""
        index = int(self.bit_index)
        return None if index < 0 else self.candidate_bits[index]

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
        index = int(self.bit_index)
        if index >= 0:
            return self._widths[index]
        return self.bit_logits.softmax(0) @ self._widths

    def steps(self):
        """Steps of the fixed width.

        Returns
        -------
        torch.Tensor of shape (out_features or 1, 1)
            Detached.
        """
        return self.log_step.detach()[self._fixed_index()].exp()

    @torch.no_grad()
    def codes(self):
        """Integer weights of the fixed width: what is packed and deployed.

        Returns
        -------
        torch.Tensor of int8, of shape (out_features, in_features)
            ``codes() * steps()`` is :meth:`quantized_weight`, to the bit.
        """
        q_min, q_max = levels(self.candidate_bits[self._fixed_index()])
        return quantize_codes(self.weight, self.steps(), q_min, q_max).to(torch.int8)

    def _fixed_index(self):
        index = int(self.bit_index)
        if index < 0:
            raise RuntimeError(
                "The layer still searches its width: call fix_bits or apply_allocation first. "
                f"Candidates: {_listed(self.candidate_bits)}."
            )
        return index

    def get_extra_state(self):
        """The candidate widths, for the state dict."""
        return torch.tensor(self.candidate_bits, dtype=torch.float64)

    def set_extra_state(self, state):
        """Refuse a state dict that counts other candidates: its index would mean another width."""
        _check_same("candidate bits", canonical_widths(state.tolist()), self.candidate_bits)

    def extra_repr(self):
        """Sizes, widths and, when it is settled, the width in use."""
        fixed = "" if self.bits is None else f", fixed={self.bits:.4g}"
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bits={_listed(self.candidate_bits)}, per_channel={self.per_channel}{fixed}"
        )


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
        _check_same("activation bits", int(state) or None, self.bits)

    def extra_repr(self):
        """Width and clip."""
        return "" if self.bits is None else f"bits={self.bits}, clip={float(self.clip):.4g}"


class QuantMLP(nn.Module):
    """Quantized Linear-ReLU-...-Linear.

    Parameters
    ----------
    layers : sequence of QuantLinear
        At least one.
    activations : sequence of QuantReLU
        One between each two layers.

    Examples
    --------
    >>> import torch
    >>> model = QuantMLP([QuantLinear(4, 3, (2, 4)), QuantLinear(3, 2, (2, 4))], [QuantReLU()])
    >>> model(torch.zeros(5, 4)).shape
    torch.Size([5, 2])
    """

    def __init__(self, layers, activations):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.activations = nn.ModuleList(activations)
        if len(self.layers) != len(self.activations) + 1:
            raise ValueError(
                f"{len(self.layers)} layers with {len(self.activations)} activations: "
                "one activation is needed between each two layers."
            )

    def forward(self, x):
        """Map (n_samples, n_inputs) to logits, (n_samples, n_classes)."""
        *hidden, last = self.layers
        for layer, activation in zip(hidden, self.activations, strict=True):
            x = activation(layer(x))
        return last(x)


def build_quantized(linears, bits, per_channel=True, activation_bits=None, clips=None):
    """Quantize the layers of a float network.

    Parameters
    ----------
    linears : sequence of torch.nn.Linear
        See :func:`linear_layers`. Copied, not changed.
    bits : sequence of width
        Candidate widths of every layer, see :class:`QuantLinear`.
    per_channel : bool, default=True
        One step per output; otherwise one per layer.
    activation_bits : {None, 2, 3, 4, 5, 6, 7, 8}, default=None
        Width of the hidden activations; ``None`` leaves them in full precision.
    clips : sequence of float, default=None
        Where each hidden activation's clip starts, see :func:`calibrate_clips`.

    Returns
    -------
    QuantMLP

    Examples
    --------
    >>> from skcfq.quantization import linear_layers, mlp
    >>> build_quantized(linear_layers(mlp((4, 3, 2))), bits=(2, 4), activation_bits=8, clips=[2.0])
    QuantMLP(
      (layers): ModuleList(
        (0): QuantLinear(in_features=4, out_features=3, bits=(2, 4), per_channel=True)
        (1): QuantLinear(in_features=3, out_features=2, bits=(2, 4), per_channel=True)
      )
      (activations): ModuleList(
        (0): QuantReLU(bits=8, clip=2)
      )
    )
    """
    linears = list(linears)
    n_hidden = len(linears) - 1
    if clips is not None and len(clips) != n_hidden:
        raise ValueError(
            f"clips has {len(clips)} values: one per hidden layer, {n_hidden}, is needed."
        )
    layers = [QuantLinear.from_linear(linear, bits, per_channel) for linear in linears]
    if clips is None:
        activations = [QuantReLU(activation_bits) for _ in range(n_hidden)]
    else:
        activations = [QuantReLU(activation_bits, clip) for clip in clips]
    return QuantMLP(layers, activations).to(linears[0].weight)


def _listed(widths):
    """Widths as a tuple reads, ternary to four digits."""
    inner = ", ".join(f"{width:.4g}" for width in widths)
    return f"({inner},)" if len(widths) == 1 else f"({inner})"


def _check_same(what, given, expected):
    if given != expected:
        raise ValueError(f"The state dict has {what} {given}, this module {expected}.")
