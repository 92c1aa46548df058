"""Audits of models without a network: trees and functions."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from skcfq import CoordinateSolver, GreedySolver, RecourseAuditor

NUMBERS, WORDS = (
    make_column_selector(dtype_include="number"),
    make_column_selector(dtype_exclude="number"),
)


def boosting(**kwargs):
    return HistGradientBoostingClassifier(max_iter=15, random_state=0, **kwargs)


def pipelines():
    numbers = make_column_transformer((StandardScaler(), NUMBERS), (OneHotEncoder(), WORDS))
    codes = make_column_transformer(("passthrough", NUMBERS), (OrdinalEncoder(), WORDS))
    return {
        "line": make_pipeline(numbers, LogisticRegression(max_iter=1000)),
        "boosting": make_pipeline(codes, boosting()),
        "forest": make_pipeline(
            clone(codes), RandomForestClassifier(8, max_depth=8, random_state=0)
        ),
        "words": boosting(categorical_features="from_dtype"),
    }


@pytest.fixture(scope="module")
def people(credit):
    frame = credit.data.head(200)
    words = {c: "category" for c in frame if frame[c].dtype.kind not in "iuf"}
    return frame.astype(words), credit.target.head(200)


@pytest.mark.parametrize(
    ("reference", "deployed"),
    [("line", "boosting"), ("boosting", "forest"), ("words", "line"), ("forest", "words")],
)
def test_figures_are_those_of_the_models_own_predictions(people, credit, reference, deployed):
    X, y = people
    reference, deployed = pipelines()[reference], pipelines()[deployed]
    auditor = RecourseAuditor(
        reference.fit(X, y), FrozenEstimator(deployed.fit(X, y)),
        actions=credit.realistic_actions, target="granted",
    ).fit(X, y)  # fmt: skip
    result = auditor.audit(X, y)
    table = result.people
    np.testing.assert_array_equal(table["reference_decision"], reference.predict(X))
    np.testing.assert_array_equal(table["deployed_decision"], deployed.predict(X))
    assert result.measures["accuracy"] == np.mean(deployed.predict(X) == y)
    found = (table["reference_status"] == "found").to_numpy()
    assert found.sum() > 20
    advised = X.copy()
    for name in X:
        if f"{name} (reference)" in table:
            advised[name] = table[f"{name} (reference)"].astype(X[name].dtype)
    assert (reference.predict(advised)[found] == "granted").all()
    survives = deployed.predict(advised) == "granted"
    np.testing.assert_array_equal(table["advice_survives"][found], survives[found])
    assert result.measures["validity_drop"] == pytest.approx(1 - survives[found].mean())
    for name in credit.realistic_actions.immutable:
        assert f"{name} (reference)" not in table


def test_a_model_against_itself_keeps_all_advice(people, credit):
    X, y = people
    model = pipelines()["words"].fit(X, y)
    score = RecourseAuditor(model, model, actions=credit.actions, target="granted").fit(X, y)
    score = score.score(X, y)
    assert score.validity_drop == 0
    assert score.abs_recourse_gap == 0
    assert score.decision_flips == 0
    assert score.n_counted > 20


def test_unfitted_trees_are_fitted(people, credit):
    X, y = people
    models = pipelines()
    auditor = RecourseAuditor(models["boosting"], models["forest"], actions=credit.actions)
    auditor.fit(X, y)
    assert not hasattr(models["boosting"][-1], "classes_")
    assert auditor.predict(X).dtype == bool


def test_a_function_is_audited_as_the_model_that_it_wraps(people, credit):
    X, y = people
    model = pipelines()["words"].fit(X, y)

    def scores(rows):
        return model.decision_function(rows)

    reference = pipelines()["line"].fit(X, y)
    common = {"actions": credit.actions, "target": "granted"}
    by_model = RecourseAuditor(reference, model, **common).fit(X, y).audit(X, y)
    by_function = RecourseAuditor(reference, scores, **common).fit(X, y).audit(X, y)
    pd.testing.assert_frame_equal(by_function.people, by_model.people)
    assert by_function.measures == by_model.measures
    assert "refused" in by_function.people["deployed_decision"].tolist()


def test_missing_numbers_are_left_to_models_that_take_them(people):
    X, y = people
    X = X.select_dtypes("number").astype(float)
    X.iloc[::5, 2] = np.nan
    model = boosting().fit(X, y)
    result = RecourseAuditor(model, model, target="granted").fit(X, y).audit(X)
    assert result.measures["validity_drop"] == 0
    found = result.people["reference_status"] == "found"
    assert found[::5].any()


def test_later_rows_need_not_show_all_categories(people, credit):
    X, y = people
    model = pipelines()["words"].fit(X, y)
    auditor = RecourseAuditor(model, model, actions=credit.actions, target="granted").fit(X, y)
    everybody = auditor.audit(X).people
    renters = X[X["housing"] == "rent"]
    alone = auditor.audit(renters).people
    np.testing.assert_allclose(
        alone["reference_cost"], everybody.loc[renters.index, "reference_cost"], rtol=1e-6
    )


def test_reload_and_unknown_category(people, credit):
    X, y = people
    model = pipelines()["words"].fit(X, y)
    auditor = RecourseAuditor(model, model, actions=credit.actions, target="granted").fit(X, y)
    again = pickle.loads(pickle.dumps(auditor))
    pd.testing.assert_frame_equal(again.audit(X).people, auditor.audit(X).people)
    odd = X.astype({"housing": object})
    odd.iloc[3, odd.columns.get_loc("housing")] = "tent"
    with pytest.raises(ValueError, match="column 'housing' holds 'tent', not seen in fit"):
        auditor.audit(odd)


def test_solvers(people, credit):
    X, y = people
    model = pipelines()["words"].fit(X, y)
    cheap = CoordinateSolver(n_starts=1, n_rounds=1)
    assert RecourseAuditor(model, model, solver=cheap).fit(X, y).predict(X).all()
    with pytest.raises(TypeError, match="solver=GreedySolver follows gradients"):
        RecourseAuditor(model, model, solver=GreedySolver()).fit(X, y)
