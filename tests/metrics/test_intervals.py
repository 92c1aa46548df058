import time

import numpy as np
import pytest
from scipy import stats

from skcfq.metrics._intervals import mean_estimate, median_estimate, ratio_estimate, share_estimate


def test_wilson_closed_form():
    # 1 of 4 at z = 1.96: (p + z2/2n -+ z sqrt(p q / n + z2/4n2)) / (1 + z2/n)
    z = stats.norm.ppf(0.975)
    centre, spread = 0.25 + z**2 / 8, z * np.sqrt(0.25 * 0.75 / 4 + z**2 / 64)
    share = share_estimate(1, 4)
    assert share == 0.25
    assert share.low == pytest.approx((centre - spread) / (1 + z**2 / 4))
    assert share.high == pytest.approx((centre + spread) / (1 + z**2 / 4))


def test_share_of_nobody_is_undefined():
    assert np.isnan(share_estimate(0, 0))
    assert share_estimate(0, 0).n == 0


def test_perfect_share_still_has_an_interval():
    share = share_estimate(0, 10)
    assert share == share.low == 0
    assert share.high == pytest.approx(0.2775, abs=1e-4)


def estimate(kind, values, **options):
    if kind == "ratio":
        return ratio_estimate(values, np.ones_like(values), **options)
    return {"mean": mean_estimate, "median": median_estimate}[kind](values, **options)


KINDS = ["mean", "median", "ratio"]


@pytest.mark.parametrize("kind", KINDS)
def test_few_values(kind):
    assert np.isnan(estimate(kind, np.zeros(0)))
    assert estimate(kind, np.zeros(0)).n == 0
    one = estimate(kind, np.array([0.3]))
    assert (one, one.n) == (0.3, 1)
    assert np.isnan([one.low, one.high]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_constant_is_exact(kind):
    # A rounded mean of seven times 0.1 would not be 0.1.
    same = estimate(kind, np.full(7, 0.1))
    assert (same, same.low, same.high, same.n) == (0.1, 0.1, 0.1, 7)


@pytest.mark.parametrize("kind", KINDS)
def test_seeded(kind):
    values = np.random.default_rng(0).exponential(size=50)
    first, again = estimate(kind, values), estimate(kind, values)
    other = estimate(kind, values, random_state=1)
    assert (first.low, first.high) == (again.low, again.high)
    assert (first.low, first.high) != (other.low, other.high)
    assert first.low < first < first.high


@pytest.mark.parametrize("kind", KINDS)
def test_no_resamples_no_interval(kind):
    bare = estimate(kind, np.array([0.0, 1.0, 2.0]), n_resamples=0)
    assert bare == 1
    assert np.isnan([bare.low, bare.high]).all()


@pytest.mark.parametrize("value", [np.inf, 1e308])
def test_values_that_cannot_be_summed_have_no_interval(value):
    huge = mean_estimate(np.array([1.0, value, value]))
    assert huge == np.inf
    assert np.isnan([huge.low, huge.high]).all()


def test_bootstrap_of_two_values_by_hand():
    # Resamples of (0, 1): means 0, 1/2, 1 with chances 1/4, 1/2, 1/4.
    wide = mean_estimate(np.array([0.0, 1.0]))
    narrow = mean_estimate(np.array([0.0, 1.0]), confidence_level=0.4)
    assert (wide.low, wide.high) == (0, 1)
    assert (narrow.low, narrow.high) == (0.5, 0.5)


def test_bootstrap_does_not_depend_on_the_batch(monkeypatch):
    values = np.random.default_rng(0).normal(size=300)
    first = mean_estimate(values)
    monkeypatch.setattr("skcfq.metrics._intervals.DRAWS_PER_BATCH", 1)
    assert mean_estimate(values).as_dict() == first.as_dict()


def test_ratio_weights_people():
    ratio = ratio_estimate(np.array([1.0, 0.0]), np.array([1.0, 3.0]))
    assert ratio == 0.25
    assert (ratio.low, ratio.high) == (0, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover(kind):
    truth = {"mean": 1.0, "median": np.log(2), "ratio": 1.0}[kind]
    samples = np.random.default_rng(0).exponential(size=(200, 60))
    inside = [
        found.low <= truth <= found.high
        for found in (estimate(kind, sample, n_resamples=199) for sample in samples)
    ]
    assert 0.88 <= np.mean(inside) <= 0.99


def test_wilson_covers():
    draws = np.random.default_rng(0).binomial(60, 0.05, size=300)
    inside = [share_estimate(k, 60).low <= 0.05 <= share_estimate(k, 60).high for k in draws]
    assert 0.92 <= np.mean(inside) <= 0.99


def test_thirty_thousand_people_are_fast():
    values = np.random.default_rng(0).exponential(size=30_000)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        mean_estimate(values)
        seconds.append(time.perf_counter() - start)
    # About 0.15 s on one core; the limit leaves room for a busy machine.
    assert min(seconds) < 1.0
