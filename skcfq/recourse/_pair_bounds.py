"""Sound bounds on the difference of two networks over boxes of inputs."""

import typing

import numpy as np

from ._bounds import (
    Bounds,
    activation_form,
    clip_form,
    interval,
    looseness,
    lower_form,
    lowest,
    preactivation_bounds,
    reach,
    relu_form,
    rounding_error,
    rounding_slack,
    share,
    weighted,
)
from ._layers import Layer


class _Pair(typing.NamedTuple):
    """Two layers, bounds on their outputs, and bounds on the second's minus the first's."""

    first: Layer
    second: Layer
    first_bound: Bounds
    second_bound: Bounds
    gap: Bounds


def difference_bounds(first, second, low, high, coef):
    """Lower bounds on linear functions of the difference of two networks' logits.

    Two networks that take the same inputs are relaxed together. A linear bound on each, added
    up at the inputs, keeps what they share in their slopes. Where the shapes of all layers
    agree, pairs of neurons are relaxed too, as in differential verification [1]_: of pre-activations
    ``a`` and ``b = a + d`` the difference ``relu(b) - relu(a)`` lies between 0 and ``d``,
    which is tight where the weights differ little, however wide the box. Each pair of neurons
    takes the relaxation that leaves the smaller gap, and the better of both bounds is kept. The
    bounds hold in float64 arithmetic and for rounded activations, as those of
    :func:`preactivation_bounds`.

    Parameters
    ----------
    first, second : sequence of Layer
        With as many inputs and as many outputs.
    low, high : ndarray of shape (n_boxes, n_inputs)
        Encoded units.
    coef : ndarray of shape (n_boxes, r, n_outputs)
        Linear functions of ``second(x) - first(x)``, for each box.

    Returns
    -------
    ndarray of shape (n_boxes, r)
        Not more than the least value of each function over each box.

    References
    ----------
    .. [1] B. Paulsen, J. Wang, C. Wang (2020). "ReluDiff: Differential Verification of Deep
       Neural Networks". arXiv:2001.03662

    Examples
    --------
    >>> import numpy as np
    >>> from skcfq.recourse import Layer
    >>> first = [Layer(np.array([[2.0]]), np.zeros(1))]
    >>> second = [Layer(np.array([[2.5]]), np.ones(1))]
    >>> box = np.array([[-1.0]]), np.array([[1.0]])
    >>> difference_bounds(first, second, *box, np.array([[[1.0], [-1.0]]])).round(6)
    array([[ 0.5, -1.5]])
    """
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    bounds = [preactivation_bounds(layers, low, high) for layers in (first, second)]
    return bounded_difference(first, second, *bounds, low, high, coef)


def bounded_difference(first, second, first_bounds, second_bounds, low, high, coef):
    """`difference_bounds` of networks whose own bounds are known."""
    slope, constant = lower_form(second, second_bounds, coef)
    other_slope, other_constant = lower_form(first, first_bounds, -coef)
    found = lowest(slope + other_slope, constant + other_constant, low, high)
    if not _alike(first, second):
        return found
    pairs = _paired(first, second, first_bounds, second_bounds, low, high)
    return np.maximum(found, lowest(*_pair_form(pairs, coef), low, high))


def _alike(first, second):
    """Whether the networks have the same neurons."""
    return [(layer.weight.shape, layer.relu) for layer in first] == [
        (layer.weight.shape, layer.relu) for layer in second
    ]


