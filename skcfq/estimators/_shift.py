"""Scores of any classifier, class by class, and logits of which one is shifted."""

import copy

import numpy as np
import torch
from torch import nn

from ._checks import model_problems
from ._views import as_fitted, is_fitted, missing_network, unwrap


def class_scores(model, frame):
    """Scores of which the largest decides.

    Parameters
    ----------
    model : fitted classifier
        With ``decision_function``, or else with ``predict_proba``, of which the logarithm is taken.
    frame : DataFrame of shape (n_samples, n_features)

    Returns
    -------
    ndarray of float64, shape (n_samples, n_classes)
    """
    rows = frame if hasattr(unwrap(model), "feature_names_in_") else as_fitted(model, frame)
    if hasattr(model, "decision_function"):
        scores = np.array(model.decision_function(rows), dtype=float)
        # Of two classes, scikit-learn scores the second only.
        return scores if scores.ndim == 2 else np.stack([np.zeros_like(scores), scores], 1)
    tiny = np.finfo(float).tiny
    return np.log(np.maximum(np.asarray(model.predict_proba(rows), dtype=float), tiny))


def shifted_logits(logits, n_classes, index, offset):
    """A network with one of its logits shifted.

    Parameters
    ----------
    logits : torch.nn.Module
        Copied.
    n_classes : int
    index : int
        Which logit.
    offset : float

    Returns
    -------
    torch.nn.Sequential
        The network and a linear layer, so that solvers that read layers can read it.
    """
    dtype = next((each.dtype for each in logits.parameters()), torch.float32)
    shift = nn.utils.skip_init(nn.Linear, n_classes, n_classes)
    shift.weight = nn.Parameter(torch.eye(n_classes, dtype=dtype))
    shift.bias = nn.Parameter(offset * torch.eye(n_classes, dtype=dtype)[index])
    return nn.Sequential(copy.deepcopy(logits), shift).eval().requires_grad_(False)


def calibrator_problems(estimator, reference, columns, named):
    """What keeps advice of a reference from being guaranteed on a classifier.

    Parameters
    ----------
    estimator : classifier
        Fitted or not.
    reference : classifier or None
    columns : sequence of str
        Of the rows.
    named : bool
        Whether the user gave these names.

    Returns
    -------
    list of str
    """
    problems, inner = [], unwrap(estimator)
    kind = type(inner).__name__
    if not hasattr(inner, "decision_function") and not hasattr(inner, "predict_proba"):
        problems.append(f"the estimator {kind} has neither decision_function nor predict_proba.")
    if reference is not None:
        problems += missing_network("reference", reference) or model_problems(
            "reference", reference, columns, named
        )
        if is_fitted(estimator) and not is_fitted(reference):
            problems.append(
                "the reference is not fitted, and the rows are for calibration: fit it on other rows."
            )
    elif not hasattr(inner, "teacher") and not hasattr(inner, "teacher_"):
        problems.append(
            f"reference=None, and {kind} has no teacher: give the model whose advice shall hold."
        )
    return problems
