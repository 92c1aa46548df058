"""Quantized layers and networks."""

import copy
import io
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from skcfq.quantization import (
    TERNARY_BITS,
    QuantLinear,
    QuantMLP,
    QuantReLU,
    build_quantized,
    gumbel_noise,
    linear_layers,
    mlp,
    mse_step,
    quant_layers,
)

from .strategies import WIDTHS, candidates, widths

BITS = ("ternary", 2, 4, 8)


def network(bits=BITS, activation_bits=8, per_channel=True, seed=0):
    torch.manual_seed(seed)
    return build_quantized(
        linear_layers(mlp((6, 5, 4, 2))), bits, per_channel, activation_bits, clips=[2.0, 1.5]
    )


def rows(n=20):
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(7))


def searching():
    return network().eval()


def preferring():
    model = network().eval()
    for layer, k in zip(quant_layers(model), (0, 3, 2), strict=True):
        nn.init.constant_(layer.bit_logits[k : k + 1].detach(), 2.0)
    return model


def fixed():
    model = network().eval()
    for layer, bits in zip(quant_layers(model), ("ternary", 8, 4), strict=True):
        layer.fix_bits(bits)
    return model


def fixed_by_output():
    model = network().eval()
    for seed, layer in enumerate(quant_layers(model)):
        drawn = torch.randint(4, (layer.out_features,), generator=generator(seed)).tolist()
        layer.fix_bits([layer.candidate_bits[k] for k in drawn])
    return model


STATES = pytest.mark.parametrize("make", [searching, preferring, fixed, fixed_by_output])


# Traps named after the ones in the source paper's released code.


@STATES
def test_trap_reloading_changes_the_outputs(make):
    model, x = make(), rows()
    expected = model(x)
    stored = io.BytesIO()
    torch.save(model.state_dict(), stored)
    stored.seek(0)
    reloaded = network(seed=1).eval()
    reloaded.load_state_dict(torch.load(stored, weights_only=True))
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), reloaded):
        assert torch.equal(other(x), expected)
        assert [layer.channel_bits for layer in quant_layers(other)] == [
            layer.channel_bits for layer in quant_layers(model)
        ]


def contents(module):
    """Everything a module holds, by name, with tensors copied."""
    found = {}
    for name, part in module.named_modules():
        for key, value in vars(part).items():
            if isinstance(value, dict) and key in ("_parameters", "_buffers"):
                value = {
                    k: (id(t), None if t is None else t.detach().clone()) for k, t in value.items()
                }
            elif key == "_modules":
                value = list(value)
            found[name, key] = value
    return found


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        if key[1] in ("_parameters", "_buffers"):
            assert a[key].keys() == b[key].keys()
            for name, (identity, tensor) in a[key].items():
                assert b[key][name][0] == identity
                assert tensor is None or torch.equal(tensor, b[key][name][1])
        else:
            assert a[key] == b[key]


@STATES
@pytest.mark.parametrize("training", [True, False])
def test_a_forward_pass_stores_nothing(make, training):
    model = make().train(training)
    before = contents(model)
    model(rows()).sum().backward()
    model.zero_grad()
    assert_same(contents(model), before)


def test_the_check_that_nothing_is_stored_can_fail():
    class Forgetful(QuantReLU):
        def forward(self, x):
            self.last = x
            return super().forward(x)

    model = Forgetful(8)
    before = contents(model)
    model(rows())
    with pytest.raises(AssertionError):
        assert_same(contents(model), before)


@STATES
def test_evaluation_repeats_itself(make):
    model, x = make(), rows()
    assert torch.equal(model(x), model(x))


def test_a_state_dict_of_other_candidates_is_refused():
    state = network(bits=(2, 3, 4, 8)).state_dict()
    with pytest.raises(
        ValueError, match=r"candidate bits \(2, 3, 4, 8\), this module \(2, 4, 6, 8\)"
    ):
        network(bits=(2, 4, 6, 8)).load_state_dict(state)


