"""Audits of every kind of pair, their tables, and what they refuse."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
import skorch
import torch
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcfq import (
    ActionSet,
    CFQClassifier,
    FullPrecisionClassifier,
    PGDSolver,
    QATClassifier,
    RecourseAuditor,
)
from skcfq.metrics import RecourseScore, recourse_scoring

from ..estimators.nets import Scores
from .conftest import encoder

MEASURES = [
    "validity_drop", "recourse_gap", "abs_recourse_gap", "median_recourse_gap",
    "weighted_recourse_gap", "decision_flips", "reference_feasible", "deployed_feasible",
    "direction_similarity", "action_overlap",
]  # fmt: skip


def auditor_of(credit, reference, deployed, **params):
    auditor = RecourseAuditor(
        reference, deployed, **{"actions": credit.actions, "target": "granted", **params}
    )
    return auditor.fit(credit.data, credit.target)


@pytest.fixture(scope="module")
def audited(credit, pipelines):
    """An auditor of the two pipelines. Not to be changed."""
    return auditor_of(credit, *pipelines)


# ----- pairs ---------------------------------------------------------------------------------


def test_a_quantized_models_score_is_the_audit_against_its_teacher(credit):
    X, y = credit.data, credit.target
    classifier = CFQClassifier(
        (8,), teacher=FullPrecisionClassifier((8,), max_epochs=20, lr=0.01, random_state=0),
        actions=credit.actions, target="granted", bit_budget=2, max_epochs=3, random_state=0,
    )  # fmt: skip
    classifier.fit(X, y)
    score = classifier.score(X, y)
    assert score.n_counted > 50
    assert 0 < score.decision_flips < 1
    auditor = auditor_of(credit, classifier.teacher_, classifier)
    assert repr(auditor.score(X, y)) == repr(score)
    audited = auditor.audit(X, y).score
    for name in ("accuracy", "validity_drop", "decision_flips", "deployed_feasible"):
        assert repr(getattr(audited, name)) == repr(getattr(score, name))
    for name in ("recourse_gap", "abs_recourse_gap"):  # by Student's interval, not by resampling
        figure, other = getattr(audited, name), getattr(score, name)
        assert figure.n == other.n
        np.testing.assert_allclose(
            [figure, figure.low, figure.high], [other, other.low, other.high], atol=0.02
        )


def skorch_pair(X, y):
    nets = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        net = skorch.NeuralNetClassifier(
            Scores, criterion=torch.nn.CrossEntropyLoss, lr=0.3, max_epochs=15, verbose=0,
            train_split=None,
        )  # fmt: skip
        nets.append(net.fit(X.astype("float32"), y))
    return nets


def sklearn_pair(X, y):
    return [
        MLPClassifier((8,), solver="lbfgs", alpha=1.0, max_iter=400, random_state=seed).fit(X, y)
        for seed in (0, 1)
    ]


def our_pair(X, y):
    reference = FullPrecisionClassifier((8,), max_epochs=20, lr=0.02, random_state=0).fit(X, y)
    return reference, QATClassifier(
        (8,), bits=2, bit_budget=2, teacher=reference, max_epochs=5, random_state=0
    ).fit(X, y)


def mixed_pair(X, y):
    return LogisticRegression().fit(X, y), our_pair(X, y)[1]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("pair", [skorch_pair, sklearn_pair, our_pair, mixed_pair])
def test_every_kind_of_pair(pair):
    """The figures are those of the models' own predictions."""
    X = np.random.default_rng(0).normal(size=(300, 2))
    y = (X[:, 0] - X[:, 1] > 0.7).astype(int)
    reference, deployed = pair(X, y)
    auditor = RecourseAuditor(reference, FrozenEstimator(deployed)).fit(X, y)
    assert auditor.reference_ is reference
    assert auditor.deployed_ is deployed
    result = auditor.audit(X, y)
    people = result.people

    def predict(model, rows):
        rows = np.array(rows, dtype="float32" if pair is skorch_pair else float)
        return model.predict(rows)

    np.testing.assert_array_equal(people["reference_decision"], predict(reference, X))
    np.testing.assert_array_equal(people["deployed_decision"], predict(deployed, X))
    assert result.measures["decision_flips"] == np.mean(
        predict(reference, X) != predict(deployed, X)
    )
    found = (people["reference_status"] == "found").to_numpy()
    assert found.sum() > 100
    advised = people[["x0 (reference)", "x1 (reference)"]].to_numpy()
    assert (predict(reference, advised[found]) == 1).all()
    survives = predict(deployed, advised) == 1
    np.testing.assert_array_equal(people["advice_survives"][found], survives[found])
    assert result.measures["validity_drop"] == pytest.approx(1 - survives[found].mean())
    np.testing.assert_array_equal(auditor.predict(X)[found], survives[found])
    assert auditor.score(X, y) == result.measures["accuracy"] == np.mean(predict(deployed, X) == y)


