"""Arrays as the measures need them: each check adds its sentence to a list of problems."""

import numbers

import numpy as np
import pandas as pd


def check_flags(name, value, problems):
    """Read one yes or no per person.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array-like of shape (n,)
        Booleans, or the numbers 0 and 1.
    problems : list of str
        Gets a sentence for what is wrong.

    Returns
    -------
    ndarray of shape (n,) of bool or None
        None if it cannot be read.

    Examples
    --------
    >>> check_flags("success", [1, 0], [])
    array([ True, False])
    """
    flags = _array(name, value, problems)
    if flags is None:
        return None
    if flags.ndim != 1:
        problems.append(f"{name} has shape {flags.shape}, must be (n,): one flag per person.")
        return None
    if flags.size == 0:
        return np.zeros(0, dtype=bool)
    if flags.dtype == bool:
        return flags
    if pd.isna(flags).any() or not all(flag in (0, 1) for flag in flags.tolist()):
        problems.append(f"{name} holds other values than True and False.")
        return None
    return flags.astype(bool)


def check_costs(name, value, problems):
    """Read one recourse cost per person.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array-like of shape (n,)
        Costs >= 0; NaN or infinity where no recourse was found.
    problems : list of str
        Gets a sentence for what is wrong.

    Returns
    -------
    ndarray of shape (n,) of float64 or None
        None if it cannot be read.

    Examples
    --------
    >>> check_costs("cost", [1, float("nan")], [])
    array([ 1., nan])
    """
    costs = _floats(name, value, problems)
    if costs is None:
        return None
    if costs.ndim != 1:
        problems.append(f"{name} has shape {costs.shape}, must be (n,): one cost per person.")
        return None
    negative = np.flatnonzero(costs < 0)
    if negative.size:
        row = negative[0]
        problems.append(
            f"{name} is negative in {negative.size} of {costs.size} rows, first {costs[row]:g} in "
            f"row {row}: a cost is >= 0, or NaN where no recourse was found."
        )
    return costs


def check_weights(name, value, problems):
    """Read one weight per person.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array-like of shape (n,)
        Finite weights >= 0.
    problems : list of str
        Gets a sentence for what is wrong.

    Returns
    -------
    ndarray of shape (n,) of float64 or None
        None if it cannot be read.

    Examples
    --------
    >>> check_weights("sample_weight", [1, 0.5], [])
    array([1. , 0.5])
    """
    weights = _floats(name, value, problems)
    if weights is None:
        return None
    if weights.ndim != 1:
        problems.append(f"{name} has shape {weights.shape}, must be (n,): one weight per person.")
        return None
    if not (np.isfinite(weights) & (weights >= 0)).all():
        problems.append(f"{name} must be finite and >= 0 in every row.")
    return weights


def check_actions(name, value, problems, *, flags=False):
    """Read one action per person.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array-like of shape (n, d)
        Changes, any row NaN where no recourse was found.
    problems : list of str
        Gets a sentence for what is wrong.
    flags : bool, default=False
        Whether booleans, "this feature changes", are kept as they are.

    Returns
    -------
    ndarray of shape (n, d) of float64 (or bool) or None
        None if it cannot be read.

    Examples
    --------
    >>> check_actions("delta", [[0, 2]], [])
    array([[0., 2.]])
    """
    actions = _array(name, value, problems)
    if actions is None:
        return None
    if actions.ndim != 2:
        problems.append(f"{name} has shape {actions.shape}, must be (n, d): one row per person.")
        return None
    return actions if flags and actions.dtype.kind == "b" else _floats(name, actions, problems)


def check_labels(name, value, problems):
    """Read one decision or class label per person.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array-like of shape (n,)
        Labels of any type, none missing.
    problems : list of str
        Gets a sentence for what is wrong.

    Returns
    -------
    ndarray of shape (n,) or None
        None if it cannot be read.

    Examples
    --------
    >>> check_labels("decision", ["no", "yes"], []).tolist()
    ['no', 'yes']
    """
    labels = _array(name, value, problems)
    if labels is None:
        return None
    if labels.ndim != 1:
        problems.append(f"{name} has shape {labels.shape}, must be (n,): one label per person.")
        return None
    n_missing = int(pd.isna(labels).sum())
    if n_missing:
        problems.append(f"{name} is missing in {n_missing} of {labels.size} rows.")
    return labels


def check_same_labels(labels, problems):
    """Refuse to compare text with numbers: every row would differ.

    Parameters
    ----------
    labels : dict of str to (ndarray of shape (n,) or None)
        Two label arrays by argument name.
    problems : list of str
        Gets a sentence for what is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> problems = []
    >>> check_same_labels({"a": np.array([0, 1]), "b": np.array(["no", "yes"])}, problems)
    >>> problems
    ['a holds numbers and b holds text: both must use the same labels.']
    """
    kinds = {name: _kind(array) for name, array in labels.items() if array is not None}
    if set(kinds.values()) == {"numbers", "text"}:
        said = " and ".join(f"{name} holds {kind}" for name, kind in kinds.items())
        problems.append(f"{said}: both must use the same labels.")


def check_same_shape(arrays, problems, *, rows_only=False):
    """Ask for the same shape of all arrays that could be read.

    Parameters
    ----------
    arrays : dict of str to (ndarray or None)
        Arrays by argument name.
    problems : list of str
        Gets a sentence for what is wrong.
    rows_only : bool, default=False
        Whether to compare the number of rows alone.

    Returns
    -------
    bool
        Whether they agree.

    Examples
    --------
    >>> import numpy as np
    >>> problems = []
    >>> check_same_shape({"a": np.zeros(2), "b": np.zeros(3)}, problems)
    False
    >>> problems
    ['a has shape (2,), b has shape (3,): the same people must stand in the same rows.']
    """
    shapes = {name: array.shape for name, array in arrays.items() if array is not None}
    if rows_only:
        shapes = {name: shape[0] for name, shape in shapes.items()}
    if len(set(shapes.values())) < 2:
        return True
    verb, unit = ("has", " rows") if rows_only else ("has shape", "")
    said = ", ".join(f"{name} {verb} {shape}{unit}" for name, shape in shapes.items())
    problems.append(f"{said}: the same people must stand in the same rows.")
    return False


def check_resampling(confidence_level, problems, n_resamples=0):
    """Check how an interval is asked for.

    Parameters
    ----------
    confidence_level : float
        Must lie in (0, 1).
    problems : list of str
        Gets a sentence for what is wrong.
    n_resamples : int, default=0
        Must be an integer >= 0.

    Examples
    --------
    >>> problems = []
    >>> check_resampling(95, problems)
    >>> problems
    ['confidence_level is 95, must be a number between 0 and 1, like 0.95.']
    """
    if not isinstance(confidence_level, numbers.Real) or not 0 < confidence_level < 1:
        problems.append(
            f"confidence_level is {confidence_level!r}, must be a number between 0 and 1, like 0.95."
        )
    if not isinstance(n_resamples, numbers.Integral) or n_resamples < 0:
        problems.append(
            f"n_resamples is {n_resamples!r}, must be an integer >= 0 (0: no interval)."
        )


def _array(name, value, problems):
    try:
        return np.asarray(value)
    except ValueError:
        problems.append(f"{name} has rows of different length.")
        return None


def _floats(name, value, problems):
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        problems.append(f"{name} cannot be read as an array of numbers.")
        return None


def _kind(labels):
    inferred = pd.api.types.infer_dtype(labels)
    if inferred in ("integer", "floating", "mixed-integer-float", "boolean"):
        return "numbers" if labels.size else "none"
    return "text" if inferred == "string" else "none"
