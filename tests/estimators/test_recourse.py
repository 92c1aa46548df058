"""Single people: their advice obeys the action set, gets the target and costs what it says."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq import ActionSet, CFQClassifier, FullPrecisionClassifier, QATClassifier


@pytest.fixture(scope="module", params=["free", "in steps", "on a grid of activations"])
def advised(request, credit, teacher):
    """A quantized model with an action set, and the advice that it gives."""
    actions = credit.actions if request.param == "free" else credit.realistic_actions
    classifier = CFQClassifier(
        (16, 8), teacher=teacher, actions=actions, target="granted", max_epochs=10, random_state=0,
        activation_bits=4 if "activations" in request.param else None,
    )  # fmt: skip
    classifier.fit(credit.data, credit.target)
    return classifier, actions, classifier.recourse(credit.data)


def moved_rows(credit, advice):
    found = advice["recourse_status"] == "found"
    assert found.sum() > 50
    return credit.data[found], advice.loc[found, credit.data.columns], advice[found]


def test_advice_gets_the_target(credit, advised):
    classifier, _, advice = advised
    before, after, _ = moved_rows(credit, advice)
    assert (classifier.predict(before) == "refused").all()
    assert (classifier.predict(after) == "granted").all()
    for i in range(0, len(after), 17):
        assert classifier.predict(after.iloc[[i]]) == ["granted"], "alone it is refused"


def test_nobody_is_moved_who_has_the_target(credit, advised):
    classifier, _, advice = advised
    granted = classifier.predict(credit.data) == "granted"
    assert 0 < granted.sum() < len(granted)
    rest = advice[granted]
    pd.testing.assert_frame_equal(
        rest[credit.data.columns], credit.data[granted], check_dtype=False
    )
    assert (rest["recourse_cost"] == 0).all()
    assert rest["recourse_success"].all()
    assert (rest["recourse_status"] == "not needed").all()


def test_advice_obeys_the_action_set(credit, advised):
    _, actions, advice = advised
    before, after, _ = moved_rows(credit, advice)
    changed = pd.DataFrame({name: before[name] != after[name] for name in before})
    assert changed.any(axis=1).all(), "an action that changes nothing"
    assert (changed.sum(axis=1) <= actions.max_changes).all()
    assert changed.sum(axis=1).max() > 1, "only single changes: the limit is not at work"
    for name in actions.immutable:
        assert not changed[name].any()
    for name, (low, high) in actions.bounds.items():
        assert after[name][changed[name]].between(low, high).all()
    for name in actions.increase_only:
        assert (after[name] >= before[name]).all()
    for name in actions.decrease_only:
        assert (after[name] <= before[name]).all()
    for name, step in actions.step.items():
        units = (after[name] - before[name]) / step
        np.testing.assert_allclose(units, units.round(), atol=1e-9)
        assert after[name].dtype == before[name].dtype, "whole numbers are whole no more"
    for name, table in actions.transitions.items():
        for a, b in zip(before[name][changed[name]], after[name][changed[name]], strict=True):
            assert b in table[a]
    for name in ("sex", "housing", "employment"):
        assert set(after[name]) <= set(credit.data[name])


def test_cost_is_the_weighted_change(credit, advised):
    _, actions, advice = advised
    before, after, found = moved_rows(credit, advice)
    assert actions.cost == "l1"
    cost = np.zeros(len(before))
    for name in before:
        weight = actions.cost_weights.get(name, 1.0)
        if before[name].dtype.kind in "if":
            cost += weight * (after[name] - before[name]).abs().to_numpy(dtype=float)
        else:
            cost += weight * (after[name] != before[name]).to_numpy()
    np.testing.assert_allclose(found["recourse_cost"], cost, rtol=1e-6)
    assert (found["recourse_cost"] > 0).all()


def test_failure_is_no_advice(credit, teacher):
    """Who can do nothing keeps the own row, at no cost that is a number."""
    actions = ActionSet(
        immutable=[c for c in credit.data if c != "debt"], bounds={"debt": (0, None)}
    )
    classifier = CFQClassifier(
        (16, 8), teacher=teacher, actions=actions, target="granted", max_epochs=2, random_state=0
    ).fit(credit.data, credit.target)
    advice = classifier.recourse(credit.data)
    failed = advice["recourse_status"] == "not found"
    assert failed.any()
    assert (advice["recourse_status"] == "found").any()
    pd.testing.assert_frame_equal(
        advice.loc[failed, credit.data.columns], credit.data[failed], check_dtype=False
    )
    assert advice.loc[failed, "recourse_cost"].isna().all()
    assert not advice.loc[failed, "recourse_success"].any()


def test_a_single_row_and_any_index(credit, fitted):
    one = credit.data.iloc[[7]].set_axis(["Ms. Seven"])
    advice = fitted.recourse(one)
    assert advice.index.tolist() == ["Ms. Seven"]
    whole = fitted.recourse(credit.data).iloc[[7]].set_axis(["Ms. Seven"])
    pd.testing.assert_frame_equal(advice, whole, check_dtype=False)


def test_rows_are_only_read(credit, fitted):
    X = credit.data.head(50).copy()
    before = X.copy()
    fitted.recourse(X)
    fitted.score(X, credit.target.head(50))
    pd.testing.assert_frame_equal(X, before)


def test_words_keep_their_dtype(credit, teacher):
    X = credit.data.astype({"sex": "category", "housing": object, "employment": "category"})
    classifier = FullPrecisionClassifier(
        (8,), max_epochs=30, lr=0.01, target="granted", random_state=0
    ).fit(X, credit.target)
    advice = classifier.recourse(X)
    moved = advice["recourse_status"] == "found"
    assert (advice["employment"][moved] != X["employment"][moved]).any()
    for name in ("sex", "housing", "employment"):
        assert advice[name].dtype == X[name].dtype


def test_arrays_have_columns_by_position():
    X = np.random.default_rng(0).normal(size=(300, 3))
    y = (X[:, 0] + X[:, 1] > 0.5).astype(int)
    classifier = FullPrecisionClassifier(
        (8,),
        actions=ActionSet(immutable=[0], increase_only=[1]),
        max_epochs=20,
        lr=0.02,
        random_state=0,
    ).fit(X, y)
    advice = classifier.recourse(X)
    assert advice.columns.tolist()[:3] == ["x0", "x1", "x2"]
    moved = advice["recourse_status"] == "found"
    assert moved.sum() > 50
    after = advice[["x0", "x1", "x2"]].to_numpy()
    np.testing.assert_array_equal(after[:, 0], X[:, 0])
    assert (after[:, 1] >= X[:, 1]).all()
    assert (classifier.predict(after[moved]) == 1).all()


def test_missing_numbers_behind_an_imputer_stay_missing(credit):
    X = credit.data.copy()
    X["age"] = X["age"].astype(float)
    X.loc[X.index[::6], "age"] = np.nan
    encode = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include="number")),
            ("words", OneHotEncoder(sparse_output=False), make_column_selector(dtype_exclude="number")),
        ]
    )  # fmt: skip
    classifier = FullPrecisionClassifier(
        (8,), preprocessor=encode, actions=ActionSet(immutable=["age"]), target="granted",
        max_epochs=20, lr=0.01, random_state=0,
    ).fit(X, credit.target)  # fmt: skip
    advice = classifier.recourse(X)
    pd.testing.assert_series_equal(advice["age"], X["age"])
    moved = advice["recourse_status"] == "found"
    assert moved[X["age"].isna()].sum() > 10
    assert advice.loc[moved, "recourse_cost"].notna().all()
    assert (classifier.predict(advice.loc[moved, X.columns]) == "granted").all()


# ----- bits ----------------------------------------------------------------------------------


def test_trap_average_bits_depend_on_the_last_forward_pass(credit, fitted):
    fitted = copy.deepcopy(fitted)
    sizes = [layer.n_weights for layer in fitted.net_.module_.layers]
    expected = np.dot(sizes, fitted.bits_) / sum(sizes)
    for use in (fitted.predict, fitted.recourse, fitted.predict_proba):
        use(credit.data.head(20))
        assert fitted.average_bits_ == pytest.approx(expected, rel=1e-12)
        assert tuple(layer.bits for layer in fitted.net_.module_.layers) == fitted.bits_
    fitted.net_.module_.train()
    fitted.predict(credit.data.head(20))
    assert tuple(layer.bits for layer in fitted.net_.module_.layers) == fitted.bits_


@pytest.mark.parametrize("budget", [1.58, 1.7, 2.0, 2.5, 3.1, 4.0, 6.0, 8.0, 20.0])
def test_trap_the_bit_budget_is_a_penalty_and_no_guarantee(credit, teacher, budget):
    classifier = QATClassifier(
        (16, 8), teacher=teacher, bits=(1.58, 2, 3, 4, 8), bit_budget=budget, max_epochs=2,
        random_state=0,
    )  # fmt: skip
    classifier.fit(credit.data, credit.target)
    assert classifier.average_bits_ <= max(budget, np.log2(3))
    for layer, bits in zip(classifier.net_.module_.layers, classifier.bits_, strict=True):
        levels = 3 if bits == np.log2(3) else 2**bits
        per_channel = [len(np.unique(row)) for row in layer.codes().numpy()]
        assert max(per_channel) <= levels
    if budget >= 8:
        assert set(classifier.bits_) == {8}


def test_predictions_do_not_depend_on_the_batch(credit, fitted):
    X = credit.data
    whole = fitted.predict_proba(X)
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[whole.argmax(axis=1)])
    for i in (0, 5, 599):
        np.testing.assert_allclose(fitted.predict_proba(X.iloc[[i]]), whole[[i]], rtol=1e-12)
    np.testing.assert_allclose(
        fitted.decision_function(X), np.log(whole[:, 1] / whole[:, 0]), rtol=1e-6, atol=1e-9
    )
