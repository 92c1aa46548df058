"""From a tally to figures with intervals."""

import math

from scipy import stats

from ..metrics import Estimate, share_estimate


def tally_measures(tally, *, confidence_level=0.95):
    """The figures of the people of a tally.

    Parameters
    ----------
    tally : Tally
    confidence_level : float, default=0.95
        Coverage of the intervals.

    Returns
    -------
    dict of str to Estimate
        ``accuracy``, if there were labels, then the figures of
        :func:`skcfq.metrics.recourse_measures`, with the median and the cost-weighted gap.

    Notes
    -----
    Shares have Wilson intervals. Means have Student's interval, cut to the values that a person
    can have; the cost-weighted gap, a ratio of sums, the same by linearization. The
    median's ends are order statistics, so that they cover it whatever the gaps look like; with
    fewer than six people there are none at 95 %.
    """
    counts, sums, level = tally.counts, tally.sums, confidence_level

    def share(part, whole):
        return share_estimate(counts[part], counts[whole], confidence_level=level)

    def mean(name, whole, low=-math.inf):
        square = "gap_gap" if name == "abs_gap" else f"{name}_{name}"
        return _mean(sums[name], sums[square], counts[whole], low, level)

    figures = {"accuracy": share("correct", "labelled")} if counts["labelled"] else {}
    return figures | {
        "validity_drop": share("broken", "advised"),
        "recourse_gap": mean("gap", "compared", -1.0),
        "abs_recourse_gap": mean("abs_gap", "compared", 0.0),
        "median_recourse_gap": _median(tally.gaps, level),
        "weighted_recourse_gap": _weighted(sums, counts["compared"], level),
        "decision_flips": share("flipped", "people"),
        "reference_feasible": share("advised", "needed"),
        "deployed_feasible": share("served", "needed"),
        "direction_similarity": _likeness(mean("turn", "directed", 0.0), 2.0),
        "action_overlap": _likeness(mean("strange", "overlapping", 0.0), 1.0),
    }


def _mean(total, squares, n, low, level):
    """A mean with Student's interval, from sums; not below `low`, which nobody is."""
    if n == 0:
        return Estimate(math.nan, 0, confidence_level=level)
    value = total / n
    if n < 2 or not math.isfinite(squares):
        return Estimate(value, n, confidence_level=level)
    spread = math.sqrt(max(squares - total * value, 0.0) / (n - 1) / n)
    reach = _student(n, level) * spread
    return Estimate(value, n, max(value - reach, low), value + reach, level)


def _likeness(distance, largest):
    """One minus a mean distance from 1, of which `largest` is possible."""
    return Estimate(
        1 - distance,
        distance.n,
        1 - (min(distance.high, largest) if distance.high == distance.high else math.nan),
        1 - distance.low,
        distance.confidence_level,
    )


def _weighted(sums, n, level):
    """Sum of changes over sum of costs, its interval by linearization."""
    if n == 0:
        return Estimate(math.nan, 0, confidence_level=level)
    value = sums["change"] / sums["base"]
    squares = sums["change_change"] - 2 * value * sums["change_base"] + value**2 * sums["base_base"]
    if n < 2 or not math.isfinite(squares):
        return Estimate(value, n, confidence_level=level)
    spread = math.sqrt(max(squares, 0.0) * n / (n - 1)) / sums["base"]
    reach = _student(n, level) * spread
    return Estimate(value, n, max(value - reach, -1.0), value + reach, level)


def _median(gaps, level):
    """The median, between the two order statistics that hold it with the given probability."""
    n = gaps.n
    # The number of people below the median is binomial: ranks that it leaves to either side.
    outside = int(stats.binom.ppf((1 - level) / 2, n, 0.5)) if n else 0
    ends = (gaps.ranked(outside - 1), gaps.ranked(n - outside)) if outside else (math.nan,) * 2
    return Estimate(gaps.quantile(0.5), n, *ends, level)


def _student(n, level):
    return float(stats.t.ppf((1 + level) / 2, n - 1))
