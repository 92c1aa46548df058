import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_score,
    cross_validate,
    permutation_test_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skcfq.metrics import (
    neg_abs_recourse_gap_scorer,
    neg_decision_flips_scorer,
    neg_validity_drop_scorer,
    recourse_scoring,
    select_best,
)

from .fakes import FakeQuantized, rows

X, Y = rows()
COLUMNS = ["accuracy", "neg_validity_drop", "neg_abs_recourse_gap", "neg_decision_flips"]

SINGLE = [
    (neg_validity_drop_scorer, -0.1),
    (neg_abs_recourse_gap_scorer, -0.5),
    (neg_decision_flips_scorer, 0.0),
]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_one_call_gives_all_figures():
    model = FakeQuantized(broken=0.1, dearer=0.5, wrong=4).fit(X, Y)
    found = recourse_scoring()(model, X, Y)
    assert found == dict(zip(COLUMNS, [0.9, -0.1, -0.5, 0.0], strict=True))
    assert {type(value) for value in found.values()} == {float}
    assert model.n_scored_ == 1


def test_no_cost_is_plain_zero():
    found = recourse_scoring()(FakeQuantized().fit(X, Y), X, Y)
    assert str(found["neg_validity_drop"]) == "0.0"


MODEL = FakeQuantized(broken=0.1, dearer=0.5)
SEARCH = GridSearchCV(MODEL, {"wrong": [4]}, cv=2, scoring=recourse_scoring(), refit="accuracy")
WRAPPED = {
    "pipeline": make_pipeline(MaxAbsScaler(), MODEL),
    "pipeline in pipeline": make_pipeline(MaxAbsScaler(), make_pipeline(MaxAbsScaler(), MODEL)),
    "single step": make_pipeline(MODEL),
    "passthrough": make_pipeline("passthrough", MODEL),
    "search": SEARCH,
    "search in pipeline": make_pipeline(MaxAbsScaler(), SEARCH),
    "pipeline in search": clone(SEARCH).set_params(
        estimator=make_pipeline(MaxAbsScaler(), MODEL), param_grid={"fakequantized__wrong": [4]}
    ),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_unwraps(name):
    estimator = clone(WRAPPED[name]).fit(X, Y)
    for fitted in (estimator, FrozenEstimator(estimator)):
        assert recourse_scoring()(fitted, X, Y)["neg_abs_recourse_gap"] == -0.5
        assert neg_validity_drop_scorer(fitted, X, Y) == -0.1


def test_pipeline_steps_see_the_rows():
    # The scaler turns the sign of the first feature, and so every decision.
    turned = make_pipeline(MaxAbsScaler(), FakeQuantized()).fit(X, Y)
    turned[0].scale_[0] *= -1
    assert recourse_scoring()(turned, X, Y)["accuracy"] == 0


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (DummyClassifier(), "DummyClassifier.score returned a float"),
        (
            make_pipeline(MaxAbsScaler(), DummyClassifier()),
            "DummyClassifier.score returned a float",
        ),
        (make_pipeline(MaxAbsScaler()), "MaxAbsScaler has no score"),
    ],
)
@pytest.mark.parametrize("scorer", [recourse_scoring(), neg_validity_drop_scorer])
def test_other_classifiers_are_refused(estimator, said, scorer):
    with pytest.raises(TypeError) as raised:
        scorer(estimator.fit(X, Y), X, Y)
    assert str(raised.value) == (
        f"recourse scorers: {said}, which says nothing of recourse. Score a skcfq classifier (its "
        "score is a RecourseScore), alone or as the last step of a Pipeline; any other pair of "
        "models is compared by RecourseAuditor."
    )


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search(n_jobs):
    search = GridSearchCV(
        make_pipeline(MaxAbsScaler(), FakeQuantized()),
        {"fakequantized__broken": [0.0, 0.2], "fakequantized__wrong": [0, 5]},
        cv=2,
        scoring=recourse_scoring(),
        refit="accuracy",
        n_jobs=n_jobs,
    ).fit(X, Y)
    assert search.best_params_["fakequantized__wrong"] == 0
    drops = search.cv_results_["mean_test_neg_validity_drop"]
    np.testing.assert_allclose(drops, [0, 0, -0.2, -0.2])
    assert search.score(X, Y) == 1.0
    assert {f"mean_test_{name}" for name in COLUMNS} <= set(search.cv_results_)


