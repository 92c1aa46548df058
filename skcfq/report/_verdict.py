"""The verdict: what an audit means, and whether it keeps the limits that were set."""

import dataclasses
import math
import numbers

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
        Whether the figure is at most the limit; False where it is not defined.
    sentence : str
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


def judge(result, limits):
    """Put an audit into words.

    Parameters
    ----------
    result : AuditResult
    limits : dict of str to float
        Largest allowed value by measure.

    Returns
    -------
    Verdict
    """
    sentences = [*_cost(result), *_decisions(result), *_groups(result)]
    checks = tuple(_check(name, result.measures[name], limit) for name, limit in limits.items())
    headline, meaning = _advice(result)
    return Verdict(headline, (*meaning, *sentences), checks)


def limit_problems(limits, measures):
    """What is wrong with limits, one sentence each.

    Parameters
    ----------
    limits : dict of str to float
    measures : collection of str
        Those that the audit has.

    Returns
    -------
    list of str
    """
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


def _check(name, estimate, limit):
    title = FIGURES[name][0]
    most = figure_text(name, limit)
    if not math.isfinite(estimate):
        return LimitCheck(title, False, f"Not defined, so that the limit of {most} is not kept.")
    value, kept = figure_text(name, estimate), bool(estimate <= limit)
    sentence = f"{value} {'keeps' if kept else 'exceeds'} the limit of {most}"
    if kept and estimate.high > limit:
        sentence += (
            f", but the {level_text(estimate)} interval reaches {figure_text(name, estimate.high)}"
        )
    elif not kept and estimate.low <= limit:
        sentence += (
            f", but the {level_text(estimate)} interval starts at {figure_text(name, estimate.low)}"
        )
    return LimitCheck(title, kept, f"{sentence}.")


def _people(n):
    return "1 person" if n == 1 else f"{n:,} people"
