"""Classifiers without a network, and functions, seen as recourse sees a network."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skcfq import ActionSet, CoordinateSolver, GreedySolver, PGDSolver
from skcfq.estimators import NetworkView, ScoreView, classifier_view

NUMBERS, WORDS = (
    make_column_selector(dtype_include="number"),
    make_column_selector(dtype_exclude="number"),
)


def encoder(words, numbers="passthrough"):
    return make_column_transformer((numbers, NUMBERS), (words, WORDS))


def boosting(**kwargs):
    return HistGradientBoostingClassifier(max_iter=15, random_state=0, **kwargs)


#: Classifiers of raw rows with words; whether they are seen through their own encoding.
PIPELINES = {
    "boosting of codes": (make_pipeline(encoder(OrdinalEncoder()), boosting()), True),
    "boosting of named codes": (
        make_pipeline(encoder(OrdinalEncoder()).set_output(transform="pandas"), boosting()),
        True,
    ),
    "forest, sparse": (
        make_pipeline(encoder(OneHotEncoder()), RandomForestClassifier(10, random_state=0)),
        True,
    ),
    "boosting of words": (boosting(categorical_features="from_dtype"), False),
    "components": (
        make_pipeline(encoder(OneHotEncoder(sparse_output=False)), PCA(5), GaussianNB()),
        False,
    ),
    "vectors": (make_pipeline(encoder(OneHotEncoder(), StandardScaler()), SVC()), True),
    "frozen": (FrozenEstimator(make_pipeline(encoder(OrdinalEncoder()), boosting())), True),
}
#: Classifiers of numbers.
NUMERIC = {
    "tree": DecisionTreeClassifier(max_depth=4, random_state=0),
    "neighbours": KNeighborsClassifier(7),
    "bayes": GaussianNB(),
    "votes": VotingClassifier(
        [("tree", DecisionTreeClassifier(max_depth=3)), ("bayes", GaussianNB())], voting="hard"
    ),
    "ridge": RidgeClassifier(),
    "vectors": SVC(),
    "one vector against one": SVC(decision_function_shape="ovo"),
}


@pytest.fixture(scope="module")
def people(credit):
    frame = credit.data
    words = {c: "category" for c in frame if frame[c].dtype.kind not in "iuf"}
    return frame.astype(words), credit.target


def fitted(model, X, y):
    return (model.estimator if isinstance(model, FrozenEstimator) else model).fit(X, y)


def check_recourse(view, model, X, target, actions=None):
    """Everybody's advice gets the target from the model itself."""
    space = view.bind(actions, X)
    result = view.solve(None, X, target, space)
    decided = model.predict(X)
    np.testing.assert_array_equal(result.needed, decided != target)
    found = result.success & result.needed
    assert found.sum() > 0.7 * result.needed.sum() > 0
    advised = result.counterfactual[found].astype(X.dtypes[X.dtypes == "category"].to_dict())
    assert (model.predict(advised) == target).all()
    return result


@pytest.mark.parametrize("name", PIPELINES)
def test_raw_rows_with_words(people, name):
    X, y = people
    model, encoded = PIPELINES[name]
    inner = fitted(model, X, y)
    view = classifier_view(model, X)
    assert isinstance(view, ScoreView)
    assert view.classes.tolist() == ["granted", "refused"]
    rows = view.encoding.encode(X)
    assert (view.decide is not None) == encoded
    with torch.no_grad():
        largest = view.logits(torch.from_numpy(rows.astype(np.float32))).argmax(dim=1).numpy()
    assert (view.classes[largest] == inner.predict(X)).mean() > 0.995
    np.testing.assert_array_equal(view.classes[view.predict(X)], inner.predict(X))
    if encoded:
        np.testing.assert_array_equal(view.decide(rows), view.predict(X))
    check_recourse(view, inner, X.head(60), "granted", ActionSet(immutable=["age", "sex"]))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", NUMERIC)