def test_unfitted_models_are_cloned_and_fitted_and_frozen_ones_survive_clone(credit, pipelines):
    fitted, recipe = pipelines[0], clone(pipelines[1])
    auditor = clone(
        RecourseAuditor(FrozenEstimator(fitted), recipe, actions=credit.actions, target="granted")
    )
    X, y = credit.data, credit.target
    auditor.fit(X, y)
    assert auditor.reference_ is fitted
    with pytest.raises(NotFittedError):
        recipe.predict(X)
    expected = auditor_of(credit, *pipelines).score(X, y)
    assert repr(auditor.score(X, y)) == repr(expected)


def test_both_preprocessors_and_raw_units(audited, credit, pipelines):
    """Advice of either model is in raw units, and holds for the model that gives it."""
    X = credit.data
    people = audited.audit(X).people
    for role, model in zip(("reference", "deployed"), pipelines, strict=True):
        after = X.copy()
        for name in X.columns:
            if f"{name} ({role})" in people:
                after[name] = people[f"{name} ({role})"]
        found = people[f"{role}_status"] == "found"
        assert found.sum() > 50
        assert (model.predict(after[found]) == "granted").all()
        pd.testing.assert_frame_equal(after[["age", "sex"]], X[["age", "sex"]])
        n_moved = 0
        for name, (low, high) in credit.actions.bounds.items():
            moved = after[name] != X[name]
            n_moved += moved.sum()
            assert after[name][moved].between(low, high).all()
        assert n_moved > 50
        assert (after[~found] == X[~found]).all(axis=None)


def test_solver_is_used(credit, pipelines):
    greedy = auditor_of(credit, *pipelines)
    other = auditor_of(credit, *pipelines, solver=PGDSolver(n_steps=10))
    a, b = greedy.recourse_, other.recourse_
    both = a.success & b.success & a.needed
    assert both.sum() > 50
    assert (a.cost[both] != b.cost[both]).any()
    assert a.cost[both].sum() < b.cost[both].sum()


def test_reload_gives_the_same_audit(credit, audited):
    X, y = credit.data.head(100), credit.target.head(100)
    loaded = pickle.loads(pickle.dumps(audited))
    pd.testing.assert_frame_equal(
        loaded.audit(X, y, groups="sex").to_frame(), audited.audit(X, y, groups="sex").to_frame()
    )
    pd.testing.assert_frame_equal(loaded.audit(X).people, audited.audit(X).people)


def test_audits_are_repeatable(credit, audited):
    X, y = credit.data, credit.target
    pd.testing.assert_frame_equal(audited.audit(X, y).to_frame(), audited.audit(X, y).to_frame())


# ----- tables --------------------------------------------------------------------------------


def test_result_is_a_tidy_frame(credit, audited):
    X, y = credit.data, credit.target
    result = audited.audit(X, y, groups="sex")
    frame = result.to_frame()
    assert frame.columns.tolist() == ["group", "measure", "value", "low", "high", "n"]
    assert frame["group"].unique().tolist() == ["all", *pd.unique(X["sex"])]
    for _, rows in frame.groupby("group"):
        assert rows["measure"].tolist() == ["accuracy", *MEASURES]
    defined = frame.dropna(subset=["value", "low", "high"])
    assert ((defined["low"] <= defined["value"]) & (defined["value"] <= defined["high"])).all()
    with pytest.raises(AttributeError):
        result.people = None
    assert isinstance(result.score, RecourseScore)
    assert audited.audit(X).measures.keys() == set(MEASURES)


