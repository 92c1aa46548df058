"""Parameters of the classifiers that are trained, and what they mean for the training loop."""

import copy
import numbers

import torch
from skorch.callbacks import BatchScoring, Callback, EpochScoring

from .._utils._sklearn import Interval, StrOptions
from ..training import Batch, TrainingPlan, validation_split

TRAINING_CONSTRAINTS = {
    "max_epochs": [Interval(numbers.Integral, 1, None, closed="left")],
    "batch_size": [Interval(numbers.Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "lr": [Interval(numbers.Real, 0, None, closed="neither")],
    "weight_decay": [Interval(numbers.Real, 0, None, closed="left")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(numbers.Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(numbers.Integral, 1, None, closed="left")],
    "callbacks": ["array-like", None],
    "device": [str],
    "verbose": ["verbose"],
}


def training_problems(estimator):
    """Sentences about device and callbacks, empty if all is well.

    Parameters
    ----------
    estimator : BaseNetworkClassifier
        With the parameters of `TRAINING_CONSTRAINTS`.

    Returns
    -------
    list of str
    """
    problems = []
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


def as_batch(encoded, codes, weight):
    """Encoded rows as a batch of float32 tensors, weights with mean 1."""
    return Batch(
        torch.from_numpy(encoded.astype("float32")),
        torch.from_numpy(codes.astype("int64")),
        torch.from_numpy((weight / weight.mean()).astype("float32")),
    )


def training_plan(estimator, n_rows, seed, hooks=(), most=256, **kwargs):
    """The estimator's training parameters as a plan for so many rows, at most `most` at a time; `lr` among `kwargs`."""
    auto = estimator.batch_size == "auto"
    return TrainingPlan(
        max_epochs=estimator.max_epochs,
        batch_size=min(most, max(32, n_rows // 64)) if auto else estimator.batch_size,
        weight_decay=estimator.weight_decay,
        patience=estimator.n_iter_no_change if estimator.early_stopping else None,
        seed=seed,
        device=estimator.device,
        # Copies: what they learn in fit is no part of the parameters.
        callbacks=(*map(copy.copy, estimator.callbacks or ()), *hooks),
        verbose=int(estimator.verbose),
        **kwargs,
    )


def hold_out(estimator, codes, seed):
    """Positions of training and of validation rows, the latter None without early stopping."""
    return validation_split(
        codes, estimator.validation_fraction if estimator.early_stopping else 0.0, seed
    )