def test_scores_of_numbers_decide_as_predict_does(name, n_classes):
    random = np.random.default_rng(0)
    X = pd.DataFrame(random.normal(size=(200, 3)), columns=list("abc")).round(2)
    lead = X["a"] - X["b"] ** 2 + random.normal(0, 0.3, 200)
    y = np.digitize(lead, [-1.0, 0.3][-(n_classes - 1) :])
    model = NUMERIC[name].fit(X, y)
    view = classifier_view(model, X)
    scores = view.logits(torch.from_numpy(X.to_numpy(dtype=np.float32, copy=True)))
    assert scores.shape == (200, n_classes)
    assert scores.dtype == torch.float32
    np.testing.assert_array_equal(scores.argmax(dim=1), model.predict(X))
    check_recourse(view, model, X.head(60), n_classes - 1)


@pytest.mark.parametrize("threshold", ["fixed", "tuned"])
def test_decisions_by_a_threshold(people, threshold):
    X, y = people
    inner = make_pipeline(encoder(OrdinalEncoder()), boosting())
    if threshold == "fixed":
        model = FixedThresholdClassifier(inner, threshold=0.8, pos_label="granted")
    else:
        model = TunedThresholdClassifierCV(inner, cv=2, random_state=0)
    model.fit(X, y == "granted" if threshold == "tuned" else y)
    target = True if threshold == "tuned" else "granted"
    view = classifier_view(model, X)
    assert view.decide is None
    check_recourse(view, model, X.head(40), target, ActionSet(immutable=["age", "sex"]))


def test_of_equal_votes_the_first_class_is_decided_for():
    # Two trees, one for each class: a tie at which argmax takes class 0.
    X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0] * 10})
    forest = VotingClassifier(
        [("low", DecisionTreeClassifier(max_depth=1)), ("high", DecisionTreeClassifier(max_depth=1))],
        voting="soft",
    ).fit(X, X["a"] >= 1)  # fmt: skip
    forest.estimators_[1].fit(X, (X["a"] >= 3).astype(int))
    view = classifier_view(forest, X)
    space = view.bind(None, X)
    lowered = view.solve(None, X.head(4), False, space)
    raised = view.solve(None, X.head(4), True, space)
    np.testing.assert_array_equal(forest.predict(X.head(4)), [False, False, False, True])
    assert lowered.success.all()
    assert raised.success.all()
    assert 2 < lowered.counterfactual["a"].iloc[3] <= 2.5
    assert (raised.counterfactual["a"].iloc[:3] > 2.5).all()


def test_models_fitted_on_arrays(people):
    X, y = people
    numbers = X[["income", "debt", "open_loans"]]
    model = boosting().fit(numbers.to_numpy(), y)
    view = classifier_view(model, numbers)
    result = view.solve(None, numbers.head(40), "granted", view.bind(None, numbers))
    found = result.success & result.needed
    assert found.any()
    assert (model.predict(result.counterfactual[found].to_numpy()) == "granted").all()


def test_missing_numbers_stay_and_the_others_move(people):
    X, y = people
    holes = X[["income", "debt", "savings", "open_loans"]].astype(float)
    holes.loc[::7, "savings"] = np.nan
    model = boosting().fit(holes, y)
    result = check_recourse(classifier_view(model, holes), model, holes.head(70), "granted")
    missing = holes.head(70)["savings"].isna().to_numpy()
    assert missing.sum() == 10
    assert result.counterfactual["savings"].isna().to_numpy()[missing].all()
    assert np.isfinite(result.delta).all()


def test_missing_words_are_a_category(people):
    X, y = people
    holes = X.assign(housing=X["housing"].astype(object).where(np.arange(len(X)) % 5 > 0))
    holes["housing"] = holes["housing"].astype("category")
    model = boosting(categorical_features="from_dtype").fit(holes, y)
    seen = []

    def scores(rows):
        seen.append(rows)
        return np.log(model.predict_proba(rows) + 1e-9)

    view = classifier_view(scores, holes, classes=model.classes_)
    result = view.solve(None, holes.head(50), "granted", view.bind(None, holes))
    found = result.success & result.needed
    assert found.any()
    assert any(rows["housing"].isna().any() for rows in seen)
    after = result.counterfactual.astype({"housing": "category"})
    after["housing"] = after["housing"].cat.set_categories(holes["housing"].cat.categories)
    assert (model.predict(after[found]) == "granted").all()


# ----- functions ---------------------------------------------------------------------------


