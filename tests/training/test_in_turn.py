"""Weights that are rounded in turn: what is computed meanwhile, the order, and what it is good for."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skcfq.quantization import QuantLinear, build_quantized, linear_layers, mlp, reconstruct
from skcfq.training import (
    Batch,
    BatchDataset,
    Lesson,
    TrainingPlan,
    deployed,
    start_in_turn,
    train,
)
from skcfq.training._net import N_ROUNDS, RoundInTurn


def layer_of(seed, bits=(4,), n_in=6, n_out=3):
    return QuantLinear(n_in, n_out, bits, generator=torch.Generator().manual_seed(seed))


def rows(n, n_columns, seed):
    return torch.randn(n, n_columns, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 1000), st.sampled_from([("ternary",), (2,), (4,), (8,)]))
def test_relaxed_codes_compute_without_rounding_and_are_deployed_rounded(seed, bits):
    layer = layer_of(seed, bits)
    layer.coarsen([0, 1, 2, 0, 8, 0])
    weight, codes, steps = layer.weight.detach().clone(), layer.codes(), layer.steps()
    inside = layer.free() & (weight.abs() <= (codes * steps).abs())  # not beyond the last level
    layer.relax_codes()
    layer.train()
    found = layer.quantized_weight().detach()
    assert torch.allclose(found[inside], weight[inside], rtol=1e-5, atol=1e-7)
    assert not found[:, 4].any()
    layer.eval()
    assert torch.equal(layer.codes(), codes)
    assert torch.equal(layer.quantized_weight(), codes * steps)


def test_held_weights_stay_while_the_others_learn():
    layer = layer_of(0)
    layer.prune(torch.rand(3, 6, generator=torch.Generator().manual_seed(2)) > 0.2)
    layer.relax_codes()
    first = torch.zeros(3, 6, dtype=torch.bool)
    first[:, :2] = True
    layer.hold_codes(first)
    held = layer.codes()[:, :2].clone()
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.3)
    x = rows(50, 6, 1)
    for _ in range(5):
        optimizer.zero_grad()
        layer(x).sum().backward()
        optimizer.step()
    assert torch.equal(layer.codes()[:, :2], held)
    assert not layer.codes()[~layer.kept].any()
    second = torch.zeros(3, 6, dtype=torch.bool)
    second[:, 4] = True
    layer.hold_codes(second)
    assert layer.held[:, [0, 1, 4]].all()
    assert not (layer.held & layer.kept)[:, [2, 3, 5]].any()
    codes, steps = layer.codes(), layer.steps()
    layer.release_codes()
    assert layer.held is None
    assert layer.held_codes is None
    assert torch.equal(layer.codes(), codes)
    assert torch.equal(layer.weight, codes * steps)


def test_only_weights_that_are_not_rounded_yet_get_gradients():
    layer = layer_of(0)
    layer.relax_codes()
    which = torch.zeros(3, 6, dtype=torch.bool)
    which[0] = True
    layer.hold_codes(which)
    layer(rows(20, 6, 1)).square().sum().backward()
    assert not layer.weight.grad[0].any()
    assert layer.weight.grad[1:].any(1).all()
    assert layer.log_step.grad.all()


def lesson_of(network, x, target=1):
    return Lesson(x, network, target, None, None, None, torch.ones(len(x)))


def quantized(network, bits=(3,), **kwargs):
    module = build_quantized(linear_layers(network), bits, **kwargs)
    for layer in module.layers:
        layer.eval()
    return module


def test_order_is_that_of_what_one_level_does_to_the_predictions():
    """A single layer: the Fisher information of each weight by hand."""
    network = mlp((4, 2), torch.Generator().manual_seed(0))
    x = rows(200, 4, 1) * torch.tensor([1.0, 0.1, 3.0, 0.5])
    module = quantized(network)
    (shares,) = start_in_turn(module, network, lesson_of(network, x))
    probability = network(x).detach().softmax(1)
    slope = (
        probability[:, 0] * probability[:, 1]
    )  # the square of d log p(y) / d z, on average over y
    effects = (slope[:, None] * x.square()).mean(0).sqrt() * module.layers[0].steps()
    assert torch.equal(shares.flatten().argsort(), (-effects).flatten().argsort())
    assert shares.flatten().sort().values.tolist() == pytest.approx([k / 8 for k in range(8)])
    assert torch.allclose(
        module.train()(x), network(x), atol=0.5
    )  # only what lies outside of the levels is cut off
    assert torch.equal(module.layers[0].bias, network[0].bias)


def test_weights_with_one_level_are_not_in_the_order():
    network = mlp((4, 3, 2), torch.Generator().manual_seed(0))
    x = rows(100, 4, 1)
    module = quantized(network, (2,), prune_fraction=0.5)
    module.layers[0].coarsen([0, 8, 0, 0])
    shares = start_in_turn(module, network, lesson_of(network, x))
    free = [layer.free() for layer in module.layers]
    assert not free[0][:, 1].any()
    n = sum(int(each.sum()) for each in free)
    found = torch.cat([share[each] for share, each in zip(shares, free, strict=True)])
    assert found.sort().values.tolist() == pytest.approx([k / n for k in range(n)])
    for layer, each in zip(module.layers, free, strict=True):
        assert torch.equal(layer.held, ~each)


class Seen:
    """A net as far as the callback looks at it."""

    def __init__(self, module):
        self.module_ = module


@pytest.mark.parametrize("n_batches", [1, 7, 60, 150])
def test_rounds_come_evenly_and_leave_little(n_batches):
    network = mlp((20, 20, 2), torch.Generator().manual_seed(0))
    module = quantized(network)
    order = start_in_turn(module, network, lesson_of(network, rows(50, 20, 1)))
    callback, net, held = RoundInTurn(order, n_batches), Seen(module), []
    for _ in range(n_batches):
        callback.on_batch_begin(net, training=False)
        callback.on_batch_begin(net, training=True)
        held.append(sum(int(layer.held.sum()) for layer in module.layers) / 440)
    assert held == sorted(held)
    assert held[0] > 0
    assert len(set(held)) == min(n_batches, n_batches // max(1, n_batches // N_ROUNDS))
    if n_batches >= N_ROUNDS:
        assert held[-1] > 0.99


def squares(step):
    return (step.logits - step.batch.extra["wanted"]).square().mean()


def test_what_is_rounded_late_makes_up_for_what_was_rounded_before():
    """Linear regression on correlated inputs: better than rounding to nearest, and than descent on the codes."""
    errors = {"nearest": 0.0, "descent": 0.0, "in turn": 0.0}
    for name, seed in itertools.product(errors, (3, 4, 5)):
        random = torch.Generator().manual_seed(seed)
        x = torch.randn(400, 5, generator=random) @ torch.randn(5, 24, generator=random)
        network = mlp((24, 2), random)
        wanted = network(x).detach()
        module = build_quantized(linear_layers(network), (3,))
        if name != "nearest":
            reconstruct(module.layers[0], x, wanted)
        if name == "in turn":
            order = start_in_turn(module, network, lesson_of(network, x))
            history = train(module, (squares,), data(x, wanted), None, 1, plan(order, 80, 0.1))
            assert len(history) == 80
            assert "valid_loss" not in history[0]
        assert all(layer.held is None for layer in module.layers)
        errors[name] += float((deployed(module)(x) - wanted).square().mean())
    assert errors["in turn"] < 0.7 * errors["descent"] < 0.1 * errors["nearest"]


def data(x, wanted):
    n = len(x)
    labels = torch.zeros(n, dtype=torch.int64)
    return BatchDataset(Batch(x, labels, torch.ones(n), {}, {"wanted": wanted}))


def plan(order, max_epochs, lr):
    return TrainingPlan(max_epochs, 50, lr, 0.0, None, seed=0, order=tuple(order))


def test_what_is_left_in_the_end_is_rounded():
    network = mlp((6, 2), torch.Generator().manual_seed(0))
    x = rows(40, 6, 1)
    module = quantized(network)
    order = start_in_turn(module, network, lesson_of(network, x))
    train(module, (squares,), data(x, network(x).detach()), None, 1, plan(order, 1, 0.02))
    layer = module.layers[0]
    assert torch.equal(layer.weight, layer.codes() * layer.steps())
    assert np.abs(layer.codes().numpy()).max() <= 4
