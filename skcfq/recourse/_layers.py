"""A network of linear layers and ReLUs as arrays, for solvers and bounds that must see inside."""

import dataclasses

import numpy as np
from torch import nn


@dataclasses.dataclass(frozen=True)
class Layer:
    """A linear layer and what is applied to its outputs.

    Attributes
    ----------
    weight : ndarray of float64, shape (n_outputs, n_inputs)
    bias : ndarray of float64, shape (n_outputs,)
    relu : bool
        Whether negative outputs become 0.
    step : float or None
        Distance of the levels that outputs are rounded to, half to even; None: not rounded.
    top : int, ndarray of float64 of shape (n_outputs,), or None
        The largest level, of all outputs or of each, an output of ``top * step``; smallest is 0.
    """

    weight: np.ndarray
    bias: np.ndarray
    relu: bool = False
    step: float | None = None
    top: int | np.ndarray | None = None

    def linear(self, x):
        """Outputs before the activation, (n, n_inputs) to (n, n_outputs)."""
        return x @ self.weight.T + self.bias

    def activate(self, a):
        """The activation of outputs, of any shape."""
        if self.step is not None:
            return np.clip(np.rint(a / self.step), 0, self.top) * self.step
        return np.maximum(a, 0.0) if self.relu else a

    def without_activation(self):
        """The linear layer alone."""
        return Layer(self.weight, self.bias)


def read_layers(network):
    """Read the layers of a network.

    Parameters
    ----------
    network : torch.nn.Module
        A ``Sequential`` (also nested) of ``Linear`` layers with ``ReLU``, or quantized ReLUs
        with ``bits``, ``step()`` and ``top``, between them; ``Identity`` and ``Dropout`` in evaluation
        mode count as nothing.

    Returns
    -------
    tuple of Layer

    Raises
    ------
    TypeError
        If there is any other module, naming it.

    Examples
    --------
    >>> from skcfq.quantization import mlp
    >>> [layer.weight.shape for layer in read_layers(mlp((5, 3, 2)))]
    [(3, 5), (2, 3)]
    """
    layers = []
    for part in _parts(network):
        if isinstance(part, nn.Linear):
            weight = part.weight.detach().cpu().double().numpy()
            bias = np.zeros(len(weight))
            if part.bias is not None:
                bias = part.bias.detach().cpu().double().numpy()
            layers.append(Layer(weight, bias))
        elif layers and not layers[-1].relu and isinstance(part, nn.ReLU):
            layers[-1] = dataclasses.replace(layers[-1], relu=True)
        elif layers and not layers[-1].relu and hasattr(part, "bits") and hasattr(part, "step"):
            levels = {}
            if part.bits is not None:
                levels = {"step": float(part.step().double()), "top": _read_top(part.top)}
            layers[-1] = dataclasses.replace(layers[-1], relu=True, **levels)
        else:
            raise TypeError(
                f"{type(part).__name__} cannot be read: linear layers with ReLUs between them are "
                "needed. GreedySolver and PGDSolver take any differentiable network."
            )
    if not layers:
        raise TypeError(f"{type(network).__name__} has no linear layer.")
    return tuple(layers)


def _read_top(top):
    """The largest level as an int, or as an array where outputs have their own."""
    return top if isinstance(top, int) else top.detach().cpu().double().numpy()


def _parts(module):
    """The modules of nested Sequentials in order, without those that do nothing."""
    if isinstance(module, nn.Sequential):
        for child in module:
            yield from _parts(child)
    elif not isinstance(module, (nn.Identity, nn.Dropout)):
        yield module
