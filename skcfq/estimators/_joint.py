"""Several classifiers of the same rows, for an action that all of them honour."""

import dataclasses

import numpy as np

from .._utils._errors import raise_problems
from ..recourse import CoordinateSolver, EnsembleSolver
from ._scores import classifier_view
from ._views import ClassifierView, NetworkView


@dataclasses.dataclass(frozen=True)
class JointView(ClassifierView):
    """Several fitted classifiers that share an encoding.

    As :class:`ClassifierView`, but `logits`, `predict` and `decide` are tuples with one entry for
    each classifier.

    Attributes
    ----------
    gradients : bool
        Whether all classifiers are backed by networks.
    """

    gradients: bool = True

    def default_solver(self):
        """An EnsembleSolver of the kind of search that all classifiers allow."""
        return EnsembleSolver(None if self.gradients else CoordinateSolver())

    def _prepared(self, solver, target):
        if solver is not None and not isinstance(solver, EnsembleSolver):
            raise TypeError(
                f"solver={type(solver).__name__} searches on one model: use EnsembleSolver, or None."
            )
        if solver is not None and solver.uses_gradients and not self.gradients:
            raise TypeError(
                "EnsembleSolver searches by gradients, which not all of these classifiers have: use "
                "EnsembleSolver(CoordinateSolver()), or None."
            )
        return super()._prepared(solver, target)


def joint_view(models, frame):
    """See several fitted classifiers as one, for :class:`~skcfq.EnsembleSolver`.

    Parameters
    ----------
    models : sequence of fitted classifier
        As in :func:`classifier_view`. Their preprocessors must encode rows alike, e.g. as those of
        a teacher and of the classifiers that were quantized from it.
    frame : DataFrame of shape (n_samples, n_raw_features)
        Rows as the models take them.

    Returns
    -------
    JointView

    Raises
    ------
    ValueError
        If there is no model, or classes or encodings differ; lists all problems.
    """
    views = [classifier_view(model, frame) for model in models]
    problems = [] if views else ["models is empty: at least one is needed."]
    encoded = [view.encoding.encode(frame) for view in views]
    for i, view in enumerate(views):
        if view.classes.tolist() != views[0].classes.tolist():
            problems.append(
                f"models[{i}] knows the classes {view.classes.tolist()}, models[0] "
                f"{views[0].classes.tolist()}."
            )
        if encoded[i].shape != encoded[0].shape or not np.allclose(
            encoded[i], encoded[0], rtol=1e-6, atol=1e-6, equal_nan=True
        ):
            problems.append(
                f"models[{i}] encodes the rows otherwise than models[0]: one search on both needs the "
                "same preprocessor."
            )
    raise_problems("joint_view", problems)
    logits, predict, decide = (
        tuple(getattr(view, name) for view in views) for name in ("logits", "predict", "decide")
    )
    gradients = all(isinstance(view, NetworkView) for view in views)
    return JointView(views[0].classes, views[0].encoding, logits, predict, decide, gradients)
