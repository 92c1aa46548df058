"""The full-precision network that is quantized."""

import itertools

from torch import nn
from torch.nn.utils import skip_init


def mlp(sizes, generator=None):
    """A multilayer perceptron, Linear-ReLU-...-Linear, with He initialisation.

    Weights are normal with variance ``2 / fan_in`` before a ReLU and ``1 / fan_in`` in the last
    layer; biases are 0.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden layers, logits: (108, 128, 64, 2). Two sizes are a linear model.
    generator : torch.Generator, default=None
        Draws the weights; ``None`` is torch's global one.

    Returns
    -------
    torch.nn.Sequential
        Its input has shape (n_samples, sizes[0]), its output (n_samples, sizes[-1]).

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren, J. Sun (2015). "Delving Deep into Rectifiers".
       https://doi.org/10.1109/ICCV.2015.123

    Examples
    --------
    >>> mlp((5, 3, 2))
    Sequential(
      (0): Linear(in_features=5, out_features=3, bias=True)
      (1): ReLU()
      (2): Linear(in_features=3, out_features=2, bias=True)
    )
    """
    sizes = tuple(sizes)
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes={sizes!r}: at least two sizes are needed, each at least 1.")
    modules = []
    for n_in, n_out in itertools.pairwise(sizes):
        linear = skip_init(nn.Linear, n_in, n_out)  # leaves the global random state alone
        last = len(modules) == 2 * (len(sizes) - 2)
        nn.init.kaiming_normal_(
            linear.weight, nonlinearity="linear" if last else "relu", generator=generator
        )
        nn.init.zeros_(linear.bias)
        modules += [linear] if last else [linear, nn.ReLU()]
    return nn.Sequential(*modules)


def linear_layers(module):
    """The ``torch.nn.Linear`` layers of a module, in order.

    Parameters
    ----------
    module : torch.nn.Module
        For instance of :func:`mlp`.

    Returns
    -------
    list of torch.nn.Linear

    Examples
    --------
    >>> [layer.out_features for layer in linear_layers(mlp((5, 3, 2)))]
    [3, 2]
    """
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