@pytest.mark.parametrize("activation_bits", [4, None])
def test_trap_8_bit_ptq_with_4_bit_activations_cannot_be_loaded_either(activation_bits):
    state = QuantReLU(activation_bits).state_dict()
    module = QuantReLU(8)
    with pytest.raises((ValueError, RuntimeError), match=r"activation bits|log_clip"):
        module.load_state_dict(state)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_trap_8_bit_ptq_with_4_bit_activations(bits):
    activation = QuantReLU(bits, clip=3.0)
    out = activation(torch.linspace(-1, 5, 9001)).detach()
    assert len(out.unique()) == 2**bits
    codes = out / activation.step()
    torch.testing.assert_close(codes, codes.round(), rtol=0, atol=1e-3)
    assert (
        build_quantized(linear_layers(mlp((2, 3, 2))), (8,), activation_bits=bits)
        .activations[0]
        .bits
        == bits
    )


# Quantized weights.


@given(bits=candidates, per_channel=st.booleans(), data=st.data())
def test_fixed_output_is_codes_times_steps_exactly(bits, per_channel, data):
    layer = QuantLinear(7, 4, bits, per_channel)
    layer.fix_bits(data.draw(st.sampled_from(bits)))
    x = torch.randn(3, 7)
    codes, steps = layer.codes(), layer.steps()
    assert codes.dtype == torch.int8
    assert steps.shape == (4 if per_channel else 1, 1)
    assert torch.equal(layer.quantized_weight(), codes * steps)
    assert torch.equal(layer(x), nn.functional.linear(x, codes * steps, layer.bias))


@given(bits=widths)
def test_a_layer_has_no_more_levels_than_its_width(bits):
    layer = QuantLinear(300, 2, (bits,))
    for row in layer.quantized_weight():
        assert len(row.unique()) <= (3 if bits == TERNARY_BITS else 2**bits)


@pytest.mark.parametrize("per_channel", [True, False])
def test_from_linear_copies_weights_and_fits_steps(per_channel):
    linear = nn.Linear(5, 3, dtype=torch.float64)
    layer = QuantLinear.from_linear(linear, (8, 2), per_channel)
    assert layer.candidate_bits == (2, 8)
    assert torch.equal(layer.weight, linear.weight)
    assert torch.equal(layer.bias, linear.bias)
    assert layer.weight.dtype == layer.log_step.dtype == torch.float64
    assert layer.weight.data_ptr() != linear.weight.data_ptr()
    for log_step, bits in zip(layer.log_step, (2, 8), strict=True):
        torch.testing.assert_close(log_step.exp(), mse_step(linear.weight, bits, per_channel))
    torch.testing.assert_close(layer.quantized_weight(1), linear.weight, atol=0.01, rtol=0.05)


def test_quantizing_leaves_the_global_random_state_alone():
    float_network = mlp((4, 3, 2), generator=generator())
    before = torch.get_rng_state()
    build_quantized(linear_layers(float_network), BITS)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_layer_without_bias():
    layer = QuantLinear.from_linear(nn.Linear(5, 3, bias=False), (4,))
    assert layer.bias is None
    assert layer(torch.zeros(2, 5)).tolist() == [[0] * 3] * 2


def test_a_single_candidate_is_fixed_from_the_start():
    layer = QuantLinear(3, 2, ("ternary",))
    assert layer.bits == TERNARY_BITS
    assert set(layer.codes().unique().tolist()) <= {-1, 0, 1}


def test_fixing_a_width_that_is_no_candidate():
    layer = QuantLinear(3, 2, (2, 4))
    with pytest.raises(
        ValueError, match=r"bits=8: not a candidate of this layer. Allowed: \(2, 4\)"
    ):
        layer.fix_bits(8)
    assert layer.bits is None


def test_codes_and_steps_need_a_fixed_width():
    layer = QuantLinear(3, 2, (1.58, 4))
    for method in (layer.codes, layer.steps):
        with pytest.raises(
            RuntimeError, match=r"call fix_bits or apply_allocation first. Candidates: \(1.585, 4\)"
        ):
            method()


