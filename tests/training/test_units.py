"""Widths of hidden units, and units that are spared for the others."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skcfq import FisherSensitivity, RecourseSensitivity
from skcfq.quantization import QuantReLU, linear_layers, mlp, spare_units
from skcfq.training import settle_activations
from skcfq.training._units import unit_values, water_filled, without_spare_units

from .test_allocate import make_lesson

PER_UNIT = {"per_channel": True}


@pytest.fixture(scope="module")
def network():
    return mlp((5, 12, 8, 2), torch.Generator().manual_seed(3)).requires_grad_(False)


@pytest.fixture(scope="module")
def lesson(network):
    return make_lesson(network, n=300)


def advised(lesson):
    return torch.from_numpy(lesson.advice.encoded)[lesson.counted.bool()]


def margin(logits):
    return logits[:, 1] - logits[:, 0]


def test_values_are_the_squared_changes_of_the_margin(network, lesson):
    """One unit of the last hidden layer at a time, where the margin is linear in it."""
    allocation = RecourseSensitivity(**PER_UNIT)
    values = unit_values(allocation, network, lesson)
    assert [each.shape for each in values] == [(12, 9), (8, 9)]
    first, second, last = linear_layers(network)
    hidden = [second(first(x).relu()).relu() for x in (advised(lesson), lesson.x)]
    slope = last.weight[1] - last.weight[0]
    for unit, width in itertools.product(range(8), (1, 3, 8)):
        x = hidden[0][:, unit]
        clip = x.sort().values[max(1, round(0.999 * len(x))) - 1]
        if clip == 0:
            continue
        changes = [
            slope[unit]
            * (QuantReLU((width,), clip.item())(h[:, [unit]])[:, 0].detach() - h[:, unit])
            for h in hidden
        ]
        expected = changes[0].var(correction=0) + 0.1 * changes[1].var(correction=0)
        assert -values[1][unit, width] == pytest.approx(expected.item(), rel=1e-3, abs=1e-9)


def test_more_bits_change_less(network, lesson):
    for allocation in (RecourseSensitivity(**PER_UNIT), FisherSensitivity(**PER_UNIT)):
        for values in unit_values(allocation, network, lesson):
            assert (values <= 0).all()
            used = values[:, 0] < -1e-6
            assert used.any()
            # A sixteenth of the squared error, but for what the range cuts off.
            ratio = values[used, 2] / values[used, 4]
            assert 6 < np.median(ratio) < 32


@pytest.mark.parametrize("allocation", [RecourseSensitivity, FisherSensitivity])
@pytest.mark.parametrize("budget", [2, 3.3, 6])
def test_budgets_are_kept_and_used(network, lesson, allocation, budget):
    widths, prepared = settle_activations("auto", budget, allocation(**PER_UNIT), network, lesson)
    assert [len(each) for each in widths] == [12, 8]
    total = sum(map(sum, widths))
    assert budget * 20 - 1 <= total <= budget * 20
    linears = linear_layers(prepared)
    for i, each in enumerate(widths):
        spared = ~linears[i].weight.any(dim=1)
        assert not np.array(each)[spared.numpy()].any()
        assert not linears[i + 1].weight[:, spared].any()


def test_ranges_are_proportional_to_levels(network, lesson):
    widths, prepared = settle_activations(
        "auto", 4, RecourseSensitivity(**PER_UNIT), network, lesson
    )
    x = advised(lesson)
    for linear, each in zip(linear_layers(prepared)[:-1], widths, strict=True):
        x = linear(x).relu()
        high = x.sort(dim=0).values[max(1, round(0.999 * len(x))) - 1]
        steps = [
            float(h) / (2**bits - 1) for h, bits in zip(high, each, strict=True) if bits and h > 0
        ]
        assert len(steps) > 3
        assert max(steps) == pytest.approx(min(steps), rel=1e-3)


def test_rich_budgets_spare_nobody_who_counts(network, lesson):
    """With 8 bits for all, a spared unit gives its bits to nobody."""
    rich = without_spare_units(RecourseSensitivity(**PER_UNIT), network, lesson, 8)
    x = advised(lesson)
    torch.testing.assert_close(margin(rich(x)), margin(network(x)), rtol=1e-3, atol=1e-3)


def test_twins_are_spared():
    """Every unit of the first layer twice: the second of each pair is not needed."""
    network = mlp((5, 12, 8, 2), torch.Generator().manual_seed(3)).requires_grad_(False)
    first = linear_layers(network)[0]
    first.weight[6:], first.bias[6:] = 1.5 * first.weight[:6], 1.5 * first.bias[:6]
    lesson = make_lesson(network, n=300)
    slim = without_spare_units(RecourseSensitivity(**PER_UNIT), network, lesson, 3)
    spared = ~linear_layers(slim)[0].weight.any(dim=1)
    pairs = spared[:6].int() + spared[6:].int()
    assert (pairs >= 1).all()
    x = advised(lesson)
    error = (margin(slim(x)) - margin(network(x))).std()
    assert error < 0.1 * margin(network(lesson.x)).std()


def test_layers_behind_see_what_is_left_before_them(monkeypatch):
    """Units of the second layer are replaced by what the others do once the first is slim."""
    network = mlp((5, 16, 12, 2), torch.Generator().manual_seed(3)).requires_grad_(False)
    lesson, seen = make_lesson(network, n=300), []

    def spy(linear, following, units, covariance, mean):
        x = advised(lesson)
        for before in seen:
            x = before(x).relu()
        torch.testing.assert_close(mean, linear(x).relu().double().mean(0), rtol=1e-4, atol=1e-5)
        seen.append(linear)
        spare_units(linear, following, units, covariance, mean)

    monkeypatch.setattr("skcfq.training._units.spare_units", spy)
    without_spare_units(RecourseSensitivity(**PER_UNIT), network, lesson, 2)
    assert len(seen) == 2


def test_a_layer_on_which_nothing_depends_has_one_width():
    """No unit of it is worth a bit, and none of them can be left without any."""
    network = mlp((5, 12, 8, 2), torch.Generator().manual_seed(3)).requires_grad_(False)
    linear_layers(network)[1].bias.fill_(-1e3)
    lesson = make_lesson(mlp((5, 2)).requires_grad_(False))
    widths, same = settle_activations("auto", 3.5, FisherSensitivity(**PER_UNIT), network, lesson)
    assert widths == [3, 3]
    assert same is network


def test_who_knows_no_slopes_of_units_has_widths_of_layers(network, lesson):
    class OfLayers:
        per_channel = True

        def activation_values(self, widths, network, lesson):
            return np.array([list(widths), [2 * w for w in widths]])

    assert settle_activations("auto", 5, OfLayers(), network, lesson) == ([3, 8], network)


def test_a_network_without_hidden_layers(lesson):
    network = mlp((5, 2))
    assert settle_activations("auto", 4, None, network, lesson) == ([], network)


def test_layers_as_a_whole(network, lesson):
    widths, same = settle_activations("auto", 5, None, network, lesson)
    assert same is network
    assert all(width in range(2, 9) for width in widths)
    assert (12 * widths[0] + 8 * widths[1]) / 20 <= 5
    widths, same = settle_activations([2, 8], 5, RecourseSensitivity(**PER_UNIT), network, lesson)
    assert set(widths) <= {2, 8}


@settings(max_examples=50)
@given(st.lists(st.floats(1e-6, 1e6) | st.just(0.0), min_size=1, max_size=6), st.floats(0.0, 30.0))
def test_no_way_to_spend_bits_leaves_less(errors, total_bits):
    """Against the best of many ways, and against the condition that marks an optimum."""
    errors = np.array(errors)
    found = water_filled(errors, total_bits)
    random = np.random.default_rng(0)
    for share in random.dirichlet(np.full(len(errors), 0.5), 300):
        assert found <= (errors * 4.0 ** -(total_bits * share)).sum() * (1 + 1e-9)
    # Bits that level the errors at what was found are no more than there are.
    level = np.minimum(errors, found / max(1, (errors > 0).sum()))
    used = errors > 0
    least = 0.5 * np.log2(errors[used] / np.minimum(errors[used], found)).sum()
    assert least <= total_bits + 1e-6
    assert level.sum() <= found * (1 + 1e-9)
