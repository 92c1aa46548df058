"""Conditions under which an audit fails, also as text: ``vd>0.02``."""

import dataclasses
import math
import operator
import re

from .._utils._errors import raise_problems

#: Short names of measures.
SHORT = {
    "vd": "validity_drop",
    "crg": "recourse_gap",
    "abs_crg": "abs_recourse_gap",
    "flips": "decision_flips",
}

OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}

_FORM = re.compile(r"\s*(\w+)(?:\.(low|high))?\s*(>=|<=|>|<)\s*([-+.\deE]+)(%?)\s*")


@dataclasses.dataclass(frozen=True)
class Limit:
    """A condition under which an audit fails.

    Attributes
    ----------
    text : str
        For people, e.g. ``"vd>0.02"``.
    measure : str
        Name of a measure of the audit.
    end : str
        ``"value"``, or ``"low"`` or ``"high"`` of its confidence interval.
    sign : str
        One of ``>``, ``>=``, ``<``, ``<=``.
    number : float
    """

    text: str
    measure: str
    end: str
    sign: str
    number: float

    def value(self, measures):
        """The figure that it is about (float).

        Parameters
        ----------
        measures : dict of str to Estimate
        """
        estimate = measures[self.measure]
        return float(estimate) if self.end == "value" else getattr(estimate, self.end)

    def fails(self, measures):
        """Whether an audit fails by it (bool); what nobody counts for, fails.

        Parameters
        ----------
        measures : dict of str to Estimate
        """
        found = self.value(measures)
        return math.isnan(found) or OPERATORS[self.sign](found, self.number)


def read_limits(texts, measures):
    """Limits from their texts.

    Parameters
    ----------
    texts : sequence of str
        A measure or its short name, perhaps with ``.low`` or ``.high`` for an end of its
        interval, a sign and a number, which may be a percentage.
    measures : sequence of str
        Names that the audit will have.

    Returns
    -------
    list of Limit

    Raises
    ------
    ValueError
        Lists every text that says nothing.

    Examples
    --------
    >>> from skcfq.report import read_limits
    >>> limit, = read_limits(["vd.high > 2%"], ["validity_drop"])
    >>> limit.measure, limit.end, limit.number
    ('validity_drop', 'high', 0.02)
    """
    limits, problems = [], []
    for text in texts:
        found = _FORM.fullmatch(text)
        number = _number(found[4]) if found else None
        if number is None:
            problems.append(
                f'{text!r} is no condition: a measure, a sign and a number, e.g. "vd>0.02".'
            )
            continue
        measure = SHORT.get(found[1].lower(), found[1])
        if measure not in measures:
            problems.append(f"{text!r}: {found[1]!r} is none of {', '.join([*SHORT, *measures])}.")
            continue
        number = number / 100 if found[5] else number
        limits.append(Limit(text, measure, found[2] or "value", found[3], number))
    raise_problems("--fail-if", problems)
    return limits


def _number(text):
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
