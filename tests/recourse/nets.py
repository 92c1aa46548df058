"""Random networks as layers, and what they compute."""

import dataclasses
import itertools

import numpy as np
from scipy.optimize import linprog

from skcfq.recourse import Layer


def random_top(random, n_units, top):
    """The largest level, or for ``"units"`` one of each unit, also 0."""
    return random.choice([0.0, 1.0, 3.0, 7.0, 15.0], n_units) if top == "units" else top


def random_layers(random, sizes, *, step=None, top=7):
    """Linear layers with ReLUs between them; with a `step`, ReLUs of levels up to `top`, see `random_top`."""
    layers = []
    for n_inputs, n_outputs in itertools.pairwise(sizes):
        weight = random.normal(size=(n_outputs, n_inputs)) * 1.5 / np.sqrt(n_inputs)
        layers.append(Layer(weight, 0.3 * random.normal(size=n_outputs), relu=True))
    if step is not None:
        layers = [
            dataclasses.replace(layer, step=step, top=random_top(random, len(layer.bias), top))
            for layer in layers
        ]
    return [*layers[:-1], layers[-1].without_activation()]


def perturbed(random, layers, size, *, step=None, top=7):
    """The same layers with other weights nearby, and with levels of their own."""
    near = []
    for layer in layers:
        levels = {"step": step, "top": None} if layer.relu else {}
        if layer.relu and step is not None:
            levels["top"] = random_top(random, len(layer.bias), top)
        near.append(
            dataclasses.replace(
                layer,
                weight=layer.weight + size * random.normal(size=layer.weight.shape),
                bias=layer.bias + size * random.normal(size=layer.bias.shape),
                **levels,
            )
        )
    return near


def rounded(layers, bits):
    """The layers with weights on `bits` bits, a step per output."""
    near = []
    for layer in layers:
        step = np.abs(layer.weight).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
        near.append(dataclasses.replace(layer, weight=np.rint(layer.weight / step) * step))
    return near


def outputs(layers, x):
    """Logits of rows (..., n_inputs)."""
    for layer in layers:
        x = layer.activate(layer.linear(x))
    return x


def box(random, n, n_inputs, radius):
    centre = random.normal(size=(n, n_inputs))
    return centre - radius, centre + radius


def dense(random, low, high, n_points=3000):
    """Points of boxes, corners among them, of shape (n_points, n, n_inputs)."""
    inside = low + (high - low) * random.random((n_points, *low.shape))
    corners = np.array(list(itertools.product((0, 1), repeat=low.shape[1])))
    return np.concatenate([inside, low + (high - low) * corners[:, None]])


def largest_difference(first, second, coef, low, high):
    """The exact maximum of ``coef @ (second(x) - first(x))`` over one box, by enumeration.

    For networks with one hidden layer of ReLUs: on each cell of activation patterns of both
    the difference is affine, and its maximum is a linear program.
    """
    hidden = [layers[0] for layers in (first, second)]
    weight, bias = (
        np.concatenate([getattr(h, name) for h in hidden]) for name in ("weight", "bias")
    )
    signs = np.concatenate([-(coef @ first[1].weight), coef @ second[1].weight])
    best = -np.inf
    for pattern in itertools.product((0, 1), repeat=len(bias)):
        on = np.array(pattern)
        side = np.where(on, -1.0, 1.0)[:, None]  # active: -(w x + b) <= 0
        gradient = (signs * on) @ weight
        found = linprog(
            -gradient,
            A_ub=side * weight,
            b_ub=-side[:, 0] * bias,
            bounds=list(zip(low, high, strict=True)),
        )
        if found.success:
            constant = (signs * on) @ bias + coef @ (second[1].bias - first[1].bias)
            best = max(best, -found.fun + constant)
    return best