def test_a_function_gets_raw_rows_in_their_own_dtypes(people):
    X, _ = people
    X = X.assign(flag=np.arange(len(X)) % 3 == 0)

    def scores(rows):
        assert rows.columns.tolist() == X.columns.tolist()
        for name in ("sex", "housing", "employment", "flag"):
            assert rows[name].dtype == X[name].dtype
        return rows["income"] / 1000 - 3 + (rows["housing"] == "own") + rows["flag"]

    view = classifier_view(scores, X)
    assert view.classes.tolist() == [0, 1]
    space = view.bind(ActionSet(immutable=["age", "sex"], step={"income": 100}), X)
    result = view.solve(None, X.head(50), 1, space)
    assert (result.needed & result.success).any()
    assert (scores(result.counterfactual[result.success].astype(X.dtypes.to_dict())) > 0).all()
    steps = (result.counterfactual["income"] - X["income"].head(50)) / 100
    np.testing.assert_allclose(steps, steps.round(), atol=1e-9)


def test_a_rule_at_a_whole_number_is_met(people):
    """Searched in float32, 40 comes back as 40 and not as 39.999996."""
    X = people[0][["age", "debt"]].head(80).astype(float)
    view = classifier_view(lambda rows: np.where(rows["age"] >= 52, 1.0, -1.0), X)
    space = view.bind(ActionSet(step={"age": 1}, immutable=["debt"]), X)
    result = view.solve(None, X, 1, space)
    assert result.success.all()
    np.testing.assert_array_equal(result.counterfactual["age"], np.maximum(X["age"], 52))


def test_a_function_of_three_classes(people):
    X = people[0][["income", "debt"]].astype(float)

    def scores(rows):
        lead = (rows - X.mean()) / X.std()
        return np.column_stack([lead["income"] * 0, lead["income"] - 1, lead["debt"] - 1])

    view = classifier_view(scores, X, classes=["poor", "rich", "owing"])
    result = view.solve(None, X.head(60), "owing", view.bind(None, X))
    after = scores(result.counterfactual).argmax(axis=1)
    assert (after[result.success] == 2).all()
    assert result.success.all()


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (
            lambda rows: np.zeros((len(rows), 3)),
            r"the scoring function returned shape \(5, 3\) for 5 rows and 2 classes",
        ),
        (
            lambda rows: np.zeros(len(rows) + 1),
            r"the scoring function returned shape \(6, 2\) for 5 rows and 2 classes",
        ),
    ],
)
def test_scores_of_another_shape_are_refused(people, scores, message):
    X = people[0][["income", "debt"]].head(5)
    view = classifier_view(scores, X, classes=[0, 1])
    with pytest.raises(ValueError, match=message):
        view.solve(None, X, 1, view.bind(None, X))


# ----- choice of the solver ----------------------------------------------------------------


def test_networks_are_seen_as_networks(people):
    X, y = people
    view = classifier_view(
        make_pipeline(encoder(OneHotEncoder(), StandardScaler()), LogisticRegression()).fit(X, y), X
    )
    assert isinstance(view, NetworkView)
    assert isinstance(view.default_solver(), GreedySolver)
    space = view.bind(None, X)
    greedy = view.solve(None, X.head(40), "granted", space)
    blind = view.solve(CoordinateSolver(), X.head(40), "granted", space)
    both = greedy.needed & greedy.success & blind.success
    assert both.any()
    assert (blind.cost[both] / greedy.cost[both]).mean() < 1.1


@pytest.mark.parametrize("solver", [GreedySolver(), PGDSolver()])
def test_gradients_are_not_asked_of_trees(people, solver):
    X = people[0][["income", "debt"]]
    view = classifier_view(boosting().fit(X, people[1]), X)
    with pytest.raises(TypeError) as caught:
        view.solve(solver, X, "granted", view.bind(None, X))
    assert str(caught.value) == (
        f"solver={type(solver).__name__} follows gradients, which this classifier does not have: use "
        "CoordinateSolver, or None."
    )


@pytest.mark.parametrize("model", [5, "forest", RandomForestClassifier])
def test_what_gives_no_scores(people, model):
    message = "is neither a fitted classifier nor a function that returns scores."
    with pytest.raises(TypeError, match=message):
        classifier_view(model, people[0])