def test_steps_stay_positive_however_far_they_are_trained():
    torch.manual_seed(0)
    layer = QuantLinear(3, 2, (4,))
    start = layer.steps()
    # A step itself would be negative after the first of these.
    optimizer = torch.optim.SGD([layer.log_step], lr=10.0)
    for _ in range(5):
        optimizer.zero_grad()
        layer.quantized_weight().square().sum().backward()
        optimizer.step()
    assert (layer.steps() > 0).all()
    assert (layer.steps() != start).all()


# The search for widths.


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("noisy", [True, False])
def test_gradients_reach_weight_step_and_preferences_in_search(noisy):
    model = network(bits=(2, 4, 8))
    noise = gumbel_noise(model, generator()) if noisy else None
    nn.functional.cross_entropy(model(rows(), noise), torch.arange(20) % 2).backward()
    for layer in quant_layers(model):
        for name in ("weight", "bias", "log_step", "bit_logits"):
            gradient = getattr(layer, name).grad
            assert gradient is not None
            assert gradient.isfinite().all()
            assert gradient.abs().sum() > 0, name
        # Only the width that was drawn has its step trained.
        assert (layer.log_step.grad.abs().sum((1, 2)) > 0).sum() == 1
    assert all(activation.log_clip.grad is not None for activation in model.activations)


def test_search_draws_exactly_one_candidate_by_the_preferences():
    layer = QuantLinear(6, 5, (2, 4, 8))
    with torch.no_grad():
        layer.bit_logits.copy_(torch.tensor([0.2, 0.5, 0.3]).log())
    weights = [layer.quantized_weight(k).detach() for k in range(3)]
    source, counts = generator(), [0, 0, 0]
    for _ in range(3000):
        weight = layer.quantized_weight(noise=gumbel_noise(layer, source)[0]).detach()
        drawn = [k for k in range(3) if torch.equal(weight, weights[k])]
        assert len(drawn) == 1
        counts[drawn[0]] += 1
    assert counts == pytest.approx([600, 1500, 900], abs=90)


def test_preference_gradient_is_that_of_the_straight_through_one_hot():
    layer = QuantLinear(4, 3, (2, 4, 8), tau=0.7)
    noise = gumbel_noise(layer, generator())[0]
    upstream = torch.randn(3, 4)
    (got,) = torch.autograd.grad(layer.quantized_weight(noise=noise), layer.bit_logits, upstream)
    share = ((layer.bit_logits + noise) / 0.7).softmax(0)
    worth = torch.stack([(layer.quantized_weight(k).detach() * upstream).sum() for k in range(3)])
    (expected,) = torch.autograd.grad(share @ worth, layer.bit_logits)
    torch.testing.assert_close(got, expected)


def test_the_same_noise_is_the_same_network_in_either_mode():
    model, x = network(), rows()
    noise, again = gumbel_noise(model, generator(3)), gumbel_noise(model, generator(3))
    assert torch.equal(model(x, noise), model(x, again))
    assert torch.equal(model(x, noise), model.eval()(x, noise))


@STATES
def test_the_global_random_state_is_neither_read_nor_changed(make):
    model = make().train()
    before = torch.get_rng_state()
    expected = model(rows(), gumbel_noise(model, generator()))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert torch.equal(model(rows(), gumbel_noise(model, generator())), expected)


def test_noise_is_ignored_by_fixed_layers():
    model = fixed()
    assert torch.equal(model(rows(), gumbel_noise(model, generator())), model(rows()))


@pytest.mark.parametrize("training", [True, False])
def test_without_noise_the_preferred_width_is_used_and_the_widest_of_equals(training):
    layer = QuantLinear(6, 5, (2, 4, 8)).train(training)
    assert torch.equal(layer.quantized_weight(), layer.quantized_weight(2))
    with torch.no_grad():
        layer.bit_logits[0] = 1
    assert torch.equal(layer.quantized_weight(), layer.quantized_weight(0))


# Activations and networks.


