"""Light stand-ins: recourse records, and a classifier whose score carries recourse figures."""

from types import SimpleNamespace

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from skcfq.metrics import RecourseScore, accuracy, recourse_measures


def recourse(delta, *, needed=None, success=None):
    """Build a record as solvers give it: delta (n, d), everyone in need and successful."""
    delta = np.asarray(delta, dtype=float)
    needed = np.ones(len(delta), dtype=bool) if needed is None else np.asarray(needed)
    success = np.ones(len(delta), dtype=bool) if success is None else np.asarray(success)
    cost = np.where(success, np.abs(delta).sum(axis=1), np.nan)
    return SimpleNamespace(
        needed=needed, success=success, cost=cost, delta=delta, support=delta != 0
    )


class FakeQuantized(ClassifierMixin, BaseEstimator):
    """Decides by the sign of the first feature; a share `broken` of promises fails.

    Parameters
    ----------
    broken : float, default=0.0
        Validity drop, rounded to whole people.
    dearer : float, default=0.0
        Recourse gap of everyone.
    wrong : int, default=0
        People classified wrongly.
    need : bool, default=True
        Whether anybody needs recourse.
    """

    def __init__(self, broken=0.0, dearer=0.0, wrong=0, need=True):
        self.broken = broken
        self.dearer = dearer
        self.wrong = wrong
        self.need = need

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self.n_scored_ = 0
        return self

    def predict(self, X):
        decision = (np.asarray(X)[:, 0] > 0).astype(int)
        decision[: self.wrong] = 1 - decision[: self.wrong]
        return decision

    def score(self, X, y, sample_weight=None):
        self.n_scored_ += 1
        decision, n = self.predict(X), len(X)
        delta = np.ones((n, 1))
        needed = np.full(n, self.need)
        measures = recourse_measures(
            recourse(delta, needed=needed),
            recourse(delta * (1 + self.dearer), needed=needed),
            np.arange(n) >= round(self.broken * n),
            decision,
            decision,
        )
        return RecourseScore.from_measures(
            accuracy(y, decision, sample_weight=sample_weight), measures
        )


def rows(n=40):
    """Give separable rows X (n, 2) and their classes y (n,), the two classes taking turns."""
    y = np.arange(n) % 2
    return np.column_stack([2.0 * y - 1.0, np.arange(n)]), y
