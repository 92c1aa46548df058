"""Tables of the report, as rows of words."""

import dataclasses
import json
import math

import pandas as pd

from ..audit._people import worst_people
from ..plots._drawing import value_text
from ..plots._person import changed_values
from ._words import FIGURES, OUTCOMES, figure_text, interval_text, p_text

#: Figures of each group, beside the number of people.
GROUP_FIGURES = (
    "validity_drop", "abs_recourse_gap", "recourse_gap", "decision_flips", "deployed_feasible",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell: its words, and the number by which it is sorted, None for words."""

    text: str
    number: float | None = None


@dataclasses.dataclass(frozen=True)
class Person:
    """A row of the table of people.

    Attributes
    ----------
    outcome, group : str
        By which people can be filtered.
    cells : tuple of Cell
        One for each of `PeopleTable.columns`.
    """

    outcome: str
    group: str
    cells: tuple


@dataclasses.dataclass(frozen=True)
class PeopleTable:
    """The people whom the report lists.

    Attributes
    ----------
    columns : tuple of str
    rows : tuple of Person
    outcomes, groups : tuple of str
        That occur, for the filters.
    n_concerned : int
        People among whom they were chosen.
    """

    columns: tuple
    rows: tuple
    outcomes: tuple
    groups: tuple
    n_concerned: int


def headline_rows(measures):
    """Figures in words.

    Parameters
    ----------
    measures : dict of str to Estimate
        Of an :class:`~skcfq.audit.AuditResult`.

    Returns
    -------
    list of tuple of str
        Name, meaning, value, interval and people of each figure.
    """
    return [
        (*FIGURES[name], figure_text(name, e), interval_text(name, e), f"{e.n:,}")
        for name in FIGURES
        if (e := measures.get(name)) is not None
    ]


def group_rows(result, grouping):
    """Figures of groups in words.

    Parameters
    ----------
    result : AuditResult
    grouping : str
        One of ``result.groupings``.

    Returns
    -------
    list of tuple
        Label, people and people with advice, and a list of value and interval of the share of
        failing advice, the mean size and the mean of the recourse gap, the share of changed decisions
        and of people with recourse now.
    """
    rows = []
    for label in result.groupings[grouping]:
        counts, measures = result.counts_by_group[label], result.by_group[label]
        figures = [
            (figure_text(name, measures[name]), interval_text(name, measures[name]))
            for name in GROUP_FIGURES
        ]
        rows.append((label, f"{counts['people']:,}", f"{counts['advised']:,}", figures))
    return rows


def test_rows(tests):
    """Grouping, figure, what differs most, test, p and adjusted p."""
    rows = []
    for test in tests:
        between = "groups cannot be compared"
        if test.highest is not None and math.isfinite(test.difference):
            between = f"{100 * test.difference:.1f} points: {test.highest} over {test.lowest}"
        rows.append(
            (
                test.grouping, FIGURES[test.measure][0], between, test.method,
                p_text(test.p_value), p_text(test.p_adjusted),
            )
        )  # fmt: skip
    return rows


def people_table(people, max_people):
    """The people whom the deployed model harms most, first.

    Parameters
    ----------
    people : DataFrame
        Of an AuditResult.
    max_people : int
        How many rows at most.

    Returns
    -------
    PeopleTable
    """
    concerned = people[people["outcome"] != "not needed"]
    listed = worst_people(concerned, max_people)
    grouped = "group" in people
    columns = ("Person", *(["Group"] if grouped else []), "Outcome", "Cost before", "Cost now",
               "Change", "The reference advised", "The deployed model asks for")  # fmt: skip
    rows = tuple(_person(label, row, grouped) for label, row in listed.iterrows())
    return PeopleTable(
        columns,
        rows,
        tuple(words for words in OUTCOMES.values() if any(r.outcome == words for r in rows)),
        tuple(sorted({row.group for row in rows})) if grouped else (),
        len(concerned),
    )


def _person(label, row, grouped):
    outcome = OUTCOMES[row["outcome"]]
    group = str(row["group"]) if grouped else ""
    changes = changed_values(row)
    before, now, gap = (row[n] for n in ("reference_cost", "deployed_cost", "recourse_gap"))
    cells = [
        Cell(str(label), float(label) if isinstance(label, int) else None),
        *([Cell(group)] if grouped else []),
        Cell(outcome),
        _number(before, "" if math.isnan(before) else f"{before:.3g}"),
        _number(now, "" if math.isnan(now) else f"{now:.3g}"),
        _number(gap, "" if math.isnan(gap) else figure_text("recourse_gap", gap)),
        Cell(_asked(changes, "reference", row)),
        Cell(_asked(changes, "deployed", row)),
    ]
    return Person(outcome, group, tuple(cells))


def _number(value, text):
    return Cell(text, None if math.isnan(value) else float(value))


def _asked(changes, model, row):
    """What a model asks for: ``"income 1,500 → 1,700; housing rent → own"``."""
    status = str(row[f"{model}_status"])
    if status == "not needed":
        return "nothing: accepted as they are"
    if pd.isna(row[f"{model}_cost"]):
        return status
    steps = [
        f"{name} {_value(v['now'])} → {_value(v[model])}"
        for name, v in changes.iterrows()
        if v[model] != v["now"] and not (pd.isna(v[model]) and pd.isna(v["now"]))
    ]
    return "; ".join(steps) or status


def _value(value):
    """A raw value as it stands in the table, not as a picture writes it."""
    return str(value) if isinstance(value, str) else value_text(value)


def about_rows(about):
    """Name and value of what the audit says of itself; long ones are set apart.

    Returns
    -------
    list of (str, str, bool)
        Whether a value is long: code or JSON.
    """
    rows = []
    for name, value in about.items():
        if name == "versions":
            text = ", ".join(f"{package} {version}" for package, version in value.items())
        elif isinstance(value, (dict, list)):
            flat = all(not isinstance(v, (dict, list)) for v in value)
            simple = isinstance(value, list) and flat
            text = (
                ", ".join(map(str, value))
                if simple
                else json.dumps(value, indent=1, ensure_ascii=False)
            )
        elif value is None:
            text = "none"
        elif isinstance(value, float):
            text = f"{value:.4g}"
        else:
            text = str(value)
        rows.append((name.replace("_", " "), text, "\n" in text or len(text) > 120))
    return rows
