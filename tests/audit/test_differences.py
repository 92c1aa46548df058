"""Tests between groups: closed forms, error rates under the null, and power."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from skcfq.audit import GapSketch
from skcfq.audit._differences import group_tests, holm
from skcfq.audit._tally import Tally


def tally(people=0, flipped=0, advised=0, broken=0, gaps=()):
    empty = Tally.empty()
    counts = {"people": people, "flipped": flipped, "advised": advised, "broken": broken}
    return dataclasses.replace(
        empty, counts={**empty.counts, **counts}, gaps=GapSketch.of(np.array(gaps, dtype=float))
    )


def by_measure(**tallies):
    found = group_tests({"sex": tuple(tallies)}, tallies)
    return {test.measure: test for test in found}


def test_large_counts_are_tested_by_chi_squared():
    found = by_measure(
        f=tally(people=400, flipped=40, advised=200, broken=60),
        m=tally(people=600, flipped=60, advised=300, broken=30),
    )
    test = found["validity_drop"]
    # Pearson's statistic of a fourfold table: n (ad - bc)^2 over the product of its margins.
    statistic = 500 * (60 * 270 - 140 * 30) ** 2 / (200 * 300 * 90 * 410)
    assert test.method == "chi-squared"
    assert test.statistic == pytest.approx(statistic)
    assert test.p_value == pytest.approx(stats.chi2.sf(statistic, 1))
    assert test.difference == pytest.approx(0.3 - 0.1)
    assert (test.highest, test.n_highest, test.lowest, test.n_lowest) == ("f", 200, "m", 300)
    assert found["decision_flips"].p_value == pytest.approx(1.0)


def test_small_counts_are_tested_exactly_or_by_resampling():
    two = by_measure(a=tally(advised=8, broken=6), b=tally(advised=9, broken=1))["validity_drop"]
    assert two.method == "Fisher"
    # Ways to draw the broken ones from 17, at least as unlikely as what was seen.
    ways = stats.hypergeom(17, 7, 8)
    seen = np.arange(8)[ways.pmf(np.arange(8)) <= ways.pmf(6) * (1 + 1e-9)]
    assert two.p_value == pytest.approx(ways.pmf(seen).sum())
    three = by_measure(
        a=tally(advised=8, broken=6), b=tally(advised=9, broken=1), c=tally(advised=9, broken=1)
    )["validity_drop"]
    assert three.method == "Monte Carlo chi-squared"
    fisher = stats.fisher_exact([[6, 2], [1, 8], [1, 8]]).pvalue
    assert three.p_value == pytest.approx(fisher, abs=0.02)
    again = by_measure(
        a=tally(advised=8, broken=6), b=tally(advised=9, broken=1), c=tally(advised=9, broken=1)
    )["validity_drop"]
    assert again.p_value == three.p_value


def test_gaps_are_tested_by_ranks_as_scipy_does():
    random = np.random.default_rng(0)
    groups = [np.round(random.exponential(1 + k, 60 + k), 1) for k in range(3)]
    test = by_measure(**{f"g{k}": tally(gaps=gaps) for k, gaps in enumerate(groups)})
    test = test["median_recourse_gap"]
    expected = stats.kruskal(*groups)
    assert test.method == "Kruskal-Wallis"
    assert test.statistic == pytest.approx(expected.statistic)
    assert test.p_value == pytest.approx(expected.pvalue)
    assert test.difference == pytest.approx(
        np.median(groups[2]) - np.median(groups[0]), rel=2e-3, abs=1e-3
    )


def test_groups_without_people_are_named():
    found = by_measure(
        a=tally(people=50, advised=20, broken=5, gaps=np.arange(20)),
        b=tally(people=50, advised=20, broken=4, gaps=np.arange(20)),
        small=tally(people=3, advised=2, broken=1, gaps=[0.0, 1.0]),
        none=tally(people=4),
    )
    assert found["decision_flips"].left_out == ()
    assert found["validity_drop"].left_out == ("none",)
    assert found["median_recourse_gap"].left_out == ("small", "none")
    assert found["median_recourse_gap"].p_value == pytest.approx(1.0)


def test_a_single_group_is_no_test():
    for test in by_measure(a=tally(people=9, advised=3, broken=1)).values():
        assert test.method == "none"
        assert np.isnan([test.statistic, test.p_value, test.p_adjusted]).all()
    assert by_measure(a=tally())["validity_drop"].highest is None


def test_alike_gaps_and_shares_without_spread_are_no_finding():
    found = by_measure(a=tally(10, 0, 10, 10, [0.0] * 10), b=tally(10, 0, 10, 10, [0.0] * 10))
    assert [test.p_value for test in found.values()] == [1.0, 1.0, 1.0]
    assert [test.difference for test in found.values()] == [0.0, 0.0, 0.0]


def test_holm_by_hand():
    adjusted = holm([0.01, 0.04, np.nan, 0.03, 0.005])
    np.testing.assert_allclose(adjusted, [0.03, 0.06, np.nan, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@pytest.mark.parametrize("sizes", [(400, 300, 60), (40, 30, 9)], ids=["large", "small"])
def test_without_differences_findings_are_as_rare_as_stated(sizes):
    """200 audits by two columns and their combinations; at most 5 % may find anything."""
    random, found = np.random.default_rng(0), 0
    for _ in range(200):
        cells = {}
        for name, n in zip(("f & a", "f & b", "m & a"), sizes, strict=True):
            advised = int(random.binomial(n, 0.6))
            cells[name] = tally(
                n, random.binomial(n, 0.05), advised, random.binomial(advised, 0.1),
                np.round(random.standard_t(3, advised).clip(-1), 2),
            )  # fmt: skip
        merged = cells["f & a"].merge(cells["f & b"])
        groupings = {"sex": ("f", "m"), "sex & race": tuple(cells)}
        tests = group_tests(groupings, {**cells, "f": merged, "m": cells["m & a"]})
        found += min(test.p_adjusted for test in tests) < 0.05
    # A rate of 5 % gives no more than 20 in 200, but for once in 1000.
    assert found <= stats.binom.ppf(0.999, 200, 0.05)


def test_a_difference_of_30_percent_in_one_group_is_found_nearly_always():
    random, found = np.random.default_rng(0), 0
    for _ in range(200):
        tests = by_measure(f=tally(100, 5, 60, random.binomial(60, 0.3)), m=tally(100, 5, 60, 0))
        found += tests["validity_drop"].p_adjusted < 0.05
    assert found > 195
