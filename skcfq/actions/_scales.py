"""Scales of a column: cost weights, and signs that it is already encoded."""

import numpy as np

#: How many values of a number are kept as places worth trying.
N_VALUES = 48


def cost_weight(cost_weights, name, column, sample_weight):
    """Cost of one raw unit of a numeric feature.

    Parameters
    ----------
    cost_weights : {"std", "mad", "range"} or mapping
        As in :class:`ActionSet`.
    name : str or int
    column : ndarray of shape (n_samples,)
        Training values; missing ones are left out.
    sample_weight : ndarray of shape (n_samples,)

    Returns
    -------
    float
        1 where the column is constant.
    """
    rule = cost_weights
    if not isinstance(rule, str):
        if name in rule:
            return float(rule[name])
        rule = "std"
    present = ~np.isnan(column) & (sample_weight > 0)
    column, sample_weight = column[present], sample_weight[present]
    if len(column) == 0:
        return 1.0
    scale = 0.0
    if rule == "range":
        scale = np.ptp(column)
    elif rule == "mad":
        centre = _weighted_median(column, sample_weight)
        scale = _weighted_median(np.abs(column - centre), sample_weight)
    if scale == 0.0:
        mean = np.average(column, weights=sample_weight)
        scale = np.sqrt(np.average((column - mean) ** 2, weights=sample_weight))
    return float(1.0 / scale) if scale > 1e-12 * max(1.0, np.abs(column).max()) else 1.0


def _weighted_median(values, weight):
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    return values[order][np.searchsorted(total, total[-1] / 2)]


def spread_values(column, n_values=N_VALUES):
    """Some of the training values of a column: half by rank, half among the distinct ones.

    Ranks alone would miss the tail of a column that is mostly 0.

    Parameters
    ----------
    column : ndarray of shape (n_samples,)
        Missing values are left out.
    n_values : int, default=48
        The largest number of values.

    Returns
    -------
    ndarray of shape (at most n_values,)
        Rising, without duplicates.
    """
    distinct = np.unique(column[~np.isnan(column)])
    if len(distinct) <= n_values:
        return distinct
    share = np.linspace(0, 1, n_values // 2)
    ranked = np.nanquantile(column, share, method="nearest")
    return np.union1d(ranked, np.quantile(distinct, share, method="nearest"))


def looks_encoded(column):
    """Whether training values look standardised, or scaled to [0, 1] with fractions."""
    present = column[~np.isnan(column)]
    if len(present) == 0 or np.ptp(present) == 0:
        return False
    standardised = abs(present.mean()) < 1e-3 and abs(present.std() - 1) < 1e-3
    fractions = (present != np.rint(present)).any()
    return bool(standardised or (present.min() == 0 and present.max() == 1 and fractions))
