"""Counts, sums and sketches that add up, and the figures and intervals that follow from them."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skcfq.audit import GapSketch
from skcfq.audit._figures import tally_measures
from skcfq.audit._tally import PersonFigures, Tally
from skcfq.metrics import recourse_measures

SHARES = ["validity_drop", "decision_flips", "reference_feasible", "deployed_feasible"]
MEANS = ["recourse_gap", "abs_recourse_gap", "direction_similarity", "action_overlap"]


class Recourse(SimpleNamespace):
    def __len__(self):
        return len(self.cost)


def random_recourse(random, n, d=4):
    """Recourse of random people, a third without need, a tenth without success."""
    needed, success = random.random(n) > 0.3, random.random(n) > 0.1
    success |= ~needed
    delta = random.normal(size=(n, d)) * (random.random((n, d)) > 0.4)
    delta[:, 0] += 0.1
    delta[~(needed & success)] = 0
    cost = np.where(success, np.abs(delta).sum(axis=1), np.nan)
    return Recourse(needed=needed, success=success, delta=delta, cost=cost, support=delta != 0)


def comparison(seed, n=200):
    random = np.random.default_rng(seed)
    reference, deployed = (random_recourse(random, n) for _ in range(2))
    return SimpleNamespace(
        reference=reference,
        deployed=deployed,
        deployed_valid=random.random(n) > 0.2,
        reference_decision=random.integers(0, 2, n),
        deployed_decision=random.integers(0, 2, n),
    )


def expected_measures(c, **kwargs):
    return recourse_measures(
        c.reference,
        c.deployed,
        c.deployed_valid,
        c.reference_decision,
        c.deployed_decision,
        **kwargs,
    )


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_recourse_measures(seed):
    c = comparison(seed)
    found = tally_measures(PersonFigures(c).tally(), confidence_level=0.9)
    expected = expected_measures(c, confidence_level=0.9, n_resamples=999)
    assert "accuracy" not in found
    for name in SHARES:
        assert repr(found[name]) == repr(expected[name])
    for name in MEANS:
        assert found[name].n == expected[name].n
        assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-12)
        # Two kinds of interval, alike for so many people.
        width = expected[name].high - expected[name].low
        assert found[name].low == pytest.approx(expected[name].low, abs=0.25 * width)
        assert found[name].high == pytest.approx(expected[name].high, abs=0.25 * width)


def test_accuracy_counts_the_deployed_models_decisions():
    c = comparison(0)
    y = np.random.default_rng(1).integers(0, 2, 200)
    accuracy = tally_measures(PersonFigures(c, y).tally())["accuracy"]
    assert accuracy == np.mean(y == c.deployed_decision)
    assert accuracy.n == 200


def test_median_and_weighted_gap_in_closed_form():
    c = comparison(3)
    both = c.reference.needed & c.reference.success & c.deployed.success
    new = np.where(c.deployed.needed, c.deployed.cost, 0)[both]
    old = c.reference.cost[both]
    found = tally_measures(PersonFigures(c).tally())
    gaps = new / old - 1
    median = np.median(gaps)
    assert abs(found["median_recourse_gap"] - median) <= 0.0005 * (1 + median)
    assert float(found["weighted_recourse_gap"]) == pytest.approx(new.sum() / old.sum() - 1)
    ordered = np.sort(gaps)
    below = int(stats.binom.ppf(0.025, len(gaps), 0.5))
    figure = found["median_recourse_gap"]
    for end, exact in ((figure.low, ordered[below - 1]), (figure.high, ordered[-below])):
        assert abs(end - exact) <= 0.0005 * (1 + exact)


@given(st.integers(0, 50), st.lists(st.integers(0, 60), max_size=4))
def test_any_cut_adds_up_to_the_whole(seed, cuts):
    figures = PersonFigures(comparison(seed, n=60))
    whole, ends = figures.tally(), [0, *sorted(cuts), 60]
    total = Tally.empty()
    for start, end in itertools.pairwise(ends):
        total = total.merge(figures.tally(slice(start, end)))
    assert total.counts == whole.counts
    assert total.gaps == whole.gaps
    for name, value in whole.sums.items():
        assert total.sums[name] == pytest.approx(value, rel=1e-12, abs=1e-12)


def test_nobody_and_one_person():
    empty = tally_measures(Tally.empty())
    assert all(np.isnan(figure) and figure.n == 0 for figure in empty.values())
    c = comparison(0)
    row = int(np.flatnonzero(c.reference.needed & c.reference.success & c.deployed.success)[0])
    one = tally_measures(PersonFigures(c).tally(np.array([row])))
    for name in ("recourse_gap", "median_recourse_gap", "weighted_recourse_gap", "action_overlap"):
        assert one[name].n == 1
        assert np.isnan([one[name].low, one[name].high]).all()


def test_nothing_changes_exactly():
    c = comparison(1)
    c.deployed = c.reference
    found = tally_measures(PersonFigures(c).tally())
    for name, value in {
        "recourse_gap": 0, "abs_recourse_gap": 0, "median_recourse_gap": 0,
        "weighted_recourse_gap": 0, "action_overlap": 1,
    }.items():  # fmt: skip
        figure = found[name]
        assert (figure, figure.low, figure.high) == (value, value, value)


@pytest.mark.parametrize("n", [10, 30, 200])
def test_intervals_of_skewed_gaps_cover_as_often_as_the_bootstrap_does(n):
    """Relative gaps are skewed; Student's interval must not be worse than resampling."""
    random, truth, hits = np.random.default_rng(n), np.exp(0.5**2 / 2) - 1, np.zeros(3)
    for _ in range(400):
        gaps = random.lognormal(0.0, 0.5, n) - 1
        tally = Tally.empty()
        sums = {**tally.sums, "gap": gaps.sum(), "gap_gap": (gaps**2).sum(), "base": 1.0}
        tally = Tally({**tally.counts, "compared": n}, sums, GapSketch.of(gaps))
        found = tally_measures(tally)
        mean, median = found["recourse_gap"], found["median_recourse_gap"]
        means = gaps[random.integers(0, n, (300, n))].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        hits += [
            mean.low <= truth <= mean.high,
            low <= truth <= high,
            median.low <= 0 <= median.high,
        ]
    student, bootstrap, median = hits / 400
    assert student >= bootstrap - 0.005
    assert student > 0.9
    assert median > 0.93