def test_plain_relu_has_nothing_to_learn():
    activation = QuantReLU()
    assert list(activation.parameters()) == []
    assert activation.clip is activation.step() is None
    assert activation(torch.tensor([-1.0, 2.5])).tolist() == [0, 2.5]


def test_clip_is_learned():
    activation = QuantReLU(4, clip=1.0)
    activation(torch.tensor([0.5, 2.0, 3.0])).sum().backward()
    # Two inputs are clipped; d clip / d log_clip = clip = 1.
    assert activation.log_clip.grad.item() == pytest.approx(2.0)


UNITS = (4, 0, 8, 1, 2)


def test_units_have_levels_of_their_own():
    """As many equidistant ones as each width has, from 0 on."""
    activation = QuantReLU(UNITS, clip=25.5)
    x = torch.linspace(-1, 30, 4001)[:, None].expand(-1, 5)
    out = activation(x).detach()
    step = 0.1
    assert activation.step().item() == pytest.approx(step)
    for unit, bits in enumerate(UNITS):
        expected = (x[:, unit] / step).round().clamp(0, 2**bits - 1) * step
        torch.testing.assert_close(
            out[:, unit], expected, rtol=0, atol=1.5 * step * (bits == 8) + 1e-5
        )
        assert len(out[:, unit].unique()) == 2**bits
    assert activation.bits == 3.0
    assert activation.unit_bits == UNITS
    assert activation.top.tolist() == [15, 0, 255, 1, 3]


def test_one_width_for_all_units_is_one_width():
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 2
    assert torch.equal(QuantReLU((4, 4, 4), clip=3.0)(x), QuantReLU(4, clip=3.0)(x))
    assert torch.equal(QuantReLU(4, clip=3.0, rule="lsq")(x), QuantReLU(4, clip=3.0)(x))


@pytest.mark.parametrize("make", [copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))])
def test_units_survive_copies_and_state_dicts(make):
    activation = QuantReLU(UNITS, clip=3.0)
    x = torch.randn(50, 5, generator=torch.Generator().manual_seed(0)) * 2
    again = make(activation)
    assert torch.equal(again(x), activation(x))
    other = QuantReLU(UNITS)
    other.load_state_dict(activation.state_dict())
    assert torch.equal(other(x), activation(x))
    assert torch.equal(activation.double()(x.double()).float() > 0, again(x) > 0)
    for bits in (3, UNITS[::-1], None):
        with pytest.raises((ValueError, RuntimeError), match=r"activation bits|log_clip"):
            QuantReLU(bits).load_state_dict(again.state_dict())


@pytest.mark.parametrize(
    ("bits", "sentence"),
    [((4, 9), "9 is none"), ((4, -1), "-1 is none"), ((4, True), "True is none"),
     ((4, 1.5), "1.5 is none"), ((0, 0), "at least one above 0")],
)  # fmt: skip
def test_bad_widths_of_units_are_refused(bits, sentence):
    with pytest.raises(ValueError, match=sentence):
        QuantReLU(bits)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match='rule=\'lsg\': "pact" or "lsq" is needed'):
        QuantReLU(4, rule="lsg")


def test_rounding_errors_teach_the_clip_by_lsq():
    """The derivative of the outputs in the step: levels where cut off, rounding errors elsewhere."""
    x = torch.tensor([[0.26, -1.0, 0.9, 5.0], [0.1, 0.35, 5.0, 0.04]], requires_grad=True)
    activation = QuantReLU((2, 2, 1, 3), clip=0.7)  # steps of 0.1
    activation(x).sum().backward()
    codes = [[3, 0, 1, 7], [1, 3, 1, 0]]
    inside = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1]])  # on the edge is outside
    inside[1, 0] = 1.0  # level 1 of 0 to 3
    expected = (torch.tensor(codes) - inside * x.detach() / 0.1).sum() * 0.1
    assert activation.log_clip.grad.item() == pytest.approx(expected.item(), abs=1e-4)
    assert torch.equal(x.grad, inside)
    pact = QuantReLU(2, clip=0.3)
    pact(x).sum().backward()
    assert pact.log_clip.grad.item() == pytest.approx(0.3 * 4, abs=1e-5)


