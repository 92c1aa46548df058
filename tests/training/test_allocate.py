"""Widths by sensitivity."""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skcfq import ActionSet, FisherSensitivity, GreedySolver, OutputObjective, RecourseSensitivity
from skcfq.actions import Encoding, bind_actions
from skcfq.quantization import (
    TERNARY_BITS,
    average_bits,
    build_quantized,
    byte_budget_bits,
    linear_layers,
    mlp,
    mse_clip,
    packed_bytes,
    pact_quantize,
    quant_layers,
)
from skcfq.training import Lesson, _sensitivity, allocate_by_sensitivity, allocate_by_value

WIDTHS = (2, 3, 4, 8)

candidates = st.lists(
    st.sampled_from((TERNARY_BITS, 2, 3, 4, 5, 6, 7, 8)), min_size=2, unique=True
).map(tuple)


def make_lesson(network, n=60, seed=0, weight=None, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    n_columns = linear_layers(network)[0].in_features
    x = spread * torch.randn(n, n_columns, generator=generator)
    frame = pd.DataFrame(x.numpy().astype(float), columns=[f"x{i}" for i in range(n_columns)])
    space = bind_actions(ActionSet(), Encoding(None, frame.columns), frame)
    advice = GreedySolver().solve(network, frame, 1, space)
    weight = torch.ones(n) if weight is None else weight
    return Lesson(x, network, 1, frame, space, advice, weight)


@pytest.fixture(scope="module")
def network():
    return mlp((5, 12, 8, 2), torch.Generator().manual_seed(3)).requires_grad_(False)


@pytest.fixture(scope="module")
def lesson(network):
    return make_lesson(network)


def quantized(network, bits=WIDTHS):
    return build_quantized(linear_layers(network), bits)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_fisher_sensitivity_is_the_quadratic_form_row_by_row(n_classes):
    network = mlp((4, 6, 5, n_classes), torch.Generator().manual_seed(0)).requires_grad_(False)
    lesson = make_lesson(network, n=7)
    weight = torch.rand(7, generator=torch.Generator().manual_seed(1))
    module = quantized(network)
    values = FisherSensitivity().values(module, network, dataclasses.replace(lesson, weight=weight))
    linears = linear_layers(network)
    for layer, (linear, rounded) in enumerate(zip(linears, quant_layers(module), strict=True)):
        linear.weight.requires_grad_(True)
        for choice in range(4):
            change = rounded.quantized_weight(choice).detach() - linear.weight.detach()
            expected = 0.0
            for row, w in zip(lesson.x, weight, strict=True):
                log_p = F.log_softmax(network(row), dim=0)
                for label in range(n_classes):
                    (gradient,) = torch.autograd.grad(
                        log_p[label], linear.weight, retain_graph=True
                    )
                    slope = (gradient * change).sum().item()
                    expected -= 0.5 * (w / weight.sum() * log_p[label].exp()).item() * slope**2
            assert values[layer, choice] == pytest.approx(expected, rel=1e-4)
        linear.weight.requires_grad_(False)


def cross_entropy(network, outputs, x):
    return -(network(x).softmax(1) * outputs.log_softmax(1)).sum(1).mean().item()


def test_fisher_sensitivity_is_the_rise_of_the_cross_entropy(network, lesson):
    """To second order: 8 bits are near enough."""
    module = quantized(network)
    values = FisherSensitivity().values(module, network, lesson)
    for layer in range(3):
        moved = copy.deepcopy(network)
        linear_layers(moved)[layer].weight.copy_(
            quant_layers(module)[layer].quantized_weight(3).detach()
        )
        x = lesson.x.double()
        exact, moved = copy.deepcopy(network).double(), moved.double()
        rise = cross_entropy(exact, moved(x), x) - cross_entropy(exact, exact(x), x)
        assert -values[layer, 3] == pytest.approx(rise, rel=0.1)


def test_sensitivities_of_activations_are_those_of_activations_alone(network, lesson):
    first, second, last = linear_layers(network)
    clip = torch.tensor(mse_clip(second(first(lesson.x).relu()), 8))

    def rounded(x):
        return last(pact_quantize(second(first(x).relu()), clip, 8))

    rise = cross_entropy(network, rounded(lesson.x), lesson.x)
    rise -= cross_entropy(network, network(lesson.x), lesson.x)
    fisher = FisherSensitivity().activation_values((2, 4, 8), network, lesson)
    assert fisher.shape == (2, 3)
    assert -fisher[1, 2] == pytest.approx(rise, rel=0.15)
    advised = torch.from_numpy(lesson.advice.encoded)[lesson.counted.bool()]
    change = (rounded(advised) - network(advised)) @ torch.tensor([-1.0, 1.0])
    recourse = RecourseSensitivity().activation_values((2, 4, 8), network, lesson)
    assert recourse.shape == (2, 3)
    assert recourse[1, 2] == pytest.approx(-change.square().mean().item(), rel=1e-3)
    for values in (fisher, recourse):
        assert (np.diff(values, axis=1) > 0).all()


def test_recourse_sensitivity_is_the_squared_change_of_the_margin(network, lesson):
    module = quantized(network)
    values = RecourseSensitivity().values(module, network, lesson)
    assert values.shape == (3, 4)
    advised = torch.from_numpy(lesson.advice.encoded)[lesson.counted.bool()]
    assert len(advised) > 10

    def margin(net):
        logits = net(advised)
        return logits[:, 1] - logits[:, 0]

    for layer in range(3):
        for choice in range(4):
            changed = mlp((5, 12, 8, 2), torch.Generator().manual_seed(3)).requires_grad_(False)
            linear_layers(changed)[layer].weight.copy_(
                quant_layers(module)[layer].quantized_weight(choice).detach()
            )
            expected = -(margin(changed) - margin(network)).square().mean().item()
            assert values[layer, choice] == pytest.approx(expected, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("sensitivity", [RecourseSensitivity, FisherSensitivity])
def test_the_worth_of_an_output_is_that_of_a_layer_that_changes_nowhere_else(network, sensitivity):
    """In the last layer, which is linear; elsewhere about, since some units switch on or off."""
    lesson = make_lesson(network, n=500)
    by_output = sensitivity(per_channel=True).values(quantized(network, (8,)), network, lesson)
    assert [values.shape for values in by_output] == [(12, 1), (8, 1), (2, 1)]
    for i, values in enumerate(by_output):
        for output in range(len(values)):
            module = quantized(network, (8,))
            layer, linear = quant_layers(module)[i], linear_layers(network)[i]
            rounded = layer.quantized_weight().detach()
            others = torch.arange(len(values)) != output
            layer.quantized_weight = lambda choice, kept=others, a=linear.weight, b=rounded: (
                torch.where(kept[:, None], a, b)
            )
            expected = sensitivity().values(module, network, lesson)[i, 0]
            close = 1e-3 if i == 2 else 0.3
            assert values[output, 0] == pytest.approx(expected, rel=close, abs=1e-9)


def test_bits_go_to_the_outputs_that_recourse_hangs_on():
    """Of four hidden units, the margin reads one a hundred times more than the others."""
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).requires_grad_(False)
    first, last = linear_layers(network)
    first.weight.copy_(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    first.bias.fill_(1.0)
    last.weight.copy_(torch.tensor([[0.0, 0, 0, 0], [0.01, 0.01, 1, 0.01]]))
    last.bias.copy_(torch.tensor([1.0, 0.0]))
    lesson, module = make_lesson(network), quantized(network)
    values = RecourseSensitivity(per_channel=True).values(module, network, lesson)
    allocate_by_value(module, values, 4.5)
    widths = quant_layers(module)[0].channel_bits
    assert widths[2] == 8
    assert max(widths[:2] + widths[3:]) < 8
    assert average_bits(module) <= 4.5


@pytest.mark.parametrize("sensitivity", [RecourseSensitivity(), FisherSensitivity()])
def test_wider_is_worth_more(network, lesson, sensitivity):
    values = sensitivity.values(quantized(network), network, lesson)
    assert (values <= 0).all()
    assert (np.diff(values, axis=1)[:, -1] > 0).all()
    assert (values[:, -1] > 0.05 * values[:, 0]).all()


def test_recourse_sensitivity_finds_the_layer_that_recourse_hangs_on():
    """The second layer's error reaches the margin a hundred times enlarged; the first's does not."""
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for linear, size in zip(linear_layers(network), (0.01, 1.0), strict=True):
        linear.weight.copy_(size * torch.randn(linear.weight.shape, generator=generator))
        linear.bias.fill_(1.0)
    network[2].bias.copy_(
        torch.tensor([network(torch.zeros(3))[1] - network(torch.zeros(3))[0], 0])
    )
    lesson = make_lesson(network)
    values = RecourseSensitivity().values(quantized(network), network, lesson)
    assert (values[1, :3] < 10 * values[0, :3]).all()


def test_weights_of_rows_count(network):
    weight = torch.zeros(60)
    weight[:20] = 1.0
    part = make_lesson(network, weight=weight)
    few = dataclasses.replace(
        part, x=part.x[:20], weight=weight[:20], advice=part.advice.take(np.arange(20))
    )
    for sensitivity in (RecourseSensitivity(), FisherSensitivity()):
        module = quantized(network)
        np.testing.assert_allclose(
            sensitivity.values(module, network, part),
            sensitivity.values(module, network, few),
            rtol=1e-4,
        )


def test_nobody_to_advise_is_an_error(network, lesson):
    nobody = dataclasses.replace(lesson.advice, needed=np.zeros_like(lesson.advice.needed))
    with pytest.raises(ValueError, match=r"^RecourseSensitivity: nobody among the training rows"):
        RecourseSensitivity().values(
            quantized(network), network, dataclasses.replace(lesson, advice=nobody)
        )


@given(
    budget=st.floats(2.0, 8.0),
    pins=st.dictionaries(st.integers(0, 2), st.sampled_from(WIDTHS), max_size=2),
    seed=st.integers(0, 5),
    by_output=st.booleans(),
)
def test_trap_a_bit_budget_that_is_a_penalty_and_not_a_guarantee(budget, pins, seed, by_output):
    network = mlp((5, 12, 8, 2), torch.Generator().manual_seed(seed)).requires_grad_(False)
    module = quantized(network)
    layers = quant_layers(module)
    for position, width in pins.items():
        layers[position].fix_bits(width)
    random = np.random.default_rng(seed)
    values = random.normal(size=(3, 4))
    if by_output:
        values = [random.normal(size=(layer.out_features, 4)) for layer in layers]
    least = sum(layer.n_weights * pins.get(i, 2) for i, layer in enumerate(layers)) / sum(
        layer.n_weights for layer in layers
    )
    if least > budget:
        with pytest.raises(ValueError, match="Raise the budget, or pin less"):
            allocate_by_value(module, values, budget)
    else:
        allocate_by_value(module, values, budget)
        assert average_bits(module) <= budget
        assert all(layers[i].bits == width for i, width in pins.items())


def test_what_varies_only_among_those_who_need_no_advice_counts_too(network):
    """A rare category that nobody of the advised has keeps some bits."""
    shifts = []
    for elsewhere in (1.0, 0.0):
        lesson = make_lesson(network, n=200)
        lesson.advice.encoded[:, 1] = 0.0
        lesson.x[:, 1] *= elsewhere
        module = build_quantized(linear_layers(network), tuple(range(2, 9)))
        sensitivity = RecourseSensitivity(per_input=True)
        shifts.append(sensitivity.input_shifts(module, network, lesson, 4)[0][1])
    assert shifts[0] < shifts[1]


@pytest.mark.parametrize("sensitivity", [RecourseSensitivity, FisherSensitivity])
def test_inputs_that_hardly_vary_or_hardly_matter_do_with_fewer_bits(sensitivity):
    """Of five inputs, one is nearly constant, and one is nearly ignored."""
    network = mlp((5, 16, 8, 2), torch.Generator().manual_seed(3)).requires_grad_(False)
    lesson = make_lesson(network, n=200)
    lesson.x[:, 1] = 3.0 + 0.01 * lesson.x[:, 1]
    advised = lesson.advice.encoded
    advised[:, 1] = 3.0 + 0.01 * advised[:, 1]
    linear_layers(network)[0].weight[:, 4] *= 0.01
    module = build_quantized(linear_layers(network), tuple(range(2, 9)))
    shifts = sensitivity(per_input=True).input_shifts(module, network, lesson, 4)
    assert [len(each) for each in shifts] == [5, 16, 8]
    first = shifts[0]
    assert first[1] >= max(first[0], first[2], first[3]) + 3
    # Its weights are small, and rounded to 0 sooner than others; the step is that of the others.
    assert first[4] >= max(first[0], first[2], first[3])
    # A hidden unit that is never active matters to nobody.
    silent = [
        (layer_input == 0).all() for layer_input in linear_layers(network)[0](lesson.x).relu().T
    ]
    for unit, is_silent in enumerate(silent):
        assert not is_silent or shifts[1][unit] == max(shifts[1])


def calibrated_error(seed, per_input):
    """Variance of the margin's error at the advice, with rounding that makes up for itself at 3.5 bits."""
    generator = torch.Generator().manual_seed(seed)
    network = mlp((6, 24, 16, 2), generator).requires_grad_(False)
    spread = torch.tensor([2.0, 1, 0.5, 0.2, 0.1, 0.05])
    lesson = make_lesson(network, n=200, seed=seed, spread=spread)
    advised = torch.from_numpy(lesson.advice.encoded)[lesson.counted.bool()]
    module = quantized(network, tuple(range(2, 9)))
    allocation = RecourseSensitivity(per_channel=True, per_input=per_input)
    allocate_by_sensitivity(module, allocation, network, lesson, 3.5)
    assert average_bits(module) <= 3.5
    assert any(layer.input_shifts.any() for layer in quant_layers(module)) == per_input
    OutputObjective(nearness=1.0).calibrate(module, network, lesson)
    change = (module(advised) - network(advised)) @ torch.tensor([-1.0, 1.0])
    return change.var().item()


def test_widths_of_inputs_lower_the_change_of_the_margin(monkeypatch):
    """In the sum over networks whose inputs vary unlike; most if it counts what others make up for."""
    inputs, outputs = (
        sum(calibrated_error(seed, per_input) for seed in range(8)) for per_input in (True, False)
    )
    assert inputs < 0.6 * outputs
    monkeypatch.setattr(_sensitivity, "MADE_UP_FOR", 0.0)
    assert inputs < 0.9 * sum(calibrated_error(seed, True) for seed in range(8))


@pytest.mark.parametrize("sensitivity", [RecourseSensitivity, FisherSensitivity])
def test_inputs_that_others_can_stand_in_for_do_with_fewer_bits(monkeypatch, sensitivity):
    """Three of six inputs are nearly the same, and all have weights alike."""
    network = mlp((6, 16, 2), torch.Generator().manual_seed(3)).requires_grad_(False)
    first = linear_layers(network)[0].weight
    first.copy_(
        first.sign() * (0.5 + torch.rand(16, 6, generator=torch.Generator().manual_seed(0)))
    )
    lesson = make_lesson(network, n=200)
    for rows in (lesson.x, torch.from_numpy(lesson.advice.encoded)):
        rows[:, 1:3] = rows[:, :1] + 0.01 * rows[:, 1:3]
    module = build_quantized(linear_layers(network), tuple(range(2, 9)))
    shifts = {}
    for made_up_for in (0.0, 1.0):
        monkeypatch.setattr(_sensitivity, "MADE_UP_FOR", made_up_for)
        found = sensitivity(per_input=True).input_shifts(module, network, lesson, 4)
        shifts[made_up_for] = found[0]
    assert shifts[0.0] == [0] * 6
    assert min(shifts[1.0][:3]) > max(shifts[1.0][3:])


def test_what_others_leave_of_an_input(monkeypatch):
    """The residual variance of a regression on the others, by least squares."""
    monkeypatch.setattr(_sensitivity, "DAMPING", 1e-12)
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[:, 3] = x[:, 0] - 2 * x[:, 1] + 0.3 * x[:, 3]
    left = _sensitivity.unexplained(x.T @ x / 50)
    for i in range(4):
        others = x[:, [j for j in range(4) if j != i]]
        fitted = others @ torch.linalg.lstsq(others, x[:, i]).solution
        share = (x[:, i] - fitted).square().sum() / x[:, i].square().sum()
        assert abs(left[i] - share) < 1e-6
    assert _sensitivity.unexplained(torch.zeros(3, 3)).tolist() == [1.0, 1.0, 1.0]


class Arbitrary:
    """An allocation that wants anything."""

    per_channel = per_input = True

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)

    def input_shifts(self, module, network, lesson, budget):
        return [
            self.random.integers(0, 9, layer.in_features).tolist() for layer in quant_layers(module)
        ]

    def values(self, module, network, lesson):
        return [
            self.random.normal(size=(layer.out_features, len(layer.candidate_bits)))
            for layer in quant_layers(module)
        ]


@settings(max_examples=60)
@given(
    bits=candidates,
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=4),
    share=st.floats(0, 1.2),
    budget=st.floats(2.0, 9.0),
    pinned=st.booleans(),
    seed=st.integers(0, 9),
)
def test_trap_a_byte_budget_that_forgets_what_tells_the_widths(
    bits, sizes, share, budget, pinned, seed
):
    module = build_quantized(linear_layers(mlp(sizes)), bits)
    layers = quant_layers(module)
    if pinned:
        layers[-1].fix_bits(layers[-1].candidate_bits[-1])
    ends = []
    for pick in (0, -1):
        fixed = copy.deepcopy(module)
        for layer in quant_layers(fixed):
            layer.fix_bits(layer.candidate_bits[pick] if layer.bits is None else layer.bits)
        ends.append((packed_bytes(fixed), average_bits(fixed)))
    (fewest, least), (most, _) = ends
    limit = int(fewest + share * (most - fewest))
    budget = max(budget, np.nextafter(least, 9.0))
    room = min(budget, byte_budget_bits(module, limit, per_channel=True))
    allocate_by_sensitivity(module, Arbitrary(seed), None, None, room, limit)
    assert packed_bytes(module) <= limit
    assert average_bits(module) <= budget


def test_a_large_byte_budget_has_room_for_telling_the_widths_of_inputs():
    module = build_quantized(linear_layers(mlp((60, 40, 2))), (2, 4, 8))
    assert (
        3
        < byte_budget_bits(module, 2000, True, per_input=True)
        < byte_budget_bits(module, 2000, True)
    )
    # A byte for each input, and a last byte for each of nine shifts and three widths, not of the widths alone.
    bits = [byte_budget_bits(module, 2000, True, per_input=each) for each in (False, True)]
    assert (bits[0] - bits[1]) * 2480 == pytest.approx(8 * (60 + 40 + 2 * (27 - 3)))
    allocate_by_sensitivity(module, Arbitrary(0), None, None, 8.0, 2000)
    assert all(layer.input_shifts.any() for layer in quant_layers(module))
    assert packed_bytes(module) <= 2000
    small = build_quantized(linear_layers(mlp((60, 40, 2))), (2, 4, 8))
    assert byte_budget_bits(small, 960, True, per_input=True) == 0.0
    allocate_by_sensitivity(small, Arbitrary(0), None, None, 2.1, 960)
    assert not any(layer.input_shifts.any() for layer in quant_layers(small))
