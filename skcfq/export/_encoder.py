"""A fitted preprocessor as plain numbers: how each raw column becomes network inputs.

NumPy alone. Every input of the network starts at its value in `base`. A numeric column sets one
input to ``scale * value + offset``; a category sets the few inputs in which it differs from the
base.
"""

import dataclasses
from functools import cached_property

import numpy as np

from .._utils._errors import raise_problems
from ._rows import as_numbers, as_values, is_missing, shorten


@dataclasses.dataclass(frozen=True)
class NumberColumn:
    """A numeric raw column.

    Attributes
    ----------
    name : str
    column : int
        The network input that it sets.
    scale, offset : float
        ``input = scale * value + offset``.
    missing : float or None
        Input of a missing value; None: it is refused.
    """

    name: str
    column: int
    scale: float
    offset: float
    missing: float | None = None


@dataclasses.dataclass(frozen=True)
class CategoryColumn:
    """A categorical raw column.

    Attributes
    ----------
    name : str
    categories : tuple of str, int, float, bool or None
        Known values; None is the category of missing values.
    cells : tuple of tuple of (int, float)
        For each category, the inputs that it sets and their values.
    missing, unknown : tuple of (int, float) or None
        The same for a missing value that is no category, and for one that is not known; None: it
        is refused.
    """

    name: str
    categories: tuple
    cells: tuple
    missing: tuple | None = None
    unknown: tuple | None = None

    @cached_property
    def position(self):
        """Index of each category, and of missing and unknown values."""
        index = {category: i for i, category in enumerate(self.categories)}
        missing = index.pop(None, len(self.cells))
        return index, missing, len(self.cells) + 1

    @cached_property
    def table(self):
        """Inputs and values, of shape (n_categories + 2, n_cells); the last rows are missing and unknown.

        A category with fewer cells repeats -1, which stands for no input.
        """
        rows = [*self.cells, self.missing or (), self.unknown or ()]
        n_cells = max(map(len, rows))
        inputs = np.full((len(rows), n_cells), -1)
        values = np.zeros((len(rows), n_cells))
        for row, cells in enumerate(rows):
            for k, (column, value) in enumerate(cells):
                inputs[row, k], values[row, k] = column, value
        return inputs, values

    def __getstate__(self):
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def __setstate__(self, state):
        for field, value in zip(dataclasses.fields(self), state, strict=True):
            object.__setattr__(self, field.name, value)


@dataclasses.dataclass(frozen=True)
class IgnoredColumn:
    """A raw column that the preprocessor drops."""

    name: str


@dataclasses.dataclass(frozen=True)
class Encoder:
    """Raw columns to network inputs.

    Attributes
    ----------
    columns : tuple of NumberColumn, CategoryColumn or IgnoredColumn
        In raw order.
    base : tuple of float
        Value of each input before any column sets it.
    """

    columns: tuple
    base: tuple

    @property
    def needed(self):
        """Which raw columns matter."""
        return [not isinstance(column, IgnoredColumn) for column in self.columns]

    def encode(self, columns):
        """Encode raw columns.

        Parameters
        ----------
        columns : list of array-like, or ndarray of shape (n_samples, n_features)
            As ``read_columns`` gives them.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_inputs)

        Raises
        ------
        ValueError
            Lists columns with text for numbers, infinity, missing values or unknown categories.
        """
        columns = list(columns.T) if isinstance(columns, np.ndarray) else columns
        n_samples = next(len(column) for column in columns if column is not None)
        encoded = np.empty((n_samples, len(self.base)))
        encoded[:] = self.base
        problems = []
        for record, column in zip(self.columns, columns, strict=True):
            if isinstance(record, NumberColumn):
                _set_numbers(encoded, record, column, problems)
            elif isinstance(record, CategoryColumn):
                _set_categories(encoded, record, column, problems)
        raise_problems("X of PackedClassifier", problems)
        return encoded


def _set_numbers(encoded, record, column, problems):
    try:
        values = as_numbers(column)
    except (TypeError, ValueError):
        problems.append(f"column {record.name!r} holds something that is not a number.")
        return
    set_to = record.scale * values + record.offset
    if not np.isfinite(set_to).all():
        missing = np.isnan(values)
        if np.isinf(set_to).any():
            problems.append(f"column {record.name!r} holds infinity.")
        elif record.missing is None:
            problems.append(
                f"column {record.name!r} holds missing values, which fit did not allow."
            )
        else:
            set_to[missing] = record.missing
    encoded[:, record.column] = set_to


def _set_categories(encoded, record, column, problems):
    values, (index, missing, unknown) = as_values(column), record.position
    try:
        codes = np.array([index.get(value, unknown) for value in values])
    except TypeError:  # a list, say, has no hash
        problems.append(
            f"column {record.name!r} holds values that are not plain: {shorten(values[0])}."
        )
        return
    for row in np.flatnonzero(codes == unknown).tolist():
        if is_missing(values[row]):
            codes[row] = missing
    if record.missing is None and (codes == len(record.cells)).any():
        problems.append(f"column {record.name!r} holds missing values, which fit did not have.")
    if record.unknown is None and (codes == unknown).any():
        known = ", ".join(map(shorten, record.categories[:8])) + ", ..." * (len(record.cells) > 8)
        first = shorten(values[int(np.argmax(codes == unknown))])
        problems.append(
            f"column {record.name!r} holds {first}, not seen in fit; known are {known}."
        )
    inputs, settings = (part[codes] for part in record.table)  # (n_samples, n_cells)
    rows, cells = np.nonzero(inputs >= 0)
    encoded[rows, inputs[rows, cells]] = settings[rows, cells]
