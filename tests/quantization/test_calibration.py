"""Steps and clips to start from."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from skcfq.quantization import (
    calibrate_clips,
    equalize,
    levels,
    linear_layers,
    lsq_quantize,
    mlp,
    mse_step,
)
from skcfq.quantization._equalize import hidden_outputs

from .strategies import WIDTHS, tensors, widths


def error(weight, step, bits):
    return (lsq_quantize(weight, step, *levels(bits)) - weight).double().square().sum(1)


@given(weight=tensors(), bits=widths, per_channel=st.booleans())
def test_steps_are_positive_and_one_per_channel_or_tensor(weight, bits, per_channel):
    step = mse_step(weight, bits, per_channel)
    assert step.shape == (len(weight) if per_channel else 1, 1)
    assert step.dtype == weight.dtype
    assert (step > 0).all()


@given(weight=tensors(), bits=widths)
def test_no_grid_step_is_better(weight, bits):
    q_min, q_max = levels(bits)
    best = error(weight, mse_step(weight, bits), bits)
    whole = torch.maximum(weight.amax(1) / q_max, weight.amin(1) / q_min).clamp(min=1e-30)
    for share in (0.25, 0.5, 0.9, 1.0, 1.1):
        tried = error(weight, (share * whole)[:, None], bits)
        assert (best <= tried * (1 + 1e-5) + 1e-9).all()


def test_steps_of_channels_are_those_of_rows_alone():
    weight = (
        torch.randn(5, 30, generator=torch.Generator().manual_seed(0))
        * torch.logspace(-3, 3, 5)[:, None]
    )
    rows = torch.cat([mse_step(row[None], 4) for row in weight])
    torch.testing.assert_close(mse_step(weight, 4), rows)


@pytest.mark.parametrize("bits", WIDTHS)
def test_weights_that_are_on_the_levels_stay_there(bits):
    q_min, q_max = levels(bits)
    weight = torch.arange(q_min, q_max + 1.0)[None] * 0.25
    assert torch.equal(lsq_quantize(weight, mse_step(weight, bits), q_min, q_max), weight)


def test_ternary_step_is_no_worse_than_absmean():
    weight = torch.randn(20, 50, generator=torch.Generator().manual_seed(0))
    absmean = weight.abs().mean(1, keepdim=True)
    assert (error(weight, mse_step(weight, 1.58), 1.58) <= error(weight, absmean, 1.58)).all()


@pytest.mark.parametrize("bits", WIDTHS)
def test_a_channel_of_zeros_takes_the_range_of_the_weight(bits):
    weight = torch.tensor([[0.0, 0.0], [2.0, -1.0]])
    assert mse_step(weight, bits)[0].item() == pytest.approx(2.0 / levels(bits)[1])
    assert mse_step(torch.zeros(2, 2), bits).tolist() == [[1.0], [1.0]]


def test_more_bits_have_less_error():
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    errors = [error(weight, mse_step(weight, bits), bits).sum().item() for bits in WIDTHS]
    assert errors == sorted(errors, reverse=True)


def test_clips_are_quantiles_of_the_hidden_activations():
    torch.manual_seed(0)
    network, x = mlp((6, 5, 4, 2)), torch.randn(200, 6)
    hidden = [network[:2](x), network[:4](x)]
    expected = [torch.quantile(h.flatten(), 0.99).item() for h in hidden]
    assert calibrate_clips(network, x, quantile=0.99) == pytest.approx(expected, rel=1e-5)
    assert calibrate_clips(network, x, quantile=1) == [h.max().item() for h in hidden]
    assert calibrate_clips(mlp((6, 2)), x) == []


def test_clips_of_a_dead_layer_are_positive():
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    nn.init.constant_(network[0].bias, -100)
    assert calibrate_clips(network, torch.zeros(4, 2)) == [1.0]
    nn.init.constant_(network[0].weight, 1)
    x = torch.zeros(1000, 2)
    x[0] = 100
    assert calibrate_clips(network, x, quantile=0.9) == [100.0]


@pytest.mark.parametrize("quantile", [0, -1, 1.1, float("nan")])
def test_quantile_out_of_range(quantile):
    with pytest.raises(ValueError, match="must lie in"):
        calibrate_clips(mlp((2, 2)), torch.zeros(1, 2), quantile)


def test_calibration_changes_neither_network_nor_rows():
    network, x = mlp((3, 4, 2)), torch.randn(5, 3)
    before, rows = {k: v.clone() for k, v in network.state_dict().items()}, x.clone()
    calibrate_clips(network, x)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert torch.equal(rows, x)


# Equal ranges of hidden units.


@pytest.mark.parametrize("bias", [True, False])
def test_equalizing_changes_ranges_and_nothing_else(bias):
    generator = torch.Generator().manual_seed(0)
    network = mlp((6, 12, 9, 3), generator)
    linears = linear_layers(network)
    with torch.no_grad():
        linears[0].weight *= torch.logspace(-2, 1, 12)[:, None]
        linears[0].weight[5] = 0.0
        linears[0].bias[5] = -1.0  # never active
        for linear in linears:
            linear.bias = nn.Parameter(linear.bias + 0.1) if bias else None
        if bias:
            linears[0].bias[5] = -1.0
    before = [linear.weight.clone() for linear in linears]
    x = torch.randn(200, 6, generator=generator)
    equal = linear_layers(equalize(network, x))

    def outputs(layers, rows):
        ranges = []
        for layer in layers[:-1]:
            rows = layer(rows).relu()
            ranges.append(rows.amax(0))
        return layers[-1](rows), ranges

    with torch.no_grad():
        new = torch.randn(50, 6, generator=generator)
        torch.testing.assert_close(outputs(equal, new)[0], outputs(linears, new)[0])
        for ranges in outputs(equal, x)[1]:
            active = ranges[ranges > 0]
            torch.testing.assert_close(active, active.mean().expand_as(active))
    assert all(torch.equal(a, b.weight) for a, b in zip(before, linears, strict=True))


def test_ranges_in_proportion_to_levels():
    network = mlp((6, 5, 4, 2), torch.Generator().manual_seed(0))
    x = torch.randn(300, 6, generator=torch.Generator().manual_seed(1))
    widths = [(8, 4, 0, 1, 3), None]
    equal = equalize(network, x, widths)
    torch.testing.assert_close(equal(x), network(x))
    first, second = (h.amax(0) for h in hidden_outputs(linear_layers(equal), x))
    tops = torch.tensor([255.0, 15, 1, 7])
    steps = first[[0, 1, 3, 4]] / tops
    torch.testing.assert_close(steps, steps.mean().expand(4))
    assert first[2] == next(hidden_outputs(linear_layers(network), x)).amax(0)[2]
    active = second[second > 0]
    torch.testing.assert_close(active, active.mean().expand_as(active))
    # Ranges that are known already.
    ranges = [h.amax(0) for h in hidden_outputs(linear_layers(network), x)]
    known = equalize(network, ranges, widths)
    for a, b in zip(linear_layers(known), linear_layers(equal), strict=True):
        torch.testing.assert_close(a.weight, b.weight)


def test_nothing_to_equalize():
    dead = mlp((3, 4, 2))
    with torch.no_grad():
        dead[0].weight.zero_()
        dead[0].bias.fill_(-1.0)
    for network in (dead, mlp((3, 2))):
        equal = equalize(network, torch.randn(9, 3))
        for a, b in zip(linear_layers(equal), linear_layers(network), strict=True):
            assert torch.equal(a.weight, b.weight)
            assert torch.equal(a.bias, b.bias)
