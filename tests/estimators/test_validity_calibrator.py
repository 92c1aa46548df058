"""The guarantee of ValidityCalibrator, over calibration sets and kinds of classifiers."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binom
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC

from skcfq import (
    ActionSet,
    CFQClassifier,
    FullPrecisionClassifier,
    PTQClassifier,
    RecourseAuditor,
    ValidityCalibrator,
)
from skcfq.datasets import make_recourse_classification
from skcfq.metrics import RecourseScore

LEVEL = 0.05


@pytest.fixture(scope="module")
def people():
    return make_recourse_classification(n_samples=3200, random_state=0)


@pytest.fixture(scope="module")
def ternary(people):
    """A coarse model of 400 people, and the other 2800."""
    X, y = people.data, people.target
    teacher = FullPrecisionClassifier(
        (16, 8), actions=people.actions, max_epochs=30, random_state=0
    ).fit(X.head(400), y.head(400))
    model = PTQClassifier(
        teacher=FrozenEstimator(teacher), actions=people.actions, bits=1.58, bit_budget=1.585
    )
    return model.fit(X.head(400), y.head(400)), X.tail(2800), y.tail(2800)


def fails(calibrator, counterfactual):
    return calibrator.predict(counterfactual) != calibrator.target_


def test_guarantee_over_calibration_and_test_splits(ternary):
    """Mean validity drop at most the level, and the bound broken no more often than stated."""
    model, X, y = ternary
    advice = model.teacher_.solve_recourse(X)
    people = np.flatnonzero(advice.needed & advice.success)
    assert len(people) > 800
    before = (model.predict(advice.counterfactual.iloc[people]) != model.target_).mean()
    assert before > 2 * LEVEL
    drops, exceeded, bounds, n_splits = [], 0, [], 30
    for seed in range(n_splits):
        random = np.random.default_rng(seed)
        held = random.permutation(len(X))[:700]
        new = np.setdiff1d(people, held)
        calibrator = ValidityCalibrator(FrozenEstimator(model), validity_level=LEVEL)
        calibrator.fit(X.iloc[held], y.iloc[held])
        calibration = calibrator.calibration_
        assert calibration.n_counted == np.isin(people, held).sum()
        assert calibration.attained <= calibration.bound <= LEVEL
        drop = fails(calibrator, advice.counterfactual.iloc[new]).mean()
        drops.append(drop)
        bounds.append(calibration.bound)
        exceeded += drop > calibration.upper_bound(0.8)
    assert np.mean(drops) <= LEVEL
    # Neither is it cautious without need.
    assert np.mean(drops) > 0.7 * np.mean(bounds)
    # Stated: in 20 % of the sets at most. A test set adds noise of its own.
    assert exceeded <= binom.ppf(0.999, n_splits, 0.27)
    assert np.std(drops) > 0


def test_upper_bound_is_that_of_order_statistics():
    """The k-th smallest of n uniform margins is Beta(k, n + 1 - k)."""
    from skcfq.training import conformal_offset

    random = np.random.default_rng(0)
    n, level, n_sets = 99, 0.05, 4000
    calibrations = [conformal_offset(random.uniform(size=n), level) for _ in range(n_sets)]
    drops = np.array([-calibration.offset for calibration in calibrations])
    for confidence in (0.5, 0.9, 0.99):
        share = (drops <= calibrations[0].upper_bound(confidence)).mean()
        assert share == pytest.approx(confidence, abs=4 * np.sqrt(0.25 / n_sets))


def test_only_the_score_of_the_target_is_shifted(ternary):
    model, X, y = ternary
    calibrator = ValidityCalibrator(FrozenEstimator(model), validity_level=LEVEL).fit(X, y)
    offset = calibrator.calibration_.offset
    assert abs(offset) > 1e-3
    sign = 1 if calibrator.target_ == model.classes_[1] else -1
    np.testing.assert_allclose(
        calibrator.decision_function(X) - model.decision_function(X), sign * offset
    )
    labels = model.classes_[(calibrator.decision_function(X) > 0).astype(int)]
    np.testing.assert_array_equal(calibrator.predict(X), labels)


def test_it_does_what_cfq_does_inside(people):
    X, y = people.data.head(1500), people.target.head(1500)
    settings = {"actions": people.actions, "max_epochs": 2, "random_state": 0}
    inside = CFQClassifier((8,), validity_level=0.1, **settings).fit(X, y)
    # The same split: the same seed draws who is held out.
    from skcfq.training import held_out_split

    codes = np.unique(y, return_inverse=True)[1]
    learn, held = held_out_split(inside._checked(X), codes, 0.2, inside._seed())
    plain = CFQClassifier((8,), **settings).fit(X.iloc[learn], y.iloc[learn])
    outside = ValidityCalibrator(FrozenEstimator(plain), validity_level=0.1)
    outside.fit(X.iloc[held], y.iloc[held])
    assert outside.calibration_.n_counted == inside.calibration_.n_counted
    assert outside.calibration_.offset == pytest.approx(inside.calibration_.offset, abs=1e-5)
    assert (outside.predict(X) == inside.predict(X)).all()


def three_classes(n, seed=0):
    random = np.random.default_rng(seed)
    X = pd.DataFrame(random.normal(size=(n, 3)), columns=["a", "b", "c"])
    y = np.array(["low", "mid", "high"])[
        np.clip(np.round(X["a"] + 0.5 * X["b"] ** 2).astype(int), 0, 2)
    ]
    return X, y


@pytest.mark.parametrize("target", ["high", "low", "mid"])
def test_multi_class(target):
    X, y = three_classes(2400)
    learn, held, new = slice(0, 500), slice(500, 1500), slice(1500, 2400)
    teacher = FullPrecisionClassifier((16,), target=target, max_epochs=40, random_state=0)
    teacher.fit(X[learn], y[learn])
    model = PTQClassifier(
        teacher=FrozenEstimator(teacher), target=target, bits=2, bit_budget=2
    ).fit(X[learn], y[learn])
    calibrator = ValidityCalibrator(FrozenEstimator(model), validity_level=0.1)
    calibrator.fit(X[held], y[held])
    assert calibrator.target_ == target
    advice = teacher.solve_recourse(X[new])
    after = advice.counterfactual[advice.needed & advice.success]
    assert len(after) > 100
    drop = fails(calibrator, after).mean()
    n = calibrator.calibration_.n_counted
    assert drop <= 0.1 + 4 * np.sqrt(0.1 * 0.9 * (1 / n + 1 / len(after)))
    change = calibrator.decision_function(X) - model.decision_function(X)
    others = [i for i, label in enumerate(model.classes_) if label != target]
    np.testing.assert_array_equal(change[:, others], 0.0)
    assert calibrator.score(X[new], y[new]).validity_drop == pytest.approx(drop)


FOREIGN = {
    "boosting": HistGradientBoostingClassifier(max_iter=20, random_state=0),
    "forest": RandomForestClassifier(20, min_samples_leaf=20, random_state=0),
    "linear svm": LinearSVC(random_state=0),
    "logistic regression": LogisticRegression(),
    "mlp": MLPClassifier((4,), max_iter=20, random_state=0),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("kind", "named"), [*((kind, True) for kind in FOREIGN), ("boosting", False), ("mlp", False)]
)
def test_any_classifier_with_scores(kind, named):
    X, y = three_classes(1600)
    y = (y == "high").astype(int)
    X = X if named else X.to_numpy()
    learn, held, new = slice(0, 500), slice(500, 1100), slice(1100, 1600)
    reference = LogisticRegression(C=0.01).fit(X[learn], y[learn])
    model = clone(FOREIGN[kind]).fit(X[learn], y[learn])
    calibrator = ValidityCalibrator(
        FrozenEstimator(model), FrozenEstimator(reference), validity_level=0.1,
        actions=ActionSet(bounds=dict.fromkeys(X if named else ["x0", "x1", "x2"], (-4, 4))),
    ).fit(X[held], y[held])  # fmt: skip
    assert calibrator.calibration_.attained <= 0.1
    auditor = RecourseAuditor(reference, reference, actions=calibrator.actions).fit(X[new], y[new])
    advice = auditor.recourse_
    after = advice.counterfactual[advice.needed & advice.success]
    drop = fails(calibrator, after if named else after.to_numpy()).mean()
    n = calibrator.calibration_.n_counted
    assert drop <= 0.1 + 4 * np.sqrt(0.1 * 0.9 * (1 / n + 1 / len(after)))
    score = calibrator.score(X[new], y[new])
    assert isinstance(score, RecourseScore) == (kind in ("logistic regression", "mlp"))
    assert float(score) == (calibrator.predict(X[new]) == y[new]).mean()


def test_models_that_are_not_fitted_learn_from_the_others_alone(people):
    seen = []

    class Watched(FullPrecisionClassifier):
        def fit(self, X, y, sample_weight=None):
            seen.append(set(X.index))
            return super().fit(X, y, sample_weight=sample_weight)

    X, y = people.data.head(600), people.target.head(600)
    teacher = Watched((8,), max_epochs=3, random_state=0)
    calibrator = ValidityCalibrator(
        PTQClassifier(teacher=teacher), validity_level=0.2, calibration_fraction=0.4, random_state=0
    ).fit(X, y)
    (learn,) = seen
    assert len(learn) == 360
    order = np.random.default_rng(0).permutation(600)
    again = clone(calibrator).fit(X.iloc[order], y.iloc[order])
    assert again.calibration_ == calibrator.calibration_
    assert seen[0] == seen[1]


def test_it_can_be_audited_pickled_and_cloned(ternary):
    model, X, y = ternary
    calibrator = ValidityCalibrator(FrozenEstimator(model), validity_level=LEVEL)
    calibrator.fit(X.head(800), y.head(800))
    new, y_new = X.tail(500), y.tail(500)
    score = calibrator.score(new, y_new)
    assert score.validity_drop < model.score(new, y_new).validity_drop
    loaded = pickle.loads(pickle.dumps(calibrator))
    assert repr(loaded.score(new, y_new)) == repr(score)
    auditor = RecourseAuditor(model.teacher_, calibrator, actions=model.actions)
    audited = auditor.fit(new, y_new).audit(new, y_new).measures
    assert float(audited["validity_drop"]) == pytest.approx(score.validity_drop, abs=0.02)
    assert not hasattr(clone(calibrator), "calibration_")
    view = calibrator.network_view_()
    rows = torch.from_numpy(view.encoding.encode(new).astype("float32"))
    np.testing.assert_array_equal(
        view.classes[view.logits(rows).argmax(1)], calibrator.predict(new)
    )
    # A classifier without a network has no such view.
    assert not hasattr(ValidityCalibrator(LinearSVC()), "network_view_")


def refused(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


def test_too_few_rows_for_the_level_is_a_clear_error(ternary):
    model, X, y = ternary
    needing = model.teacher_.solve_recourse(X.head(60))
    n = int((needing.needed & needing.success).sum())
    assert n < 49
    with refused(
        f"validity_level=0.02 needs at least 49 held-out people who need recourse and have advice; there are "
        f"{n}. Give more rows, a larger calibration_fraction or a larger validity_level."
    ):
        ValidityCalibrator(FrozenEstimator(model)).fit(X.head(60), y.head(60))


def test_what_cannot_be_calibrated_is_refused(ternary):
    model, X, y = ternary
    numeric = X.select_dtypes("number")

    class Mute(LogisticRegression):
        decision_function = predict_proba = property()

    with refused(
        "ValidityCalibrator has 2 problems:\n"
        "  1. the estimator Mute has neither decision_function nor predict_proba.\n"
        "  2. reference=None, and Mute has no teacher: give the model whose advice shall hold."
    ):
        ValidityCalibrator(Mute()).fit(numeric, y)
    with refused(
        "ValidityCalibrator: the reference is not fitted, and the rows are for calibration: fit it on "
        "other rows."
    ):
        ValidityCalibrator(FrozenEstimator(model), FullPrecisionClassifier()).fit(X, y)
    with pytest.raises(ValueError, match="target='yes' is not one of the classes"):
        ValidityCalibrator(FrozenEstimator(model), target="yes").fit(X, y)
    other = FullPrecisionClassifier((4,), max_epochs=1).fit(X, np.where(y == "granted", "a", "b"))
    with pytest.raises(ValueError, match="advice to one means nothing to the other"):
        ValidityCalibrator(FrozenEstimator(model), other).fit(X, y)
    with pytest.raises(ValueError, match="is not backed by a network"):
        ValidityCalibrator(LogisticRegression(), LinearSVC()).fit(numeric, y)


def test_target_and_actions_are_those_of_the_estimator(people):
    X, y = people.data.head(400), people.target.head(400)
    refused_class = next(label for label in people.target.unique() if label != people.favourable)
    model = PTQClassifier((8,), actions=people.actions, target=refused_class, random_state=0).fit(
        X, y
    )
    calibrator = ValidityCalibrator(FrozenEstimator(model), validity_level=0.2)
    calibrator.fit(people.data.tail(800), people.target.tail(800))
    assert calibrator.target_ == refused_class
    assert calibrator.actions_ is model.actions_
    free = clone(calibrator).set_params(actions=ActionSet())
    free.fit(people.data.tail(800), people.target.tail(800))
    assert free.actions_ is not model.actions_
