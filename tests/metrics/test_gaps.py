import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skcfq.metrics import action_overlap, direction_similarity, recourse_gap

from .strategies import actions, columns, costs

AVERAGES = ["mean", "mean_absolute", "median", "weighted"]

# Gaps 0.5, -0.25, -1 (accepted as they are), then nothing needed, and recourse lost.
REFERENCE = [2.0, 4.0, 2.0, 0.0, 1.0]
DEPLOYED = [3.0, 3.0, 0.0, 0.0, np.nan]


@pytest.mark.parametrize(
    ("average", "expected"),
    [("mean", -0.25), ("mean_absolute", 1.75 / 3), ("median", -0.25), ("weighted", -2 / 8)],
)
def test_gap_by_hand(average, expected):
    gap = recourse_gap(REFERENCE, DEPLOYED, average=average)
    assert gap == pytest.approx(expected)
    assert gap.n == 3
    assert gap.low <= gap <= gap.high


@pytest.mark.parametrize("average", AVERAGES)
def test_gap_over_nobody_is_undefined(average):
    for reference, deployed in ([], []), ([0.0], [1.0]), ([1.0], [np.nan]), ([np.inf], [1.0]):
        gap = recourse_gap(reference, deployed, average=average)
        assert np.isnan(gap)
        assert gap.n == 0


def test_gap_over_all_rows_is_the_papers():
    gap = recourse_gap(REFERENCE, DEPLOYED, population="all")
    assert gap == pytest.approx(-0.75 / 4)
    assert gap.n == 4


def test_gap_over_all_rows_explodes_near_zero_costs():
    # Who needed nothing, and now pays 1, has a gap of 1e8: why "need" is the default.
    assert recourse_gap([0.0, 1.0], [1.0, 1.0], population="all") == pytest.approx(5e7)
    assert recourse_gap([0.0, 1.0], [1.0, 1.0]) == 0
    assert recourse_gap([1e-6, 1.0], [1.0, 1.0]) == pytest.approx(5e5, rel=1e-5)
    assert recourse_gap([1e-6, 1.0], [1.0, 1.0], average="weighted") == pytest.approx(1, rel=1e-5)


def test_gap_with_eps():
    assert recourse_gap([1.0], [2.0], eps=1.0) == 0.5
    assert recourse_gap([1.0], [2.0], eps=1.0, average="weighted") == 0.5


def test_gap_of_a_cost_near_nothing_does_not_warn():
    assert recourse_gap([5e-324, 1.0], [1.0, 1.0]) == np.inf
    assert recourse_gap([5e-324, 1.0], [1.0, 1.0], average="weighted") == 1.0


def test_gap_names_every_problem():
    with pytest.raises(ValueError) as raised:
        recourse_gap([1.0, -0.5, -2.0], [[1.0]], average="mode", population="some", eps=-1)
    assert str(raised.value) == (
        "recourse_gap has 5 problems:\n"
        "  1. average is 'mode', must be one of 'mean', 'mean_absolute', 'median', 'weighted'.\n"
        "  2. population is 'some', must be 'need' or 'all'.\n"
        "  3. eps is -1, must be a finite number >= 0.\n"
        "  4. reference_cost is negative in 2 of 3 rows, first -0.5 in row 1: a cost is >= 0, or NaN "
        "where no recourse was found.\n"
        "  5. deployed_cost has shape (1, 1), must be (n,): one cost per person."
    )


def test_gap_needs_eps_where_costs_can_be_zero():
    with pytest.raises(ValueError) as raised:
        recourse_gap([1.0], ["dear"], population="all", eps=0)
    assert str(raised.value) == (
        "recourse_gap has 2 problems:\n"
        "  1. eps is 0, must be > 0 for population='all', where costs can be 0.\n"
        "  2. deployed_cost cannot be read as an array of numbers."
    )


def test_gap_needs_the_same_people():
    with pytest.raises(ValueError) as raised:
        recourse_gap([1.0, 2.0], [1.0])
    assert str(raised.value) == (
        "recourse_gap: reference_cost has shape (2,), deployed_cost has shape (1,): the same people "
        "must stand in the same rows."
    )


