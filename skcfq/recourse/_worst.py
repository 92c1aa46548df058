"""The worst point of a box that a search finds: what a sound bound is compared with."""

import numpy as np


def worst_found(first, second, value, low, high, *, n_starts=8, n_steps=16, random_state=0):
    """Search for the largest value of a function of two networks' logits over boxes.

    From the centre, random corners and random points, each step tries the corner to which the
    gradient points, where a function that is linear nearby is largest. What is no better there
    is tried half as far, and again. Rounding of activations counts as the identity in gradients;
    values are the true ones.

    Parameters
    ----------
    first, second : sequence of Layer
    value : callable
        ``value(logits, other)`` of the logits of both networks, each (n, n_classes), returns
        values (n,) and their gradients in both, (n, n_classes) each.
    low, high : ndarray of shape (n, n_inputs)
    n_starts, n_steps : int
    random_state : int, default=0

    Returns
    -------
    ndarray of shape (n,)
        The largest values found: not more than the truth.
    """
    random = np.random.default_rng(random_state)

    def climb(x):
        (logits, trace), (other, other_trace) = _forward(first, x), _forward(second, x)
        found, slope, other_slope = value(logits, other)
        gradient = _backward(first, trace, slope) + _backward(second, other_trace, other_slope)
        return found, np.where(gradient > 0, high, np.where(gradient < 0, low, x))

    best = np.full(len(low), -np.inf)
    for start in range(n_starts):
        share = random.random(low.shape) if start % 2 else random.integers(0, 2, low.shape)
        x = low + (high - low) * (0.5 if start == 0 else share)
        at, corner = climb(x)
        length = np.ones(len(x))
        for _ in range(n_steps):
            further = np.clip(x + length[:, None] * (corner - x), low, high)
            found, next_corner = climb(further)
            better = found > at
            x, corner = (
                np.where(better[:, None], new, old)
                for new, old in ((further, x), (next_corner, corner))
            )
            at = np.where(better, found, at)
            length = np.where(better, 1.0, length / 2)
        best = np.maximum(best, at)
    return best


def _forward(layers, x):
    """Logits, and which units pass a change on, layer by layer."""
    trace = []
    for layer in layers:
        a = layer.linear(x)
        passes = np.ones(a.shape, dtype=bool)
        if layer.relu:
            passes = a > 0
            if layer.step is not None:
                passes &= a < layer.top * layer.step
        trace.append(passes)
        x = layer.activate(a)
    return x, trace


def _backward(layers, trace, slope):
    for layer, passes in zip(layers[::-1], trace[::-1], strict=True):
        slope = (slope * passes) @ layer.weight
    return slope
