"""A guaranteed validity drop for any fitted classifier."""

import numbers

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from .._utils._errors import raise_problems
from .._utils._sklearn import InstanceWith, Interval, check_parameters
from ..actions import ActionSet, bind_actions
from ..recourse import BaseSolver, GreedySolver, target_margin
from ..training import conformal_offset, held_out_split
from ._compare import ComparedMixin, compare
from ._shift import calibrator_problems, class_scores, shifted_logits
from ._table import check_table, encode_rows, read_labels
from ._views import NetworkView, as_fitted, is_fitted, missing_network, network_view, unwrap


def _has_network(self):
    """Whether recourse can be searched on the calibrated classifier itself."""
    return not missing_network("estimator", getattr(self, "estimator_", self.estimator))


class ValidityCalibrator(ComparedMixin, ClassifierMixin, BaseEstimator):
    """Shift a classifier's score of the target so that at most a stated share of advice fails.

    Advice is the recourse that a reference model gives, as a rule the full-precision teacher of a
    quantized classifier. ``fit`` solves it for held-out people and takes, of the margins of the
    target that the classifier has after it, a split-conformal quantile [1]_ as the offset of the
    target's score.

    **What is guaranteed.** Let ``n`` held-out people need recourse and have advice, and
    ``k = floor(validity_level * (n + 1))``. If they and a new such person are exchangeable, and
    neither model has seen any of them, the new person's advice fails with probability at most
    ``k / (n + 1) <= validity_level``. For one set of held-out people, the validity drop in the
    population is at most distributed as Beta(k, n + 1 - k) [2]_:
    ``calibration_.upper_bound(0.95)`` is exceeded by at most 5 % of all such sets.

    Parameters
    ----------
    estimator : classifier
        With ``decision_function`` or ``predict_proba``. A fitted one is used as it is
        (``FrozenEstimator`` around it survives ``clone``), and all rows given to ``fit`` are held-out
        rows, which it must not have seen. An unfitted one is cloned and fitted on the others.
    reference : classifier, default=None
        Whose advice shall hold, backed by a network; ``None``: the ``teacher_`` of `estimator`. A
        fitted one must not have seen the held-out rows either; an unfitted one is treated like
        `estimator`.
    validity_level : float, default=0.02
        Validity drop to guarantee, between 0 and 1.
    calibration_fraction : float, default=0.2
        Share of the rows held out if `estimator` is not fitted.
    actions : ActionSet, default=None
        What a person may change, in the units of `X`; ``None``: what the reference or `estimator` was
        fitted with, else everything. Bounds that nobody gave are the range of the rows that the models
        learned from here; if they were fitted before, that of the held-out rows.
    solver : BaseSolver, default=None
        Recourse search; ``None`` is :class:`GreedySolver`.
    target : label, default=None
        The favourable class; ``None``: that of `estimator` if it has one, else the last of
        ``classes_``.
    random_state : int, RandomState instance or None, default=None
        Who is held out, if `estimator` is not fitted.

    Attributes
    ----------
    estimator_, reference_ : classifier
        The fitted models.
    classes_ : ndarray of shape (n_classes,)
        Class labels, in the order of `estimator`.
    target_ : label
        The favourable class.
    calibration_ : Calibration
        Offset, number of people, level, bound and attained validity drop.
    actions_ : ActionSpace
        What people may do.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if `X` had names.

    See Also
    --------
    CFQClassifier : Does the same inside its ``fit``, with ``validity_level``.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer (2005). "Algorithmic Learning in a Random World".
       https://doi.org/10.1007/b106715
    .. [2] V. Vovk (2012). "Conditional Validity of Inductive Conformal Predictors".
       arXiv:1209.2673

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from skcfq import FullPrecisionClassifier, PTQClassifier, ValidityCalibrator
    >>> from skcfq.datasets import make_recourse_classification
    >>> data = make_recourse_classification(n_samples=900, random_state=0)
    >>> X, y = data.data, data.target
    >>> teacher = FullPrecisionClassifier(actions=data.actions, max_epochs=20, random_state=0)
    >>> clf = PTQClassifier(teacher=teacher, actions=data.actions).fit(X[:400], y[:400])
    >>> calibrated = ValidityCalibrator(FrozenEstimator(clf), validity_level=0.05)
    >>> calibration = calibrated.fit(X[400:], y[400:]).calibration_
    >>> calibration.attained <= 0.05
    True
    """

    _parameter_constraints = {
        "estimator": [InstanceWith(["fit", "predict"])],
        "reference": [InstanceWith(["fit", "predict"]), None],
        "validity_level": [Interval(numbers.Real, 0, 1, closed="neither")],
        "calibration_fraction": [Interval(numbers.Real, 0, 1, closed="neither")],
        "actions": [ActionSet, None],
        "solver": [BaseSolver, None],
        "target": [str, numbers.Real, "boolean", None],
        "random_state": ["random_state"],
    }
    _doc_link_module = "skcfq"

    def __init__(
        self,
        estimator,
        reference=None,
        *,
        validity_level=0.02,
        calibration_fraction=0.2,
        actions=None,
        solver=None,
        target=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.reference = reference
        self.validity_level = validity_level
        self.calibration_fraction = calibration_fraction
        self.actions = actions
        self.solver = solver
        self.target = target
        self.random_state = random_state

    def fit(self, X, y):
        """Take the offset from held-out rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows that both models take. Neither has seen them if they are fitted.
        y : array-like of shape (n_samples,)
            Class labels. Models that are not fitted are fitted on them; the offset follows from the
            rows alone.

        Returns
        -------
        self : ValidityCalibrator

        Raises
        ------
        ValueError
            For bad input, listing all problems, or if the held-out people are too few for the level.
        """
        check_parameters(self)
        if y is None:
            raise ValueError(
                "This ValidityCalibrator estimator requires y to be passed, but the target y is None."
            )
        frame = check_table(self, X, reset=True, allow_missing=True)
        y = read_labels(y, frame)
        check_classification_targets(y)
        named = hasattr(self, "feature_names_in_")
        raise_problems(
            "ValidityCalibrator",
            calibrator_problems(self.estimator, self.reference, frame.columns, named),
        )
        learn = held = np.arange(len(frame))
        if not is_fitted(self.estimator):
            codes = np.unique(y, return_inverse=True)[1]
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
            learn, held = held_out_split(frame, codes, self.calibration_fraction, seed)
        self.estimator_, self.reference_ = (
            model
            if model is None or is_fitted(model)
            else clone(model).fit(self._as(model, frame.iloc[learn]), y[learn])
            for model in (self.estimator, self.reference)
        )
        inner = unwrap(self.estimator_)
        if self.reference_ is None:
            self.reference_ = inner.teacher_
        self._calibrate(inner, frame.iloc[held], frame.iloc[learn])
        return self

    def _calibrate(self, inner, frame, seen):
        view = network_view(self.reference_, frame.columns)
        encode_rows("ValidityCalibrator", view.encoding, frame)
        self.classes_ = np.asarray(inner.classes_)
        target = self.target
        if target is None:
            target = getattr(inner, "target_", self.classes_.tolist()[-1])
        problems = []
        if set(view.classes.tolist()) != set(self.classes_.tolist()):
            problems.append(
                f"the reference knows the classes {view.classes.tolist()}, the estimator "
                f"{self.classes_.tolist()}: advice to one means nothing to the other."
            )
        if target not in self.classes_.tolist():
            problems.append(
                f"target={target!r} is not one of the classes {self.classes_.tolist()}."
            )
        raise_problems("ValidityCalibrator", problems)
        self.target_ = target
        self.actions_ = self._bind(view.encoding, seen)
        self._own_actions = None
        if _has_network(self):
            own = network_view(self.estimator_, frame.columns).encoding
            self._own_actions = self._bind(own, seen)
        advice = view.solve(self._solver(), frame, target, self.actions_)
        people = advice.counterfactual[advice.needed & advice.success]
        margin = np.zeros(0)
        if len(people):
            scores = torch.from_numpy(class_scores(self.estimator_, people))
            margin = target_margin(scores, torch.full((len(people),), self._target_index)).numpy()
        self.calibration_ = conformal_offset(margin, self.validity_level)

    def _bind(self, encoding, frame):
        """The actions as one of the models was fitted with them, or bound to the rows."""
        actions = self.actions
        for model in (unwrap(self.estimator_), unwrap(self.reference_)):
            if self.actions is None and hasattr(model, "actions_"):
                if model.actions_.encoding is encoding:
                    return model.actions_
                actions = model.actions if actions is None else actions
        return bind_actions(actions, encoding, frame).without_values()

    @property
    def _target_index(self):
        return self.classes_.tolist().index(self.target_)

    def _solver(self):
        return GreedySolver() if self.solver is None else clone(self.solver)

    def _as(self, model, frame):
        """Rows as the user gave them: named or not."""
        return frame if hasattr(self, "feature_names_in_") else as_fitted(model, frame)

    def _scores(self, frame):
        scores = class_scores(self.estimator_, frame)
        scores[:, self._target_index] += self.calibration_.offset
        return scores

    def _checked(self, X):
        check_is_fitted(self, "calibration_")
        return check_table(self, X, reset=False, allow_missing=True)

    def decision_function(self, X):
        """Shifted scores: of the second class with two classes; of all with more.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in the units of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        scores = self._scores(self._checked(X))
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict(self, X):
        """The class of the largest shifted score.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in the units of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        decided = self._scores(self._checked(X)).argmax(axis=1)
        return self.classes_[decided]

    @available_if(_has_network)
    def network_view_(self):
        """The calibrated classifier as recourse sees it.

        Returns
        -------
        NetworkView
        """
        check_is_fitted(self, "calibration_")
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)])
        view = network_view(self.estimator_, names)
        shift = len(view.classes), self._target_index, self.calibration_.offset
        return NetworkView(
            view.classes,
            view.encoding,
            shifted_logits(view.logits, *shift),
            lambda frame: self._scores(frame).argmax(axis=1),
            exact=shifted_logits(view.exact, *shift),
        )

    def _comparison(self, frame):
        return compare(
            network_view(self.reference_, frame.columns), self.network_view_(), frame, self.target_,
            self._solver(), self.actions_, self._own_actions,
        )  # fmt: skip

    compare_recourse = available_if(_has_network)(ComparedMixin.compare_recourse)

    def score(self, X, y, sample_weight=None):
        """Accuracy; with what became of the reference's recourse, if `estimator` has a network.

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
        RecourseScore or float
        """
        kind = ComparedMixin if _has_network(self) else ClassifierMixin
        return kind.score(self, X, y, sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.sparse = False
        return tags
