"""Recourse gaps as counts in narrow bins: what parts of an audit can add up."""

import dataclasses
import math

import numpy as np
import pandas as pd

#: Width of a bin in the logarithm of the ratio of costs, which is 1 + gap.
WIDTH = 1e-3
#: Ratios beyond exp(-20) and exp(20) share the outermost bins.
LAST = 20_000


@dataclasses.dataclass(frozen=True, eq=False)
class GapSketch:
    """How many people have which recourse gap.

    A gap is the change of a person's cost relative to the reference, -1 or more. It is counted
    in a bin of ``log(1 + gap)`` of width 0.001, so that a quantile is off by at most ``0.0005
    * (1 + gap)``, and gaps of 0 and -1 are exact. Gaps above exp(20) share one bin. Two
    sketches add up to that of everybody, exactly.

    Attributes
    ----------
    bins : ndarray of int, shape (n_bins,)
        The bins that hold somebody, rising.
    counts : ndarray of int, shape (n_bins,)
        People in each.
    low, high : float
        Smallest and largest gap, exact; NaN if nobody counts.

    Examples
    --------
    >>> import numpy as np
    >>> from skcfq.audit import GapSketch
    >>> sketch = GapSketch.of(np.array([-1.0, 0.0, 0.25])).merge(GapSketch.of(np.array([0.5])))
    >>> sketch.n, sketch.low, sketch.high
    (4, -1.0, 0.5)
    >>> round(sketch.quantile(0.5), 3)
    0.125
    >>> sketch.histogram([-1.0, 0.0, 0.3, 1.0]).tolist()
    [1, 2, 1]
    """

    bins: np.ndarray
    counts: np.ndarray
    low: float
    high: float

    @classmethod
    def of(cls, gaps):
        """Count gaps.

        Parameters
        ----------
        gaps : ndarray of shape (n,)
            One per person, >= -1; no NaN.

        Returns
        -------
        GapSketch
        """
        if not len(gaps):
            return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), math.nan, math.nan)
        with np.errstate(divide="ignore"):
            place = np.rint(np.log1p(gaps) / WIDTH).clip(-LAST, LAST)
        bins, counts = np.unique(place.astype(np.int64), return_counts=True)
        return cls(bins, counts.astype(np.int64), float(gaps.min()), float(gaps.max()))

    def merge(self, other):
        """The sketch of the people of both.

        Parameters
        ----------
        other : GapSketch

        Returns
        -------
        GapSketch
        """
        bins, place = np.unique(np.concatenate([self.bins, other.bins]), return_inverse=True)
        counts = np.zeros(len(bins), np.int64)
        np.add.at(counts, place, np.concatenate([self.counts, other.counts]))
        ends = np.fmin(self.low, other.low), np.fmax(self.high, other.high)
        return type(self)(bins, counts, *map(float, ends))

    @property
    def n(self):
        """People counted (int)."""
        return int(self.counts.sum())

    @property
    def values(self):
        """The gap that each bin stands for, shape (n_bins,)."""
        centre = np.where(self.bins == -LAST, -1.0, np.expm1(self.bins * WIDTH))
        return centre.clip(self.low, self.high) if len(centre) else centre

    def ranked(self, rank):
        """Gap of the person of a rank.

        Parameters
        ----------
        rank : int
            From 0, the smallest gap, to ``n - 1``.

        Returns
        -------
        float
            The smallest and the largest are exact.
        """
        if rank in (0, self.n - 1):
            return self.high if rank else self.low  # exact
        return float(self.values[np.searchsorted(self.counts.cumsum(), rank, side="right")])

    def quantile(self, q):
        """A quantile of the gaps.

        Parameters
        ----------
        q : float
            In [0, 1]; 0.5 is the median.

        Returns
        -------
        float
            Between the two ranks that enclose it, as NumPy does; NaN if nobody counts.
        """
        if self.n == 0:
            return math.nan
        place = q * (self.n - 1)
        below, above = self.ranked(math.floor(place)), self.ranked(math.ceil(place))
        return below + (above - below) * (place - math.floor(place))

    def histogram(self, edges):
        """People in wider bins, for a plot.

        Parameters
        ----------
        edges : array-like of shape (n + 1,)
            Rising ends of the bins; each holds its left end, the last one both. People outside
            are left out.

        Returns
        -------
        ndarray of int, shape (n,)
        """
        return np.histogram(self.values, edges, weights=self.counts)[0].astype(np.int64)

    def to_frame(self):
        """The bins as a frame.

        Returns
        -------
        DataFrame
            Columns ``gap``, the value that a bin stands for, and ``n``, the people in it.
        """
        return pd.DataFrame({"gap": self.values, "n": self.counts})

    def __eq__(self, other):
        if not isinstance(other, GapSketch):
            return NotImplemented
        return (
            np.array_equal(self.bins, other.bins)
            and np.array_equal(self.counts, other.counts)
            and np.array_equal([self.low, self.high], [other.low, other.high], equal_nan=True)
        )

    __hash__ = None

    def __repr__(self):
        return f"GapSketch(n={self.n}, median={self.quantile(0.5):.4g}, low={self.low:.4g}, high={self.high:.4g})"
