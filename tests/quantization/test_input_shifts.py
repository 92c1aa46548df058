"""Inputs that do with fewer bits than the outputs of their layer."""

import itertools
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skcfq.quantization import (
    TERNARY_BITS,
    QuantLinear,
    allocate_bits,
    apply_allocation,
    average_bits,
    build_quantized,
    choose_input_shifts,
    levels,
    linear_layers,
    mlp,
    mse_step,
    packed_bytes,
    quant_layers,
    reconstruct,
)
from skcfq.quantization._bits import MAX_SHIFT, coarse_bits
from skcfq.quantization._functional import coarse_limits

from .strategies import WIDTHS, widths

shift = st.integers(0, MAX_SHIFT)


def layer_of(n_in=6, n_out=4, bits=WIDTHS, seed=0, per_channel=True):
    generator = torch.Generator().manual_seed(seed)
    return QuantLinear(n_in, n_out, bits, per_channel=per_channel, generator=generator)


def coarse_layer(shifts, channel_bits, seed=0):
    layer = layer_of(len(shifts), len(channel_bits), seed=seed)
    layer.coarsen(shifts)
    layer.fix_bits(list(channel_bits))
    return layer


coarse_layers = st.builds(
    coarse_layer,
    st.lists(shift, min_size=1, max_size=6),
    st.lists(widths, min_size=1, max_size=4),
    st.integers(0, 5),
)


@given(width=widths, shift=shift)
def test_as_many_codes_as_the_bits_have(width, shift):
    q_min, q_max = levels(width)
    multiples = [code for code in range(q_min, q_max + 1) if code % 2**shift == 0]
    bits = coarse_bits(width, shift)
    assert len(multiples) == (3 if bits == TERNARY_BITS else 2**bits)
    low, high = coarse_limits(q_min, q_max, torch.tensor([2.0**shift]))
    assert [low * 2**shift, high * 2**shift] == [multiples[0], multiples[-1]]


@given(coarse_layers)
def test_weights_are_the_nearest_multiples(layer):
    """Brute force over all codes that are left."""
    codes, steps = layer.codes(), layer.steps()
    weight = layer.quantized_weight().detach()
    assert torch.equal(codes * steps, weight)
    shifts = layer.input_shifts.tolist()
    for o, i in itertools.product(range(layer.out_features), range(layer.in_features)):
        q_min, q_max = levels(layer.channel_bits[o])
        allowed = torch.tensor([c for c in range(q_min, q_max + 1) if c % 2 ** shifts[i] == 0])
        assert codes[o, i] in allowed
        errors = (allowed * steps[o] - layer.weight[o, i]).abs()
        assert (weight[o, i] - layer.weight[o, i]).abs() <= errors.min() * (1 + 1e-5)


@given(coarse_layers, st.integers(0, 3))
def test_training_and_holding_see_what_is_deployed(layer, seed):
    x = torch.randn(5, layer.in_features, generator=torch.Generator().manual_seed(seed))
    deployed = layer.eval()(x)
    assert torch.equal(layer.train()(x), deployed)
    layer.hold_codes()
    torch.testing.assert_close(layer(x), deployed, rtol=1e-5, atol=1e-5)
    codes = layer.codes()
    layer.release_codes()
    assert torch.equal(layer.codes(), codes)
    layer.set_codes(codes, layer.steps())
    assert torch.equal(layer.codes(), codes)


