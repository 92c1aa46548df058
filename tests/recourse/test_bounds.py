"""Bounds are sound, exact where networks are affine, and tight where they differ little."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skcfq.quantization import build_quantized, linear_layers, mlp
from skcfq.recourse import Layer, difference_bounds, preactivation_bounds, read_layers
from skcfq.recourse._bounds import Bounds, clip_form
from skcfq.training import deployed
from tests.recourse.nets import (
    box,
    dense,
    largest_difference,
    outputs,
    perturbed,
    random_layers,
    rounded,
)
from tests.strategies import seeds

STEPS = st.sampled_from([None, 0.25])
TOPS = st.sampled_from([7, "units"])


def both_ways(n, n_classes):
    """Every logit and its negative, for `difference_bounds`."""
    rows = np.vstack([np.eye(n_classes), -np.eye(n_classes)])
    return np.broadcast_to(rows, (n, *rows.shape))


def eps(first, second, low, high):
    """The bound on the largest difference of logits, (n,)."""
    coef = both_ways(len(low), len(first[-1].bias))
    return -difference_bounds(first, second, low, high, coef).min(axis=1)


@settings(max_examples=60)
@given(seeds(), st.lists(st.integers(1, 7), min_size=2, max_size=5), STEPS, TOPS, st.booleans())
def test_bounds_hold_everywhere(random, sizes, step, top, linear):
    layers = random_layers(random, sizes, step=step, top=top)
    low, high = box(random, 3, sizes[0], 10 ** random.uniform(-3, 1))
    bounds = preactivation_bounds(layers, low, high, linear=linear)
    h = dense(random, low, high, 500)
    for layer, bound in zip(layers, bounds, strict=True):
        a = layer.linear(h)
        assert (a >= bound.low).all()
        assert (a <= bound.high).all()
        h = layer.activate(a)


@settings(max_examples=80)
@given(
    seeds(), st.lists(st.integers(1, 7), min_size=2, max_size=5), STEPS, STEPS, TOPS, TOPS, st.floats(-7, 0)
)  # fmt: skip
def test_bounds_of_a_difference_hold_everywhere(
    random, sizes, step, other_step, top, other_top, exponent
):
    first = random_layers(random, sizes, step=step, top=top)
    second = perturbed(random, first, 10**exponent, step=other_step, top=other_top)
    low, high = box(random, 3, sizes[0], 10 ** random.uniform(-3, 1))
    coef = random.normal(size=(3, 4, sizes[-1]))
    x = dense(random, low, high, 500)
    gap = outputs(second, x) - outputs(first, x)  # (points, n, n_classes)
    true = np.einsum("nrk,pnk->pnr", coef, gap)
    assert (true >= difference_bounds(first, second, low, high, coef)).all()


@settings(max_examples=40)
@given(seeds())
def test_what_a_quantized_activation_cuts_off_is_bounded_unit_by_unit(random):
    """``coef * relu(a - clip)``, every unit with its own clip."""
    layer = Layer(np.eye(4), np.zeros(4), relu=True, step=0.5, top=np.array([0.0, 1.0, 7.0, 15.0]))
    low = 6 * random.normal(size=(3, 4))
    high = low + random.exponential(4, size=(3, 4))
    coef = random.normal(size=(3, 5, 4))
    slope, constant = clip_form(coef, layer, Bounds(low, high, np.zeros((3, 4))))
    a = low + (high - low) * random.random((200, 3, 4))
    a[0], a[1] = low, high
    true = np.einsum("nrk,pnk->pnr", coef, np.maximum(a - layer.top * layer.step, 0))
    found = np.einsum("nrk,pnk->pnr", slope, a) + constant
    assert (found <= true + 1e-9).all()
    alone = [
        clip_form(coef[:, :, [k]], Layer(np.eye(1), np.zeros(1), True, 0.5, int(layer.top[k])),
                  Bounds(low[:, [k]], high[:, [k]], np.zeros((3, 1))))
        for k in range(4)
    ]  # fmt: skip
    np.testing.assert_allclose(constant, sum(each for _, each in alone), atol=1e-9)


@settings(max_examples=30)
@given(seeds(), st.sampled_from([(3, 2), (3, 4, 2), (3, 6, 5, 2), (3, 2, 2)]), STEPS)
def test_networks_of_different_shapes(random, sizes, step):
    first, second = random_layers(random, (3, 4, 4, 2)), random_layers(random, sizes, step=step)
    low, high = box(random, 2, 3, 0.7)
    coef = both_ways(2, 2)
    x = dense(random, low, high, 500)
    true = np.einsum("nrk,pnk->pnr", coef, outputs(second, x) - outputs(first, x))
    assert (true >= difference_bounds(first, second, low, high, coef)).all()


@pytest.mark.parametrize("seed", range(6))
def test_not_below_the_exact_maximum_and_not_far_above(seed):
    random = np.random.default_rng(seed)
    first = random_layers(random, (2, 3, 2))
    second = perturbed(random, first, 0.03)
    low, high = box(random, 2, 2, 0.8)
    coef = both_ways(2, 2)
    found = -difference_bounds(first, second, low, high, coef)
    exact = np.array(
        [
            [largest_difference(first, second, -c, a, b) for c in rows]
            for rows, a, b in zip(coef, low, high, strict=True)
        ]
    )
    assert (found >= exact).all()
    assert (found - exact <= np.abs(exact).max()).all()
    # The enumeration itself: no sample lies above it, some come near.
    x = dense(random, low, high)
    sampled = np.einsum("nrk,pnk->pnr", -coef, outputs(second, x) - outputs(first, x)).max(axis=0)
    assert (sampled <= exact + 1e-9).all()
    np.testing.assert_allclose(sampled, exact, atol=0.05)


@pytest.mark.parametrize("linear", [True, False])
def test_exact_on_one_neuron_and_one_layer(linear):
    layer = Layer(np.array([[2.0, -3.0]]), np.array([1.0]))
    low, high = np.array([[-1.0, 0.0]]), np.array([[1.0, 2.0]])
    (bound,) = preactivation_bounds([layer], low, high, linear=linear)
    assert bound.low.item() == pytest.approx(-7, abs=1e-12)
    assert bound.high.item() == pytest.approx(3, abs=1e-12)
    assert bound.low.item() <= -7
    assert bound.high.item() >= 3


def test_exact_on_affine_pairs():
    random = np.random.default_rng(0)
    first = random_layers(random, (4, 3))
    second = perturbed(random, first, 0.1)
    low, high = box(random, 5, 4, 0.5)
    slope, constant = (
        getattr(second[0], name) - getattr(first[0], name) for name in ("weight", "bias")
    )
    worst = np.abs(slope).sum(axis=1) * 0.5
    middle = (low + high) / 2 @ slope.T + constant
    expected = (np.abs(middle) + worst).max(axis=1)
    np.testing.assert_allclose(eps(first, second, low, high), expected, rtol=1e-10)


def test_exact_where_no_relu_switches():
    # All neurons stay active: both networks are affine on the box, deep as they are.
    random = np.random.default_rng(1)
    first = random_layers(random, (3, 5, 4, 2))
    first = [Layer(np.abs(layer.weight), np.abs(layer.bias) + 5, layer.relu) for layer in first]
    second = perturbed(random, first, 0.01)
    low, high = box(random, 4, 3, 0.3)
    x = dense(random, low, high, 1)
    exact = np.abs(outputs(second, x) - outputs(first, x)).max(axis=(0, 2))
    np.testing.assert_allclose(eps(first, second, low, high), exact, rtol=1e-9)


@pytest.mark.parametrize("radius", [0.0, 0.1, 1.0, 10.0])
def test_equal_networks_differ_by_nothing_but_rounding(radius):
    random = np.random.default_rng(2)
    layers = random_layers(random, (6, 20, 10, 2))
    low, high = box(random, 5, 6, radius)
    assert (eps(layers, layers, low, high) <= 1e-9 * (1 + radius)).all()


@pytest.mark.parametrize("steps", [(None, None), (None, 0.1), (0.1, 0.2)])
def test_a_point_is_exact(steps):
    random = np.random.default_rng(3)
    first = random_layers(random, (4, 9, 7, 3), step=steps[0])
    second = perturbed(random, first, 0.1, step=steps[1])
    x, _ = box(random, 6, 4, 0.0)
    gap = np.abs(outputs(second, x) - outputs(first, x)).max(axis=1)
    np.testing.assert_allclose(eps(first, second, x, x), gap, rtol=1e-9)


def test_slack_covers_sums_in_any_order():
    # The same layer summed in other orders and in float64 all along: every result is within.
    random = np.random.default_rng(4)
    weight = random.normal(size=(1, 400)) * 10 ** random.uniform(-8, 8, size=400)
    layer, x = Layer(weight, np.zeros(1)), random.normal(size=(1, 400))
    (bound,) = preactivation_bounds([layer], x, x)
    sums = []
    for _ in range(50):
        total = 0.0
        for i in random.permutation(400):
            total += weight[0, i] * x[0, i]
        sums.append(total)
    assert len(set(sums)) > 1, "the orders must differ for this test to mean anything"
    assert bound.low.item() <= min(sums) <= max(sums) <= bound.high.item()


def test_linear_relaxation_is_tighter_and_pairs_are_tighter_still():
    random = np.random.default_rng(5)
    first = random_layers(random, (8, 32, 16, 2))
    second = rounded(first, 8)
    low, high = box(random, 10, 8, 0.2)
    wide, tight = (
        preactivation_bounds(first, low, high, linear=linear)[-1] for linear in (False, True)
    )
    assert ((tight.high - tight.low) < 0.8 * (wide.high - wide.low)).all()
    other = preactivation_bounds(second, low, high)[-1]
    apart = np.maximum(other.high - tight.low, tight.high - other.low).max(axis=1)
    assert (eps(first, second, low, high) < 0.1 * apart).all()


def test_read_from_a_quantized_module():
    module = build_quantized(
        linear_layers(mlp((5, 8, 6, 2))), bits=(4,), activation_bits=3, clips=[2.0, 2.0]
    )
    layers = read_layers(deployed(module))
    random = np.random.default_rng(6)
    low, high = box(random, 4, 5, 0.5)
    bound = preactivation_bounds(layers, low, high)[-1]
    found = outputs(layers, dense(random, low, high))
    assert (found >= bound.low).all()
    assert (found <= bound.high).all()
