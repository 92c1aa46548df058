"""Rows of any kind as columns: arrays, data frames of any library, dicts, records. NumPy alone."""

from collections.abc import Mapping

import numpy as np


def read_columns(X, names, n_features, needed):
    """The columns of `X`, in the order of fit.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), data frame, dict of columns or structured array
        Columns with names are taken by name if the model has names, else by position.
    names : sequence of str or None
        Names of the columns in fit, if there were any.
    n_features : int
    needed : sequence of bool, shape (n_features,)
        Named columns that are not needed may be left out: they come back as None.

    Returns
    -------
    list of array-like, or ndarray of shape (n_samples, n_features)
        An ndarray where all columns have one type already.

    Raises
    ------
    ValueError
        Lists missing and unknown columns, or says what is wrong with the shape.
    TypeError
        For sparse input.
    """
    given = column_names(X)
    if given is None:
        return _matrix(X, n_features)
    if names is None:
        names, needed = given, [True] * len(given)
        if len(given) != n_features:
            raise ValueError(wrong_width(len(given), n_features))
    missing = [n for n, wanted in zip(names, needed, strict=True) if wanted and n not in given]
    known = set(names)
    unknown = [name for name in given if name not in known]
    if missing or unknown:
        raise ValueError(
            "X has other columns than in fit."
            + (f" Missing: {_some(missing)}." if missing else "")
            + (f" Unknown: {_some(unknown)}." if unknown else "")
        )
    known = set(given)
    columns = [X[name] if name in known else None for name in names]
    lengths = {_length(column) for column in columns if column is not None}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(
            f"X has columns of {sorted(lengths)} rows: at least one row, and equally many, are needed."
        )
    return columns


def column_names(X):
    """Names of the columns, None for plain arrays and lists."""
    if isinstance(X, Mapping):
        return list(X)
    for attribute in ("column_names", "columns"):  # pyarrow has both, and means names by the first
        if hasattr(X, attribute):
            return list(getattr(X, attribute))
    names = getattr(getattr(X, "dtype", None), "names", None)
    return None if names is None else list(names)


def as_numbers(column):
    """Values of a column as floats; missing ones are NaN.

    Raises
    ------
    ValueError
        If it holds text.
    """
    if isinstance(column, np.ndarray) and column.dtype.kind in "biuf":
        return column.astype(np.float64)
    if str(getattr(column, "dtype", "")).startswith(("datetime", "timedelta")):
        raise ValueError("times")
    if hasattr(column, "to_numpy"):
        try:  # pandas, whose missing values of extension types are no floats
            return column.to_numpy(dtype=np.float64, na_value=np.nan)
        except TypeError:
            return np.asarray(column.to_numpy(), dtype=np.float64)
    values = np.asarray(column)
    if values.dtype.kind in "US":
        raise ValueError("text")
    if values.dtype == object:
        if any(isinstance(value, str | bytes) for value in values.tolist()):
            raise ValueError("text")
        values = np.array([np.nan if is_missing(value) else value for value in values.tolist()])
    return values.astype(np.float64)


def as_values(column):
    """Values of a column as Python objects."""
    if hasattr(column, "to_pylist"):
        return column.to_pylist()
    if hasattr(column, "to_list"):
        return column.to_list()
    return column.tolist() if hasattr(column, "tolist") else list(column)


def is_missing(value):
    """Whether a value is None, NaN, or what a data frame library writes for a missing one."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def shorten(value):
    """What a value reads like, at most 60 characters, for messages."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def wrong_width(n_given, n_features):
    """scikit-learn's sentence."""
    return (
        f"X has {n_given} features, but PackedClassifier is expecting {n_features} features as "
        "input."
    )


def _matrix(X, n_features):
    if hasattr(X, "toarray"):
        raise TypeError("X is sparse, but dense data is required: use X.toarray().")
    given, X = X, np.asarray(X)
    if X.dtype.kind in "US" and not isinstance(given, np.ndarray):
        X = np.array(given, dtype=object)  # NumPy has turned numbers into text
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead. Reshape your data: a single row is "
            "X.reshape(1, -1)."
        )
    if X.shape[1] != n_features:
        raise ValueError(wrong_width(X.shape[1], n_features))
    if len(X) == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is required."
        )
    if X.dtype.kind == "c":
        raise ValueError("Complex data not supported.")
    return X


def _length(column):
    if np.ndim(column) != 1:
        raise ValueError("X: every column is one sequence of values, also for a single row.")
    return len(column)


def _some(names):
    return ", ".join(map(shorten, names[:8])) + (", ..." if len(names) > 8 else "")