@pytest.mark.parametrize("clip", [0, -1.0, float("inf"), float("nan")])
def test_bad_clips_are_refused(clip):
    with pytest.raises(ValueError, match="a finite number > 0"):
        QuantReLU(8, clip)


def test_eight_bits_are_close_to_the_float_network():
    torch.manual_seed(0)
    float_network, x = mlp((6, 32, 16, 2)), torch.randn(100, 6)
    model = build_quantized(linear_layers(float_network), (8,))
    assert (model(x) - float_network(x)).abs().max() < 0.05


def test_a_linear_model_is_a_network_of_one_layer():
    model = build_quantized(linear_layers(mlp((6, 2))), (4,), activation_bits=8, clips=[])
    assert len(model.activations) == 0
    assert model(rows()).shape == (20, 2)


def test_numbers_of_layers_activations_and_clips_must_agree():
    with pytest.raises(ValueError, match="2 layers with 0 activations"):
        QuantMLP([QuantLinear(2, 2, (4,))] * 2, [])
    with pytest.raises(ValueError, match="activation_bits has 1 widths: one per hidden layer, 2"):
        build_quantized(linear_layers(mlp((2, 2, 2, 2))), (4,), activation_bits=[4])
    with pytest.raises(ValueError, match="clips has 1 values: one per hidden layer, 2"):
        build_quantized(linear_layers(mlp((2, 2, 2, 2))), (4,), clips=[1.0])


def test_bad_sizes_are_refused():
    for sizes in ((3,), (), (3, 0, 2)):
        with pytest.raises(ValueError, match="at least two sizes"):
            mlp(sizes)


def test_he_initialisation():
    torch.manual_seed(0)
    first, last = linear_layers(mlp((400, 300, 200)))
    assert first.weight.var().item() == pytest.approx(2 / 400, rel=0.05)
    assert last.weight.var().item() == pytest.approx(1 / 300, rel=0.05)
    assert first.bias.abs().sum() == last.bias.abs().sum() == 0


@pytest.mark.parametrize("activation_bits", [None, 2])
@pytest.mark.parametrize("bits", [("ternary",), (2,), (2, 4)])
def test_training_learns_an_exclusive_or(bits, activation_bits):
    torch.manual_seed(0)
    x = torch.rand(256, 2) * 2 - 1
    y = (x.prod(1) > 0).long()
    model = build_quantized(linear_layers(mlp((2, 16, 16, 2))), bits, True, activation_bits)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    accuracy = (model.eval()(x).argmax(1) == y).double().mean().item()
    assert accuracy > 0.85


def test_every_width_can_be_used():
    model = network(bits=WIDTHS)
    for bits in WIDTHS:
        for layer in quant_layers(model):
            layer.fix_bits(bits)
        assert model(rows()).isfinite().all()


# Widths of their own for outputs.


def uniform_twins(layer, linear):
    """The layer of each candidate width alone, from the same weights."""
    return {width: QuantLinear.from_linear(linear, (width,)) for width in layer.candidate_bits}


@given(bits=candidates, data=st.data())
def test_an_output_with_a_width_of_its_own_is_that_output_of_the_layer_of_that_width(bits, data):
    linear = nn.Linear(7, 5)
    layer = QuantLinear.from_linear(linear, bits)
    chosen = data.draw(st.lists(st.sampled_from(bits), min_size=5, max_size=5))
    layer.fix_bits(chosen)
    assert layer.channel_bits == tuple(chosen)
    assert layer.bits == pytest.approx(sum(chosen) / 5)
    x, pull = torch.randn(9, 7), torch.randn(9, 5)
    (layer(x) * pull).sum().backward()
    for row, width in enumerate(chosen):
        twin = uniform_twins(layer, linear)[width]
        (twin(x) * pull).sum().backward()
        assert torch.equal(layer.codes()[row], twin.codes()[row])
        assert torch.equal(layer.quantized_weight()[row], twin.quantized_weight()[row])
        torch.testing.assert_close(layer.weight.grad[row], twin.weight.grad[row])
        index = layer.candidate_bits.index(width)
        torch.testing.assert_close(layer.log_step.grad[index, row], twin.log_step.grad[0, row])


