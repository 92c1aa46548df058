"""The verdict: what an audit means, and whether it keeps the limits that were set."""

import dataclasses
import math
import numbers

from ._limits import Limit
from ._words import FIGURES, LIMITED, figure_text, interval_text, level_text, p_text

#: Above this mean change downwards, a model that keeps advice does so by asking for less.
LENIENT = -0.05


@dataclasses.dataclass(frozen=True)
class LimitCheck:
    """A figure against the limit that was set for it.

    Attributes
    ----------
    name : str
        What the figure is called.
    kept : bool
        Whether the limit is kept; False where the figure is not defined.
    sentence : str
        Both in words.
    """

    name: str
    kept: bool
    sentence: str


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What an audit means, in sentences.

    Attributes
    ----------
    headline : str
        What became of the advice.
    sentences : tuple of str
        What follows, most important first.
    checks : tuple of LimitCheck
        One for each limit.
    """

    headline: str
    sentences: tuple
    checks: tuple

    @property
    def passed(self):
        """Whether all limits are kept; None if none was set."""
        return all(check.kept for check in self.checks) if self.checks else None


def judge(result, limits=()):
    """Put an audit into words.

    Parameters
    ----------
    result : AuditResult
    limits : dict of str to float or sequence of Limit, default=()
        Largest allowed value by measure, or conditions, see :func:`read_limits`.

    Returns
    -------
    Verdict
    """
    sentences = [*_cost(result), *_decisions(result), *_groups(result)]
    if isinstance(limits, dict):
        limits = [Limit(f"{n}>{most:g}", n, "value", ">", most) for n, most in limits.items()]
    checks = tuple(_check(limit, result.measures) for limit in limits)
    headline, meaning = _advice(result)
    return Verdict(headline, (*meaning, *sentences), checks)


def limit_problems(limits, measures):
    """What is wrong with limits, one sentence each.

    Parameters
    ----------
    limits : dict of str to float or sequence of Limit
    measures : collection of str
        Those that the audit has.

    Returns
    -------
    list of str
    """
    if not isinstance(limits, dict):
        if not isinstance(limits, list | tuple) or not all(isinstance(x, Limit) for x in limits):
            return [
                f"limits is {limits!r}, must be a dict of measures and their limits, or what "
                "read_limits gives."
            ]
        return [
            f"{limit.text!r} is about {limit.measure}, which the audit does not have."
            for limit in limits
            if limit.measure not in measures
        ]
    problems = []
    for name, limit in limits.items():
        if name not in LIMITED or name not in measures:
            problems.append(f"limits names {name!r}, must be one of {', '.join(LIMITED)}.")
        real = isinstance(limit, numbers.Real) and not isinstance(limit, bool)
        if not real or not math.isfinite(limit):
            problems.append(f"limits[{name!r}] is {limit!r}, must be a finite number.")
    return problems


def _advice(result):
    """The headline and what it means."""
    advised, broken = result.counts["advised"], result.counts["broken"]
    drop = result.measures["validity_drop"]
    if advised == 0:
        return (
            "Nobody was refused and advised by the reference: nothing can be said about advice.",
            (),
        )
    between = interval_text("validity_drop", drop)
    between = f" ({level_text(drop)} interval {between})" if between else ""
    share = figure_text("validity_drop", drop)
    if broken == 0:
        return (
            f"The deployed model keeps the advice of all {_people(advised)} whom the reference "
            f"refused and advised.",
            (f"Validity drop {share}{between}.",),
        )
    whom = f"{broken:,} of them" if broken > 1 else "one of them"
    return (
        f"Of {_people(advised)} whom the reference refused and advised, the deployed model breaks "
        f"the advice of {broken:,}: {share}{between}.",
        (f"If they do what they were told, {whom} will be refused again.",),
    )


def _cost(result):
    """How dear advice has become."""
    gap, size = result.measures["recourse_gap"], result.measures["abs_recourse_gap"]
    if not math.isfinite(gap):
        return []
    way = "dearer" if gap > 0 else "cheaper"
    change = figure_text("abs_recourse_gap", abs(gap))
    mean = "costs the same on average" if gap == 0 else f"is {change} {way} on average"
    found = [
        f"Advice of the deployed model {mean}; a person's cost moved by "
        f"{figure_text('abs_recourse_gap', size)} up or down ({_people(gap.n)} compared)."
    ]
    if gap < LENIENT:
        found.append(
            "The deployed model asks for less than the reference: advice that holds may hold because "
            "the model is more lenient, not because it is faithful."
        )
    return found


def _decisions(result):
    """Whom the models decide differently."""
    flips, n = result.counts["flipped"], result.counts["people"]
    share = figure_text("decision_flips", result.measures["decision_flips"])
    return [
        f"Without any advice, the models decide {flips:,} of {_people(n)} differently ({share})."
    ]


#: What a difference between groups is, in words.
DIFFERENCES = {
    "validity_drop": "advice fails more often for {} than for {}",
    "decision_flips": "decisions change more often for {} than for {}",
    "median_recourse_gap": "the change of cost is higher for {} than for {}",
}
#: Differences that the verdict tells; the table of tests has all.
MOST_TOLD = 3


def _groups(result):
    """Differences between groups that the tests found, those of advice first."""
    found = [test for test in result.tests if test.p_adjusted < 0.05]
    if not found:
        none = "No difference between groups was found; that is no proof that there is none."
        return [none] if result.tests else []
    found.sort(key=lambda test: list(DIFFERENCES).index(test.measure))
    told = [
        f"By {test.grouping}, {DIFFERENCES[test.measure].format(test.highest, test.lowest)} "
        f"({100 * test.difference:.1f} percentage points, adjusted "
        f"p\N{NO-BREAK SPACE}{p_text(test.p_adjusted, equals=True)})."
        for test in found[:MOST_TOLD]
    ]
    if len(found) > MOST_TOLD:
        told.append(f"The tests found {len(found) - MOST_TOLD} more differences, see Groups.")
    return told


#: What a figure does to a limit that it breaks.
BROKEN = {">": "exceeds", ">=": "reaches", "<": "falls below", "<=": "does not exceed"}
ENDS = {"value": "", "low": ", lower end of its interval", "high": ", upper end of its interval"}


def _check(limit, measures):
    name, estimate, value = limit.measure, measures[limit.measure], limit.value(measures)
    title, number = FIGURES[name][0] + ENDS[limit.end], figure_text(name, limit.number)
    if not math.isfinite(value):
        return LimitCheck(title, False, f"Not defined, so that the limit of {number} is not kept.")
    kept = not limit.fails(measures)
    sentence = f"{figure_text(name, value)} {'keeps' if kept else BROKEN[limit.sign]} the limit of {number}"
    if limit.end == "value":
        # The end of the interval that lies on the other side of the limit, if it does.
        upper = kept == limit.sign.startswith(">")
        end = dataclasses.replace(limit, end="high" if upper else "low")
        if math.isfinite(end.value(measures)) and end.fails(measures) == kept:
            sentence += (
                f", but the {level_text(estimate)} interval {'reaches' if upper else 'starts at'} "
                f"{figure_text(name, end.value(measures))}"
            )
    return LimitCheck(title, kept, f"{sentence}.")


def _people(n):
    return "1 person" if n == 1 else f"{n:,} people"
