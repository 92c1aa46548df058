"""The teacher: trained once, its recourse solved once, both reusable over a grid."""

import contextlib
import os

import joblib
from filelock import FileLock
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_memory, has_fit_parameter

from ..actions import bind_actions
from ._views import is_fitted, network_view


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
    if isinstance(teacher, FrozenEstimator):
        return teacher.estimator
    if is_fitted(teacher):
        return teacher
    rows = frame if named else frame.to_numpy()
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
        Of the merged rows.
    """
    memory = check_memory(estimator.memory)
    asked = (teacher, table.frame, table.labels, table.weight, named)
    key = joblib.hash(asked)
    with _lock(memory, key):
        fitted = memory.cache(fit_teacher)(*asked)
    view = network_view(fitted, table.frame.columns)
    space = bind_actions(estimator.actions, view.encoding, table.merged, table.merged_weight)
    if not want_recourse:
        return fitted, space, None
    with _lock(memory, f"{key}-recourse"):
        # The fitted teacher follows from `key`: hashing what it was made from is enough.
        solve = memory.cache(_solve, ignore=["view", "space"])
        result = solve(view, space, key, table.merged, estimator.actions, estimator.target_, solver)
    return fitted, space, result


def _solve(view, space, key, frame, actions, target, solver):
    """Recourse of rows by a teacher: cached by what the teacher and the space were made from."""
    wanted = view.classes.tolist().index(target)
    return solver.solve(view.logits, frame, wanted, space, predict=view.predict)


@contextlib.contextmanager
def _lock(memory, key):
    if memory.location is None:
        yield
        return
    folder = os.path.join(memory.location, "skcfq-locks")
    os.makedirs(folder, exist_ok=True)
    with FileLock(os.path.join(folder, f"{key}.lock")):
        yield
