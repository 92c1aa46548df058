import numpy as np
import pandas as pd
import pytest

from skcfq.training import merge_rows, validation_split


def frame_of(rows):
    return pd.DataFrame(rows, columns=["a", "b"])


def test_equal_rows_are_joined_and_their_weights_added():
    frame = frame_of([[1, "x"], [2, "y"], [1, "x"], [1, "x"]])
    index, weight = merge_rows(frame, np.array([0, 1, 0, 1]), np.array([1.0, 2.0, 0.5, 4.0]))
    merged = list(zip(frame.iloc[index].itertuples(index=False, name=None), weight, strict=True))
    # The last row differs by its class.
    assert merged == [((1, "x"), 1.5), ((1, "x"), 4.0), ((2, "y"), 2.0)]


def test_rows_of_weight_zero_are_gone():
    index, weight = merge_rows(
        frame_of([[1, "x"], [2, "y"]]), np.array([0, 1]), np.array([0.0, 3.0])
    )
    assert index.tolist() == [1]
    assert weight.tolist() == [3.0]


def test_repeating_a_row_equals_weighting_it_in_any_order():
    random = np.random.default_rng(0)
    frame = frame_of(
        [
            [int(a), b]
            for a, b in zip(random.integers(0, 4, 40), random.choice(list("xyz"), 40), strict=True)
        ]
    )
    y = random.integers(0, 2, 40)
    times = random.integers(0, 4, 40)
    order = random.permutation(times.sum())
    repeated = frame.iloc[np.repeat(np.arange(40), times)[order]].reset_index(drop=True)
    y_repeated = np.repeat(y, times)[order]
    one, weight_one = merge_rows(frame, y, times.astype(float))
    two, weight_two = merge_rows(repeated, y_repeated, np.ones(len(repeated)))
    pd.testing.assert_frame_equal(
        frame.iloc[one].reset_index(drop=True), repeated.iloc[two].reset_index(drop=True)
    )
    np.testing.assert_array_equal(weight_one, weight_two)
    np.testing.assert_array_equal(y[one], y_repeated[two])


def test_missing_categories_are_equal_to_each_other():
    frame = frame_of([[1, np.nan], [1, np.nan], [1, "x"]])
    _index, weight = merge_rows(frame, np.zeros(3, int), np.ones(3))
    assert sorted(weight.tolist()) == [1.0, 2.0]


def test_validation_split_is_stratified_and_complete():
    y = np.repeat([0, 1], [180, 20])
    train, valid = validation_split(y, 0.1, 0)
    assert sorted([*train, *valid]) == list(range(200))
    assert np.bincount(y[valid]).tolist() == [18, 2]


@pytest.mark.parametrize("y", [np.repeat([0, 1], [40, 40]), np.repeat([0, 1], [199, 1])])
def test_few_rows_or_a_lone_class_member_hold_nothing_out(y):
    train, valid = validation_split(y, 0.1, 0)
    assert valid is None
    assert train.tolist() == list(range(len(y)))