def test_groups_add_up(credit, audited):
    X, y = credit.data, credit.target
    result = audited.audit(X, y, groups="housing")
    whole = result.measures
    for name in ("validity_drop", "decision_flips", "accuracy", "recourse_gap"):
        parts = [measures[name] for measures in result.by_group.values()]
        assert sum(part.n for part in parts) == whole[name].n
        total = sum(float(part) * part.n for part in parts) / whole[name].n
        assert total == pytest.approx(float(whole[name]))
    for label, measures in result.by_group.items():
        rows = X["housing"] == label
        alone = audited.audit(X[rows], y[rows])
        for name in measures:
            assert repr(measures[name]) == repr(alone.measures[name]), (label, name)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (lambda X: ("sex",), lambda X: X["sex"]),
        (lambda X: X["sex"].to_numpy(), lambda X: X["sex"]),
        (lambda X: X["sex"].tolist(), lambda X: X["sex"]),
        (lambda X: X["sex"].set_axis(np.arange(len(X)) + 5), lambda X: X["sex"]),
        (lambda X: (X["age"] > 40).to_numpy(), lambda X: (X["age"] > 40).astype(str)),
        (lambda X: pd.cut(X["age"], [0, 30, 99]), lambda X: pd.cut(X["age"], [0, 30, 99]).astype(str)),
        (lambda X: [1.0 if age > 40 else np.nan for age in X["age"]], lambda X: ["1" if age > 40 else "missing" for age in X["age"]]),
        (lambda X: ["all"] * 50 + ["rest"] * 50, lambda X: ["all"] * 50 + ["rest"] * 50),
    ],
    ids=["tuple", "array", "list", "series", "bool", "intervals", "NaN", "named all"],
)  # fmt: skip
def test_groups_of_every_form(credit, audited, groups, expected):
    X = credit.data.head(100)
    result = audited.audit(X, groups=groups(X))
    labels = pd.Series(expected(X), index=X.index, dtype=object)
    assert result.people["group"].tolist() == labels.tolist()
    counts = labels.value_counts()
    for label, measures in result.by_group.items():
        assert measures["decision_flips"].n == counts[label]
    assert len(result.to_frame()) == len(MEASURES) * (1 + len(counts))


def test_several_columns_are_told_apart_one_by_one_and_together(credit, audited):
    X = credit.data
    result = audited.audit(X, groups=["sex", "housing"])
    assert list(result.groupings) == ["sex", "housing", "sex & housing"]
    assert list(result.by_group) == [g for groups in result.groupings.values() for g in groups]
    joined = "sex=" + X["sex"] + " & housing=" + X["housing"]
    assert result.people["group"].tolist() == joined.tolist()
    assert result.groupings["sex & housing"] == tuple(pd.unique(joined))
    for name in ("sex", "housing"):
        alone = audited.audit(X, groups=name)
        for label, measures in alone.by_group.items():
            together = result.by_group[f"{name}={label}"]
            assert {k: (e.n, round(e, 12)) for k, e in measures.items()} == {
                k: (e.n, round(e, 12)) for k, e in together.items()
            }


def test_missing_category_is_a_group_and_no_change(credit):
    X = credit.data.copy()
    X["housing"] = X["housing"].astype(object)
    X.loc[X.index[::9], "housing"] = None
    models = [
        FullPrecisionClassifier((4,), max_epochs=n, lr=0.02, random_state=0).fit(X, credit.target)
        for n in (3, 9)
    ]
    auditor = RecourseAuditor(
        *models, actions=ActionSet(immutable=["housing", "age"]), target="granted"
    ).fit(X, credit.target)
    result = auditor.audit(X, groups="housing")
    assert result.by_group["missing"]["decision_flips"].n == len(X.index[::9])
    assert not [name for name in result.people if name.startswith(("housing (", "age ("))]
    assert "income (reference)" in result.people


# ----- what is refused -----------------------------------------------------------------------


