"""Sound bounds on what a network computes over boxes of inputs."""

import typing

import numpy as np

#: Unit roundoff of float64.
_ROUNDOFF = 2.0**-53


class Bounds(typing.NamedTuple):
    """Bounds on the outputs of a linear layer, before its activation. ``n`` boxes, ``k`` outputs.

    Attributes
    ----------
    low, high : ndarray of shape (n, k)
    slack : ndarray of shape (n, k)
        What rounding can add to an output, see `rounding_slack`; part of `low` and `high`.
    """

    low: np.ndarray
    high: np.ndarray
    slack: np.ndarray


def preactivation_bounds(layers, low, high, *, linear=True):
    """Bound the outputs of every linear layer over boxes of inputs.

    Interval arithmetic, then for each layer behind the first one a linear relaxation of all
    layers before it, propagated back to the inputs [1]_ [2]_; the tighter bound of the two is
    kept. The bounds hold for exact arithmetic, for the network evaluated in float64 with sums
    in any order, and for activations that are rounded to levels.

    Parameters
    ----------
    layers : sequence of Layer
        See :func:`read_layers`.
    low, high : ndarray of shape (n_boxes, n_inputs)
        Encoded units, finite.
    linear : bool, default=True
        False leaves out the linear relaxation: looser, and far cheaper.

    Returns
    -------
    list of Bounds
        One for each layer; the last one bounds the logits.

    Notes
    -----
    The relaxation holds arrays of ``n_boxes * 2 * width * width`` numbers: give as many boxes at
    once as memory takes.

    References
    ----------
    .. [1] H. Zhang, T.-W. Weng, P.-Y. Chen, C.-J. Hsieh, L. Daniel (2018). "Efficient Neural
       Network Robustness Certification with General Activation Functions". arXiv:1811.00866
    .. [2] G. Singh, T. Gehr, M. Püschel, M. Vechev (2019). "An Abstract Domain for Certifying
       Neural Networks". https://doi.org/10.1145/3290354

    Examples
    --------
    >>> import numpy as np
    >>> from skcfq.recourse import Layer
    >>> layers = [
    ...     Layer(np.array([[1.0], [-1.0]]), np.zeros(2), relu=True),
    ...     Layer(np.array([[1.0, 1.0]]), np.zeros(1)),  # the absolute value of the input
    ... ]
    >>> bound = preactivation_bounds(layers, np.array([[-1.0]]), np.array([[2.0]]))[-1]
    >>> bound.low.round(6) + 0.0, bound.high.round(6)
    (array([[0.]]), array([[2.]]))
    """
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    bounds, lower, upper = [], low, high
    for i, layer in enumerate(layers):
        slack = rounding_slack(layer.weight, layer.bias, reach(lower, upper))
        bound = interval(layer, lower, upper, slack)
        bounds.append(bound)
        if linear and i:
            n_outputs = len(layer.bias)
            both = np.vstack([np.eye(n_outputs), -np.eye(n_outputs)])
            before = [*layers[:i], layer.without_activation()]
            form = lower_form(before, bounds, np.broadcast_to(both, (len(low), *both.shape)))
            found = lowest(*form, low, high)  # (n, 2 k)
            bounds[i] = bound = Bounds(
                np.maximum(bound.low, found[:, :n_outputs]),
                np.minimum(bound.high, -found[:, n_outputs:]),
                slack,
            )
        lower, upper = layer.activate(bound.low), layer.activate(bound.high)
    return bounds


def reach(low, high):
    """Largest size of what lies between, in the shape of the limits."""
    return np.maximum(np.abs(low), np.abs(high))


def rounding_slack(weight, bias, size):
    """What rounding can add to outputs of a layer, in a network or in a bound, shape (n, k).

    Write u for the unit roundoff and ``A = |W| size + |c|`` for the size of a layer's terms. An
    output ``W h + c`` summed in any order is off by at most about ``n_inputs * u * A``. A linear
    form ``v h`` carried back through the layer is off as follows, each time at most so many u
    times ``|v| A``: slopes and intercepts of the activation 8, since both are at most as large
    as ``A`` for a unit of v; the sum of the intercepts ``n_outputs``; the product ``v W``, whose
    entries are sums of ``n_outputs`` terms, ``n_outputs + n_inputs``; adding to the constant 2
    for each layer. With the evaluation of the network itself that is less than
    ``2 * (n_inputs + n_outputs + 2 * n_layers + 8)``; what is taken is 8 times
    ``n_inputs + n_outputs + 64``, so that the rounding of ``A`` and of this sum, and terms in
    u squared, do not matter either. For networks of 100 units it is about 1e-13 times ``A``.
    """
    terms = size @ np.abs(weight).T + np.abs(bias)
    return 8 * (sum(weight.shape) + 64) * _ROUNDOFF * terms


