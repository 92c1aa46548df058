"""What widths a model prefers, costs and has."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skcfq.quantization import (
    TERNARY_BITS,
    QuantLinear,
    allocate_bits,
    apply_allocation,
    average_bits,
    bit_cost,
    bit_preferences,
    build_quantized,
    expected_average_bits,
    linear_layers,
    mlp,
    quant_layers,
)

from .strategies import WIDTHS


def network(bits=(2, 3, 4, 8)):
    return build_quantized(linear_layers(mlp((10, 6, 5, 2))), bits)


def test_trap_average_bits_that_depend_on_the_last_forward_pass():
    model = network()
    apply_allocation(model, (2, 8, 4))
    expected = (60 * 2 + 30 * 8 + 10 * 4) / 100
    before = average_bits(model)
    for training in (True, False):
        model.train(training)
        model(torch.randn(7, 10))
        assert average_bits(model) == before == expected
    assert average_bits(copy.deepcopy(model)) == expected


def test_trap_average_bits_that_depend_on_the_last_forward_pass_while_searching():
    model = network()
    expected = expected_average_bits(model).item()
    for _ in range(5):
        model(torch.randn(7, 10))
        assert expected_average_bits(model).item() == expected
    with pytest.raises(RuntimeError, match=r"Layers \[0, 1, 2\] still search"):
        average_bits(model)
    quant_layers(model)[1].fix_bits(4)
    with pytest.raises(RuntimeError, match=r"Layers \[0, 2\] still search"):
        average_bits(model)


def test_bit_cost_is_the_expectation_and_trains_the_preferences():
    model = network()
    with torch.no_grad():
        quant_layers(model)[0].bit_logits.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]).log())
    first = 0.1 * 2 + 0.2 * 3 + 0.3 * 4 + 0.4 * 8
    expected = 60 * first + (30 + 10) * (2 + 3 + 4 + 8) / 4
    cost = bit_cost(model)
    assert cost.item() == pytest.approx(expected, rel=1e-6)
    assert expected_average_bits(model).item() == pytest.approx(expected / 100, rel=1e-6)
    cost.backward()
    for layer in quant_layers(model):
        # Less of the widest, more of the narrowest, lowers the cost.
        assert layer.bit_logits.grad[-1] > 0 > layer.bit_logits.grad[0]


def test_bit_cost_of_fixed_layers_is_their_width():
    model = network(("ternary", 4))
    apply_allocation(model, ("ternary", 4, 4))
    assert bit_cost(model).item() == pytest.approx(60 * TERNARY_BITS + 160)
    assert expected_average_bits(model).item() == pytest.approx(average_bits(model))


def test_preferences_are_log_probabilities_in_rising_order_of_width():
    model = build_quantized(linear_layers(mlp((4, 3, 2))), (8, 2))
    with torch.no_grad():
        quant_layers(model)[1].bit_logits.copy_(torch.tensor([0.25, 0.75]).log())
    preferences = bit_preferences(model)
    assert preferences.dtype == np.float64
    np.testing.assert_allclose(np.exp(preferences), [[0.5, 0.5], [0.25, 0.75]], rtol=1e-6)


def test_preferences_need_common_candidates():
    model = torch.nn.Sequential(QuantLinear(2, 2, (2, 4)), QuantLinear(2, 2, (2, 8)))
    with pytest.raises(ValueError, match="one set of candidate widths"):
        bit_preferences(model)


def test_allocation_is_applied_wholly_or_not_at_all():
    model = network()
    with pytest.raises(
        ValueError, match=r"(?s)2 problems.*layer 0 has no width 5.*layer 2 has no width 'ternary'"
    ):
        apply_allocation(model, (5, 4, "ternary"))
    assert all(layer.bits is None for layer in quant_layers(model))
    with pytest.raises(ValueError, match="2 widths for 3 layers"):
        apply_allocation(model, (4, 4))


@given(
    logits=st.lists(st.floats(-5, 5), min_size=24, max_size=24),
    budget=st.one_of(st.sampled_from(WIDTHS), st.floats(TERNARY_BITS, 8)),
)
def test_trap_bit_budget_that_is_a_penalty_and_not_a_guarantee(logits, budget):
    model = network(WIDTHS)
    layers = quant_layers(model)
    with torch.no_grad():
        for layer, row in zip(layers, torch.tensor(logits).view(3, 8), strict=True):
            layer.bit_logits.copy_(row)
    sizes = [layer.n_weights for layer in layers]
    apply_allocation(
        model, allocate_bits(bit_preferences(model), sizes, layers[0].candidate_bits, budget)
    )
    assert average_bits(model) <= budget


def test_preferences_that_learned_nothing_spend_the_budget_evenly():
    model = build_quantized(linear_layers(mlp((108, 128, 64, 2))), (2, 3, 4, 8))
    sizes = [layer.n_weights for layer in quant_layers(model)]
    assert allocate_bits(bit_preferences(model), sizes, (2, 3, 4, 8), 4) == (4, 4, 4)
