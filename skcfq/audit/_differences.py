"""Do groups differ? Tests on tallies, adjusted for how many there are."""

import dataclasses
import math

import numpy as np
from scipy import stats

#: Shares that are tested, as counts: who it concerns, of whom.
SHARES = {"validity_drop": ("broken", "advised"), "decision_flips": ("flipped", "people")}
MEDIAN = "median_recourse_gap"
#: A table with an expected count below this is tested by resampling, not by its limit.
SMALLEST_EXPECTED = 5
N_TABLES = 9999
#: Ranks of fewer people than this say nothing.
FEWEST_RANKED = 5


@dataclasses.dataclass(frozen=True)
class GroupTest:
    """Whether a figure is the same in all groups.

    Attributes
    ----------
    grouping : str
        What tells the groups apart: a column, ``"sex & race"`` for the combinations of several,
        ``"group"`` for labels that were given.
    measure : str
        ``"validity_drop"``, ``"decision_flips"`` or ``"median_recourse_gap"``.
    method : str
        ``"chi-squared"``; ``"Fisher"``, exact, for two groups, or ``"Monte Carlo chi-squared"`` for
        more, where some expected count is below 5; ``"Kruskal-Wallis"`` for the gap: do the
        gaps of some group tend to be larger than those of another? ``"none"`` if fewer than two
        groups can be compared.
    statistic : float
        Of the test; NaN where it has none.
    p_value : float
        Probability of a difference as large if all groups were alike; NaN without a test.
    p_adjusted : float
        The same, adjusted by Holm's method for all tests of the audit: if no groups differ, the
        probability that any is below .05 is at most 5 %.
    difference : float
        Largest difference between two groups, in the unit of the measure.
    highest, lowest : str or None
        The groups between which it lies.
    n_highest, n_lowest : int
        People counted in each.
    left_out : tuple of str
        Groups that are not part of the test, since nobody in them counts, or fewer than 5 for
        the gap.

    References
    ----------
    .. [1] S. Holm (1979). "A simple sequentially rejective multiple test procedure".
       Scandinavian Journal of Statistics 6, 65-70.
    """

    grouping: str
    measure: str
    method: str
    statistic: float
    p_value: float
    p_adjusted: float
    difference: float
    highest: str | None
    lowest: str | None
    n_highest: int
    n_lowest: int
    left_out: tuple


def group_tests(groupings, tallies):
    """Test every measure for every grouping.

    Parameters
    ----------
    groupings : dict of str to sequence of str
        The groups of each grouping.
    tallies : dict of str to Tally
        Of each group.

    Returns
    -------
    tuple of GroupTest
    """
    found = []
    for grouping, groups in groupings.items():
        parts = {group: tallies[group] for group in groups}
        found += [_share_test(grouping, measure, parts) for measure in SHARES]
        found.append(_gap_test(grouping, parts))
    adjusted = holm([test.p_value for test in found])
    return tuple(
        dataclasses.replace(test, p_adjusted=p) for test, p in zip(found, adjusted, strict=True)
    )


def holm(p_values):
    """Adjust p-values by Holm's method; NaN stays, and is no test.

    Examples
    --------
    >>> holm([0.01, float("nan"), 0.04, 0.03])
    [0.03, nan, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(p_values), math.nan)
    order = np.argsort(p_values, kind="stable")[: int((~np.isnan(p_values)).sum())]
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.tolist()


def _share_test(grouping, measure, parts):
    part, whole = SHARES[measure]
    counted = {g: (t.counts[part], t.counts[whole]) for g, t in parts.items() if t.counts[whole]}
    table = np.array([(k, n - k) for k, n in counted.values()]).reshape(-1, 2)
    values = {group: (k / n, n) for group, (k, n) in counted.items()}
    return _record(grouping, measure, parts, values, *_test_table(table))


def _test_table(table):
    """Method, statistic and p-value: is the share of the first column the same in all rows?"""
    if len(table) < 2:
        return "none", math.nan, math.nan
    if not table.sum(axis=0).all():
        return "chi-squared", 0.0, 1.0  # nobody, or everybody
    expected = stats.contingency.expected_freq(table)
    if expected.min() >= SMALLEST_EXPECTED:
        found = stats.chi2_contingency(table, correction=False)
        return "chi-squared", float(found.statistic), float(found.pvalue)
    if len(table) == 2:
        return "Fisher", math.nan, float(stats.fisher_exact(table).pvalue)
    sampling = stats.MonteCarloMethod(n_resamples=N_TABLES, rng=np.random.default_rng(0))
    found = stats.chi2_contingency(table, correction=False, method=sampling)
    return "Monte Carlo chi-squared", float(found.statistic), float(found.pvalue)


def _gap_test(grouping, parts):
    sketches = {g: t.gaps for g, t in parts.items() if t.gaps.n >= FEWEST_RANKED}
    values = {group: (sketch.quantile(0.5), sketch.n) for group, sketch in sketches.items()}
    found = _kruskal(list(sketches.values())) if len(sketches) > 1 else ("none", math.nan, math.nan)
    return _record(grouping, MEDIAN, parts, values, *found)


def _kruskal(sketches):
    """Kruskal and Wallis's test on counts in bins: people in one bin are tied."""
    bins = np.unique(np.concatenate([sketch.bins for sketch in sketches]))
    counts = np.zeros((len(sketches), len(bins)))
    for row, sketch in zip(counts, sketches, strict=True):
        row[np.searchsorted(bins, sketch.bins)] = sketch.counts
    tied, sizes = counts.sum(axis=0), counts.sum(axis=1)
    n = tied.sum()
    ranks = tied.cumsum() - (tied - 1) / 2
    spread = 1 - ((tied**3 - tied).sum() / (n**3 - n))
    if spread <= 0:
        return "Kruskal-Wallis", 0.0, 1.0  # all are alike
    centred = counts @ (ranks - (n + 1) / 2)
    statistic = float(12 / (n * (n + 1)) * (centred**2 / sizes).sum() / spread)
    return "Kruskal-Wallis", statistic, float(stats.chi2.sf(statistic, len(sketches) - 1))


def _record(grouping, measure, parts, values, method, statistic, p_value):
    """The test with the two groups that lie furthest apart."""
    left_out = tuple(group for group in parts if group not in values)
    top = max(values, key=lambda g: values[g][0], default=None)
    bottom = min(values, key=lambda g: values[g][0], default=None)
    (high, n_high), (low, n_low) = (values.get(g, (math.nan, 0)) for g in (top, bottom))
    return GroupTest(
        grouping, measure, method, statistic, p_value, math.nan, high - low, top, bottom, n_high,
        n_low, left_out,
    )  # fmt: skip