def test_default_scoring_is_accuracy():
    search = GridSearchCV(FakeQuantized(), {"wrong": [5, 0]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"wrong": 0}
    assert search.score(X, Y).validity_drop == 0
    assert cross_val_score(FakeQuantized(wrong=5), X, Y, cv=2) == pytest.approx([0.75, 0.75])


def test_cross_validate():
    found = cross_validate(FakeQuantized(broken=0.1), X, Y, cv=2, scoring=recourse_scoring())
    np.testing.assert_allclose(found["test_neg_validity_drop"], [-0.1, -0.1])


@pytest.mark.parametrize(("scorer", "expected"), SINGLE, ids=repr)
def test_single_scorers(scorer, expected):
    model = FakeQuantized(broken=0.1, dearer=0.5)
    np.testing.assert_allclose(cross_val_score(model, X, Y, cv=2, scoring=scorer), expected)
    assert permutation_test_score(model, X, Y, cv=2, scoring=scorer, n_permutations=2)[
        0
    ] == pytest.approx(expected)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_halving(n_jobs):
    search = HalvingGridSearchCV(
        FakeQuantized(),
        {"broken": [0.5, 0.3, 0.0]},
        cv=2,
        scoring=neg_validity_drop_scorer,
        n_jobs=n_jobs,
        random_state=0,
    ).fit(X, Y)
    assert search.best_params_ == {"broken": 0.0}


def test_nobody_in_need_is_nan_and_warned_of():
    with pytest.warns(UserWarning, match="One or more of the test scores are non-finite"):
        search = GridSearchCV(
            FakeQuantized(broken=0.0),
            {"need": [False, True], "wrong": [0, 1]},
            cv=2,
            scoring=recourse_scoring(),
            refit=select_best(),
        ).fit(X, Y)
    assert (
        np.isnan(search.cv_results_["mean_test_neg_validity_drop"]).tolist()
        == [True] * 2 + [False] * 2
    )
    assert search.best_params_ == {"need": True, "wrong": 0}


@pytest.mark.parametrize("scorer", [recourse_scoring(), *[pair[0] for pair in SINGLE]], ids=repr)
def test_pickles(scorer):
    model = FakeQuantized(broken=0.1).fit(X, Y)
    again = pickle.loads(pickle.dumps(scorer))
    assert repr(again) == repr(scorer)
    assert again(model, X, Y) == scorer(model, X, Y)


def test_reprs():
    assert repr(recourse_scoring()) == "recourse_scoring()"
    assert repr(neg_validity_drop_scorer) == "neg_validity_drop_scorer"


WEIGHT = np.where(np.arange(len(Y)) < 20, 3.0, 1.0)


def search(scoring):
    model = FakeQuantized(wrong=5)
    return GridSearchCV(model, {"broken": [0.1]}, cv=2, scoring=scoring, refit="accuracy")


def test_weights_without_routing():
    found = search(recourse_scoring()).fit(X, Y, sample_weight=WEIGHT)
    # Folds of 20 with 5 wrong, of weight 3 or 1 throughout: weights change nothing.
    assert found.cv_results_["mean_test_accuracy"] == pytest.approx([0.75])
    model = FakeQuantized(wrong=20).fit(X, Y)
    assert recourse_scoring()(model, X, Y, sample_weight=WEIGHT)["accuracy"] == 0.25


@pytest.mark.usefixtures("routing")
def test_weights_with_routing():
    model = FakeQuantized(wrong=5).set_fit_request(sample_weight=True)
    weight = np.where(np.arange(len(Y)) % 20 < 5, 3.0, 1.0)
    for scoring, expected in [
        (recourse_scoring().set_score_request(sample_weight=True), 15 / 30),
        (recourse_scoring().set_score_request(sample_weight=False), 0.75),
    ]:
        again = pickle.loads(pickle.dumps(scoring))
        for scorer in (scoring, again):
            found = GridSearchCV(
                model, {"broken": [0.1]}, cv=2, scoring=scorer, refit="accuracy"
            ).fit(X, Y, sample_weight=weight)
            assert found.cv_results_["mean_test_accuracy"] == pytest.approx([expected])
            assert found.cv_results_["mean_test_neg_validity_drop"] == pytest.approx([-0.1])


@pytest.mark.usefixtures("routing")
def test_weights_by_another_name():
    model = FakeQuantized(wrong=20).fit(X, Y)
    scoring = recourse_scoring().set_score_request(sample_weight="people")
    found = cross_validate(
        FrozenEstimator(model), X, Y, cv=2, scoring=scoring, params={"people": WEIGHT}
    )
    assert found["test_accuracy"] == pytest.approx([0, 0])
    assert str(scoring.get_metadata_routing().score.requests) == "{'sample_weight': 'people'}"


@pytest.mark.usefixtures("routing")
def test_weights_nobody_asked_for():
    model = FakeQuantized().set_fit_request(sample_weight=True)
    grid = GridSearchCV(
        model, {"broken": [0.1]}, cv=2, scoring=recourse_scoring(), refit="accuracy"
    )
    with pytest.raises(ValueError, match=r"Call `recourse_scoring\(\)\.set_score_request"):
        grid.fit(X, Y, sample_weight=WEIGHT)


def test_requests_need_routing():
    with pytest.raises(RuntimeError) as raised:
        recourse_scoring().set_score_request(sample_weight=True)
    assert str(raised.value) == (
        "set_score_request needs metadata routing: call "
        "sklearn.set_config(enable_metadata_routing=True) first."
    )