def refused(message, error=ValueError):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("gender", "groups names ['gender'], not a column of X; columns are "),
        (["sex", "gender"], "groups names ['gender'], not a column of X; columns are "),
        ([1, 2, 3], "groups has 3 labels for 100 rows of X."),
        ([None] * 100, "groups: 'group' holds no label, all are missing."),
        ([], "groups: no column is named: give one, or None for no groups."),
    ],
)
def test_wrong_groups(credit, audited, groups, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        audited.audit(credit.data.head(100), groups=groups)


def test_labels_of_another_kind_are_refused(credit, audited):
    X = credit.data.head(100)
    with refused(
        "accuracy: y_true holds numbers and y_pred holds text: both must use the same labels."
    ):
        audited.audit(X, (credit.target.head(100) == "granted").astype(int))


@pytest.mark.parametrize("n", [5, 200])
def test_labels_of_another_length_are_refused(credit, audited, n):
    X, y = credit.data.head(100), np.resize(credit.target, n)
    for method in (audited.audit, audited.score):
        with refused(f"Found input variables with inconsistent numbers of samples: [100, {n}]"):
            method(X, y)


def test_all_problems_with_the_models_are_listed_before_any_work(credit):
    X, y = credit.data, credit.target
    fitted = LogisticRegression().fit(StandardScaler().fit_transform(X[["age", "debt"]]), y)
    with refused(
        "RecourseAuditor has 2 problems:\n"
        "  1. the reference was fitted on 2 columns, X has 9.\n"
        "  2. the deployed model Pipeline is no classifier: give one, or a function that returns scores."
    ):
        RecourseAuditor(fitted, make_pipeline(RandomForestRegressor())).fit(X, y)


def test_other_classes_and_unknown_target_are_listed(credit, pipelines):
    X, y = credit.data, credit.target
    other = clone(pipelines[0]).fit(X, (y == "granted").astype(int))
    with refused(
        "RecourseAuditor has 2 problems:\n"
        "  1. the reference knows the classes ['granted', 'refused'], the deployed model [0, 1]: the "
        "decisions cannot be compared.\n"
        "  2. target='yes' is not one of the classes ['granted', 'refused']."
    ):
        RecourseAuditor(pipelines[0], other, target="yes").fit(X, y)


@pytest.mark.parametrize("model", ["logistic", LogisticRegression, 5])
def test_a_model_is_an_object(credit, model):
    message = "The 'deployed' parameter of RecourseAuditor must be an object implementing 'predict'"
    with pytest.raises(ValueError, match=message):
        RecourseAuditor(LogisticRegression(), model).fit(credit.data, credit.target)


def test_unknown_category_names_column_value_and_known_values(credit, audited):
    X = credit.data.head(10).copy()
    X.loc[X.index[2], "housing"] = "castle"
    for method in (audited.predict, audited.audit):
        with pytest.raises(
            ValueError,
            match="column 'housing' holds 'castle', not seen in fit; known are 'family', 'own', 'rent'",
        ):
            method(X)


def test_missing_number_is_refused(credit, audited):
    X = credit.data.head(10).copy()
    X["debt"] = X["debt"].astype(float)
    X.loc[X.index[2], "debt"] = np.nan
    with pytest.raises(ValueError, match=r"from the columns \['debt'\]: add a SimpleImputer"):
        audited.predict(X)


def test_columns_that_the_table_of_people_adds_are_refused(credit):
    X = credit.data.assign(group=0.0, needed=1.0)
    model = make_pipeline(encoder(StandardScaler()), LogisticRegression())
    auditor = RecourseAuditor(model, model).fit(X, credit.target)
    with refused("X has columns ['group', 'needed'], which the table of people adds: rename them."):
        auditor.audit(X)


def test_action_on_a_missing_column_is_refused(credit, pipelines):
    with pytest.raises(ValueError, match="unknown feature 'wealth'"):
        auditor_of(credit, *pipelines, actions=ActionSet(immutable=["wealth"]))


def test_unfitted_is_said(credit, pipelines):
    auditor = RecourseAuditor(*pipelines)
    for use in (auditor.predict, auditor.audit, lambda X: auditor.score(X, credit.target)):
        with pytest.raises(NotFittedError, match="This RecourseAuditor instance is not fitted yet"):
            use(credit.data)


def test_the_scorers_take_an_auditor(credit, audited):
    X, y = credit.data, credit.target
    found, score = recourse_scoring()(audited, X, y), audited.score(X, y)
    assert found["accuracy"] == score
    assert found["neg_validity_drop"] == -score.validity_drop


def test_fitted_models_need_no_labels(credit, pipelines):
    X, y = credit.data, credit.target
    auditor = RecourseAuditor(*pipelines, actions=credit.actions, target="granted")
    expected = auditor.fit(X, y).audit(X.head(60))
    found = auditor.fit(X).audit(X.head(60))
    assert found.measures == expected.measures
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        RecourseAuditor(pipelines[0], clone(pipelines[1])).fit(X)
