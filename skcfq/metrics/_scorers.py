"""Scorers for scikit-learn's model selection: recourse figures where greater is better."""

import numbers

import sklearn
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRequest

from ._score import RecourseScore

#: Figures of a score for which smaller is better, given to model selection with a minus.
COSTS = ("validity_drop", "abs_recourse_gap", "decision_flips")


def recourse_scoring():
    """Score accuracy and recourse together, computing recourse once.

    The scorer calls the final estimator's ``score``, also inside pipelines, frozen estimators
    and finished searches, and gives a search the columns ``mean_test_accuracy``,
    ``mean_test_neg_validity_drop``, ``mean_test_neg_abs_recourse_gap`` and
    ``mean_test_neg_decision_flips``: choose by one of them (``refit="accuracy"``) or by a rule
    (``refit=select_best(...)``).

    Returns
    -------
    callable
        ``scorer(estimator, X, y, sample_weight=None)``, giving a dict of str to float in which
        greater is better. Weights count for the accuracy alone. A fold in which nobody needs
        recourse has NaN, not 0; scikit-learn then warns of non-finite scores, and
        :func:`select_best` passes the cell over.

        With metadata routing enabled, ``scorer.set_score_request(sample_weight=True)`` asks for
        weights.

    See Also
    --------
    select_best : The most accurate cell among those that keep recourse.
    neg_validity_drop_scorer : One figure, for searches that take only one.

    Notes
    -----
    A search with several figures cannot itself be scored when ``refit`` is a rule
    (scikit-learn issue 29065): call ``search.best_estimator_.score(X, y)``.

    Examples
    --------
    A classifier of which half the promises break, in place of a quantized one:

    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.model_selection import cross_validate
    >>> from skcfq.metrics import Estimate, RecourseScore, recourse_scoring
    >>> class Broken(DummyClassifier):
    ...     def score(self, X, y):
    ...         accuracy = Estimate(super().score(X, y), n=len(X))
    ...         return RecourseScore(accuracy, *[Estimate(0.5, n=len(X))] * 6)
    >>> X, y = [[0]] * 6, [0, 0, 1, 0, 0, 1]
    >>> found = cross_validate(Broken(), X, y, cv=2, scoring=recourse_scoring())
    >>> found["test_neg_validity_drop"]
    array([-0.5, -0.5])
    """
    return _RecourseScoring()


class _RecourseScoring:
    """The scorer that `recourse_scoring` gives."""

    def __init__(self):
        self._sample_weight = None

    def __call__(self, estimator, X, y, sample_weight=None):
        score = recourse_score(estimator, X, y, sample_weight)
        costs = {f"neg_{name}": _negative(getattr(score, name)) for name in COSTS}
        return {"accuracy": float(score), **costs}

    def set_score_request(self, *, sample_weight):
        """Ask for metadata, where routing is enabled.

        Parameters
        ----------
        sample_weight : bool, None or str
            True: pass it if given; False: never; None: raise if given; a str: its other name.

        Returns
        -------
        self : callable
            This scorer.

        Raises
        ------
        RuntimeError
            If metadata routing is not enabled.
        """
        if not sklearn.get_config()["enable_metadata_routing"]:
            raise RuntimeError(
                "set_score_request needs metadata routing: call "
                "sklearn.set_config(enable_metadata_routing=True) first."
            )
        self._sample_weight = sample_weight
        return self

    def get_metadata_routing(self):
        """Tell which metadata the scorer takes.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRequest
            The request for ``sample_weight``.
        """
        request = MetadataRequest(owner=repr(self))
        request.score.add_request(param="sample_weight", alias=self._sample_weight)
        return request

    def __repr__(self):
        return "recourse_scoring()"


class _FigureScorer:
    """A scorer of one figure, with a minus."""

    def __init__(self, figure):
        self._figure = figure

    def __call__(self, estimator, X, y):
        return _negative(getattr(recourse_score(estimator, X, y), self._figure))

    def __repr__(self):
        return f"neg_{self._figure}_scorer"


#: ``scorer(estimator, X, y)``: minus the share of people whose promised recourse fails.
neg_validity_drop_scorer = _FigureScorer("validity_drop")

#: ``scorer(estimator, X, y)``: minus the mean size of the relative change of recourse cost.
neg_abs_recourse_gap_scorer = _FigureScorer("abs_recourse_gap")

#: ``scorer(estimator, X, y)``: minus the share of people decided differently.
neg_decision_flips_scorer = _FigureScorer("decision_flips")


def recourse_score(estimator, X, y, sample_weight=None):
    """Score the classifier inside pipelines, frozen estimators and finished searches.

    Parameters
    ----------
    estimator : object
        A fitted classifier whose ``score`` returns a `RecourseScore`, however wrapped.
    X : array-like of shape (n, d)
        Rows as the outermost wrapper takes them.
    y : array-like of shape (n,)
        True classes.
    sample_weight : array-like of shape (n,), default=None
        Passed on if given.

    Returns
    -------
    RecourseScore
        The classifier's score.

    Raises
    ------
    TypeError
        If the innermost estimator's score knows nothing of recourse.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> recourse_score(DummyClassifier().fit([[0]], [1]), [[0]], [1])
    Traceback (most recent call last):
    ...
    TypeError: recourse scorers: DummyClassifier.score returned a float, which says nothing of ...
    """
    while True:
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif isinstance(estimator, Pipeline):
            if len(estimator) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator[-1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            break
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    score = estimator.score(X, y, **weights) if hasattr(estimator, "score") else None
    if isinstance(score, RecourseScore):
        return score
    name = type(estimator).__name__
    said = f"{name} has no score" if score is None else f"{name}.score returned a {_kind(score)}"
    raise TypeError(
        f"recourse scorers: {said}, which says nothing of recourse. Score a skcfq classifier "
        "(its score is a RecourseScore), alone or as the last step of a Pipeline; any other "
        "pair of models is compared by RecourseAuditor."
    )


def _negative(figure):
    # From 0, so that no cost at all is 0.0 and not -0.0.
    return 0.0 - float(figure)


def _kind(score):
    return "float" if isinstance(score, numbers.Real) else type(score).__name__
