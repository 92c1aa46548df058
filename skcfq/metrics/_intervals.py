"""From counted people to an estimate: Wilson for shares, the bootstrap for the rest."""

import math

import numpy as np
from scipy import stats

from ._estimate import Estimate

#: Values drawn at once: keeps a batch of resamples in the processor's cache (2 MB).
DRAWS_PER_BATCH = 2**18


def share_estimate(n_true, n, *, confidence_level=0.95):
    """Estimate a share, with its Wilson score interval.

    Parameters
    ----------
    n_true : int
        People for whom it holds, in [0, `n`].
    n : int
        People counted.
    confidence_level : float, default=0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        The share in [0, 1]; NaN if `n` is 0.

    References
    ----------
    .. [1] E. B. Wilson (1927). "Probable inference, the law of succession, and statistical
       inference". https://doi.org/10.1080/01621459.1927.10502953

    Examples
    --------
    >>> share_estimate(1, 4)
    Estimate(0.25, n=4, interval=[0.0456, 0.699])
    >>> share_estimate(0, 0)
    Estimate(nan, n=0, interval=[nan, nan])
    """
    n_true, n = int(n_true), int(n)
    if n == 0:
        return Estimate(math.nan, 0, confidence_level=confidence_level)
    interval = stats.binomtest(n_true, n).proportion_ci(confidence_level, method="wilson")
    return Estimate(n_true / n, n, interval.low, interval.high, confidence_level)


def mean_estimate(values, *, confidence_level=0.95, n_resamples=999, random_state=0):
    """Estimate a mean, with its percentile bootstrap interval.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One value per person counted; no NaN.
    confidence_level : float, default=0.95
        Coverage of the interval.
    n_resamples : int, default=999
        Bootstrap resamples; 0 leaves the interval out.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the resamples. An int gives the same interval every time.

    Returns
    -------
    Estimate
        NaN if there is no value; without interval if there are fewer than two.

    Examples
    --------
    >>> import numpy as np
    >>> mean_estimate(np.array([0.0, 0.0, 3.0]), n_resamples=0)
    Estimate(1.0, n=3, interval=[nan, nan])
    """
    return _estimate(np.mean, (values,), values, confidence_level, n_resamples, random_state)


def median_estimate(values, *, confidence_level=0.95, n_resamples=999, random_state=0):
    """Estimate a median, with its percentile bootstrap interval.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One value per person counted; no NaN.
    confidence_level : float, default=0.95
        Coverage of the interval.
    n_resamples : int, default=999
        Bootstrap resamples; 0 leaves the interval out.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the resamples.

    Returns
    -------
    Estimate
        NaN if there is no value; without interval if there are fewer than two.

    Examples
    --------
    >>> import numpy as np
    >>> median_estimate(np.array([0.0, 1.0, 9.0]), n_resamples=0)
    Estimate(1.0, n=3, interval=[nan, nan])
    """
    return _estimate(np.median, (values,), values, confidence_level, n_resamples, random_state)


def ratio_estimate(
    numerator, denominator, *, confidence_level=0.95, n_resamples=999, random_state=0
):
    """Estimate a ratio of sums, with its percentile bootstrap interval.

    With weights as `denominator` and weighted values as `numerator` this is a weighted mean.
    A person is drawn with both, so the interval knows that both vary.

    Parameters
    ----------
    numerator : ndarray of shape (n,)
        One value per person counted; no NaN.
    denominator : ndarray of shape (n,)
        One value per person, > 0.
    confidence_level : float, default=0.95
        Coverage of the interval.
    n_resamples : int, default=999
        Bootstrap resamples; 0 leaves the interval out.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the resamples.

    Returns
    -------
    Estimate
        ``sum(numerator) / sum(denominator)``; NaN if there is no value.

    Examples
    --------
    >>> import numpy as np
    >>> ratio_estimate(np.array([0.0, 1.0]), np.array([3.0, 1.0]), n_resamples=0)
    Estimate(0.25, n=2, interval=[nan, nan])
    """
    with np.errstate(over="ignore"):
        values = numerator / denominator
    data = (numerator, denominator)
    return _estimate(_ratio, data, values, confidence_level, n_resamples, random_state)


def _ratio(numerator, denominator, axis=-1):
    return numerator.sum(axis=axis) / denominator.sum(axis=axis)


def _estimate(statistic, data, values, confidence_level, n_resamples, random_state):
    """Apply `statistic` to the sample, and bootstrap its interval where there is one."""
    n = values.size
    if n == 0:
        return Estimate(math.nan, 0, confidence_level=confidence_level)
    if n > 1 and values.min() == values.max():
        # Every resample is the sample: exact, where a rounded sum would be off by an ulp.
        return Estimate(values[0], n, values[0], values[0], confidence_level)
    with np.errstate(over="ignore", invalid="ignore"):
        value = statistic(*data, axis=-1)
        # No resample can then overflow: its sums are at most n times the largest entry, and its
        # ratio lies between the smallest and the largest of `values`.
        extremes = [values, *(n * np.abs(sample).max() for sample in data)]
        drawable = all(np.isfinite(extreme).all() for extreme in extremes)
    if n < 2 or n_resamples == 0 or not drawable:
        return Estimate(value, n, confidence_level=confidence_level)
    interval = stats.bootstrap(
        data,
        statistic,
        n_resamples=n_resamples,
        batch=max(1, DRAWS_PER_BATCH // n),
        vectorized=True,
        paired=len(data) > 1,
        axis=-1,
        confidence_level=confidence_level,
        method="percentile",
        rng=np.random.default_rng(random_state),
    ).confidence_interval
    return Estimate(value, n, interval.low, interval.high, confidence_level)
