"""Layers that are quantized by what they compute."""

import itertools

import pytest
import torch
from torch import nn

from skcfq.quantization import QuantLinear, mse_clip, mse_step, pact_quantize, reconstruct


def correlated(n=400, n_in=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(n, 3, generator=generator)
    noise = torch.randn(n, n_in, generator=generator)
    return hidden @ torch.randn(3, n_in, generator=generator) + 0.3 * noise + 1.0


def linear_and_layer(bits, n_in=8, n_out=5, seed=0, per_channel=True):
    torch.manual_seed(seed)
    linear = nn.Linear(n_in, n_out)
    return linear, QuantLinear.from_linear(linear, (bits,), per_channel)


def error(layer, x, wanted, weight=None):
    weight = torch.ones(len(x)) if weight is None else weight
    with torch.no_grad():
        return float(weight @ (layer(x) - wanted).square().sum(1) / weight.sum())


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("bits", ["ternary", 2, 4, 8])
def test_outputs_are_nearer_than_by_nearest_rounding(bits, per_channel):
    before, after = 0.0, 0.0
    for seed in range(8):
        linear, layer = linear_and_layer(bits, seed=seed, per_channel=per_channel)
        x, new = correlated(seed=seed), correlated(seed=seed + 100)
        before += error(layer, x, linear(x))
        reconstruct(layer, x, linear(x))
        after += error(layer, x, linear(x))
        assert layer(new).isfinite().all()
    assert after < 0.6 * before


def test_rounding_is_near_the_best_of_all_codes():
    """Brute force over all ternary codes of one output, at the steps that were chosen."""
    found, best, nearest = 0.0, 0.0, 0.0
    for seed in range(10):
        linear, layer = linear_and_layer("ternary", n_in=6, n_out=1, seed=seed)
        x = correlated(n_in=6, seed=seed)
        wanted = linear(x).detach()
        nearest += error(layer, x, wanted)
        reconstruct(layer, x, wanted)
        found += error(layer, x, wanted)
        steps = layer.steps()
        codes = torch.tensor(list(itertools.product((-1.0, 0.0, 1.0), repeat=6)))  # (729, 6)
        out = x @ (codes * steps).T  # (n_samples, 729)
        residual = wanted - out
        best += float((residual - residual.mean(0)).square().mean(0).min())
    assert best <= found * (1 + 1e-6)
    assert found - best < 0.25 * (nearest - best)


@pytest.mark.parametrize("bits", [2, 4])
def test_uncorrelated_inputs_are_rounded_to_the_nearest_level(bits):
    linear, layer = linear_and_layer(bits, n_in=4)
    x = torch.cat([torch.eye(4), -torch.eye(4)])
    reconstruct(layer, x, linear(x).detach())
    # All inputs vary alike, so the steps are those of the weights themselves.
    nearest = QuantLinear.from_linear(linear, (bits,))
    assert torch.equal(layer.codes(), nearest.codes())
    torch.testing.assert_close(layer.bias, linear.bias, atol=1e-6, rtol=0)


def test_bias_makes_the_weighted_mean_error_zero():
    linear, layer = linear_and_layer(2)
    x, weight = correlated(), torch.rand(400, generator=torch.Generator().manual_seed(1))
    reconstruct(layer, x, linear(x), weight)
    torch.testing.assert_close(weight @ (layer(x) - linear(x)), torch.zeros(5), atol=1e-3, rtol=0)


def test_a_weight_of_two_is_a_row_twice():
    linear, one = linear_and_layer(3)
    _, two = linear_and_layer(3)
    x = correlated(60)
    weight = torch.ones(60)
    weight[:20] = 2
    reconstruct(one, x, linear(x), weight)
    twice = torch.cat([x, x[:20]])
    reconstruct(two, twice, linear(twice))
    assert torch.equal(one.codes(), two.codes())
    torch.testing.assert_close(one.steps(), two.steps())
    torch.testing.assert_close(one.bias, two.bias)


def test_moments_in_parts_are_those_in_one_piece(monkeypatch):
    linear, one = linear_and_layer(3)
    _, parts = linear_and_layer(3)
    x, weight = correlated(60), torch.linspace(0, 2, 60)
    reconstruct(one, x, linear(x), weight)
    monkeypatch.setattr("skcfq.quantization._reconstruction.N_ROWS", 7)
    reconstruct(parts, x, linear(x), weight)
    assert torch.equal(one.codes(), parts.codes())
    torch.testing.assert_close(one.steps(), parts.steps())
    torch.testing.assert_close(one.bias, parts.bias)


def test_weighted_rows_are_those_that_are_kept():
    linear, layer = linear_and_layer(2, n_out=1)
    # What is asked for is no linear map: the rows must compete for the weights.
    x = correlated(200)
    wanted = linear(x).detach() + x[:, :1].square()
    errors = []
    for heavy in (slice(0, 100), slice(100, 200)):
        weight = torch.full((200,), 1e-3)
        weight[heavy] = 1.0
        _, layer = linear_and_layer(2, n_out=1)
        reconstruct(layer, x, wanted, weight)
        errors.append(error(layer, x[:100], wanted[:100]))
    assert errors[0] < errors[1]


def test_pruned_weights_stay_zero_and_others_make_up_for_them():
    linear, layer = linear_and_layer(8)
    x = correlated()
    kept = torch.ones(5, 8, dtype=torch.bool)
    kept[:, 2] = False
    layer.prune(kept)
    before = error(layer, x, linear(x))
    reconstruct(layer, x, linear(x))
    assert not layer.codes()[:, 2].any()
    assert error(layer, x, linear(x)) < 0.5 * before


def test_inputs_that_never_vary_do_no_harm():
    linear, layer = linear_and_layer(4)
    x = correlated()
    x[:, 3], x[:, 5] = 0.0, 2.0
    reconstruct(layer, x, linear(x))
    assert layer(x).isfinite().all()
    assert error(layer, x, linear(x)) < 0.05


def test_a_layer_without_bias_keeps_none():
    linear = nn.Linear(8, 3, bias=False)
    layer = QuantLinear.from_linear(linear, (8,))
    x = correlated()
    reconstruct(layer, x, linear(x))
    assert layer.bias is None
    assert error(layer, x, linear(x)) < 0.01


def test_important_inputs_set_the_step():
    weight = torch.tensor([[0.9, 0.1, 0.1]])
    importance = torch.tensor([1.0, 1e-9, 1e-9])
    step = mse_step(weight, 2, importance=importance)
    assert (weight[0, 0] / step).frac().abs().item() == pytest.approx(0, abs=1e-3)
    assert torch.equal(mse_step(weight, 2, importance=torch.ones(3)), mse_step(weight, 2))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_clip_is_the_best_of_the_grid(bits):
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0)).exp() - 1
    clip = mse_clip(x, bits)

    def loss(value):
        return (pact_quantize(x, torch.tensor(value), bits) - x.relu()).square().sum().item()

    largest = x.max().item()
    assert all(
        loss(clip) <= loss(largest * share) * (1 + 1e-5) for share in (0.1, 0.24, 0.5, 0.86, 1)
    )
    assert clip <= largest * (1 + 1e-6)


