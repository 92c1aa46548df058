"""The teacher: trained once, its recourse solved once, both reusable over a grid."""

import contextlib
import dataclasses
import functools
import os

import joblib
import pandas as pd
from filelock import FileLock
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_memory, has_fit_parameter
from skorch import NeuralNet

from .. import __version__
from ..actions import bind_actions
from ._views import as_fitted, is_fitted, network_view


def fit_teacher(teacher, frame, y, sample_weight, named):
    """Fit a clone of a teacher; a fitted one is returned as it is.

    Parameters
    ----------
    teacher : classifier
    frame : DataFrame of shape (n_samples, n_features)
        Raw training rows.
    y : ndarray of shape (n_samples,)
        Labels.
    sample_weight : ndarray of shape (n_samples,)
    named : bool
        Whether the user's rows had column names.

    Returns
    -------
    fitted classifier
    """
    if is_fitted(teacher):
        return teacher.estimator if isinstance(teacher, FrozenEstimator) else teacher
    rows = frame if named and not isinstance(teacher, NeuralNet) else as_fitted(teacher, frame)
    uneven = (sample_weight != sample_weight[0]).any()
    if has_fit_parameter(teacher, "sample_weight"):
        return clone(teacher).fit(rows, y, sample_weight=sample_weight)
    if uneven:
        raise ValueError(
            f"The teacher {type(teacher).__name__} takes no sample_weight: fit it yourself and give "
            "FrozenEstimator(teacher)."
        )
    return clone(teacher).fit(rows, y)


def learn_teacher(estimator, teacher, table, *, named, want_recourse, solver):
    """A fitted teacher and its recourse on the merged training rows.

    Both are looked up in the estimator's ``memory`` first. A lock makes cells of a grid that
    run at the same time wait for each other instead of training the same teacher twice.

    Parameters
    ----------
    estimator : BaseQuantizedClassifier
        For ``memory``, ``actions`` and ``target_``.
    teacher : classifier
    table : TrainingTable
    named : bool
        As in :func:`fit_teacher`.
    want_recourse : bool
        Whether to solve it.
    solver : BaseSolver

    Returns
    -------
    teacher : fitted classifier
    space : ActionSpace
    result : RecourseResult or None
        Of the merged rows, in encoded units alone.
    solve : callable
        Raw rows to the teacher's recourse, likewise and looked up likewise.
    """
    memory = check_memory(estimator.memory)
    key = None if memory.location is None else _fingerprint(teacher, table, named)
    if is_fitted(teacher):
        fitted = _keyed_fit(key, teacher, table, named)
    else:
        with _lock(memory, key):
            # The key is hashed from all that the ignored arguments hold, only faster.
            teach = memory.cache(_keyed_fit, ignore=["teacher", "table", "named"])
            fitted = teach(key, teacher, table, named)
    view = network_view(fitted, table.frame.columns)
    space = bind_actions(
        estimator.actions, view.encoding, table.merged, table.merged_weight
    ).without_values()
    solve = functools.partial(
        _recourse, memory, key, estimator.actions, estimator.target_, solver, view, space
    )
    return fitted, space, solve(table.merged) if want_recourse else None, solve


def _recourse(memory, key, actions, target, solver, view, space, frame):
    """A teacher's recourse of raw rows, looked up by the teacher's key, the rows and what is asked."""
    rows = None if key is None else joblib.hash(_hashed(frame))
    with _lock(memory, f"{key}-{rows}"):
        solved = memory.cache(_keyed_solve, ignore=["view", "space", "frame"])
        return solved(key, rows, actions, target, solver, view, space, frame)


def _fingerprint(teacher, table, named):
    """What a fitted teacher follows from, hashed."""
    rows = _hashed(table.frame)
    columns = [(str(name), str(dtype)) for name, dtype in table.frame.dtypes.items()]
    return joblib.hash((__version__, teacher, rows, columns, table.labels, table.weight, named))


def _hashed(frame):
    """Numbers that the values of each row follow from and no others do, faster than from its pickle."""
    return pd.util.hash_pandas_object(frame, index=False).to_numpy()


def _keyed_fit(key, teacher, table, named):
    """`fit_teacher`, looked up by key."""
    return fit_teacher(teacher, table.frame, table.labels, table.weight, named)


def _keyed_solve(key, rows, actions, target, solver, view, space, frame):
    """Recourse of a teacher, without raw rows, which training does not look at and which take longest to load."""
    result = view.solve(solver, frame, target, space)
    return dataclasses.replace(result, counterfactual=result.counterfactual.iloc[:, :0])


@contextlib.contextmanager
def _lock(memory, key):
    if memory.location is None:
        yield
        return
    folder = os.path.join(memory.location, "skcfq-locks")
    os.makedirs(folder, exist_ok=True)
    with FileLock(os.path.join(folder, f"{key}.lock")):
        yield
