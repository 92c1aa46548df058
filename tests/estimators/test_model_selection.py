"""Searches, curves and pipelines of scikit-learn, with the recourse scorers."""

import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.impute import SimpleImputer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq import ActionSet, CFQClassifier, FullPrecisionClassifier
from skcfq.metrics import (
    RecourseScore,
    neg_abs_recourse_gap_scorer,
    neg_validity_drop_scorer,
    recourse_scoring,
    select_best,
)

from .counting import CountingTeacher

BUDGETS = [2, 3, 4, 8]
COLUMNS = (
    "accuracy", "neg_validity_drop", "neg_abs_recourse_gap", "neg_decision_flips",
)  # fmt: skip


def encoder():
    numbers = make_column_selector(dtype_include="number")
    words = make_column_selector(dtype_exclude="number")
    return ColumnTransformer(
        [
            ("numbers", StandardScaler(), numbers),
            ("words", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), words),
        ],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")


def search_over_budgets(way, refit, teacher, **params):
    """A raw frame with a preprocessor, or the last step of a Pipeline."""
    if way == "preprocessor":
        name = "bit_budget"
        estimator = CFQClassifier(teacher=teacher.set_params(preprocessor=encoder()), **params)
    else:
        name = "model__bit_budget"
        teacher.set_params(preprocessor=None)
        model = CFQClassifier(teacher=teacher, **params)
        estimator = Pipeline([("encode", encoder()), ("model", model)])
    return GridSearchCV(
        estimator, {name: BUDGETS}, scoring=recourse_scoring(), refit=refit, cv=2, n_jobs=2,
        error_score="raise",
    )  # fmt: skip


def check_search(search, n_fits):
    results = search.cv_results_
    assert len(results["params"]) == n_fits
    for column in COLUMNS:
        assert np.isfinite(results[f"mean_test_{column}"]).all(), column
    best = search.best_estimator_
    best = best[-1] if isinstance(best, Pipeline) else best
    budget = next(iter(search.best_params_.values()))
    assert best.bit_budget == budget
    assert best.average_bits_ <= budget


@pytest.fixture(scope="module")
def some_adults(adult):
    """1,200 training rows, with the codes that have no order left out."""
    rows = adult.train_index[:1200]
    X = adult.data.iloc[rows].drop(columns=["fnlwgt", "native-country"])
    return X, adult.target.iloc[rows]


ACTIONS = ActionSet(
    immutable=["age", "sex", "race", "marital-status", "relationship"], max_changes=3
)


@pytest.fixture
def adult_search(some_adults, tmp_path):
    """Fits searches over budgets that share teachers; the sizes of what teachers were fitted on."""
    log = tmp_path / "fits"
    params = {
        "hidden_layer_sizes": (8,), "actions": ACTIONS, "memory": str(tmp_path / "cache"),
        "target": ">50K", "max_epochs": 2, "random_state": 0,
    }  # fmt: skip

    def fit(way, refit):
        search = search_over_budgets(way, refit, CountingTeacher(str(log)), **params)
        check_search(search.fit(*some_adults), 4)
        return search, sorted(log.read_text().split())

    return fit


@pytest.mark.slow
def test_grid_over_bit_budgets_on_adult_in_a_pipeline(adult_search):
    """The teacher is fitted once per fold and for the refit."""
    search, fits = adult_search("pipeline", "accuracy")
    assert fits == ["1200", "600", "600"]
    assert search.best_index_ == np.argmax(search.cv_results_["mean_test_accuracy"])


@pytest.mark.slow
def test_a_second_grid_on_adult_finds_its_teachers(adult_search):
    """Chosen by accuracy, then by a rule."""
    search, fits = adult_search("preprocessor", "accuracy")
    assert fits == ["1200", "600", "600"]
    assert search.best_index_ == np.argmax(search.cv_results_["mean_test_accuracy"])
    by_rule, fits = adult_search("preprocessor", select_best(max_validity_drop=1.0))
    assert len(fits) == 3
    for column in COLUMNS:
        np.testing.assert_array_equal(
            by_rule.cv_results_[f"mean_test_{column}"], search.cv_results_[f"mean_test_{column}"]
        )


def test_default_teacher_is_cached_once_per_fold(credit, tmp_path):
    """With its recourse, of the training rows and of the synthetic people."""
    X, y = credit.data.head(240), credit.target.head(240)
    classifier = CFQClassifier(
        (4,),
        target="granted",
        max_epochs=1,
        random_state=0,
        memory=joblib.Memory(tmp_path, verbose=0),
    )
    search = GridSearchCV(classifier, {"bit_budget": BUDGETS}, cv=3, refit=False).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    cached = [path.parents[1].name for path in Path(tmp_path).rglob("output.pkl")]
    assert sorted(cached) == ["_keyed_fit"] * 3 + ["_keyed_solve"] * 6


