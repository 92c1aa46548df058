"""Calibration of quantized networks without training."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.stats import gmean

from skcfq import OutputObjective, RecourseSensitivity, WeightObjective
from skcfq.quantization import build_quantized, linear_layers, mlp, mse_clip, quant_layers
from skcfq.training import deployed, settle_activations

from .test_allocate import make_lesson


@pytest.fixture(scope="module")
def network():
    return mlp((6, 24, 12, 2), torch.Generator().manual_seed(1)).requires_grad_(False)


@pytest.fixture(scope="module")
def lesson(network):
    return make_lesson(network, n=300)


def calibrated(objective, network, lesson, bits, activation_bits=None):
    clips = None if activation_bits is None else [1.0, 1.0]
    module = build_quantized(
        linear_layers(network), (bits,), activation_bits=activation_bits, clips=clips
    )
    objective.calibrate(module, network, lesson)
    return module.eval()


def margin(network, x):
    with torch.no_grad():
        logits = network(x)
    return logits[:, 1] - logits[:, 0]


def advised(lesson):
    return torch.from_numpy(lesson.advice.encoded)[lesson.counted.bool()]


def change(module, network, x):
    return (margin(module, x) - margin(network, x)).square().mean().item()


def test_weight_objective_leaves_weights_alone(network, lesson):
    module = calibrated(WeightObjective(), network, lesson, 4)
    expected = build_quantized(linear_layers(network), (4,))
    for a, b in zip(quant_layers(module), quant_layers(expected), strict=True):
        assert torch.equal(a.codes(), b.codes())
        assert torch.equal(a.steps(), b.steps())
        assert torch.equal(a.bias, b.bias)


def test_weight_objective_measures_clips_on_the_rows(network, lesson):
    module = calibrated(WeightObjective(), network, lesson, 4, activation_bits=3)
    first, second, _ = linear_layers(network)
    hidden = first(lesson.x)
    clips = [mse_clip(hidden, 3), mse_clip(second(hidden.relu()), 3)]
    assert [a.clip.item() for a in module.activations] == pytest.approx(clips)


@pytest.mark.parametrize("objective", [WeightObjective(), OutputObjective()])
def test_trap_8_bit_ptq_with_4_bit_activations(network, lesson, objective):
    module = calibrated(objective, network, lesson, 8, activation_bits=8)
    x = lesson.x
    for layer, activation in zip(quant_layers(module), module.activations, strict=False):
        x = activation(layer(x)).detach()
        assert activation.bits == 8
        assert len(x.unique()) > 16
    near, far = (
        change(calibrated(objective, network, lesson, 8, bits), network, lesson.x)
        for bits in (8, 4)
    )
    assert near < 0.05 * far


@pytest.mark.parametrize("activation_bits", [None, 4])
@pytest.mark.parametrize("bits", [2, 4])
def test_what_layers_compute_is_kept_better_than_by_their_weights(bits, activation_bits):
    shares = []  # of each network, at the rows and at the advice
    for seed in range(1, 6):
        network = mlp((6, 24, 12, 2), torch.Generator().manual_seed(seed)).requires_grad_(False)
        lesson = make_lesson(network, n=300)
        plain = calibrated(WeightObjective(), network, lesson, bits, activation_bits)
        kept = calibrated(OutputObjective(), network, lesson, bits, activation_bits)
        points = (lesson.x, advised(lesson))
        shares.append([change(kept, network, x) / change(plain, network, x) for x in points])
    # Of the error of rounded activations, less can be made up for.
    assert (gmean(shares) < (0.45 if activation_bits is None else 0.65)).all()
    assert np.max(shares) < 1


def test_counterfactuals_are_kept_better_when_they_are_looked_at(network, lesson):
    points = advised(lesson)
    without = calibrated(OutputObjective(recourse=0.0), network, lesson, 2)
    alone = calibrated(OutputObjective(recourse=1e6), network, lesson, 2)
    assert change(alone, network, points) < change(without, network, points)
    # Nobody's advice is needed for the first.
    calibrated(OutputObjective(recourse=0.0), network, dataclasses.replace(lesson, advice=None), 2)
    assert not OutputObjective(recourse=0.0).needs_recourse


def test_without_anybody_to_advise_the_rows_are_kept(network, lesson):
    nobody = dataclasses.replace(lesson.advice, needed=lesson.advice.needed & False)
    kept = calibrated(OutputObjective(), network, dataclasses.replace(lesson, advice=nobody), 4)
    rows = calibrated(OutputObjective(recourse=0.0), network, lesson, 4)
    for a, b in zip(quant_layers(kept), quant_layers(rows), strict=True):
        assert torch.equal(a.codes(), b.codes())


def test_what_is_calibrated_is_what_is_deployed(network, lesson):
    module = calibrated(OutputObjective(), network, lesson, 3, activation_bits=4)
    torch.testing.assert_close(margin(deployed(module), lesson.x), margin(module, lesson.x))


def test_calibration_is_not_random_and_leaves_the_network_alone(network, lesson):
    before = [p.clone() for p in network.parameters()]
    one, two = (calibrated(OutputObjective(), network, lesson, 4, 4) for _ in range(2))
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
        if isinstance(a, torch.Tensor)
    )
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_wrong_parameters_are_named():
    assert OutputObjective(recourse=-1).problems() == ["recourse=-1: a number >= 0 is needed."]


def test_a_unit_of_a_small_range_keeps_its_levels(network, lesson):
    """The same function, with hidden units of very different ranges."""
    uneven = copy.deepcopy(network)
    first, second, _ = linear_layers(uneven)
    scale = torch.logspace(-2, 2, 24)
    first.weight *= scale[:, None]
    first.bias *= scale
    second.weight /= scale
    torch.testing.assert_close(uneven(lesson.x), network(lesson.x), rtol=1e-3, atol=1e-4)
    expected = calibrated(OutputObjective(), network, lesson, 8, 4)
    same = calibrated(OutputObjective(), uneven, lesson, 8, 4)
    torch.testing.assert_close(
        margin(same, lesson.x), margin(expected, lesson.x), rtol=0.01, atol=0.05
    )
    plain = calibrated(WeightObjective(), uneven, lesson, 8, 4)
    assert change(same, uneven, lesson.x) < 0.1 * change(plain, uneven, lesson.x)


def test_units_with_widths_of_their_own_keep_their_ranges(network, lesson):
    """They were scaled for them: scaled anew to equal ranges, the narrow ones would be cut off."""
    allocation = RecourseSensitivity(per_channel=True)
    widths, prepared = settle_activations("auto", 4, allocation, network, lesson)
    module = build_quantized(
        linear_layers(prepared), (8,), activation_bits=widths, clips=[1.0, 1.0]
    )
    OutputObjective().calibrate(module, prepared, lesson)
    for layer, linear in zip(quant_layers(module), linear_layers(prepared), strict=True):
        size = linear.weight.norm(dim=1)
        ratio = (layer.quantized_weight().norm(dim=1) / size)[size > 0]
        assert ratio.detach().median() == pytest.approx(1, abs=0.2)
        assert ratio.max() / ratio.min() < 3


def test_rows_near_the_boundary_count_most(network, lesson):
    """With a gap of 1 the errors there are smaller, far away larger; infinite, it is as without."""
    with torch.no_grad():
        first, second = network(lesson.x).topk(2).values.T
    near = first - second < 0.3
    assert 20 < near.sum() < 150
    objectives = OutputObjective(recourse=0.0), OutputObjective(recourse=0.0, nearness=0.1)
    plain, close = (calibrated(each, network, lesson, 3) for each in objectives)
    assert change(close, network, lesson.x[near]) < 0.8 * change(plain, network, lesson.x[near])
    assert change(close, network, lesson.x[~near]) > change(plain, network, lesson.x[~near])
    assert OutputObjective().nearness == math.inf
