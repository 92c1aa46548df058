"""What a ColumnTransformer of plain parts computes, without the checks that take most of its time.

On few rows a ColumnTransformer takes some ten milliseconds, of which the arithmetic is a
hundredth. The same arithmetic is done here, to the bit, for what surely gets through all checks;
anything else is left to the transformer itself, errors included.
"""

import dataclasses

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler


@dataclasses.dataclass(frozen=True)
class DirectEncoder:
    """Branches of a fitted ColumnTransformer that are known to the last detail.

    Attributes
    ----------
    names : tuple or None
        Columns that a frame has to have, in this order; None: any `n_features`.
    n_features : int
    branches : tuple of (function, tuple of int)
        Each takes a frame and positions of columns to an array of shape (n_samples, n_outputs),
        or to None.
    """

    names: tuple | None
    n_features: int
    branches: tuple

    def encode(self, frame):
        """Encode raw rows in float64.

        Parameters
        ----------
        frame : DataFrame of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_columns), or None
            None where only the transformer itself can tell.
        """
        if frame.shape[1] != self.n_features:
            return None
        if self.names is not None and tuple(frame.columns) != self.names:
            return None
        parts = []
        for branch, columns in self.branches:
            part = branch(frame, columns)
            if part is None:
                return None
            parts.append(part)
        return np.hstack(parts)


def direct_encoder(preprocessor):
    """The direct form of a fitted preprocessor.

    Parameters
    ----------
    preprocessor : fitted transformer

    Returns
    -------
    DirectEncoder or None
        None if any part of it is more than a StandardScaler, a OneHotEncoder of texts, columns as
        they are or columns that are dropped.
    """
    if type(preprocessor) is not ColumnTransformer or preprocessor.transformer_weights is not None:
        return None
    names = getattr(preprocessor, "feature_names_in_", None)
    names = None if names is None else tuple(names)
    branches = []
    for _, transformer, columns in preprocessor.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        positions = _positions(columns, names)
        if positions == ():  # nothing was learned
            continue
        branch = None if positions is None else _branch(transformer)
        if branch is None:
            return None
        branches.append((branch, positions))
    return DirectEncoder(names, preprocessor.n_features_in_, tuple(branches)) if branches else None


def _positions(columns, names):
    """Where columns are, a tuple of int; None if they are told in another way than by a list."""
    if not isinstance(columns, list):
        return None
    if names is not None and all(isinstance(column, str) for column in columns):
        return tuple(map(names.index, columns))
    return tuple(columns) if all(type(column) is int for column in columns) else None


def _branch(transformer):
    kind = type(transformer)
    if kind is StandardScaler:
        return _Scaled(transformer.mean_, transformer.scale_)
    if kind is FunctionTransformer and transformer.func is None and not transformer.validate:
        return _numbers
    if kind is OneHotEncoder and _is_plain(transformer):
        return _OneHot([_Categories(known) for known in transformer.categories_])
    return None


def _is_plain(encoder):
    return (
        encoder.drop_idx_ is None
        and encoder.min_frequency is None
        and encoder.max_categories is None
        and np.dtype(encoder.dtype) == np.float64
        and all(
            type(value) is str or value is None or _is_nan(value)
            for known in encoder.categories_
            for value in known
        )
    )


def _numbers(frame, columns):
    """Columns of whole numbers and double precision, as floats; None if others are among them."""
    dtypes = [frame.dtypes.iloc[column] for column in columns]
    if not all(isinstance(d, np.dtype) and (d.kind in "iu" or d == np.float64) for d in dtypes):
        return None
    return frame.iloc[:, list(columns)].to_numpy(dtype=np.float64)


@dataclasses.dataclass(frozen=True)
class _Scaled:
    """What a StandardScaler computes; None for infinity, which it refuses."""

    mean: np.ndarray | None
    scale: np.ndarray | None

    def __call__(self, frame, columns):
        values = _numbers(frame, columns)
        if values is None or np.isinf(values).any():
            return None
        values = values if self.mean is None else values - self.mean
        return values if self.scale is None else values / self.scale


class _Categories(dict):
    """Position of each category; NaN, which differs from itself, is found by what it is."""

    def __init__(self, known):
        super().__init__((value, i) for i, value in enumerate(known) if not _is_nan(value))
        self.size = len(known)
        self.nan = next((i for i, value in enumerate(known) if _is_nan(value)), None)

    def __missing__(self, value):
        if self.nan is None or not _is_nan(value):
            raise KeyError(value)
        return self.nan


def _is_nan(value):
    return type(value) is float and value != value


@dataclasses.dataclass(frozen=True)
class _OneHot:
    """What a OneHotEncoder of texts computes; None if there is a value that it does not know."""

    categories: list

    def __call__(self, frame, columns):
        encoded = np.zeros((len(frame), sum(known.size for known in self.categories)))
        everyone, start = np.arange(len(frame)), 0
        for known, column in zip(self.categories, columns, strict=True):
            try:
                codes = np.array([known[value] for value in frame.iloc[:, column].tolist()])
            except (KeyError, TypeError):  # what is not known, and what has no hash
                return None
            encoded[everyone, start + codes] = 1.0
            start += known.size
        return encoded