def test_without_memory_every_cell_fits_its_teacher(credit, tmp_path):
    """So that the count of the other tests can fail."""
    log = tmp_path / "fits"
    classifier = CFQClassifier(
        (8,), teacher=CountingTeacher(str(log)), max_epochs=1, random_state=0
    )
    GridSearchCV(classifier, {"bit_budget": [2, 4]}, cv=2, refit=False).fit(
        credit.data.head(120), credit.target.head(120)
    )
    assert len(log.read_text().split()) == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda X, y: (X.assign(debt=X["debt"] + 1), y),
        lambda X, y: (X, y.replace({"granted": "refused", "refused": "granted"})),
        lambda X, y: (X.rename(columns={"debt": "owed"}), y),
        lambda X, y: (X.head(100), y.head(100)),
    ],
    ids=["value", "labels", "name", "rows"],
)
def test_cache_knows_other_data(credit, tmp_path, change):
    X, y = credit.data.head(120), credit.target.head(120)
    log = tmp_path / "fits"
    classifier = CFQClassifier(
        (8,), teacher=CountingTeacher(str(log)), max_epochs=1, random_state=0,
        memory=str(tmp_path / "cache"),
    )  # fmt: skip
    clone(classifier).fit(X, y)
    clone(classifier).fit(X, y)
    assert len(log.read_text().split()) == 1
    clone(classifier).fit(*change(X, y))
    assert len(log.read_text().split()) == 2


def test_cache_knows_other_actions_target_and_seed(credit, tmp_path):
    X, y = credit.data.head(200), credit.target.head(200)
    log, folder = tmp_path / "fits", str(tmp_path / "cache")
    classifier = CFQClassifier(
        (8,), teacher=CountingTeacher(str(log)), max_epochs=1, random_state=0
    )
    for n_fits, params in (
        (1, {}),
        (1, {"actions": ActionSet(immutable=["income"])}),
        (1, {"target": "granted"}),
        (1, {"target": "granted", "actions": ActionSet(max_changes=1)}),
        (2, {"random_state": 1}),
        (3, {"class_weight": {"granted": 1.0, "refused": 2.0}}),
    ):
        cached = clone(classifier).set_params(memory=folder, **params).fit(X, y)
        assert len(log.read_text().split()) == n_fits, params
        teacher = CountingTeacher(str(tmp_path / "other"))
        plain = clone(classifier).set_params(teacher=teacher, **params).fit(X, y)
        np.testing.assert_array_equal(cached.predict_proba(X), plain.predict_proba(X))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["preprocessor", "pipeline"])
def test_grid_with_the_default_teacher_on_adult(some_adults, tmp_path, way):
    params = {
        "hidden_layer_sizes": (8,), "actions": ACTIONS, "memory": str(tmp_path), "target": ">50K",
        "max_epochs": 2, "random_state": 0,
    }  # fmt: skip
    model = CFQClassifier(preprocessor=encoder() if way == "preprocessor" else None, **params)
    estimator = model if way == "preprocessor" else make_pipeline(encoder(), model)
    name = "bit_budget" if way == "preprocessor" else "cfqclassifier__bit_budget"
    search = GridSearchCV(
        estimator, {name: BUDGETS}, scoring=recourse_scoring(), refit="accuracy", cv=2, n_jobs=2
    )
    check_search(search.fit(*some_adults), 4)


def test_the_two_ways_ask_for_the_same(credit):
    """The same network behind either way: the same people, the same costs, the same values."""
    X, y = credit.data, credit.target
    params = {
        "target": "granted", "random_state": 0, "actions": ActionSet(immutable=["age", "sex"], max_changes=3),
    }  # fmt: skip
    pipeline = make_pipeline(
        encoder(),
        FullPrecisionClassifier((8,), preprocessor=None, max_epochs=30, lr=0.01, **params),
    )
    encode, inner = pipeline.fit(X, y)
    raw = FullPrecisionClassifier((8,), preprocessor=encoder(), max_epochs=1, **params).fit(X, y)
    raw.net_.module_.load_state_dict(inner.net_.module_.state_dict())
    np.testing.assert_array_equal(raw.predict_proba(X), pipeline.predict_proba(X))
    a, b = raw.recourse(X), inner.recourse(encode.transform(X))
    assert (a["recourse_status"] == b["recourse_status"]).all()
    found = a["recourse_status"] == "found"
    assert found.sum() > 50
    changed = (a[X.columns] != X)[found]
    assert changed["employment"].any(), "nobody changed a category"
    assert changed["income"].any(), "nobody changed a number"
    # Raw and encoded limits differ in the last bit of single precision, so that a search may take
    # another of nearly equal turns.
    same = np.isclose(a["recourse_cost"], b["recourse_cost"], atol=1e-3)
    assert same.mean() > 0.98
    np.testing.assert_allclose(a["recourse_cost"], b["recourse_cost"], rtol=0.05, atol=1e-3)
    np.testing.assert_allclose(
        encode.transform(a[X.columns])[same], b[encode.get_feature_names_out()][same], atol=1e-2
    )