# ----- the sketch ----------------------------------------------------------------------------

gap_lists = st.lists(
    st.one_of(st.floats(-1, 1), st.floats(0, 1e8), st.sampled_from([-1.0, 0.0])), max_size=40
)


@given(gap_lists, gap_lists, st.floats(0, 1))
def test_quantiles_of_merged_sketches_are_within_the_stated_distance(first, second, q):
    gaps = np.array(first + second)
    sketch = GapSketch.of(np.array(first)).merge(GapSketch.of(np.array(second)))
    assert sketch == GapSketch.of(np.array(second)).merge(GapSketch.of(np.array(first)))
    assert sketch == GapSketch.of(gaps)
    assert sketch.n == len(gaps)
    if len(gaps):
        exact = np.sort(gaps)
        rank = int(q * (len(gaps) - 1))
        near = max(exact[rank], -1 + 1e-8)  # ratios below exp(-20) are one bin
        assert abs(sketch.ranked(rank) - exact[rank]) <= 0.000501 * (1 + near) + 3e-9
        assert (sketch.low, sketch.high) == (gaps.min(), gaps.max())
        assert sketch.low <= sketch.quantile(q) <= sketch.high
        assert (np.diff([sketch.quantile(p) for p in (0, 0.2, 0.5, 1)]) >= 0).all()
    else:
        assert np.isnan(sketch.quantile(q))


def test_gaps_of_0_and_minus_1_are_exact():
    sketch = GapSketch.of(np.array([-1.0, 0.0, 0.0, 3.0]))
    assert [sketch.ranked(k) for k in range(4)] == [-1, 0, 0, 3]
    assert sketch.to_frame()["n"].tolist() == [1, 2, 1]
    assert sketch.histogram([-1, -0.5, 0.5]).tolist() == [1, 2]
    assert repr(sketch) == "GapSketch(n=4, median=0, low=-1, high=3)"
