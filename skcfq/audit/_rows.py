"""Where an audit's rows come from: cut into parts of one size, whatever they came in."""

import dataclasses
import hashlib

import numpy as np
import pandas as pd

from .._utils._errors import raise_problems
from ._groups import label_text
from ._part import Part


@dataclasses.dataclass(frozen=True)
class Source:
    """Rows to audit.

    Attributes
    ----------
    kind : str
        ``"memory"``, ``"iterator"``, ``"parquet"`` or ``"dask"``.
    parts : iterable of Part
        In order; of Dask delayed frames.
    names : tuple of str
        What tells groups apart.
    n_rows : int or None
        If it is known beforehand.
    columns : Columns or None
        What to read of each delayed frame.
    """

    kind: str
    parts: object
    names: tuple
    n_rows: int | None = None
    columns: object = None


@dataclasses.dataclass(frozen=True)
class Columns:
    """What the columns of a table that comes in parts are.

    Attributes
    ----------
    features : list of str or None
        What the models take; None for auditors fitted on arrays.
    y : str or None
        Labels.
    groups : list of str
    """

    features: list | None
    y: str | None
    groups: list

    @property
    def needed(self):
        """Every column to be read, once."""
        others = [*self.groups, *([] if self.y is None else [self.y])]
        return list(dict.fromkeys([*self.features, *others]))

    def problems(self, where, columns, *, others_allowed):
        """Sentences about columns that are missing, or not known.

        Parameters
        ----------
        where : str
            What has these columns.
        columns : sequence of str
        others_allowed : bool
            Whether further columns do no harm, as in a file.

        Returns
        -------
        list of str
        """
        missing = [name for name in self.needed if name not in columns]
        unknown = [] if others_allowed else [n for n in columns if n not in self.needed]
        return [f"{where} lacks the columns {missing}."] * bool(missing) + [
            f"{where} has columns that were not there in fit: {unknown}."
        ] * bool(unknown)

    def part(self, frame, y=None):
        """The rows, labels and groups of a frame that has all columns.

        Parameters
        ----------
        frame : DataFrame
        y : array-like, default=None
            Labels that came beside it.

        Returns
        -------
        Part
        """
        if self.y is not None:
            y = frame[self.y].to_numpy()
        labels = {name: label_text(frame[name]) for name in self.groups}
        return Part(
            frame[self.features].reset_index(drop=True),
            None if y is None else np.asarray(y),
            pd.DataFrame(labels) if labels else None,
        )


def table_parts(rows, y, labels, size):
    """Parts of a table in memory.

    Parameters
    ----------
    rows : DataFrame or ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or None
    labels : DataFrame or None
    size : int

    Yields
    ------
    Part
    """
    cut = getattr(rows, "iloc", rows)
    for start in range(0, len(rows), size):
        rest = slice(start, start + size)
        yield Part(
            cut[rest],
            None if y is None else y[rest],
            None if labels is None else labels.iloc[rest],
        )


def chunk_parts(chunks, columns):
    """Parts of the chunks of an iterator, checked one by one.

    Parameters
    ----------
    chunks : iterator of array-like, DataFrame or (X, y)
    columns : Columns

    Yields
    ------
    Part
    """
    for number, chunk in enumerate(chunks):
        rows, y = chunk if isinstance(chunk, tuple) and len(chunk) == 2 else (chunk, None)
        where, problems = f"chunk {number}", []
        rows = rows.to_pandas() if hasattr(rows, "to_pandas") else rows
        named = isinstance(rows, pd.DataFrame)
        if y is not None and columns.y is not None:
            problems.append(f"{where} comes with labels, but y={columns.y!r} names a column.")
        if columns.features is not None and named:
            problems += columns.problems(where, list(rows.columns), others_allowed=False)
        elif columns.groups or columns.y is not None:
            problems.append(f"{where} is no DataFrame: y and groups name columns of one.")
        if y is not None and len(y) != len(rows):
            problems.append(f"{where} has {len(rows)} rows and {len(y)} labels.")
        raise_problems("RecourseAuditor.audit", problems)
        if not len(rows):
            continue
        if columns.features is not None and named:
            yield columns.part(rows, y)
        else:
            rows = rows.reset_index(drop=True) if named else np.asarray(rows)
            yield Part(rows, None if y is None else np.asarray(y))


def recut(parts, size):
    """The same rows in parts of one size.

    So that figures do not depend on how the rows came: a search rounds by what it computes at once.

    Parameters
    ----------
    parts : iterable of Part
    size : int

    Yields
    ------
    Part
        Of `size` rows, but for the last one.

    Raises
    ------
    ValueError
        If some parts have labels and some have none.
    """
    waiting, n, start = [], 0, 0
    for part in parts:
        if waiting and (part.y is None) != (waiting[0].y is None):
            raise ValueError("RecourseAuditor.audit: some chunks come with labels, some without.")
        waiting.append(part)
        n += len(part)
        if n < size:
            continue
        ready = list(table_parts(*_joined(waiting), size))
        waiting = [ready.pop()] if len(ready[-1]) < size else []
        n = sum(map(len, waiting))
        for each in ready:
            yield _numbered(each, start)
            start += size
    if waiting:
        yield _numbered(Part(*_joined(waiting)), start)


def row_hashes(part):
    """A hash of the values of each row, with its label and groups.

    Numbers are hashed as floats and words as text, so that it does not depend on the types that
    columns have in a part.

    Parameters
    ----------
    part : Part

    Returns
    -------
    ndarray of uint64, shape (n_rows,)
    """
    columns = list(pd.DataFrame(part.rows).items())
    columns += [] if part.y is None else [("y", pd.Series(part.y))]
    columns += [] if part.labels is None else list(part.labels.items())
    plain = [_plain(column.reset_index(drop=True)) for _, column in columns]
    return pd.util.hash_pandas_object(pd.DataFrame(dict(enumerate(plain))), index=False).to_numpy()


class DataHash:
    """SHA-256 over the hashes of rows, the same however they are cut into parts."""

    def __init__(self):
        self._all = hashlib.sha256()

    def add(self, part):
        """Add rows; returns the SHA-256 of these alone (str)."""
        rows = row_hashes(part).astype("<u8").tobytes()
        self._all.update(rows)
        return hashlib.sha256(rows).hexdigest()

    def hexdigest(self):
        """Of all rows so far (str)."""
        return self._all.hexdigest()


def _plain(column):
    if column.dtype.kind in "iufb":
        return column.to_numpy(dtype=float, na_value=np.nan)
    words = column.astype(object)
    return words.where(words.notna(), None)


def _joined(parts):
    """Rows, labels and groups of several parts."""
    if len(parts) == 1:
        return parts[0].rows, parts[0].y, parts[0].labels
    rows = [part.rows for part in parts]
    framed = isinstance(rows[0], pd.DataFrame)
    return (
        pd.concat(rows, ignore_index=True) if framed else np.concatenate(rows),
        None if parts[0].y is None else np.concatenate([part.y for part in parts]),
        None if parts[0].labels is None else pd.concat([part.labels for part in parts]),
    )


def _numbered(part, start):
    rows = part.rows.reset_index(drop=True) if isinstance(part.rows, pd.DataFrame) else part.rows
    return dataclasses.replace(part, rows=rows, start=start)
