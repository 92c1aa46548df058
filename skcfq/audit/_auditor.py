"""Audit a deployed classifier against its reference by the advice that the reference gives."""

import numbers

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from .._utils._errors import raise_problems
from .._utils._sklearn import ClassifierOrScores, StrOptions, check_parameters
from ..actions import ActionSet, bind_actions
from ..estimators import (
    check_table,
    compare,
    is_fitted,
    model_problems,
    read_labels,
    unwrap,
)
from ..recourse import BaseSolver
from ._audit import check_audit, run_audit
from ._models import model_views


class RecourseAuditor(BaseEstimator):
    """Tells whether the advice that a reference model gives survives in a deployed one.

    A person whom the reference refuses gets its cheapest action to the target; the audit asks
    whether the deployed model honours that action, and what its own cheapest action costs.

    Parameters
    ----------
    reference, deployed : classifier
        Any two classifiers that take the same rows. On those backed by networks (classifiers
        of skcfq, :class:`~sklearn.neural_network.MLPClassifier`,
        :class:`~sklearn.linear_model.LogisticRegression`, skorch nets, or Pipelines that end in
        one) recourse is searched by gradients, on all others by their scores; see
        :func:`skcfq.estimators.classifier_view`. Also a function that takes a frame and returns
        scores: one number per row, positive for the second class of `y`, or one per class, in
        sorted order. A fitted classifier is used as it is (``FrozenEstimator`` around it
        survives ``clone``); an unfitted one is cloned and fitted on the rows given to ``fit``.
    actions : ActionSet, default=None
        What a person may change, in the units of `X`; ``None``: everything, within the range of
        the rows given to ``fit``.
    solver : BaseSolver or "auto", default="auto"
        Recourse search for both models; ``"auto"`` is :class:`~skcfq.GreedySolver` on a network and
        :class:`~skcfq.CoordinateSolver` on any other model.
    target : label, default=None
        The favourable class; ``None`` takes the last class of the reference.

    Attributes
    ----------
    reference_, deployed_ : classifier
        The fitted models.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    target_ : label
        The favourable class.
    actions_ : ActionSpace
        The actions with bounds and cost scales of the rows given to ``fit``.
    recourse_ : RecourseResult
        The reference's recourse of the rows given to ``fit``.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if `X` had names.

    See Also
    --------
    CFQClassifier : Its ``score`` is the audit against its own teacher.

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160

    Examples
    --------
    >>> from skcfq import FullPrecisionClassifier, QATClassifier, RecourseAuditor
    >>> from skcfq.datasets import make_recourse_classification
    >>> data = make_recourse_classification(n_samples=400, random_state=0)
    >>> X, y = data.data, data.target
    >>> reference = FullPrecisionClassifier(max_epochs=15, random_state=0).fit(X, y)
    >>> deployed = QATClassifier(bits=2, bit_budget=2, max_epochs=5, random_state=0).fit(X, y)
    >>> auditor = RecourseAuditor(reference, deployed, actions=data.actions).fit(X, y)
    >>> auditor.predict(X).dtype
    dtype('bool')
    >>> sorted(auditor.audit(X, y, groups="sex").by_group)
    ['female', 'male']
    """

    _parameter_constraints = {
        "reference": [ClassifierOrScores()],
        "deployed": [ClassifierOrScores()],
        "actions": [ActionSet, None],
        "solver": [BaseSolver, StrOptions({"auto"})],
        "target": [str, numbers.Real, "boolean", None],
    }
    _doc_link_module = "skcfq"

    def __init__(self, reference, deployed, *, actions=None, solver="auto", target=None):
        self.reference = reference
        self.deployed = deployed
        self.actions = actions
        self.solver = solver
        self.target = target

    def fit(self, X, y=None):
        """Learn bounds, cost scales and the reference's recourse.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows that both models take.
        y : array-like of shape (n_samples,), default=None
            Labels: models that are not fitted yet are fitted on them, and functions and graphs learn
            from them what their scores are about; without, the classes of these are 0, 1, ...

        Returns
        -------
        self : RecourseAuditor

        Raises
        ------
        ValueError
            If the models' classes differ, the target is no class, or the action set does not
            fit the rows; lists all problems.
        """
        check_parameters(self)
        if y is None and not (is_fitted(self.reference) and is_fitted(self.deployed)):
            raise ValueError(
                "This RecourseAuditor estimator requires y to be passed, but the target y is None."
            )
        frame = check_table(self, X, reset=True, allow_missing=True)
        if y is not None:
            y = read_labels(y, frame)
            check_classification_targets(y)
        named = hasattr(self, "feature_names_in_")
        raise_problems(
            "RecourseAuditor",
            [
                *model_problems("reference", self.reference, frame.columns, named),
                *model_problems("deployed model", self.deployed, frame.columns, named),
            ],
        )
        self.reference_ = self._fitted(self.reference, X, y)
        self.deployed_ = self._fitted(self.deployed, X, y)
        self._labels = None if y is None else np.unique(y)
        self._dtypes = X.dtypes.to_dict() if isinstance(X, pd.DataFrame) and named else {}
        reference, deployed = model_views(self, frame)
        problems = []
        if set(reference.classes.tolist()) != set(deployed.classes.tolist()):
            problems.append(
                f"the reference knows the classes {reference.classes.tolist()}, the deployed model "
                f"{deployed.classes.tolist()}: the decisions cannot be compared."
            )
        self.classes_ = reference.classes
        self.target_ = self.classes_.tolist()[-1] if self.target is None else self.target
        if self.target_ not in self.classes_.tolist():
            problems.append(
                f"target={self.target!r} is not one of the classes {self.classes_.tolist()}."
            )
        raise_problems("RecourseAuditor", problems)
        self.actions_ = bind_actions(self.actions, reference.encoding, frame)
        self._deployed_actions = bind_actions(self.actions, deployed.encoding, frame)
        self.recourse_ = reference.solve(self._solver(), frame, self.target_, self.actions_)
        return self

    @staticmethod
    def _fitted(model, X, y):
        return unwrap(model) if is_fitted(model) else clone(model).fit(X, y)

    def _solver(self):
        return None if self.solver == "auto" else clone(self.solver)

    def _read(self, X):
        """Checked rows, and both models as recourse sees them."""
        check_is_fitted(self, "actions_")
        frame = check_table(self, X, reset=False, allow_missing=True)
        return frame, model_views(
            self, frame, self.actions_.encoding, self._deployed_actions.encoding
        )

    def views(self, X):
        """Both models as recourse sees them, for whoever asks them about more rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in the units of ``fit``, which the views are checked to take.

        Returns
        -------
        list of ClassifierView
            Of the reference and of the deployed model.

        Raises
        ------
        ValueError
            If a model cannot encode the rows.
        """
        return self._read(X)[1]

    def _comparison(self, X):
        frame, views = self._read(X)
        spaces = self.actions_, self._deployed_actions
        return frame, compare(*views, frame, self.target_, self._solver(), *spaces)

    def predict(self, X):
        """Whether the reference's advice survives, person by person.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            People, in the units of ``fit``.

        Returns
        -------
        ndarray of bool, shape (n_samples,)
            False where the deployed model refuses a person who did what the reference advised,
            or whom the reference accepts as they are. True also where the reference has no
            advice: there is none that could break; ``audit`` lists these people.
        """
        _, result = self._comparison(X)
        return result.deployed_valid | ~result.reference.success

    def score(self, X, y):
        """Accuracy of the deployed model, with what became of the reference's recourse.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in the units of ``fit``.
        y : array-like of shape (n_samples,)
            True labels.

        Returns
        -------
        RecourseScore
        """
        check_is_fitted(self, "actions_")
        y = read_labels(y, check_table(self, X, reset=False, allow_missing=True))
        _, result = self._comparison(X)
        return result.score(y, result.deployed_decision)

    def audit(
        self,
        X,
        y=None,
        groups=None,
        *,
        chunk_size=10_000,
        max_people=None,
        confidence_level=0.95,
        n_jobs=None,
        verbose=False,
        checkpoint=None,
    ):
        """Compare the models on a population, overall, by group and person by person.

        Rows are audited in parts of `chunk_size`, wherever they come from, so that figures do not
        depend on where that is, and memory does not grow with the number of rows. Dask's
        partitions are audited as they are.

        Parameters
        ----------
        X : array-like, DataFrame, iterator, path-like or Dask DataFrame
            People, in the units of ``fit``: in memory; an iterator of frames, arrays or pairs ``(X,
            y)``; a Parquet file or a folder of such files; a Dask DataFrame.
        y : array-like of shape (n_samples,) or str, default=None
            True labels, for the deployed model's accuracy. For rows that come in parts the name
            of their column.
        groups : str, sequence of str or array-like of shape (n_samples,), default=None
            A column, several, which are told apart one by one and all together, or labels. Rows
            that come in parts have columns only, which need not be features.
        chunk_size : int, default=10_000
            Rows of a part.
        max_people : int, default=None
            Lines of the table of people, the worst ones; ``None`` is everybody, in order, for rows in
            memory, and 1000 otherwise. 0: no table.
        confidence_level : float, default=0.95
            Coverage of the intervals.
        n_jobs : int, default=None
            Processes, as in joblib; under ``joblib.parallel_config(backend="dask")`` the workers
            of its cluster. A Dask DataFrame uses the cluster it is on.
        verbose : bool, default=False
            Whether to show a bar of rows that are done.
        checkpoint : path-like, default=None
            A folder that remembers parts that are done: the same call goes on after the last
            one. Files are written whole, and used only if checksum, models, settings and rows
            agree. They hold the people who would be listed.

        Returns
        -------
        AuditResult

        Raises
        ------
        ValueError
            If columns are missing or unknown, `groups` names no column or has another length, rows
            hold what the models do not take, or `checkpoint` is of another audit.
        ImportError
            For Parquet without pyarrow (``skcfq[parquet]``).
        """
        check_is_fitted(self, "actions_")
        check_audit(chunk_size, max_people, confidence_level)
        return run_audit(
            self,
            X,
            y,
            groups,
            chunk_size=chunk_size,
            max_people=max_people,
            confidence_level=confidence_level,
            n_jobs=n_jobs,
            verbose=verbose,
            checkpoint=checkpoint,
        )
