"""Weights are repetitions; labels may be of any kind and number."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skcfq import CFQClassifier, FullPrecisionClassifier, PaperObjective, QATClassifier

TEACHER = FullPrecisionClassifier((8,), max_epochs=4, random_state=0)
ESTIMATORS = [
    FullPrecisionClassifier((8,), max_epochs=4, random_state=0, target="granted"),
    QATClassifier((8,), teacher=TEACHER, max_epochs=4, random_state=0, target="granted"),
    CFQClassifier((8,), teacher=TEACHER, max_epochs=2, random_state=0, target="granted"),
    CFQClassifier((8,), teacher=TEACHER, objective=PaperObjective(), max_epochs=4, random_state=0,
                  target="granted"),
]  # fmt: skip


def ids(estimator):
    objective = getattr(estimator, "objective", None)
    return type(estimator).__name__ + (type(objective).__name__ if objective else "")


def weights_of(classifier):
    return joblib.hash(classifier.__getstate__()["_module_state"])


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=ids)
def test_sample_weight_equals_repetition(credit, estimator):
    X, y = credit.data.head(250), credit.target.head(250)
    weight = np.random.default_rng(0).integers(0, 4, size=len(X))
    repeated = np.repeat(np.arange(len(X)), weight)
    weighted = clone(estimator).fit(X, y, sample_weight=weight)
    copied = clone(estimator).fit(X.iloc[repeated], y.iloc[repeated])
    plain = clone(estimator).fit(X, y)
    assert weights_of(weighted) == weights_of(copied)
    assert weights_of(weighted) != weights_of(plain)
    pd.testing.assert_frame_equal(weighted.recourse(X), copied.recourse(X))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=ids)
def test_zero_weight_equals_removal(credit, estimator):
    X, y = credit.data.head(250), credit.target.head(250)
    keep = np.random.default_rng(1).random(len(X)) < 0.7
    # A row that would widen every bound if it counted.
    X = X.assign(debt=np.where(keep, X["debt"], 10_000_000))
    weighted = clone(estimator).fit(X, y, sample_weight=keep.astype(float))
    removed = clone(estimator).fit(X[keep], y[keep])
    assert weights_of(weighted) == weights_of(removed)
    pd.testing.assert_frame_equal(weighted.recourse(X[keep]), removed.recourse(X[keep]))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=ids)
def test_weights_count_up_to_a_factor(credit, estimator):
    X, y = credit.data.head(250), credit.target.head(250)
    weight = np.random.default_rng(0).integers(1, 4, size=len(X))
    a = clone(estimator).fit(X, y, sample_weight=weight)
    b = clone(estimator).fit(X, y, sample_weight=weight * 8)
    assert weights_of(a) == weights_of(b)


def test_weighted_score_is_weighted_accuracy(credit, fitted):
    # Every fifth label is "refused", so that some decisions are wrong.
    X, y = credit.data, credit.target.mask(np.arange(len(credit.target)) % 5 == 0, "refused")
    right = (fitted.predict(X) == y).to_numpy()
    assert 0 < right.sum() < len(X)
    weight = np.random.default_rng(0).random(len(X))
    assert fitted.score(X, y, sample_weight=weight) == pytest.approx(
        np.average(right, weights=weight)
    )
    assert fitted.score(X, y) == pytest.approx(right.mean())


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=ids)
def test_class_weight_is_a_sample_weight(credit, estimator):
    X, y = credit.data.head(250), credit.target.head(250)
    by_class = clone(estimator).set_params(class_weight={"refused": 3.0, "granted": 1.0}).fit(X, y)
    by_row = clone(estimator).fit(X, y, sample_weight=y.map({"refused": 3.0, "granted": 1.0}))
    assert weights_of(by_class) == weights_of(by_row)


def test_class_weight_moves_decisions(credit):
    X, y = credit.data.head(300), credit.target.head(300)
    rates = []
    for factor in (0.02, 1.0, 50.0):
        classifier = FullPrecisionClassifier(
            (8,), max_epochs=30, lr=0.01, class_weight={"refused": factor, "granted": 1.0},
            random_state=0,
        )  # fmt: skip
        rates.append((classifier.fit(X, y).predict(X) == "refused").mean())
    assert rates[0] < rates[1] < rates[2]
    balanced = FullPrecisionClassifier((8,), max_epochs=4, class_weight="balanced", random_state=0)
    counts = y.value_counts()
    explicit = clone(balanced).set_params(class_weight=(len(y) / (2 * counts)).to_dict())
    assert weights_of(balanced.fit(X, y)) == weights_of(explicit.fit(X, y))


# ----- labels --------------------------------------------------------------------------------

LABELS = {
    "text": ("bad", "good"),
    "text array": (np.str_("bad"), np.str_("good")),
    "integers": (0, 1),
    "other integers": (-3, 7),
    "bool": (False, True),
    "float": (0.0, 1.0),
    "numpy bool": (np.False_, np.True_),
    "object": ("bad", "good"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_may_be_of_any_kind(credit, kind):
    no, yes = LABELS[kind]
    X, granted = credit.data.head(250), (credit.target.head(250) == "granted").to_numpy()
    y = np.where(granted, np.array(yes), np.array(no))
    if kind == "object":
        y = y.astype(object)
    classifier = CFQClassifier((8,), teacher=TEACHER, max_epochs=2, random_state=0, target=yes)
    classifier.fit(X, y)
    assert classifier.classes_.tolist() == [no, yes]
    assert classifier.predict(X).dtype == y.dtype
    assert set(classifier.predict(X).tolist()) <= {no, yes}
    assert classifier.score(X, y) > 0.5
    assert weights_of(classifier) == weights_of(
        CFQClassifier((8,), teacher=TEACHER, max_epochs=2, random_state=0, target=1).fit(
            X, granted.astype(int)
        )
    )


def test_trap_label_polarity_reversed(credit, teacher):
    """Recourse leads to the class that was asked for, whichever sorts last."""
    X, y = credit.data, credit.target
    assert sorted(set(y)) == ["granted", "refused"]
    found = {}
    for target in ("granted", "refused", None):
        classifier = CFQClassifier(
            (16, 8), teacher=teacher, target=target, max_epochs=8, random_state=0
        )
        classifier.fit(X, y)
        advice = classifier.recourse(X)
        before, wanted = classifier.predict(X), classifier.target_
        moved = advice["recourse_status"] == "found"
        assert moved.sum() > 20
        assert (before[moved] != wanted).all(), "somebody was moved who had the target"
        assert (advice["recourse_status"] != "not needed").eq(before != wanted).all()
        assert (classifier.predict(advice.loc[moved, X.columns]) == wanted).all()
        found[target] = wanted
    assert found == {"granted": "granted", "refused": "refused", None: "refused"}


@pytest.fixture(scope="module")
def three():
    """Three classes in the plane, and a teacher that knows them."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"])
    y = np.select([X["a"] > 0.6, X["b"] > 0.3], ["high", "medium"], "low")
    teacher = FullPrecisionClassifier((16,), max_epochs=25, lr=0.02, random_state=0)
    return X, y, teacher.fit(X, y)


@pytest.mark.parametrize(
    ("target", "objective"),
    [("high", None), ("medium", None), ("low", PaperObjective(hinge=0.1, match_action=0.1))],
)
def test_three_classes(three, target, objective):
    X, y, teacher = three
    classifier = CFQClassifier(
        (16,), teacher=teacher, target=target, objective=objective, max_epochs=10, lr=0.005,
        random_state=0,
    )  # fmt: skip
    classifier.fit(X, y)
    assert classifier.classes_.tolist() == ["high", "low", "medium"]
    assert classifier.predict_proba(X).shape == (300, 3)
    np.testing.assert_allclose(classifier.predict_proba(X).sum(axis=1), 1.0)
    assert classifier.decision_function(X).shape == (300, 3)
    np.testing.assert_array_equal(
        classifier.classes_[classifier.decision_function(X).argmax(axis=1)], classifier.predict(X)
    )
    score = classifier.score(X, y)
    assert score > 0.8
    assert score.n_counted > 100
    assert score.validity_drop < 0.3
    advice = classifier.recourse(X)
    found = advice["recourse_status"] == "found"
    assert (classifier.predict(X)[found] != target).all()
    assert (classifier.predict(advice.loc[found, ["a", "b"]]) == target).all()
