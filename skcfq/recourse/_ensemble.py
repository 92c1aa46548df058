"""One action that is valid for every one of several models."""

import numpy as np
import torch

from ._base import BaseSolver
from ._exact import ExactSolver
from ._greedy import GreedySolver


class EnsembleSolver(BaseSolver):
    """Recourse that holds under every model of a finite set, such as quantization variants.

    The search is that of another solver, on the smallest (or the mean) of the models' margins.
    The models share an encoding; see :func:`skcfq.estimators.joint_view` for fitted classifiers.

    Parameters
    ----------
    solver : BaseSolver, default=None
        The search; ``None`` is :class:`GreedySolver`.
    aggregate : {"worst", "mean"}, default="worst"
        ``"worst"``: every model's own decision must be the target, so a person needs recourse
        whom any of them refuses. ``"mean"``: the mean of the margins must be positive.

    See Also
    --------
    GreedySolver : The default search.

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160

    Examples
    --------
    >>> from skcfq import FullPrecisionClassifier, QATClassifier
    >>> from skcfq.datasets import make_recourse_classification
    >>> from skcfq.estimators import joint_view
    >>> data = make_recourse_classification(n_samples=300, random_state=0)
    >>> X, y = data.data, data.target
    >>> teacher = FullPrecisionClassifier(actions=data.actions, max_epochs=5, random_state=0).fit(X, y)
    >>> deployed = QATClassifier(teacher=teacher, bits=2, bit_budget=2, max_epochs=3, random_state=0)
    >>> deployed = deployed.fit(X, y)
    >>> view = joint_view([teacher, deployed], X)
    >>> result = view.solve(EnsembleSolver(), X, "granted", teacher.actions_)
    >>> advised = result.counterfactual[result.success]
    >>> bool((teacher.predict(advised) == deployed.predict(advised)).all())
    True
    """

    def __init__(self, solver=None, *, aggregate="worst"):
        self.solver = solver
        self.aggregate = aggregate

    @property
    def batch_size(self):
        """That of the search."""
        return self._inner().batch_size

    @property
    def uses_gradients(self):
        """Whether the search does."""
        return self._inner().uses_gradients

    def _inner(self):
        return GreedySolver() if self.solver is None else self.solver

    def solve(
        self, logits, X, target, actions, *, predict=None, decide=None, closed=None, encoded=None
    ):
        """Find cheap actions that get the target from all models.

        Parameters
        ----------
        logits : sequence of callable
            One per model, as in :meth:`skcfq.recourse.BaseSolver.solve`.
        X, target, actions, closed, encoded : object
            As in :meth:`skcfq.recourse.BaseSolver.solve`.
        predict, decide : sequence of callable, default=None
            One per model; an entry may be None.

        Returns
        -------
        RecourseResult

        Raises
        ------
        TypeError
            If `logits` is one function, or the search is an :class:`ExactSolver`.
        ValueError
            If `aggregate` is unknown, there is no model, or the sequences differ in length.
        """
        if self.aggregate not in ("worst", "mean"):
            raise ValueError(
                f"EnsembleSolver: aggregate={self.aggregate!r}: 'worst' or 'mean' is needed."
            )
        if isinstance(self._inner(), ExactSolver):
            raise TypeError(
                "EnsembleSolver: ExactSolver proves optima of one network; give a solver that only needs "
                "margins, such as GreedySolver."
            )
        if callable(logits):
            raise TypeError(
                "EnsembleSolver: logits is one function; a sequence with one for each model is needed, see "
                "skcfq.estimators.joint_view."
            )
        logits = tuple(logits)
        given = [predict, decide]
        lists = [(None,) * len(logits) if g is None else tuple(g) for g in given]
        if not logits or any(len(each) != len(logits) for each in lists):
            counts = [len(logits), *(None if g is None else len(g) for g in given)]
            raise ValueError(
                "EnsembleSolver: logits, predict and decide must hold one function for each model, at "
                f"least one; they hold {counts}."
            )
        return super().solve(
            logits,
            X,
            target,
            actions,
            predict=lists[0],
            decide=lists[1],
            closed=closed,
            encoded=encoded,
        )

    def _search(self, margin, problem):
        return self._inner()._search(margin, problem)

    def _margin(self, logits):
        return _JointMargin(
            [super(EnsembleSolver, self)._margin(each) for each in logits], self.aggregate
        )

    def _granted(self, logits, predict, decide, frame, rows, encoded, target):
        if self.aggregate == "mean":
            wanted = torch.from_numpy(np.array(target))
            with torch.no_grad():
                return (self._margin(logits)(torch.from_numpy(encoded), wanted) > 0).numpy()
        each = [
            super(EnsembleSolver, self)._granted(*functions, frame, rows, encoded, target)
            for functions in zip(logits, predict, decide, strict=True)
        ]
        return np.all(each, axis=0)


class _JointMargin:
    """The worst or the mean of several margins."""

    def __init__(self, margins, aggregate):
        self.margins, self.aggregate = margins, aggregate
        self.rounds = any(margin.rounds for margin in margins)

    def __call__(self, z, target):
        values = torch.stack([margin(z, target) for margin in self.margins])
        return values.amin(dim=0) if self.aggregate == "worst" else values.mean(dim=0)