def test_clipped_weights_of_an_output_get_no_gradient():
    layer = QuantLinear(3, 2, (2, 8))
    layer.fix_bits([2, 8])
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[-9.0, 0.2, 9.0], [-9.0, 0.2, 9.0]]))
        layer.log_step.fill_(0.0)
    layer(torch.ones(1, 3)).sum().backward()
    assert layer.codes().tolist() == [[-2, 0, 1], [-9, 0, 9]]
    assert layer.weight.grad.tolist() == [[0, 1, 0], [1, 1, 1]]


def test_one_width_for_all_outputs_in_a_list_is_one_width():
    layer = QuantLinear(3, 2, (1.58, 4))
    layer.fix_bits([4, 4])
    assert layer.bits == 4
    assert isinstance(layer.bits, int)
    assert layer.channel_bits == (4, 4)
    assert QuantLinear(3, 2, (1.58, 4)).channel_bits is None


@pytest.mark.parametrize(
    ("per_channel", "bits", "problem"),
    [
        (True, [2, 3], r"bits=\[2, 3\]: not a candidate of this layer. Allowed: \(2, 4\)"),
        (True, [2, 4, 4], "3 widths for 2 steps: one each, or one for all, is needed"),
        (False, [2, 4], "2 widths for 1 steps: one each, or one for all, is needed"),
    ],
)
def test_wrong_widths_of_outputs(per_channel, bits, problem):
    layer = QuantLinear(3, 2, (2, 4), per_channel)
    with pytest.raises(ValueError, match=problem):
        layer.fix_bits(bits)
    assert layer.bits is None


# Codes that are held.


@pytest.mark.parametrize("bits", [4, [2, 4, 8]])
def test_held_codes_stay_while_steps_and_bias_learn(bits):
    layer = QuantLinear.from_linear(nn.Linear(6, 3), (2, 4, 8))
    layer.fix_bits(bits)
    x = rows()
    before, codes, steps = layer(x).detach(), layer.codes(), layer.steps()
    layer.hold_codes()
    assert torch.equal(layer.eval()(x), before)
    layer.train()
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        (layer(x) - 1.0).square().sum().backward()
        assert layer.weight.grad is None
        optimizer.step()
    assert torch.equal(layer.codes(), codes)
    assert (layer.steps() != steps).all()
    assert (layer.bias != 0).all()
    learned = layer.eval()(x).detach()
    layer.train().release_codes()
    assert layer.held_codes is None
    assert torch.equal(layer.codes(), codes)
    assert torch.equal(layer(x), learned)
    layer(x).sum().backward()
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("per_channel", "bits"), [(True, 4), (True, [2, 4, 8]), (False, 4)])
def test_held_codes_are_trained_by_the_same_function(per_channel, bits, bias):
    layer = QuantLinear.from_linear(nn.Linear(6, 3, bias), (2, 4, 8), per_channel).double()
    layer.fix_bits(bits)
    layer.hold_codes()
    x = rows().double()
    gradients = []
    for training in (True, False):
        layer.train(training).zero_grad()
        outputs = layer(x)
        outputs.pow(3).sum().backward()
        learned = [layer.log_step] + [layer.bias] * bias
        gradients.append([outputs.detach(), *(parameter.grad for parameter in learned)])
    for by_sums, by_weight in zip(*gradients, strict=True):
        assert torch.allclose(by_sums, by_weight, rtol=1e-12, atol=1e-12)
        assert by_sums.abs().sum() > 0


def test_releasing_what_is_not_held_changes_nothing():
    layer = QuantLinear(3, 2, (4,))
    before = copy.deepcopy(layer.state_dict())
    layer.release_codes()
    after = layer.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
