"""Bytes of a packed network, and budgets of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skcfq.quantization import (
    TERNARY_BITS,
    allocate_bits,
    apply_allocation,
    average_bits,
    build_quantized,
    byte_budget_bits,
    linear_layers,
    mlp,
    packed_bytes,
    quant_layers,
)
from skcfq.training import allocate_by_value

from .strategies import candidates


def network(bits, sizes=(10, 7, 3), per_channel=True, activation_bits=None):
    return build_quantized(linear_layers(mlp(sizes)), bits, per_channel, activation_bits)


def test_codes_steps_biases_and_activations_are_counted():
    # 70 and 21 weights, 10 outputs.
    assert packed_bytes(network((8,))) == 70 + 21 + 4 * (10 + 10)
    assert packed_bytes(network((3,))) == 27 + 8 + 4 * (10 + 10)
    assert packed_bytes(network(("ternary",))) == 14 + 5 + 4 * (10 + 10)
    assert packed_bytes(network((8,), per_channel=False)) == 70 + 21 + 4 * (2 + 10)
    assert packed_bytes(network((8,), activation_bits=4)) == 70 + 21 + 4 * (10 + 10 + 1)


@given(
    bits=candidates,
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=4),
    share=st.floats(0, 1.2),
    seed=st.integers(0, 3),
)
def test_trap_a_budget_that_is_a_penalty_and_not_a_guarantee(bits, sizes, share, seed):
    model = network(bits, sizes)
    layers = quant_layers(model)
    ends = []
    for pick in (min, max):
        fixed = network(bits, sizes)
        apply_allocation(fixed, [pick(layers[0].candidate_bits)] * len(layers))
        ends.append(packed_bytes(fixed))
    budget = int(ends[0] + share * (ends[1] - ends[0]))
    widest = byte_budget_bits(model, budget)
    values = np.random.default_rng(seed).normal(size=(len(layers), len(bits)))
    sizes = [layer.n_weights for layer in layers]
    apply_allocation(model, allocate_bits(values, sizes, layers[0].candidate_bits, widest))
    assert packed_bytes(model) <= budget
    assert average_bits(model) <= widest


def test_outputs_with_widths_of_their_own_are_counted():
    model = network(("ternary", 3, 8))
    first, last = quant_layers(model)
    first.fix_bits([3, 8, 3, "ternary", 3, 8, 8])  # 30, 30 and 10 weights, and 7 widths
    last.fix_bits([3, 3, 3])
    assert packed_bytes(model) == (12 + 30 + 2 + 7) + 8 + 4 * (10 + 10)


@given(
    bits=candidates,
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=4),
    share=st.floats(0, 1.2),
    pinned=st.booleans(),
    seed=st.integers(0, 3),
)
def test_a_budget_of_bytes_holds_for_widths_of_outputs(bits, sizes, share, pinned, seed):
    model = network(bits, sizes)
    layers = quant_layers(model)
    least, most = (
        packed_bytes(network((pick(layers[0].candidate_bits),), sizes)) for pick in (min, max)
    )
    if pinned:
        layers[-1].fix_bits(max(layers[0].candidate_bits))
    budget = int(least + share * (most - least))
    try:
        widest = byte_budget_bits(model, budget, per_channel=True)
    except ValueError:
        assert pinned
        return
    random = np.random.default_rng(seed)
    values = [random.normal(size=(layer.out_features, len(bits))) for layer in layers]
    allocate_by_value(model, values, widest)
    assert packed_bytes(model) <= budget
    assert average_bits(model) <= widest


@pytest.mark.parametrize("width", [3, 4, 5, 8])
def test_the_bytes_of_one_width_afford_it(width):
    uniform = network((width,), (16, 8, 4))
    assert byte_budget_bits(network((2, 3, 4, 5, 8), (16, 8, 4)), packed_bytes(uniform)) == width
    assert byte_budget_bits(network((2, 3, 4, 5, 8), (16, 8, 4)), packed_bytes(uniform) - 1) < width


def test_too_few_bytes_for_the_narrowest_widths():
    model = network((2, 8), (16, 8, 4))
    least = (128 + 32) * 2 // 8 + 4 * 24
    assert byte_budget_bits(model, least) == 2
    with pytest.raises(
        ValueError,
        match=rf"^byte_budget={least - 1}: with the narrowest widths, and those that are pinned, the network "
        rf"takes {least} bytes\. Raise the budget, or add a narrower width to bits\.$",
    ):
        byte_budget_bits(model, least - 1)
    quant_layers(model)[0].fix_bits(8)
    with pytest.raises(ValueError, match=f"takes {least + 128 * 6 // 8} bytes"):
        byte_budget_bits(model, least)


def test_ternary_digits_take_more_than_their_information():
    model = network(("ternary",), (100, 10))
    assert average_bits(model) == TERNARY_BITS
    assert packed_bytes(model) == 200 + 4 * 20
    assert byte_budget_bits(model, 280) == pytest.approx(TERNARY_BITS)
    assert byte_budget_bits(model, 280) <= TERNARY_BITS + 1e-12
