"""Two classifiers, the same people: whose advice survives."""

import dataclasses

import numpy as np

from ..metrics import RecourseScore, accuracy, recourse_measures
from ..recourse import RecourseResult
from ._table import read_labels


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Recourse of the same people under a reference and a deployed model.

    Attributes
    ----------
    reference, deployed : RecourseResult
        Actions that each model asks for. Both deltas are in the reference's encoded units.
    deployed_valid : ndarray of bool, shape (n_samples,)
        Whether the reference's advice gets the target from the deployed model.
    reference_decision, deployed_decision : ndarray of int, shape (n_samples,)
        Class indices without any action.
    """

    reference: RecourseResult
    deployed: RecourseResult
    deployed_valid: np.ndarray
    reference_decision: np.ndarray
    deployed_decision: np.ndarray

    def measures(self, **kwargs):
        """The figures, see :func:`skcfq.metrics.recourse_measures`."""
        return recourse_measures(
            self.reference,
            self.deployed,
            self.deployed_valid,
            self.reference_decision,
            self.deployed_decision,
            **kwargs,
        )

    def score(self, y, y_pred, sample_weight=None, **kwargs):
        """The figures with accuracy, as a :class:`~skcfq.metrics.RecourseScore`."""
        right = accuracy(y, y_pred, sample_weight=sample_weight, **kwargs)
        return RecourseScore.from_measures(right, self.measures(**kwargs))


def compare(
    reference,
    deployed,
    frame,
    target,
    solver,
    reference_space,
    deployed_space,
    reference_result=None,
):
    """Solve recourse under both models and try the reference's advice on the deployed one.

    Parameters
    ----------
    reference, deployed : NetworkView
    frame : DataFrame of shape (n_samples, n_raw_features)
        People, in raw units.
    target : label
        The wanted class.
    solver : BaseSolver
    reference_space, deployed_space : ActionSpace
        The same actions, bound to the encoding of each.
    reference_result : RecourseResult, default=None
        If it is known already.

    Returns
    -------
    Comparison
    """
    if reference_result is None:
        reference_result = reference.solve(solver, frame, target, reference_space)
    deployed_result = deployed.solve(solver, frame, target, deployed_space)
    if deployed_space.encoding is not reference_space.encoding:
        encode = reference_space.encoding.encode
        moved = (encode(deployed_result.counterfactual) - encode(frame)).astype(np.float32)
        deployed_result = dataclasses.replace(deployed_result, delta=moved)
    return Comparison(
        reference_result,
        deployed_result,
        deployed.predict(reference_result.counterfactual)
        == deployed.classes.tolist().index(target),
        reference.classes[reference.predict(frame)],
        deployed.classes[deployed.predict(frame)],
    )


class ComparedMixin:
    """Scores of a classifier that has a reference: what became of the reference's recourse."""

    def _comparison(self, frame):
        """The `Comparison` of checked rows."""
        raise NotImplementedError

    def score(self, X, y, sample_weight=None):
        """Accuracy, with what became of the recourse of the teacher or reference.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in the units of ``fit``.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            For the accuracy.

        Returns
        -------
        RecourseScore
            A float, the accuracy, that carries validity drop, recourse gap, changed decisions
            and counts.
        """
        y = read_labels(y, self._checked(X))
        comparison = self.compare_recourse(X)
        return comparison.score(y, comparison.deployed_decision, sample_weight)

    def compare_recourse(self, X):
        """Recourse of the same people under the reference, or teacher, and under this classifier.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            People, in the units of ``fit``.

        Returns
        -------
        Comparison
        """
        return self._comparison(self._checked(X))
