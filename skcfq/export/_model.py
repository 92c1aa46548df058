"""The network of a deployed classifier: packed integer weights, computed in NumPy.

What is computed, in float64 and in this order: a layer whose inputs are floats is
``x @ (codes * step).T + bias``, where ``codes * step`` is exact; a layer whose inputs are integer
levels is ``(levels @ codes.T) * (step * activation_step) + bias``, where the sum is exact, whatever
its order; a quantized ReLU gives the levels ``clip(rint(a / activation_step), 0, top)``, where each
output may have a largest level of its own. The class
is the first of the largest logits.
"""

import dataclasses
from fractions import Fraction
from functools import cached_property

import numpy as np

from ._codes import FLOAT, list_blocks, n_bytes, unpack_codes
from ._threads import map_parts

#: Rows computed at once: what is between two layers then stays in the processor's cache.
CHUNK = 1024


@dataclasses.dataclass(frozen=True, eq=False)
class PackedLayer:
    """A linear layer with packed weights, and the activation of its outputs.

    Attributes
    ----------
    n_inputs, n_outputs : int
    bits : float or tuple of float of length n_outputs
        Width of the weights: log2(3) for ternary, 2 to 8, or 32 for float32 weights; a tuple where
        outputs have different ones.
    packed : bytes
        The integer codes of the (n_outputs, n_inputs) matrix, block by block, each row after row and
        from a new byte on: the rows of the narrowest width first, and in them the inputs of the
        smallest shift.
    steps : ndarray of float32, shape (n_outputs,) or (1,)
        Distance of two levels, per output or for all.
    bias : ndarray of float32, shape (n_outputs,)
    relu : bool
        Whether negative outputs become 0; False in the last layer.
    activation_bits : int, tuple of int of length n_outputs, or None
        Width of the outputs, 2 to 8; a tuple where outputs have different ones, 0 to 8; None: floats.
    activation_step : float or None
        Distance of two levels of the outputs.
    shifts : tuple of int of length n_inputs, or None
        Lowest bits that are 0 in the codes of each input, 0 to 8, and that `packed` leaves out;
        None: it holds all bits.
    """

    n_inputs: int
    n_outputs: int
    bits: float | tuple
    packed: bytes
    steps: np.ndarray
    bias: np.ndarray
    relu: bool
    activation_bits: int | tuple | None = None
    activation_step: float | None = None
    shifts: tuple | None = None

    def codes(self):
        """Integer weights, ndarray of int8 (float32 weights as they are), shape (n_outputs, n_inputs)."""
        shape = (self.n_outputs, self.n_inputs)
        if self.bits == FLOAT:
            return np.frombuffer(self.packed, dtype="<f4").reshape(shape)
        codes = np.zeros(shape, dtype=np.int8)
        for bits, shift, outputs, inputs, packed in self.blocks():
            block = unpack_codes(packed, len(outputs) * len(inputs), bits) << shift
            codes[np.ix_(outputs, inputs)] = block.reshape(len(outputs), len(inputs))
        return codes

    def blocks(self):
        """The packed weights by the width of outputs and the shift of inputs, the smallest first.

        Returns
        -------
        list of (bits, shift, outputs, inputs, packed)
            Bits of each packed code, how many zeros follow them, the indices of outputs and inputs,
            and the bytes. Weights that take no bits are in none.
        """
        blocks, start = [], 0
        for bits, shift, outputs, inputs in self._block_list():
            end = start + n_bytes(len(outputs) * len(inputs), bits)
            blocks.append((bits, shift, outputs, inputs, self.packed[start:end]))
            start = end
        return blocks

    def _block_list(self):
        return list_blocks(self.bits, self.shifts, self.n_outputs, self.n_inputs)

    @property
    def n_weights(self):
        """How many weights there are, those that take no bits among them."""
        return self.n_inputs * self.n_outputs

    @property
    def total_bits(self):
        """Bits that all weights take, an exact Fraction; what fills up last bytes is not counted."""
        return sum(
            (len(o) * len(i) * Fraction(bits) for bits, _, o, i in self._block_list()), Fraction(0)
        )

    @property
    def average_bits(self):
        """Average bits over the weights, rounded once; the width itself where all have one."""
        if self.shifts is None and not isinstance(self.bits, tuple):
            return self.bits
        return float(self.total_bits / self.n_weights)

    @property
    def top(self):
        """Largest level of the outputs, an int, or an ndarray where they differ; None where they are floats."""
        if isinstance(self.activation_bits, tuple):
            return np.array([2**bits - 1 for bits in self.activation_bits])
        return None if self.activation_bits is None else 2**self.activation_bits - 1


@dataclasses.dataclass(frozen=True, eq=False)
class PackedModel:
    """All that a packed classifier is made of.

    Attributes
    ----------
    layers : tuple of PackedLayer
    encoder : Encoder or None
        Raw columns to network inputs; None: rows are the network's inputs.
    classes : ndarray of shape (n_classes,)
        Labels, in the order of the logits.
    n_features : int
        Number of raw columns.
    feature_names : tuple of str or None
        Their names, if fit had names.
    target : label
        The class that recourse leads to.
    actions : str or None
        The action set, as ``ActionSet.to_json`` writes it.
    info : dict of str to plain value
        Where the model comes from: class, version, bit budget.
    """

    layers: tuple
    encoder: object
    classes: np.ndarray
    n_features: int
    feature_names: tuple | None
    target: object
    actions: str | None
    info: dict

    @property
    def average_bits(self):
        """Average bits over all weights, rounded once."""
        total = sum(layer.total_bits for layer in self.layers)
        return float(total / sum(layer.n_weights for layer in self.layers))

    @cached_property
    def _matrices(self):
        """For each layer: weights (n_inputs, n_outputs), scale of the sums or None, bias."""
        parts, input_step = [], None
        for layer in self.layers:
            weight = layer.codes().astype(np.float64)
            scale = layer.steps.astype(np.float64)
            if input_step is None:
                weight, scale = weight * scale[:, None], None
            else:
                scale = scale * input_step
            parts.append((np.ascontiguousarray(weight.T), scale, layer.bias.astype(np.float64)))
            input_step = layer.activation_step
        return parts

    def logits(self, x):
        """Logits of the network's input.

        Parameters
        ----------
        x : ndarray of float64, shape (n_samples, n_inputs)

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes)
        """
        if len(x) <= CHUNK:
            return self._forward(x)
        _ = self._matrices  # once, before there are threads
        parts = [x[start : start + CHUNK] for start in range(0, len(x), CHUNK)]
        return np.concatenate(map_parts(self._forward, parts))

    def _forward(self, x):
        for layer, (weight, scale, bias) in zip(self.layers, self._matrices, strict=True):
            x = x @ weight
            if scale is not None:
                x *= scale
            x += bias
            if layer.activation_step is not None:
                x /= layer.activation_step
                np.rint(x, out=x)
                np.clip(x, 0, layer.top, out=x)
            elif layer.relu:
                np.maximum(x, 0.0, out=x)
        return x

    def __getstate__(self):
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def __setstate__(self, state):
        for field, value in zip(dataclasses.fields(self), state, strict=True):
            object.__setattr__(self, field.name, value)

    def __repr__(self):
        sizes = "-".join(str(layer.n_inputs) for layer in self.layers) + f"-{len(self.classes)}"
        bits = ", ".join(f"{layer.average_bits:.4g}" for layer in self.layers)
        return f"<{sizes}, {bits} bits, {sum(len(layer.packed) for layer in self.layers)} bytes>"
