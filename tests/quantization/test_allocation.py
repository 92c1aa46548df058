"""The exact knapsack."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skcfq.quantization import TERNARY_BITS, UNIT_BITS, allocate_bits, allocate_unit_bits
from skcfq.quantization._bits import exact_average

from .strategies import WIDTHS, allocation_problems


def brute_force(values, sizes, bits, budget, pinned=None):
    """The best of all allocations, in exact arithmetic; of equals, that with the widest layers first."""
    best = None
    for choice in itertools.product(range(len(bits)), repeat=len(sizes)):
        chosen = tuple(bits[k] for k in choice)
        if exact_average(sizes, chosen) > Fraction(budget):
            continue
        if any(chosen[layer] != width for layer, width in (pinned or {}).items()):
            continue
        value = sum(Fraction(row[k]) for row, k in zip(values.tolist(), choice, strict=True))
        if best is None or (value, chosen) > best:
            best = (value, chosen)
    return best and best[1]


@settings(max_examples=400)
@given(allocation_problems())
def test_allocation_is_that_of_brute_force(problem):
    assert allocate_bits(*problem) == brute_force(*problem)


@given(allocation_problems(max_layers=30, max_widths=8))
def test_trap_bit_budget_that_is_a_penalty_and_not_a_guarantee(problem):
    _, sizes, bits, budget = problem
    chosen = allocate_bits(*problem)
    assert set(chosen) <= set(bits)
    assert exact_average(sizes, chosen) <= Fraction(budget)
    assert float(exact_average(sizes, chosen)) <= budget


@given(
    sizes=st.lists(st.integers(1, 10**9), min_size=1, max_size=50), width=st.sampled_from(WIDTHS)
)
def test_a_budget_of_one_width_affords_it_everywhere(sizes, width):
    # Wider is better at the same rate everywhere, so the even allocation spends the budget exactly.
    values = [[-size * 4.0**-bits for bits in WIDTHS] for size in sizes]
    assert allocate_bits(values, sizes, WIDTHS, width) == (width,) * len(sizes)


def test_no_budget_is_left_that_a_layer_could_use():
    bits = allocate_bits(np.zeros((3, 4)), [100, 50, 7], (2, 3, 4, 8), 4)
    assert bits == (4, 4, 4)
    assert allocate_bits(np.zeros((3, 4)), [100, 50, 7], (2, 3, 4, 8), 100) == (8, 8, 8)


def test_equal_layers_favour_the_earlier():
    assert allocate_bits([[0, 1], [0, 1]], [10, 10], (2, 4), 3) == (4, 2)


def test_the_small_last_layer_gets_full_width_where_it_costs_no_other_layer_anything():
    sizes, bits = [6000, 3000, 60], (2, 4, 8)
    likes_four = [[0.0, 1.0, 1.0]] * 3
    assert allocate_bits(likes_four, sizes, bits, 4.1) == (4, 4, 8)
    assert allocate_bits(likes_four, sizes, bits, 4.0) == (4, 4, 4)


@settings(max_examples=200)
@given(allocation_problems(), st.data())
def test_allocation_with_pinned_layers_is_that_of_brute_force(problem, data):
    values, sizes, bits, budget = problem
    n_layers = len(sizes)
    pinned = data.draw(st.dictionaries(st.integers(0, n_layers - 1), st.sampled_from(bits)))
    expected = brute_force(values, sizes, bits, budget, pinned)
    from_the_end = {layer - n_layers: width for layer, width in pinned.items()}
    for written in (pinned, from_the_end):
        if expected is None:
            with pytest.raises(ValueError, match="Raise the budget, or pin less"):
                allocate_bits(values, sizes, bits, budget, written)
        else:
            assert allocate_bits(values, sizes, bits, budget, written) == expected


def test_pins_that_the_budget_does_not_carry():
    with pytest.raises(
        ValueError,
        match=r"^bit_budget=3: the pinned layers, with 2 bits elsewhere, take 3\.5 bits per weight\. "
        r"Raise the budget, or pin less\.$",
    ):
        allocate_bits(np.zeros((2, 3)), [30, 10], (2, 4, 8), 3, {-1: 8})


def test_problems_of_pins_are_named_at_once():
    with pytest.raises(
        ValueError,
        match=r"(?s)3 problems.*pinned layer 2: each of 2 layers once.*pinned layer 0: 3 is no "
        r"candidate width\. Allowed: \(2, 4\).*pinned layer -1: each of 2 layers once",
    ):
        allocate_bits(np.zeros((2, 2)), [1, 1], (2, 4), 4, {2: 4, 0: 3, 1: 2, -1: 4})


def test_columns_may_come_in_any_order():
    assert allocate_bits([[2, 1, 0], [7, 0, 5]], [100, 100], (8, 2, "ternary"), 5) == (2, 8)


@pytest.mark.parametrize("budget", [1.5, 1.58, 0, -1, float("nan")])
def test_infeasible_budget_names_budget_and_narrowest_width(budget):
    with pytest.raises(
        ValueError, match=rf"bit_budget={budget}: below the narrowest width, 1.584962500721156 bits"
    ):
        allocate_bits(np.zeros((2, 2)), [1, 1], (4, 1.58), budget)


def test_problems_are_named_at_once():
    with pytest.raises(ValueError, match=r"(?s)3 problems.*shape \(1, 2\).*NaN.*sizes=\[0, 5\]"):
        allocate_bits([[np.nan, 1]], [0, 5], (2, 4), 4)
    with pytest.raises(ValueError, match="at least one layer"):
        allocate_bits(np.zeros((0, 2)), [], (2, 4), 4)


@pytest.mark.parametrize(
    "kind", ["preferences", "sensitivities", "even sensitivities", "proportional"]
)
def test_fifty_layers_take_no_time_and_leave_little_of_the_budget(kind):
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 1_000_000, 50)
    bits = np.array(WIDTHS)
    even = -sizes[:, None] * 4.0**-bits
    values = {
        "preferences": np.log(rng.dirichlet(np.ones(8), 50)),
        "sensitivities": rng.lognormal(size=(50, 1)) * even,
        "even sensitivities": even,
        # A subset-sum problem: exponentially many allocations are undominated.
        "proportional": sizes[:, None] * bits,
    }[kind]
    chosen = allocate_bits(values, sizes, WIDTHS, 4.3)
    average = float(exact_average(sizes.tolist(), chosen))
    assert average <= 4.3
    if kind == "preferences":
        # The linear relaxation, from an independent solver, bounds the optimum from above.
        assert relaxed(values, sizes, 4.3) >= worth(values, chosen)
        assert worth(values, chosen) > relaxed(values, sizes, 4.3) - 0.5
    else:
        assert average > 4.29


def worth(values, chosen):
    return sum(row[WIDTHS.index(width)] for row, width in zip(values, chosen, strict=True))


def relaxed(values, sizes, budget):
    from scipy.optimize import linprog

    n_layers, n_widths = values.shape
    one_each = np.kron(np.eye(n_layers), np.ones(n_widths))
    spent = np.outer(sizes, WIDTHS).ravel() / sizes.sum()
    result = linprog(
        -values.ravel(), A_ub=[spent], b_ub=[budget], A_eq=one_each, b_eq=np.ones(n_layers)
    )
    return -result.fun + 1e-6


@given(
    st.lists(st.lists(st.integers(-5, 5), min_size=9, max_size=9), min_size=1, max_size=3),
    st.floats(0, 9),
)
def test_units_get_the_most_valuable_widths(values, budget):
    """Against all of them."""
    chosen = allocate_unit_bits(values, budget)
    assert sum(chosen) <= budget * len(values)
    found = sum(row[width] for row, width in zip(values, chosen, strict=True))
    assert found == max(
        sum(row[width] for row, width in zip(values, each, strict=True))
        for each in itertools.product(UNIT_BITS, repeat=len(values))
        if sum(each) <= budget * len(values)
    )


def test_ternary_counts_as_the_logarithm_of_three():
    # One 2-bit layer of equal size is affordable at (log2(3) + 2) / 2 and not just below.
    budget = (TERNARY_BITS + 2) / 2
    assert allocate_bits([[0, 1], [0, 2]], [5, 5], ("ternary", 2), budget) == (TERNARY_BITS, 2)
    below = np.nextafter(budget, 0)
    assert allocate_bits([[0, 1], [0, 2]], [5, 5], ("ternary", 2), below) == (TERNARY_BITS,) * 2
