"""What is wrong with parameters that only numbers and objects themselves can tell."""

import numbers

import numpy as np
import torch
from sklearn.base import is_classifier
from skorch.callbacks import BatchScoring, Callback, EpochScoring

from ..quantization import TERNARY_BITS, canonical_bits
from ._views import is_fitted, missing_network, unwrap


def network_problems(estimator):
    """Sentences about layer sizes, device and callbacks, empty if all is well.

    Parameters
    ----------
    estimator : BaseNetworkClassifier

    Returns
    -------
    list of str
    """
    problems = []
    sizes = list(estimator.hidden_layer_sizes)
    if not all(
        isinstance(size, numbers.Integral) and not isinstance(size, bool) and size > 0
        for size in sizes
    ):
        problems.append(
            f"hidden_layer_sizes={estimator.hidden_layer_sizes!r}: whole numbers >= 1 are needed, "
            "or () for no hidden layer."
        )
    try:
        torch.empty(0, device=estimator.device)
    except (RuntimeError, AssertionError) as error:
        problems.append(
            f"device={estimator.device!r} is not available ({str(error).splitlines()[0]}): use "
            '"cpu", or install a torch that has it.'
        )
    for callback in estimator.callbacks if estimator.callbacks is not None else ():
        if not isinstance(callback, Callback):
            problems.append(
                f"callbacks holds {callback!r}: instances of skorch.callbacks.Callback are needed."
            )
        elif isinstance(callback, (EpochScoring, BatchScoring)):
            problems.append(
                f"callbacks holds {type(callback).__name__}, which predicts on batches of (X, y) "
                "that this training loop does not have: use sklearn.callback.ScoringMonitor."
            )
    return problems


def read_widths(bits, budget):
    """Candidate widths in canonical form, the budget, and what is wrong with them.

    Parameters
    ----------
    bits : width or sequence of width
    budget : float
        1.58 stands for the width of a ternary weight, as it does among the widths.

    Returns
    -------
    widths : tuple of int or float
        In rising order.
    budget : float
    problems : list of str
    """
    given = (bits,) if isinstance(bits, (str, numbers.Real)) else tuple(bits)
    widths, problems = set(), []
    for width in given:
        try:
            widths.add(canonical_bits(width))
        except ValueError as error:
            problems.append(str(error))
    if not given:
        problems.append(f"bits={bits!r}: at least one width is needed.")
    if abs(budget - TERNARY_BITS) < 0.005:
        budget = max(budget, TERNARY_BITS)
    if widths and budget < min(widths):
        problems.append(
            f"bit_budget={budget!r} is below the narrowest width, {min(widths):.4g} bits: raise the "
            "budget, or add a narrower width to bits (1.58 is ternary)."
        )
    return tuple(sorted(widths)), float(budget), problems


def model_problems(role, model, columns, named):
    """What keeps a classifier, or a function of scores, from being searched on these rows.

    Parameters
    ----------
    role : str
        What the model is, for the sentences.
    model : classifier or callable
        Fitted or not.
    columns : sequence of str
        Of the rows.
    named : bool
        Whether the user gave these names.

    Returns
    -------
    list of str
    """
    if not hasattr(model, "predict"):
        return []
    if missing_network(role, model) and not is_classifier(model):
        return [
            f"the {role} {type(unwrap(model)).__name__} is no classifier: give one, or a function that returns scores."
        ]
    return _row_problems(role, model, columns, named)


def _row_problems(role, model, columns, named):
    """Sentences about rows that differ from those that a model was fitted on."""
    if not is_fitted(model):
        return []
    model = unwrap(model)
    names, n_columns = getattr(model, "feature_names_in_", None), len(columns)
    if names is not None and list(names) != list(columns):
        given = list(columns) if named else f"{n_columns} columns without names"
        return [f"the {role} was fitted on the columns {list(names)}, X has {given}."]
    n_fitted = getattr(model, "n_features_in_", n_columns)
    if n_fitted != n_columns:
        return [f"the {role} was fitted on {n_fitted} columns, X has {n_columns}."]
    return []


def teacher_problems(teacher, classes, columns, named):
    """What keeps a teacher from teaching these rows, before any work is done.

    Parameters
    ----------
    teacher : classifier
        Fitted or not.
    classes : ndarray of shape (n_classes,)
        Of the rows.
    columns, named
        As in :func:`model_problems`.

    Returns
    -------
    list of str
    """
    problems = missing_network("teacher", teacher) or _row_problems(
        "teacher", teacher, columns, named
    )
    if is_fitted(teacher) and not missing_network("teacher", teacher):
        known = np.asarray(unwrap(teacher).classes_).tolist()
        if known != classes.tolist():
            problems.append(f"the teacher knows the classes {known}, y holds {classes.tolist()}.")
    return problems
