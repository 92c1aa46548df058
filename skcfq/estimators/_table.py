"""Input rows: checked once, then a frame in raw units everywhere."""

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_consistent_length, column_or_1d, validate_data

from .._utils._errors import raise_problems


def check_table(estimator, X, *, reset, allow_missing=False):
    """Check rows and return them as a frame in raw units.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``n_features_in_`` and ``feature_names_in_`` if `reset`, else is compared with.
    X : array-like or DataFrame of shape (n_samples, n_features)
        An array must be numeric and finite; a frame may hold categories, with missing ones.
    reset : bool
    allow_missing : bool, default=False
        Whether the user's own preprocessor takes care of missing numbers.

    Returns
    -------
    DataFrame of shape (n_samples, n_features)
        Columns are named ``x0``, ``x1``, ... if `X` has no names. Missing categories are NaN.

    Raises
    ------
    ValueError
        For missing or infinite numbers, other columns than in fit, no rows or no columns.
    TypeError
        For sparse input.
    """
    if hasattr(X, "to_pandas") and not isinstance(X, pd.DataFrame):
        X = X.to_pandas()
    if not isinstance(X, pd.DataFrame):
        array = validate_data(estimator, X, reset=reset, dtype="numeric")
        if array.dtype.kind == "b":
            array = array.astype(float)
        return pd.DataFrame(array, columns=_names(estimator, array.shape[1], reset))
    if X.columns.has_duplicates:
        twice = X.columns[X.columns.duplicated()].unique().tolist()
        raise ValueError(f"X has columns of the same name: {twice}. Rename them.")
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if X.shape[1] == 0 or len(X) == 0:
        raise ValueError(
            f"Found array with {len(X)} sample(s) and {X.shape[1]} feature(s) (shape={X.shape}) "
            "while a minimum of 1 is required."
        )
    if not all(isinstance(name, str) for name in X.columns):
        # As in scikit-learn, only names that are strings are names.
        X = X.set_axis(_names(estimator, X.shape[1], reset), axis=1)
    frame, problems = {}, []
    for name, column in X.items():
        if isinstance(column.dtype, pd.SparseDtype):
            raise TypeError(
                f"column {name!r} is sparse: dense data is required, use sparse.to_dense()."
            )
        if pd.api.types.is_complex_dtype(column.dtype):
            raise ValueError(f"Complex data not supported: column {name!r}.")
        if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(
            column.dtype
        ):
            values = column.to_numpy(dtype=float, na_value=np.nan)
            if np.isinf(values).any():
                problems.append(f"column {name!r} holds infinity.")
            if np.isnan(values).any() and not allow_missing:
                problems.append(
                    f"column {name!r} holds NaN. Impute it: preprocessor=ColumnTransformer with "
                    "SimpleImputer in front of the scaler."
                )
            # Extension integers become NumPy's; integers without missing values stay integers.
            whole = pd.api.types.is_integer_dtype(column.dtype) and not np.isnan(values).any()
            frame[name] = column.astype("int64") if whole else pd.Series(values, index=column.index)
        elif _holds_times(column):
            problems.append(
                f"column {name!r} holds dates or times: turn them into numbers first, e.g. years."
            )
        else:
            # One kind of missing category, whatever the column's dtype calls it.
            values = column.astype(object)
            frame[name] = values.where(values.notna(), np.nan)
    raise_problems(f"Input X of {type(estimator).__name__}", problems)
    return pd.DataFrame(frame, index=X.index)


def read_labels(y, frame):
    """Check labels.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
    frame : DataFrame of shape (n_samples, n_features)
        The rows that they belong to.

    Returns
    -------
    ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If labels are missing, or are not as many as the rows.
    """
    y = column_or_1d(y, warn=True)
    if pd.isna(y).any() or (y.dtype.kind == "f" and np.isinf(y).any()):
        raise ValueError("Input y contains NaN, infinity or missing labels.")
    check_consistent_length(frame, y)
    return y


def as_given(frame, X):
    """Give the columns of words the dtypes that they have in `X`, e.g. categorical.

    Parameters
    ----------
    frame : DataFrame
        With columns of `check_table`, perhaps moved, and others.
    X : array-like or DataFrame
        As it came from the user.

    Returns
    -------
    DataFrame
    """
    dtypes = X.dtypes.to_dict() if isinstance(X, pd.DataFrame) else {}
    words = [name for name in dtypes if name in frame and frame[name].dtype == object]
    return frame.astype({name: dtypes[name] for name in words})


def encode_rows(subject, encoding, frame, *, allow_missing=False):
    """Encode raw rows, or say what keeps them from being encoded.

    Parameters
    ----------
    subject : str
        Whose rows these are, for the message.
    encoding : Encoding
    frame : DataFrame of shape (n_samples, n_features)
    allow_missing : bool, default=False
        Whether numbers may be missing, as for models that know what to do with them.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_columns)

    Raises
    ------
    ValueError
        Names columns, values and known values of unknown categories, text where numbers are
        needed, and columns whose missing values no imputer fills.
    """
    try:
        encoded = encoding.encode(frame)
    except ValueError as error:
        problems, unknown = _text_in_numbers(encoding, frame), encoding.unknown_categories(frame)
        if unknown:
            unknown[-1] += (
                " Correct the values, or give a preprocessor whose OneHotEncoder has "
                "handle_unknown='infrequent_if_exist'."
            )
        if not problems + unknown:
            raise
        raise ValueError(f"X of {subject}: {' '.join(problems + unknown)}") from error
    if not allow_missing and not np.isfinite(encoded).all():
        missing = frame.columns[frame.isna().any()].tolist()
        origin = f", from the columns {missing}" if missing else ""
        raise ValueError(
            f"X of {subject} holds NaN or infinity after the preprocessor{origin}: add a "
            "SimpleImputer to it."
        )
    return encoded


def _text_in_numbers(encoding, frame):
    """Sentences about text in columns that held numbers in fit, empty if there is none."""
    problems = []
    for feature in encoding.features:
        if hasattr(feature, "raw_column"):  # it is numeric
            column = frame.iloc[:, feature.raw_column]
            text = column[pd.to_numeric(column, errors="coerce").isna() & column.notna()]
            if len(text):
                problems.append(f"column {feature.name!r} holds {text.iloc[0]!r}, not a number.")
    return problems


def _names(estimator, n_columns, reset):
    """Names for columns that came without: those of fit, else ``x0``, ``x1``, ..."""
    if not reset and hasattr(estimator, "feature_names_in_"):
        return estimator.feature_names_in_
    return [f"x{i}" for i in range(n_columns)]


def _holds_times(column):
    """Whether a column holds dates, times, spans or periods, also as Python objects."""
    kinds = {"datetime64", "datetime", "date", "time", "timedelta64", "timedelta", "period"}
    return pd.api.types.infer_dtype(column, skipna=True) in kinds