def test_clip_counts_weighted_rows():
    x = torch.tensor([[1.0], [100.0]])
    assert mse_clip(x, 2, weight=torch.tensor([1.0, 0.0])) < 10
    # Of units with widths of their own, the widest one's; here with steps of 1 nothing is lost.
    units = torch.tensor([[3.0, 1.0, 7.0], [1.0, 0.0, 6.0]])
    assert mse_clip(units, (2, 1, 3)) == pytest.approx(7)
    assert mse_clip(units, (2, 0, 3)) == pytest.approx(7)
    assert mse_clip(x, 2, weight=torch.tensor([1e-9, 1.0])) == pytest.approx(100)


def test_an_output_with_a_width_of_its_own_is_rounded_as_in_the_layer_of_that_width():
    torch.manual_seed(3)
    linear = nn.Linear(8, 5)
    x = correlated()
    layer = QuantLinear.from_linear(linear, ("ternary", 2, 4, 8))
    chosen = [4, "ternary", 8, 2, 4]
    layer.fix_bits(chosen)
    reconstruct(layer, x, linear(x))
    for row, width in enumerate(chosen):
        twin = QuantLinear.from_linear(linear, (width,))
        reconstruct(twin, x, linear(x))
        assert torch.equal(layer.codes()[row], twin.codes()[row])
        torch.testing.assert_close(layer(x)[:, row], twin(x)[:, row])
