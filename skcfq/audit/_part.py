"""One part of an audit's rows, and what it adds to the audit."""

import dataclasses

import numpy as np
import pandas as pd

from ..metrics import accuracy
from ._groups import GroupCells
from ._people import join_tables, people_table, worst_people
from ._tally import PersonFigures, Tally


@dataclasses.dataclass(frozen=True)
class Part:
    """Consecutive rows of an audit.

    Attributes
    ----------
    rows : array-like or DataFrame of shape (n_rows, n_features)
        In the units of ``fit``.
    y : ndarray of shape (n_rows,) or None
        True labels.
    labels : DataFrame of shape (n_rows, n_groupings) or None
        Group labels, text.
    start : int or None
        Number of the first row, for messages about rows that came in parts.
    """

    rows: object
    y: np.ndarray | None = None
    labels: pd.DataFrame | None = None
    start: int | None = None

    def __len__(self):
        return len(self.rows)


@dataclasses.dataclass(frozen=True)
class Found:
    """What some parts add to an audit.

    Attributes
    ----------
    n_rows : int
    cells : dict of tuple of str to Tally
        One for each combination of group labels, in order of appearance; without groups there
        is one, ``()``.
    people : DataFrame or None
        Of :func:`people_table`; the index of rows that came in parts counts from 0.
    """

    n_rows: int
    cells: dict
    people: pd.DataFrame | None


class Totals:
    """What all parts so far add to an audit.

    Parameters
    ----------
    columns : sequence of str
        Columns of `X`.
    keep : int or None
        Lines of the table of people; None keeps all.
    numbered : bool
        Whether the table's index is the number of the row, so that it goes on from part to part.

    Attributes
    ----------
    n_parts, n_rows : int
    cells : dict of tuple of str to Tally
    """

    def __init__(self, columns, keep, *, numbered):
        self.n_parts, self.n_rows, self.cells = 0, 0, {}
        self._columns, self._keep, self._numbered = columns, keep, numbered
        self._tables = []

    def add(self, found):
        """Add what the next part found.

        Parameters
        ----------
        found : Found
        """
        for cell, tally in found.cells.items():
            known = self.cells.get(cell)
            self.cells[cell] = tally if known is None else known.merge(tally)
        if found.people is not None:
            start = self.n_rows if self._numbered else 0
            shifted = found.people.index + start if start else found.people.index
            self._tables.append(found.people.set_axis(shifted))
            if self._keep is not None:
                self._tables = [worst_people(self.people(), self._keep)]
        self.n_parts += 1
        self.n_rows += found.n_rows

    def people(self):
        """The table of people so far, or None."""
        return join_tables(self._tables, self._columns) if self._tables else None


def audit_part(auditor, part, keep=0):
    """Audit the rows of a part.

    Parameters
    ----------
    auditor : RecourseAuditor
        A fitted one.
    part : Part
    keep : int or None
        Lines of the table of people, the worst ones; None keeps all in order, 0 none.

    Returns
    -------
    Found
    """
    try:
        frame, comparison = auditor._comparison(part.rows)
        if part.y is not None:  # refuses missing labels, and text for numbers
            accuracy(part.y, comparison.deployed_decision)
    except ValueError as error:
        if part.start is None:
            raise
        last = part.start + len(part) - 1
        raise ValueError(f"rows {part.start} to {last}: {error}") from error
    figures = PersonFigures(comparison, part.y)
    cells, names = {(): figures.tally()}, None
    if part.labels is not None:
        rows_of = _rows_by_cell(part.labels)
        cells = {cell: figures.tally(rows) for cell, rows in rows_of.items()}
        joined, names = GroupCells(part.labels.columns).joined, np.empty(len(frame), dtype=object)
        for cell, rows in rows_of.items():
            names[rows] = joined(cell)
    people = None
    if keep is None or keep > 0:
        people = people_table(frame, comparison, figures, names, keep)
    return Found(len(frame), cells, people)


def _rows_by_cell(labels):
    """Positions of the rows of each combination of labels, in order of appearance."""
    codes, cells = pd.factorize(pd.MultiIndex.from_frame(labels))
    return {cell: np.flatnonzero(codes == code) for code, cell in enumerate(cells)}


def everybody(cells):
    """The tally of all cells together."""
    total = Tally.empty()
    for tally in cells.values():
        total = total.merge(tally)
    return total