def _paired(first, second, first_bounds, second_bounds, low, high):
    """The layers in pairs, with bounds on the differences of their outputs."""
    pairs = []
    ends = [(low, high), (low, high)]  # of the inputs of both
    change = (np.zeros_like(low), np.zeros_like(low))  # of the second's inputs less the first's
    for f, q, f_bound, q_bound in zip(first, second, first_bounds, second_bounds, strict=True):
        # q h_q - f h = q (h_q - h) + (q - f) h, and what rounding adds to each of both.
        sizes = [reach(*end) for end in ends]
        slack = rounding_slack(q.weight, np.abs(q.bias) + np.abs(f.bias), sizes[0] + sizes[1])
        slack += rounding_slack(f.weight, f.bias, sizes[0])
        moved = interval(Layer(q.weight, np.zeros_like(q.bias)), *change, slack)
        other = interval(Layer(q.weight - f.weight, q.bias - f.bias), *ends[0], 0.0)
        gap = Bounds(moved.low + other.low, moved.high + other.high, slack)
        pairs.append(_Pair(f, q, f_bound, q_bound, gap))
        if len(pairs) > 1:
            n_outputs = len(f.bias)
            both = np.vstack([np.eye(n_outputs), -np.eye(n_outputs)])
            before = [
                *pairs[:-1],
                _Pair(f.without_activation(), q.without_activation(), *pairs[-1][2:]),
            ]
            form = _pair_form(before, np.broadcast_to(both, (len(low), *both.shape)))
            found = lowest(*form, low, high)
            gap = Bounds(
                np.maximum(gap.low, found[:, :n_outputs]),
                np.minimum(gap.high, -found[:, n_outputs:]),
                slack,
            )
            pairs[-1] = _Pair(f, q, f_bound, q_bound, gap)
        ends = [
            (layer.activate(bound.low), layer.activate(bound.high))
            for layer, bound in ((f, f_bound), (q, q_bound))
        ]
        change = (ends[1][0] - ends[0][1], ends[1][1] - ends[0][0])
        if f.step is None and q.step is None:  # between 0 and the change before
            change = (
                np.maximum(change[0], np.minimum(gap.low, 0.0)),
                np.minimum(change[1], np.maximum(gap.high, 0.0)),
            )
    return pairs


def _pair_form(pairs, coef):
    """Affine functions of the inputs below linear functions of the outputs' difference.

    Carried back is ``lam * (h_q - h) + mu * h``, `h` of the first and `h_q` of the second
    network. The inputs are the same in both, so at the inputs ``mu`` is all that is left.
    """
    lam, mu = coef, np.zeros_like(coef)
    constant = np.zeros(coef.shape[:2])
    for pair in reversed(pairs):
        f, q, gap = pair.first, pair.second, pair.gap
        # The form of `d` is written in terms of `a` as well, so that both may be off.
        constant -= weighted(np.abs(lam), gap.slack + pair.first_bound.slack)
        constant -= weighted(np.abs(mu), pair.first_bound.slack)
        if f.relu:
            lam, mu, more = _activation_form(pair, lam, mu)
            constant += more
        constant += mu @ f.bias + lam @ (q.bias - f.bias)
        lam, mu = lam @ q.weight, mu @ f.weight + lam @ (q.weight - f.weight)
    return mu, constant


def _activation_form(pair, lam, mu):
    """The form before the activations, of ``d`` and of ``a``, and its constant."""
    a, b, d = pair.first_bound, pair.second_bound, pair.gap
    # Gaps between the lines of the relaxations: of each neuron by itself, of the difference.
    alone = looseness(a, pair.first) + looseness(b, pair.second)
    steps = sum(layer.step or 0.0 for layer in (pair.first, pair.second))
    joint = (reach(d.low, d.high) + steps <= alone)[:, None]  # (n, 1, k)
    of_b, constant = activation_form(lam * ~joint, pair.second, b)
    of_a, more = activation_form((mu - lam) * ~joint, pair.first, a)
    constant = constant + more
    lam, mu = lam * joint, mu * joint
    of_d, more = _difference_form(lam, d.low, d.high)
    constant += more
    slope, more = relu_form(mu, a.low, a.high)
    of_a, constant = of_a + slope, constant + more
    # Both ReLUs are clipped and rounded: h = relu(a) - relu(a - top) + rounding.
    if pair.first.step is not None:
        slope, more = clip_form(lam - mu, pair.first, a)
        of_a, constant = of_a + slope, constant + more
        constant -= weighted(np.abs(lam - mu), rounding_error(pair.first))
    if pair.second.step is not None:
        slope, more = clip_form(-lam, pair.second, b)
        of_b, constant = of_b + slope, constant + more
        constant -= weighted(np.abs(lam), rounding_error(pair.second))
    # b = a + d
    return of_d + of_b, of_a + of_b, constant


def _difference_form(coef, low, high):
    """A lower bound of ``coef * (relu(a + d) - relu(a))`` that is linear in ``d``, as `relu_form`.

    The difference lies between 0 and ``d``: under the chord of the larger one of both, over
    that of the smaller one.
    """
    top, bottom = np.maximum(high, 0.0), np.minimum(low, 0.0)
    above, below = share(top, top - bottom), share(-bottom, top - bottom)
    slope = np.where(coef >= 0, below[:, None], above[:, None])
    constant = weighted(np.minimum(coef, 0.0), -bottom * above)
    constant += weighted(np.maximum(coef, 0.0), -top * below)
    return coef * slope, constant
