import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from skcfq.metrics import accuracy, decision_flips, feasible_rate, validity_drop

from .strategies import columns


def test_validity_drop_by_hand():
    drop = validity_drop([True, False, False, True, True])
    assert drop == pytest.approx(0.4)
    assert drop.n == 5


def test_validity_drop_counts_only_who_counts():
    drop = validity_drop([False, False, True, False], counted=[True, False, True, False])
    assert (drop, drop.n) == (0.5, 2)


def test_no_recourse_is_not_perfect_recourse():
    # The trap: a failure rate over nobody, reported as 0.0.
    for nobody in (validity_drop([]), validity_drop([True, False], counted=[False, False])):
        assert np.isnan(nobody)
        assert nobody.n == 0


def test_feasible_rate_by_hand():
    rate = feasible_rate([True, False, True], counted=[True, True, False])
    assert (rate, rate.n) == (0.5, 2)
    assert np.isnan(feasible_rate([True], counted=[False]))


@pytest.mark.parametrize(
    "flags", [[1, 0], [1.0, 0.0], pd.Series([True, False]), pd.array([True, False])]
)
def test_flags_of_any_type(flags):
    assert validity_drop(flags) == 0.5


@pytest.mark.parametrize("flags", [[2, 0], ["yes", "no"], [np.nan, 1.0], pd.array([True, pd.NA])])
def test_flags_that_are_none(flags):
    message = r"^validity_drop: deployed_valid holds other values than True and False\.$"
    with pytest.raises(ValueError, match=message):
        validity_drop(flags)


def test_decision_flips_by_hand():
    flips = decision_flips(["no", "yes", "no"], pd.Series(["no", "no", "no"]))
    assert flips == pytest.approx(1 / 3)
    assert flips.n == 3
    assert decision_flips([0, 1], [True, True]) == 0.5
    assert decision_flips(pd.Categorical(["a", "b"]), ["a", "b"]) == 0
    assert np.isnan(decision_flips([], []))


def test_every_problem_is_named():
    with pytest.raises(ValueError) as raised:
        decision_flips(["yes", "no", None], ["yes", "no"], confidence_level=95)
    assert str(raised.value) == (
        "decision_flips has 3 problems:\n"
        "  1. confidence_level is 95, must be a number between 0 and 1, like 0.95.\n"
        "  2. reference_decision is missing in 1 of 3 rows.\n"
        "  3. reference_decision has shape (3,), deployed_decision has shape (2,): the same people "
        "must stand in the same rows."
    )


def test_text_is_not_compared_with_numbers():
    with pytest.raises(ValueError) as raised:
        decision_flips([0, 1], ["0", "1"])
    assert str(raised.value) == (
        "decision_flips: reference_decision holds numbers and deployed_decision holds text: both "
        "must use the same labels."
    )


def test_shapes_of_flags():
    with pytest.raises(ValueError) as raised:
        validity_drop([[True]], counted=[[True], [True, False]])
    assert str(raised.value) == (
        "validity_drop has 2 problems:\n"
        "  1. deployed_valid has shape (1, 1), must be (n,): one flag per person.\n"
        "  2. counted has rows of different length."
    )
    with pytest.raises(ValueError, match=r"deployed_valid has shape \(2,\), counted has shape"):
        validity_drop([True, True], counted=[True])


def test_accuracy():
    y, prediction = [0, 1, 1, 1], [0, 1, 1, 0]
    assert accuracy(y, prediction) == accuracy_score(y, prediction)
    assert accuracy(y, prediction).n == 4
    weight = [1.0, 0.0, 2.0, 1.0]
    weighted = accuracy(y, prediction, sample_weight=weight)
    assert weighted == accuracy_score(y, prediction, sample_weight=weight) == 0.75
    assert weighted.n == 3
    assert weighted.low < 0.75 < weighted.high
    assert np.isnan(accuracy([], []))


def test_accuracy_refuses_odd_weights():
    with pytest.raises(ValueError) as raised:
        accuracy([0, 1], [0, 1], sample_weight=[-1.0, 1.0, np.nan], n_resamples=-1)
    assert str(raised.value) == (
        "accuracy has 3 problems:\n"
        "  1. n_resamples is -1, must be an integer >= 0 (0: no interval).\n"
        "  2. sample_weight must be finite and >= 0 in every row.\n"
        "  3. y_true has shape (2,), sample_weight has shape (3,): the same people must stand in the "
        "same rows."
    )


@given(columns(st.booleans(), dtype=bool))
def test_validity_drop_is_a_share(pair):
    valid, counted = pair
    drop = validity_drop(valid, counted=counted)
    assert drop.n == counted.sum()
    assert np.isnan(drop) if drop.n == 0 else 0 <= drop.low <= drop <= drop.high <= 1


@given(columns(st.sampled_from(["no", "yes", "perhaps"]), dtype="U7"))
def test_flips_are_symmetric(pair):
    one, other = pair
    np.testing.assert_equal(
        decision_flips(one, other).as_dict(), decision_flips(other, one).as_dict()
    )
    assert one.size == 0 or decision_flips(one, one) == 0