@pytest.mark.parametrize(("width", "shift"), [(8, 3), (6, 4), (3, 1), (8, 6)])
def test_a_shift_of_all_inputs_is_a_narrower_width(width, shift):
    """The same outputs and the same gradients as of a layer with fewer bits and larger steps."""
    coarse, narrow = layer_of(bits=(width,)), layer_of(bits=(width - shift,))
    coarse.coarsen([shift] * 6)
    with torch.no_grad():
        coarse.log_step.copy_(narrow.log_step - shift * torch.tensor(2.0).log())
    x = torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
    for layer in (coarse, narrow):
        layer(x).square().sum().backward()
    torch.testing.assert_close(coarse(x), narrow(x), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(coarse.weight.grad, narrow.weight.grad, rtol=1e-4, atol=1e-5)
    # LSQ scales a step's gradient by the largest code, which is that of the nominal width.
    scale = (levels(width - shift)[1] / levels(width)[1]) ** 0.5
    torch.testing.assert_close(
        coarse.log_step.grad, narrow.log_step.grad * scale, rtol=1e-3, atol=1e-4
    )


@given(coarse_layers)
def test_bits_are_counted_weight_by_weight(layer):
    total = sum(
        Fraction(coarse_bits(width, shift))
        for width, shift in itertools.product(layer.channel_bits, layer.input_shifts.tolist())
    )
    assert layer.total_bits() == total
    assert average_bits(layer) == float(total / layer.n_weights)
    assert float(layer.bits) == float(total / layer.n_weights)
    assert float(layer.expected_bits()) == pytest.approx(float(layer.bits))


def test_bytes_are_counted_block_by_block():
    layer = coarse_layer([0, 0, 0, 2, 2, 8], [8, 8, 3, TERNARY_BITS])
    codes = -(-6 * 8 // 8) + -(
        -4 * 6 // 8
    )  # two outputs of 8 bits: three inputs, then two of 6 bits
    codes += (
        -(-3 * 3 // 8) + -(-2 * 1 // 8) + -(-3 // 5)
    )  # 3 bits, then 1 bit; ternary; the rest is 0
    floats = 4 * (4 + 4)
    model = build_quantized(linear_layers(mlp((6, 4))), WIDTHS)
    quant_layers(model)[0].coarsen(layer.input_shifts.tolist())
    apply_allocation(model, [layer.channel_bits])
    assert packed_bytes(model) == codes + floats + 4 + 6  # a byte for each width and each shift


@pytest.mark.parametrize("per_channel", [True, False])
def test_steps_know_the_shifts(per_channel):
    """No step of the grid has a smaller error, and pruned or dropped inputs set no range."""
    weight = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    weight[:, 4] = 100.0
    grain = torch.tensor([1.0, 1, 2, 4, 16])
    step = mse_step(weight, 4, per_channel, grain=grain)
    assert step.shape == ((3, 1) if per_channel else (1, 1))
    assert (step < 2).all()

    def error(step):
        low, high = coarse_limits(*levels(4), grain)
        rounded = (weight / (step * grain)).round().clamp(low, high) * step * grain
        loss = (rounded - weight)[:, :4].square()
        return loss.sum(1, keepdim=True) if per_channel else loss.sum()

    for share in torch.linspace(0.3, 1.3, 21):
        assert (error(step) <= error(step * share) * 1.1).all()
    assert torch.equal(
        mse_step(weight, 4, per_channel), mse_step(weight, 4, per_channel, grain=grain * 0 + 1)
    )


def test_reconstruction_keeps_to_the_multiples():
    torch.manual_seed(0)
    x = torch.randn(300, 6) @ torch.randn(6, 6)
    linear = torch.nn.Linear(6, 4)
    errors = []
    for rebuild in (False, True):
        layer = QuantLinear.from_linear(linear, (6,))
        layer.coarsen([0, 1, 2, 0, 6, 3])
        if rebuild:
            reconstruct(layer, x, linear(x).detach())
        assert not (layer.codes() % layer.grain()).any()
        assert not layer.codes()[:, 4].any()
        errors.append((layer(x) - linear(x)).square().mean().item())
    assert errors[1] < 0.7 * errors[0]


def test_shifts_that_cannot_be():
    layer = layer_of(n_in=3)
    for shifts in ([0, 0], [0, 0, -1], [0, 0, 9], [0, 0, 0.5]):
        with pytest.raises(
            ValueError, match="3 whole numbers from 0 to 8, one per input, are needed"
        ):
            layer.coarsen(shifts)
    assert not layer.input_shifts.any()


def test_held_codes_are_let_go_before_there_are_other_codes():
    layer = layer_of(bits=(8,))
    layer.hold_codes()
    layer.coarsen([3] * 6)
    assert layer.held_codes is None
    assert not (layer.codes() % 8).any()


def test_a_state_dict_holds_the_shifts():
    layer = coarse_layer([0, 3, 8], [5, 8])
    other = layer_of(3, 2, seed=1)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.codes(), layer.codes())
    assert other.bits == layer.bits


# ----- which inputs ------------------------------------------------------------------------------


@torch.no_grad()
def loss_within(layers, importances, budget, shifts):
    """The least loss that widths of outputs reach within the budget, which is kept."""
    for layer, each in zip(layers, shifts, strict=True):
        layer.coarsen(each)
    values, sizes, costs = [], [], []
    for layer, importance in zip(layers, importances, strict=True):
        errors = [
            (layer.quantized_weight(k) - layer.weight).square().mul(importance).sum(1)
            for k in range(len(layer.candidate_bits))
        ]
        values += (-torch.stack(errors, 1)).tolist()
        sizes += [layer.in_features] * layer.out_features
        costs += [[layer.output_bits(b) for b in layer.candidate_bits]] * layer.out_features
    values = torch.tensor(values).cummax(1).values
    chosen = allocate_bits(values, sizes, layers[0].candidate_bits, budget, costs=costs)
    index = [layers[0].candidate_bits.index(width) for width in chosen]
    spent = sum(row[k] for row, k in zip(costs, index, strict=True))
    assert spent <= Fraction(budget) * sum(sizes)
    return -float(sum(row[k] for row, k in zip(values, index, strict=True)))


def two_layers(seed, spread):
    """Layers, and importances that are a factor per output times one per input."""
    generator = torch.Generator().manual_seed(seed)
    layers = [layer_of(12, 8, seed=seed), layer_of(8, 5, seed=seed + 1)]
    importances = [
        2.0 ** (spread * torch.randn(layer.out_features, 1, generator=generator))
        * 2.0 ** (spread * torch.randn(1, layer.in_features, generator=generator))
        for layer in layers
    ]
    return layers, importances


@settings(max_examples=30)
@given(budget=st.floats(2.0, 8.0), spread=st.floats(0.0, 6.0), seed=st.integers(0, 20))
def test_trap_a_bit_budget_that_is_a_penalty_and_not_a_guarantee(budget, spread, seed):
    layers, importances = two_layers(seed, spread)
    shifts = choose_input_shifts(layers, importances, budget)
    assert all(min(each) == 0 and max(each) <= MAX_SHIFT for each in shifts)
    loss_within(layers, importances, budget, shifts)


@pytest.mark.parametrize(("spread", "most"), [(0.0, 1.0), (2.0, 0.8), (4.0, 0.5)])
@pytest.mark.parametrize("budget", [2.0, 4.0])
def test_the_more_inputs_differ_the_more_their_widths_save(budget, spread, most):
    """Against widths of outputs alone, in the mean over networks."""
    shares = []
    for seed in range(6):
        layers, importances = two_layers(seed, spread)
        none = [[0] * layer.in_features for layer in layers]
        before = loss_within(layers, importances, budget, none)
        shifts = choose_input_shifts(layers, importances, budget)
        shares.append(loss_within(layers, importances, budget, shifts) / before)
    assert sum(shares) / len(shares) < most


def test_an_input_that_counts_for_nothing_takes_nothing():
    layer = layer_of(6, 8)
    importance = torch.ones(8, 6)
    importance[:, 2] = 0.0
    (shifts,) = choose_input_shifts([layer], [importance], 4)
    loss_within([layer], [importance], 4, [shifts])
    layer.fix_bits(6)
    assert not layer.codes()[:, 2].any()
    assert max(shifts[:2] + shifts[3:]) <= 2


def test_a_factor_of_four_is_a_bit():
    """Equal errors for all weights: an input whose errors count 4**k times as much gets k bits more."""
    layer = layer_of(40, 60, bits=range(2, 9))
    exponent = torch.arange(40) % 4
    importance = (4.0**-exponent).expand(60, 40)
    (shifts,) = choose_input_shifts([layer], [importance], 4)
    found = torch.tensor(shifts, dtype=torch.float64)
    means = [found[exponent == k].mean().item() for k in range(4)]
    assert [round(mean - means[0]) for mean in means] == [0, 1, 2, 3]


def test_settled_layers_keep_all_bits():
    layers = [layer_of(12, 8), layer_of(8, 5)]
    layers[1].fix_bits(8)
    importances = [4.0 ** -torch.arange(12.0).expand(8, 12), torch.ones(5, 8)]
    shifts = choose_input_shifts(layers, importances, 4.5)
    assert not any(shifts[1])
    assert any(shifts[0])
    # Nothing counts: nothing is lost, and nothing fails.
    assert len(choose_input_shifts(layers, [0 * each for each in importances], 4)[0]) == 12


@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_has_to_be_saved_nothing_is(seed):
    """The budget is that of the widest widths."""
    layers, importances = two_layers(seed, 1.0)
    assert not any(map(any, choose_input_shifts(layers, importances, 8)))


@given(weight=st.floats(-3, 3), width=widths, step=st.floats(0.01, 1), shift=st.integers(0, 7))
def test_a_smaller_shift_is_never_further(weight, width, step, shift):
    """Its levels are among the others': what the search for shifts relies on."""
    errors = []
    for each in (shift, shift + 1):
        grain = torch.tensor([2.0**each], dtype=torch.float64)
        low, high = coarse_limits(*levels(width), grain)
        code = (torch.tensor([weight], dtype=torch.float64) / (step * grain)).round()
        errors.append(abs(float(code.clamp(low, high) * step * grain) - weight))
    assert errors[0] <= errors[1] + 1e-12
