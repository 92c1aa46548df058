"""What an audit found: figures, groups, tests and people."""

import dataclasses
import os
from pathlib import Path

import pandas as pd

from .._utils._files import atomic_path
from ..metrics import RecourseScore
from ._differences import GroupTest
from ._json import read_result, result_fields, result_text
from ._sketch import GapSketch


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class AuditResult:
    """Figures of an audit, overall and by group, and the people behind them.

    With one column as `groups` a group is called as its label, ``"Female"``; with several columns
    ``"sex=Female"``, and ``"sex=Female & race=Black"`` for their combinations. Labels are text;
    a missing one is ``"missing"``.

    Attributes
    ----------
    measures : dict of str to Estimate
        Over everybody: ``accuracy`` of the deployed model, if labels were given,
        ``validity_drop``, ``recourse_gap`` (mean), ``abs_recourse_gap`` (mean of sizes),
        ``median_recourse_gap``, ``weighted_recourse_gap`` (change of all costs together),
        ``decision_flips``, ``reference_feasible``, ``deployed_feasible``,
        ``direction_similarity`` and ``action_overlap``.
    by_group : dict of str to dict of str to Estimate
        The same for each group; empty without groups.
    counts : dict of str to int
        People: ``people``, everybody; ``labelled`` and ``correct`` of them; ``flipped``, decided
        differently; ``needed``, refused by the reference; ``advised``, of those with advice;
        ``broken``, of those refused by the deployed model after it; ``served``, of the needed
        with advice of the deployed model; ``compared``, with a gap; ``directed`` and
        ``overlapping``, whose actions are compared in direction and in features.
    counts_by_group : dict of str to dict of str to int
        The same for each group.
    gaps : GapSketch
        Recourse gap of all people compared, person by person.
    gaps_by_group : dict of str to GapSketch
        The same for each group.
    groupings : dict of str to tuple of str
        The groups of each way to tell people apart: each column, and ``"sex & race"`` for the
        combinations of several.
    tests : tuple of GroupTest
        Whether groups differ; empty without groups.
    people : DataFrame or None
        One row per person, raw units: the columns of `X`, then for each feature that some
        advice changes ``<feature> (reference)`` and ``<feature> (deployed)``, what the models
        advise; ``reference_decision``, ``deployed_decision``, ``needed``, ``advice_survives``,
        ``reference_cost``, ``deployed_cost``, ``recourse_gap``, ``reference_status``,
        ``deployed_status``, ``outcome`` (``"holds"``, ``"broken"``, ``"no advice"``, ``"not needed"``
        or, for people whom the reference accepts and the deployed model does not, ``"now
        refused"``) and, with groups, ``group``. Of rows that came in parts, the worst ones only,
        worst first, with their row number as index; None if they were not asked for.
    about : dict of str to plain values
        What was done with what: ``target``, ``classes``, ``n_rows``, ``reference`` and
        ``deployed`` (text of the models), ``actions`` (JSON or None), ``solver``, ``groups``,
        ``confidence_level``, ``source``, ``n_parts``, ``people`` (whom the table lists),
        ``data_sha256`` (or None), ``versions`` and ``seconds``.
    """

    measures: dict
    by_group: dict
    counts: dict
    counts_by_group: dict
    gaps: GapSketch
    gaps_by_group: dict
    groupings: dict
    tests: tuple
    people: pd.DataFrame | None
    about: dict

    def to_frame(self):
        """The figures as a tidy frame.

        Returns
        -------
        DataFrame
            Columns ``group`` ("all" for everybody), ``measure``, ``value``, ``low``, ``high``
            and ``n``, the people counted.
        """
        # A list, for one of the groups may itself be called "all".
        parts = [("all", self.measures), *self.by_group.items()]
        return pd.DataFrame(
            [
                {
                    "group": group,
                    "measure": name,
                    "value": float(e),
                    "low": e.low,
                    "high": e.high,
                    "n": e.n,
                }
                for group, measures in parts
                for name, e in measures.items()
            ]
        )

    def tests_frame(self):
        """The tests for differences between groups as a frame.

        Returns
        -------
        DataFrame
            One row for each test, columns as the attributes of :class:`GroupTest`.
        """
        columns = [field.name for field in dataclasses.fields(GroupTest)]
        return pd.DataFrame([dataclasses.asdict(test) for test in self.tests], columns=columns)

    @property
    def score(self):
        """The overall figures as a :class:`~skcfq.metrics.RecourseScore`, if labels were given."""
        if "accuracy" not in self.measures:
            raise AttributeError("The audit had no labels: call audit(X, y) for an accuracy.")
        return RecourseScore.from_measures(self.measures["accuracy"], self.measures)

    def to_json(self, path=None, *, people=True):
        """The whole record as JSON, in a numbered format.

        Parameters
        ----------
        path : path-like, default=None
            A file to write it to as well.
        people : bool, default=True
            Whether the table of people is part of it. They are personal data.

        Returns
        -------
        str
            Numbers that are not defined are null.
        """
        text = result_text(self, people)
        if path is not None:
            with atomic_path(path) as part:
                part.write_text(text, encoding="utf-8")
        return text

    @classmethod
    def from_json(cls, source):
        """Read what `to_json` wrote.

        Parameters
        ----------
        source : str or path-like
            The text, or the path of a file.

        Returns
        -------
        AuditResult
            Equal to the one that was written, but for people that were left out.

        Raises
        ------
        ValueError
            If the text is no record of an audit, or of a format that is not known. Nothing in it
            is run.
        """
        if not isinstance(source, str) or os.path.isfile(source):
            source = Path(source).read_text(encoding="utf-8")
        return cls(**read_result(source))

    def __eq__(self, other):
        if not isinstance(other, AuditResult):
            return NotImplemented
        return result_fields(self, people=True) == result_fields(other, people=True)

    __hash__ = None

    def __repr__(self):
        figures = "".join(f"\n    {name}={e!r}," for name, e in self.measures.items())
        return f"AuditResult({self.counts['people']} people, {len(self.by_group)} groups,{figures[:-1]})"
