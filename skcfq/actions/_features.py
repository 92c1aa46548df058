"""Records of how one raw feature appears in the encoded matrix."""

import dataclasses

import numpy as np
import pandas as pd


@dataclasses.dataclass(frozen=True)
class AffineFeature:
    """A numeric feature with ``encoded = scale * raw + offset`` in one column.

    Attributes
    ----------
    name : str or int
        Name of the raw feature.
    raw_column : int
        Its position in the raw frame.
    column : int
        Its position in the encoded matrix.
    scale, offset : float
        Encoded units per raw unit, and the encoded value of raw 0.
    """

    name: object
    raw_column: int
    column: int
    scale: float
    offset: float


@dataclasses.dataclass(frozen=True)
class TableFeature:
    """A feature with finitely many values, each with its own encoded vector.

    Attributes
    ----------
    name : str or int
        Name of the raw feature, or of the one-hot group.
    raw_columns : tuple of int
        Positions in the raw frame: one, or all columns of a one-hot group.
    columns : ndarray of shape (n_columns,)
        Positions in the encoded matrix.
    categories : tuple
        The values' labels.
    values : ndarray of shape (n_categories, n_raw_columns), dtype object
        What stands in the raw frame for each category.
    table : ndarray of shape (n_categories, n_columns)
        Encoded vector of each category.
    """

    name: object
    raw_columns: tuple
    columns: np.ndarray
    categories: tuple
    values: np.ndarray
    table: np.ndarray

    def locate(self, frame):
        """Index of each row's category, -1 for a value that is not in the table."""
        if len(self.raw_columns) == 1:
            return category_codes(frame.iloc[:, self.raw_columns[0]], self.categories)
        rows = np.column_stack([numbers(frame.iloc[:, raw]) for raw in self.raw_columns])
        match = (rows[:, None, :] == self.values.astype(float)[None]).all(axis=2)
        return np.where(match.any(axis=1), match.argmax(axis=1), -1)


@dataclasses.dataclass(frozen=True)
class FixedFeature:
    """A raw feature that recourse cannot move, and why."""

    name: object
    raw_columns: tuple
    reason: str


def numbers(column):
    """Values of a numeric Series of any dtype as floats; missing ones are NaN."""
    return column.to_numpy(dtype=float, na_value=np.nan)


def category_codes(column, categories):
    """Position of each value of a Series among `categories`; -1 where it is not one of them."""
    missing = np.array([pd.isna(label) for label in categories], dtype=bool)
    # A dict, since pandas would not find True among 0 and 1.
    position = {c: i for i, c in enumerate(categories) if not missing[i]}
    codes = np.array([position.get(value, -1) for value in column.tolist()], dtype=np.int64)
    if missing.any():
        codes[column.isna().to_numpy()] = int(np.argmax(missing))
    if missing.sum() > 1:  # OneHotEncoder keeps None and NaN apart
        none = next(i for i, label in enumerate(categories) if label is None)
        codes[codes == none] = next(i for i in np.flatnonzero(missing) if i != none)
        codes[[value is None for value in column]] = none
    return codes
