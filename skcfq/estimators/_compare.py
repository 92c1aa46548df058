"""Two classifiers, the same people: whose advice survives."""

import dataclasses

import numpy as np

from ..metrics import RecourseScore, accuracy, recourse_measures
from ..recourse import RecourseResult


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