def interval(layer, low, high, slack):
    """Bounds on a layer's outputs by interval arithmetic."""
    rising, falling = np.maximum(layer.weight, 0).T, np.minimum(layer.weight, 0).T
    return Bounds(
        low @ rising + high @ falling + layer.bias - slack,
        high @ rising + low @ falling + layer.bias + slack,
        slack,
    )


def lower_form(layers, bounds, coef):
    """Affine functions of the inputs that lie below linear functions of the outputs.

    Parameters
    ----------
    layers : sequence of Layer
    bounds : list of Bounds
        Of the same layers.
    coef : ndarray of shape (n, r, n_outputs)
        For each box, ``r`` linear functions of the outputs.

    Returns
    -------
    coef : ndarray of shape (n, r, n_inputs)
    constant : ndarray of shape (n, r)
    """
    constant = np.zeros(coef.shape[:2])
    for layer, bound in zip(layers[::-1], bounds[::-1], strict=True):
        constant -= weighted(np.abs(coef), bound.slack)
        coef, more = activation_form(coef, layer, bound)
        constant += more
        constant += coef @ layer.bias
        coef = coef @ layer.weight
    return coef, constant


def weighted(coef, size):
    """Sums of terms, (n, r, k) and (n, k), (k,) or a number to (n, r)."""
    size = np.asarray(size)
    return (coef * (size[:, None] if size.ndim == 2 else size)).sum(axis=2)


def activation_form(coef, layer, bound):
    """A lower bound of ``coef * activation(a)`` that is linear in ``a``, as `relu_form`.

    A quantized activation is a ReLU that is clipped and rounded, by up to half a step. Where
    few levels are in reach, it is the levels themselves: on small boxes often one.
    """
    if not layer.relu:
        return coef, np.zeros(coef.shape[:2])
    if layer.step is None:
        return relu_form(coef, bound.low, bound.high)
    least, most = layer.activate(bound.low), layer.activate(bound.high)
    flat = most - least <= looseness(bound) + layer.step  # (n, k)
    constant = weighted(np.maximum(coef, 0.0), flat * least)
    constant += weighted(np.minimum(coef, 0.0), flat * most)
    constant -= weighted(
        np.abs(coef), np.where(flat, rounding_error(layer, 0.0), rounding_error(layer))
    )
    coef = coef * ~flat[:, None]
    slope, more = relu_form(coef, bound.low, bound.high)
    clipped, cut = clip_form(-coef, layer, bound)
    return slope + clipped, constant + more + cut


def looseness(bound, layer=None):
    """Largest gap between the lines around a ReLU, or around a layer's activation, (n, k)."""
    gap = np.minimum(np.maximum(bound.high, 0.0), np.maximum(-bound.low, 0.0))
    if layer is None or layer.step is None:
        return gap
    return np.minimum(gap + layer.step, layer.activate(bound.high) - layer.activate(bound.low))


def relu_form(coef, low, high):
    """A lower bound of ``coef * relu(a)`` for ``a`` between limits that is linear in ``a``.

    From above, ReLU lies under the chord; from below over 0 or over ``a``, whichever is nearer.

    Parameters
    ----------
    coef : ndarray of shape (n, r, k)
    low, high : ndarray of shape (n, k)

    Returns
    -------
    slope : ndarray of shape (n, r, k)
        Coefficients of ``a``.
    constant : ndarray of shape (n, r)
        Sum of the intercepts.
    """
    top, bottom = np.maximum(high, 0.0), np.minimum(low, 0.0)
    chord = share(top, top - bottom)
    below = (high > -low).astype(float)
    slope = np.where(coef >= 0, below[:, None], chord[:, None])
    return coef * slope, weighted(np.minimum(coef, 0.0), -bottom * chord)


def clip_form(coef, layer, bound):
    """The same for ``coef * relu(a - top)``: what a quantized activation cuts off."""
    clip = layer.top * layer.step
    slope, constant = relu_form(coef, bound.low - clip, bound.high - clip)
    return slope, constant - weighted(slope, clip)


def rounding_error(layer, half=0.5):
    """Largest distance of a quantized activation from the clipped ReLU, or from its own level."""
    return layer.step * (half + 16 * _ROUNDOFF * layer.top)


def share(part, whole):
    """``part / whole``, 0 where both are 0."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def lowest(coef, constant, low, high):
    """Least values of affine functions over boxes, (n, r)."""
    size = reach(low, high)
    slack = 8 * (size.shape[1] + 64) * _ROUNDOFF * (weighted(np.abs(coef), size) + np.abs(constant))
    ends = weighted(np.maximum(coef, 0.0), low) + weighted(np.minimum(coef, 0.0), high)
    return ends + constant - slack
