"""A figure that knows how many people it counts and how sure it is."""

import math


class Estimate(float):
    """A number with the people it counts and a confidence interval.

    It is a `float` in every sum, comparison, format and array, and cannot be changed.

    Parameters
    ----------
    value : float
        The figure; NaN where nobody counts.
    n : int
        People counted.
    low, high : float, default=nan
        Ends of the confidence interval, in the unit of `value`; NaN where there is none.
    confidence_level : float, default=0.95
        Coverage of the interval, in (0, 1).

    See Also
    --------
    skcfq.metrics.RecourseScore : Seven estimates that together judge a quantized model.

    Examples
    --------
    >>> from skcfq.metrics import Estimate
    >>> drop = Estimate(0.0231, n=1234, low=0.017, high=0.031)
    >>> drop
    Estimate(0.0231, n=1234, interval=[0.017, 0.031])
    >>> drop < 0.05, drop.n, f"{drop:.1%}"
    (True, 1234, '2.3%')
    """

    # Slots behind read-only properties: no attribute can be set, or added, by accident.
    __slots__ = ("_confidence_level", "_high", "_low", "_n")

    def __new__(cls, value, n, low=math.nan, high=math.nan, confidence_level=0.95):
        self = super().__new__(cls, value)
        self._n = int(n)
        self._low = float(low)
        self._high = float(high)
        self._confidence_level = float(confidence_level)
        return self

    @property
    def n(self):
        """People counted (int)."""
        return self._n

    @property
    def low(self):
        """Lower end of the interval, NaN where there is none (float)."""
        return self._low

    @property
    def high(self):
        """Upper end of the interval, NaN where there is none (float)."""
        return self._high

    @property
    def confidence_level(self):
        """Coverage of the interval, in (0, 1) (float)."""
        return self._confidence_level

    def as_dict(self):
        """Give the figure as plain numbers, ready for JSON.

        Returns
        -------
        dict
            With the keys ``value``, ``n``, ``low``, ``high`` and ``confidence_level``. A number
            that is not finite is None, since JSON has no NaN.

        Examples
        --------
        >>> from skcfq.metrics import Estimate
        >>> Estimate(float("nan"), n=0).as_dict()
        {'value': None, 'n': 0, 'low': None, 'high': None, 'confidence_level': 0.95}
        """
        numbers = {"value": float(self), "n": self._n, "low": self._low, "high": self._high}
        numbers["confidence_level"] = self._confidence_level
        return {name: x if math.isfinite(x) else None for name, x in numbers.items()}

    def __repr__(self):
        interval = f"[{short(self._low, 3)}, {short(self._high, 3)}]"
        return f"{type(self).__name__}({short(self, 4)}, n={self._n}, interval={interval})"

    def __reduce__(self):
        state = (float(self), self._n, self._low, self._high, self._confidence_level)
        return type(self), state


def short(number, digits):
    """Write a number with few digits, always as a float.

    Parameters
    ----------
    number : float
        Any number, NaN and infinities included.
    digits : int
        Significant digits.

    Returns
    -------
    str
        ``"1.0"`` for 1, ``"0.0231"`` for 0.02312 with three digits.

    Examples
    --------
    >>> short(1.0, 3), short(0.02312, 3), short(float("nan"), 3)
    ('1.0', '0.0231', 'nan')
    """
    text = f"{float(number):.{digits}g}"
    return text if not text.lstrip("-").isdigit() else f"{text}.0"
