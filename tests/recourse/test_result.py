"""The record of what was found."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from skcfq import GreedySolver
from skcfq.recourse import RecourseResult
from skcfq.recourse._result import STATUSES
from tests.recourse.brute import world


@pytest.fixture(scope="module")
def result():
    w = world(4)
    w.logits[-1].bias[0] += 1.0  # some are not found
    return GreedySolver().solve(w.logits, w.train.set_axis(range(100, 140)), 1, w.space)


def test_fields_agree(result):
    assert set(result.status) <= set(STATUSES)
    np.testing.assert_array_equal(result.status == "not needed", ~result.needed)
    np.testing.assert_array_equal(result.status == "not found", ~result.success)
    np.testing.assert_array_equal(np.isnan(result.cost), ~result.success)
    np.testing.assert_array_equal(result.support.any(axis=1), result.cost > 0)
    np.testing.assert_array_equal((result.delta != 0).any(axis=1), result.cost > 0)
    assert (result.cost[~result.needed] == 0).all()
    assert result.delta.dtype == result.encoded.dtype == np.float32


def test_it_is_frozen(result):
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.cost = np.zeros(1)


@pytest.mark.parametrize("rows", [[3, 1, 1], np.arange(40) % 7 == 0, slice(5, 9), []])
def test_take(result, rows):
    part = result.take(np.array(rows, dtype=int) if isinstance(rows, list) else rows)
    index = np.arange(40)[np.array(rows, dtype=int) if isinstance(rows, list) else rows]
    assert len(part) == len(index)
    assert part.feature_names == result.feature_names
    assert part.counterfactual.index.tolist() == (100 + index).tolist()
    for field in dataclasses.fields(RecourseResult):
        value = getattr(result, field.name)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(part, field.name), value[index])


def test_frame(result):
    frame = result.to_frame()
    added = ["recourse_cost", "recourse_success", "recourse_status"]
    assert list(frame.columns) == [*result.counterfactual.columns, *added]
    assert frame[result.counterfactual.columns].equals(result.counterfactual)
    np.testing.assert_array_equal(frame["recourse_cost"], result.cost)
    assert not set(added) & set(result.counterfactual.columns)


def small(cost, success, needed):
    n = len(cost)
    return RecourseResult(
        counterfactual=pd.DataFrame({"x": np.zeros(n)}),
        cost=np.array(cost, dtype=float),
        bound=np.zeros(n),
        success=np.array(success, dtype=bool),
        needed=np.array(needed, dtype=bool),
        status=np.full(n, "found"),
        support=np.zeros((n, 1), dtype=bool),
        delta=np.zeros((n, 1), dtype=np.float32),
        encoded=np.zeros((n, 1), dtype=np.float32),
        feature_names=("x",),
    )


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (([], [], []), "RecourseResult(0 people: 0 need recourse, 0 found, median cost nan)"),
        (
            ([0, 1, 2.5, np.nan], [1, 1, 1, 0], [0, 1, 1, 1]),
            "RecourseResult(4 people: 3 need recourse, 2 found, median cost 1.75)",
        ),
        (
            ([np.nan, 0], [0, 1], [1, 0]),
            "RecourseResult(2 people: 1 need recourse, 0 found, median cost nan)",
        ),
    ],
)
def test_repr_counts_people(args, text):
    assert repr(small(*args)) == text