def test_an_action_in_raw_units_is_refused_for_encoded_input(credit):
    actions = ActionSet(bounds={"income": (500, 4000)}, step={"income": 50})
    model = CFQClassifier(preprocessor=None, actions=actions)
    message = (
        r"bounds and step of 'income' cannot be expressed in this column, which holds scaled values "
        r".* give the ColumnTransformer as preprocessor=\.\.\. and fit on the raw frame"
    )
    with pytest.raises(ValueError, match=message):
        make_pipeline(encoder(), model).fit(credit.data, credit.target)


# ----- scores --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick():
    return CFQClassifier(
        (8,), teacher=FullPrecisionClassifier((8,), max_epochs=10, lr=0.01, random_state=0),
        target="granted", max_epochs=1, random_state=0,
    )  # fmt: skip


def test_score_is_accuracy_and_carries_recourse(credit, fitted):
    X, y = credit.data, credit.target
    score = fitted.score(X, y)
    assert isinstance(score, RecourseScore)
    assert float(score) == score.accuracy == (fitted.predict(X) == y).mean()
    assert score.n_rows == 600
    assert score.n_needed == (fitted.teacher_.predict(X) != "granted").sum()
    assert score.decision_flips == (fitted.teacher_.predict(X) != fitted.predict(X)).mean()
    advice = fitted.teacher_.recourse(X)
    found = advice["recourse_status"] == "found"
    kept = fitted.predict(advice.loc[found, X.columns]) == "granted"
    assert score.n_counted == found.sum()
    assert score.validity_drop == pytest.approx(1 - kept.mean())
    own = fitted.recourse(X)["recourse_cost"][found]
    gap = (own - advice["recourse_cost"][found]) / advice["recourse_cost"][found]
    assert float(score.recourse_gap) == pytest.approx(gap.mean(), rel=1e-3)
    assert float(score.abs_recourse_gap) == pytest.approx(gap.abs().mean(), rel=1e-3)


def test_trap_validity_drop_0_when_nobody_has_recourse(credit, fitted):
    """Nobody who needs any: undefined, with a count of 0, and never the perfect 0.0."""
    X, y = credit.data, credit.target
    accepted = fitted.teacher_.predict(X) == "granted"
    score = fitted.score(X[accepted], y[accepted])
    assert score.n_needed == score.n_counted == 0
    assert np.isnan(score.validity_drop)
    assert np.isnan(score.recourse_gap)
    assert score == (fitted.predict(X[accepted]) == y[accepted]).mean()


def test_trap_validity_drop_0_when_nobody_can_do_anything(credit, teacher):
    X, y = credit.data.head(200), credit.target.head(200)
    classifier = CFQClassifier(
        (16, 8), teacher=teacher, actions=ActionSet(immutable=list(X.columns)), target="granted",
        max_epochs=2, random_state=0,
    )  # fmt: skip
    score = classifier.fit(X, y).score(X, y)
    assert score.n_needed > 0
    assert score.n_counted == 0
    assert np.isnan(score.validity_drop)
    assert score.reference_feasible == 0.0
    advice = classifier.recourse(X)
    assert set(advice["recourse_status"]) == {"not needed", "not found"}
    assert advice["recourse_cost"].isna().eq(advice["recourse_status"] == "not found").all()


def test_cross_validation(credit, quick):
    X, y = credit.data, credit.target
    scores = cross_val_score(quick, X, y, cv=2)
    assert scores.shape == (2,)
    assert (scores > 0.5).all()
    found = cross_validate(quick, X, y, cv=2, scoring=recourse_scoring())
    np.testing.assert_array_equal(found["test_accuracy"], scores)
    drops = cross_val_score(quick, X, y, cv=2, scoring=neg_validity_drop_scorer)
    np.testing.assert_array_equal(found["test_neg_validity_drop"], drops)
    assert ((drops <= 0) & (drops >= -1)).all()


def test_default_scoring_of_a_grid(credit, quick):
    search = GridSearchCV(quick, {"bit_budget": [2, 8]}, cv=2).fit(credit.data, credit.target)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    assert isinstance(search.score(credit.data, credit.target), float)


def test_halving_search(credit, quick):
    search = HalvingGridSearchCV(
        quick, {"bit_budget": [2, 4, 8]}, cv=2, factor=2, min_resources=150,
        scoring=neg_abs_recourse_gap_scorer, random_state=0,
    )  # fmt: skip
    search.fit(credit.data, credit.target)
    assert search.n_iterations_ == 2
    assert np.isfinite(search.best_score_)