def test_direction_by_hand():
    reference = [[1, 0], [1, 0], [2, 0], [0, 0], [1, 1], [np.nan, 1]]
    deployed = [[5, 0], [0, 1], [-1, 0], [1, 1], [0, 0], [1, 1]]
    similarity = direction_similarity(reference, deployed)
    assert (similarity, similarity.n) == (0, 3)
    assert direction_similarity([[1, 0]], [[1, 1]]) == pytest.approx(np.sqrt(0.5))


def test_direction_of_huge_and_tiny_actions():
    assert direction_similarity([[1e300, 1e300]], [[1e-300, 1e-300]]) == pytest.approx(1)
    assert direction_similarity([[5e-324, 0]], [[0, 5e-324]]) == 0


def test_overlap_by_hand():
    reference = [[1, 2, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0], [np.nan, 0, 0]]
    deployed = [[3, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]]
    overlap = action_overlap(reference, deployed)
    assert overlap == pytest.approx(0.5 / 3)
    assert overlap.n == 3


def test_overlap_of_supports_and_thresholds():
    assert action_overlap([[True, False]], [[True, True]]) == 0.5
    assert action_overlap([[True, False]], [[0.5, 0.1]], tau=0.2) == 1
    assert action_overlap([[0.5, 0.1]], [[0.5, 0.0]], tau=0.1) == 1
    assert np.isnan(action_overlap([[0.1]], [[0.1]], tau=1.0))


@pytest.mark.parametrize("measure", [direction_similarity, action_overlap])
def test_actions_of_nobody(measure):
    assert np.isnan(measure(np.zeros((0, 3)), np.zeros((0, 3))))
    assert np.isnan(measure(np.zeros((2, 0)), np.zeros((2, 0))))
    assert measure(np.zeros((2, 3)), np.zeros((2, 3))).n == 0


def test_actions_name_every_problem():
    with pytest.raises(ValueError) as raised:
        action_overlap([1.0], [["a"]], tau=-1)
    assert str(raised.value) == (
        "action_overlap has 3 problems:\n"
        "  1. tau is -1, must be a finite number >= 0.\n"
        "  2. reference_delta has shape (1,), must be (n, d): one row per person.\n"
        "  3. deployed_delta cannot be read as an array of numbers."
    )
    with pytest.raises(
        ValueError, match=r"^direction_similarity: reference_delta has shape \(1, 2\)"
    ):
        direction_similarity([[1, 2]], [[1]])


@given(columns(costs), st.sampled_from(AVERAGES), st.sampled_from(["need", "all"]))
def test_gap_is_never_below_minus_one(pair, average, population):
    gap = recourse_gap(*pair, average=average, population=population, n_resamples=9)
    assert np.isnan(gap) if gap.n == 0 else gap >= -1 - 1e-12
    if average == "mean_absolute" and gap.n:
        assert gap >= 0


@given(columns(costs, n_columns=1), st.sampled_from(AVERAGES))
def test_identical_costs_have_no_gap(column, average):
    gap = recourse_gap(*column, *column, average=average)
    assert gap == 0 if gap.n else np.isnan(gap)


@given(actions())
def test_direction_lies_between_opposite_and_same(pair):
    similarity = direction_similarity(*pair, n_resamples=9)
    assert np.isnan(similarity) if similarity.n == 0 else -1 <= similarity <= 1
    itself = direction_similarity(pair[0], pair[0])
    assert np.isnan(itself) if itself.n == 0 else itself == pytest.approx(1)


@given(actions(dtype=bool))
def test_overlap_is_a_share_and_symmetric(pair):
    overlap = action_overlap(*pair, n_resamples=9)
    np.testing.assert_equal(float(overlap), float(action_overlap(*pair[::-1], n_resamples=9)))
    assert np.isnan(overlap) if overlap.n == 0 else 0 <= overlap <= 1
    itself = action_overlap(pair[0], pair[0])
    assert np.isnan(itself) if itself.n == 0 else itself == 1