def test_learning_curve(credit, quick):
    sizes, train, test = learning_curve(
        quick, credit.data, credit.target, train_sizes=[0.5, 1.0], cv=2,
        scoring=neg_validity_drop_scorer,
    )  # fmt: skip
    assert sizes.tolist() == [150, 300]
    assert train.shape == test.shape == (2, 2)
    assert ((test <= 0) & (test >= -1)).all()


def test_metadata_routing_carries_weights_to_fit_and_score(credit, quick):
    X, y = credit.data.head(300), credit.target.head(300)
    weight = np.random.default_rng(0).integers(1, 4, len(X)).astype(float)
    with sklearn.config_context(enable_metadata_routing=True):
        model = clone(quick).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        encode = encoder()
        encode.transformers[0][1].set_fit_request(sample_weight=False)
        pipeline = make_pipeline(encode, model)
        pipeline.fit(X, y, sample_weight=weight)
        scored = pipeline.score(X, y, sample_weight=weight)
    plain = clone(model).fit(encoder().fit_transform(X), y, sample_weight=weight)
    np.testing.assert_array_equal(pipeline.predict(X), plain.predict(encoder().fit_transform(X)))
    assert scored == np.average(pipeline.predict(X) == y, weights=weight)


# ----- leaks ---------------------------------------------------------------------------------


class Medians(SimpleImputer):
    """An imputer that notes how many rows it was fitted on."""

    def fit(self, X, y=None):
        self.n_rows_ = len(X)
        return super().fit(X, y)


@pytest.mark.parametrize("way", ["preprocessor", "pipeline"])
def test_trap_imputation_medians_fitted_before_the_split(credit, way):
    """Whatever is learned from rows is learned from the training rows of each split."""
    X, y = credit.data.head(300).copy(), credit.target.head(300)
    X["income"] = X["income"].astype(float)
    X.loc[X.index[::5], "income"] = np.nan
    numbers = make_column_selector(dtype_include="number")
    words = make_column_selector(dtype_exclude="number")
    encode = ColumnTransformer(
        [
            ("numbers", make_pipeline(Medians(strategy="median"), StandardScaler()), numbers),
            ("words", OneHotEncoder(sparse_output=False), words),
        ]
    )
    params = {"target": "granted", "max_epochs": 2, "random_state": 0, "early_stopping": False}
    if way == "preprocessor":
        teacher = FullPrecisionClassifier((8,), preprocessor=encode, max_epochs=3)
        estimator = CFQClassifier((8,), teacher=teacher, **params)
    else:
        encode.set_output(transform="pandas")
        teacher = FullPrecisionClassifier((8,), preprocessor=None, max_epochs=3)
        estimator = make_pipeline(encode, CFQClassifier((8,), teacher=teacher, **params))
    found = cross_validate(estimator, X, y, cv=3, return_estimator=True, return_indices=True)
    for fitted, train in zip(found["estimator"], found["indices"]["train"], strict=True):
        if way == "preprocessor":
            imputer = fitted.encoding_.preprocessor.named_transformers_["numbers"][0]
        else:
            imputer = fitted[0].named_transformers_["numbers"][0]
        assert imputer.n_rows_ == len(train) == 200
        column = imputer.feature_names_in_.tolist().index("income")
        assert imputer.statistics_[column] == X["income"].iloc[train].median()
        assert imputer.statistics_[column] != X["income"].median()


def test_bounds_and_cost_scales_come_from_the_training_rows(credit, quick):
    X, y = credit.data.copy(), credit.target
    held_out = X.index[300:]
    X.loc[held_out, "savings"] = X.loc[held_out, "savings"] + 10_000_000
    moves = clone(quick).fit(X.head(300), y.head(300)).actions_.numeric
    savings = X["savings"].head(300)
    at = X.columns.tolist().index("savings")
    k = moves.raw_column.tolist().index(at)
    assert (moves.lower[k], moves.upper[k]) == (savings.min(), savings.max())
    assert moves.weight[k] == pytest.approx(1 / savings.std(ddof=0))


def test_no_warning_hides_in_a_search(credit, quick):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GridSearchCV(quick, {"bit_budget": [4]}, cv=2, n_jobs=1).fit(credit.data, credit.target)


def test_score_of_a_frame_is_the_score_of_its_parts(credit, fitted):
    """Recourse of a person does not depend on who else is asked about."""
    X = credit.data
    whole = fitted.recourse(X)
    parts = pd.concat([fitted.recourse(X.iloc[i : i + 150]) for i in range(0, 600, 150)])
    # The search ends within a hundred-thousandth of a change, where rounding decides.
    pd.testing.assert_frame_equal(whole, parts, rtol=1e-4)
