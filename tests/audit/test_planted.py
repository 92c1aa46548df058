"""Audits whose answer is known by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skcfq import ActionSet, CoordinateSolver, FullPrecisionClassifier, RecourseAuditor


def linear_model(weight, intercept, classes=(0, 1)):
    """A logistic regression with given coefficients, fitted without data."""
    model = LogisticRegression()
    model.classes_ = np.array(classes)
    model.coef_ = np.array([weight], dtype=float)
    model.intercept_ = np.array([float(intercept)])
    model.n_features_in_ = len(weight)
    model.feature_names_in_ = np.array(["income", "debt"], dtype=object)
    model.n_iter_ = np.array([1])
    return model


@pytest.fixture
def people():
    """The reference grants where income - debt > 0; the margin is their difference."""
    return pd.DataFrame({"income": [1.0, 4.0, 9.0, 2.0], "debt": [3.0, 5.0, 2.0, 2.5]})


ACTIONS = ActionSet(
    immutable=["debt"], bounds={"income": (0, 20)}, cost_weights={"income": 1.0, "debt": 1.0}
)


def audit_pair(reference, deployed, people, **kwargs):
    y = np.array([0, 0, 1, 0])
    auditor = RecourseAuditor(reference, deployed, actions=ACTIONS, **kwargs).fit(people, y)
    return auditor, auditor.audit(people, y)


def test_a_stricter_model_breaks_all_advice_and_asks_for_the_shift(people):
    auditor, result = audit_pair(linear_model([1, -1], 0.0), linear_model([1, -1], -0.5), people)
    measures = result.measures
    # Persons 0, 1 and 3 need 2, 1 and 0.5 more income; the deployed model asks for 0.5 more.
    np.testing.assert_allclose(result.people["reference_cost"], [2.0, 1.0, 0.0, 0.5], atol=1e-3)
    np.testing.assert_allclose(result.people["deployed_cost"], [2.5, 1.5, 0.0, 1.0], atol=1e-3)
    assert measures["validity_drop"] == 1.0
    assert measures["validity_drop"].n == 3
    assert float(measures["recourse_gap"]) == pytest.approx(np.mean([0.25, 0.5, 1.0]), abs=1e-2)
    assert measures["decision_flips"] == 0.0
    assert auditor.predict(people).tolist() == [False, False, True, False]
    assert result.people["advice_survives"].tolist() == [False, False, True, False]


def test_a_lenient_model_keeps_all_advice_and_shows_in_gap_and_flips(people):
    _, result = audit_pair(linear_model([1, -1], 0.0), linear_model([1, -1], 0.75), people)
    measures = result.measures
    assert measures["validity_drop"] == 0.0
    # Person 3 is accepted as they are: a gap of -1.
    assert float(measures["recourse_gap"]) == pytest.approx(
        np.mean([-0.375, -0.75, -1.0]), abs=1e-2
    )
    assert float(measures["abs_recourse_gap"]) == pytest.approx(
        np.mean([0.375, 0.75, 1.0]), abs=1e-2
    )
    assert measures["decision_flips"] == 0.25


def test_a_model_against_itself_changes_nothing(people):
    model = linear_model([1, -1], 0.0)
    _, result = audit_pair(model, FrozenEstimator(model), people)
    assert result.measures["validity_drop"] == 0.0
    assert result.measures["abs_recourse_gap"] == pytest.approx(0.0, abs=1e-9)
    assert result.measures["decision_flips"] == 0.0
    assert result.measures["direction_similarity"] == pytest.approx(1.0)
    assert result.measures["action_overlap"] == 1.0


def test_trap_validity_drop_is_not_perfect_when_nobody_has_recourse(people):
    accepts_all = linear_model([1, -1], 100.0)
    _, result = audit_pair(accepts_all, accepts_all, people)
    for name in ("validity_drop", "recourse_gap", "abs_recourse_gap"):
        assert np.isnan(result.measures[name])
        assert result.measures[name].n == 0


def test_people_without_any_advice_are_counted_but_not_held_against_the_model(people):
    unreachable = ActionSet(immutable=["income", "debt"])
    model = linear_model([1, -1], 0.0)
    auditor = RecourseAuditor(model, linear_model([1, -1], -9.0), actions=unreachable)
    auditor.fit(people, [0, 0, 1, 0])
    result = auditor.audit(people)
    assert result.people["reference_status"].tolist() == [
        "not found",
        "not found",
        "not needed",
        "not found",
    ]
    assert result.measures["reference_feasible"] == 0.0
    assert np.isnan(result.measures["validity_drop"])
    # The third person is refused by the deployed model: the only broken promise.
    assert auditor.predict(people).tolist() == [True, True, False, True]


def test_groups_are_told_apart(people):
    reference, deployed = linear_model([1, -1], 0.0), linear_model([1, -1], -0.5)
    auditor = RecourseAuditor(reference, deployed, actions=ACTIONS).fit(people, [0, 0, 1, 0])
    result = auditor.audit(people, groups=["a", "b", "a", None])
    assert list(result.by_group) == ["a", "b", "missing"]
    assert result.by_group["a"]["validity_drop"].n == 1
    frame = result.to_frame()
    assert set(frame["group"]) == {"all", "a", "b", "missing"}
    assert frame.columns.tolist() == ["group", "measure", "value", "low", "high", "n"]
    assert result.people["group"].tolist() == ["a", "b", "a", "missing"]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("sex", r"groups names \['sex'\], not a column of X; columns are \['income', 'debt'\]\."),
        (["a", "b"], "groups"),
    ],
)
def test_wrong_groups_are_named(people, groups, message):
    model = linear_model([1, -1], 0.0)
    auditor = RecourseAuditor(model, model, actions=ACTIONS).fit(people, [0, 0, 1, 0])
    with pytest.raises(ValueError, match=message):
        auditor.audit(people, groups=groups)


def test_accuracy_is_the_deployed_models(people):
    y = np.array([0, 1, 1, 0])
    auditor = RecourseAuditor(
        linear_model([1, -1], 0.0), linear_model([1, -1], 1.5), actions=ACTIONS
    ).fit(people, y)
    score = auditor.score(people, y)
    assert score == 0.75  # the deployed model grants persons 1, 2 and 3
    assert score.n_needed == 3
    assert auditor.audit(people, y).score == 0.75
    with pytest.raises(AttributeError, match=r"The audit had no labels"):
        _ = auditor.audit(people).score


def test_other_order_of_classes_is_the_same_decision(people):
    reference = linear_model([1, -1], 0.0, classes=("granted", "refused"))
    auditor = RecourseAuditor(
        linear_model([1, -1], 0.0, classes=("refused", "yes")), reference, actions=ACTIONS
    )
    with pytest.raises(ValueError, match="the reference knows the classes"):
        auditor.fit(people, ["refused", "refused", "yes", "refused"])
    swapped = linear_model([-1, 1], 0.0, classes=("granted", "refused"))
    auditor = RecourseAuditor(swapped, swapped, actions=ACTIONS, target="granted")
    y = ["refused", "refused", "granted", "refused"]
    result = auditor.fit(people, y).audit(people, y)
    np.testing.assert_allclose(result.people["reference_cost"], [2.0, 1.0, 0.0, 0.5], atol=1e-3)
    assert result.measures["accuracy"] == 1.0


def test_unknown_target_is_an_error(people):
    model = linear_model([1, -1], 0.0)
    with pytest.raises(ValueError, match=r"target='yes' is not one of the classes \[0, 1\]\."):
        RecourseAuditor(model, model, target="yes").fit(people, [0, 0, 1, 0])


def test_scaled_differently_the_same_model_gives_the_same_advice():
    """Reference and deployed model with preprocessors of their own, audited in raw units."""
    random = np.random.default_rng(0)
    X = pd.DataFrame(
        {"income": random.normal(2000, 500, 300), "debt": random.normal(9000, 3000, 300)}
    )
    y = (X["income"] / 500 - X["debt"] / 3000 > 1).astype(int)
    standard = make_pipeline(StandardScaler(), LogisticRegression(C=1e4)).fit(X, y)
    # The same decision function through another scaler.
    smallest = make_pipeline(MinMaxScaler(), LogisticRegression(C=1e4)).fit(X, y)
    scale = smallest[0].data_range_ / standard[0].scale_
    smallest[1].coef_ = standard[1].coef_ * scale
    shift = (smallest[0].data_min_ - standard[0].mean_) / standard[0].scale_
    smallest[1].intercept_ = standard[1].intercept_ + standard[1].coef_ @ shift
    np.testing.assert_allclose(smallest.decision_function(X), standard.decision_function(X))
    result = RecourseAuditor(standard, smallest).fit(X, y).audit(X, y)
    needed = result.people["needed"]
    assert needed.sum() > 100
    np.testing.assert_allclose(
        result.people.loc[needed, "deployed_cost"],
        result.people.loc[needed, "reference_cost"],
        rtol=1e-2,
    )
    assert result.measures["direction_similarity"] > 0.999


def test_networks_of_others_are_audited():
    random = np.random.default_rng(1)
    X = pd.DataFrame(random.normal(size=(200, 3)), columns=["a", "b", "c"])
    y = (X["a"] + X["b"] > 0.3).astype(int)
    other = MLPClassifier((8,), max_iter=2000, random_state=0, solver="lbfgs").fit(X, y)
    ours = FullPrecisionClassifier((8,), max_epochs=20, random_state=0)
    auditor = RecourseAuditor(FrozenEstimator(other), ours).fit(X, y)
    assert auditor.reference_ is other
    assert not hasattr(ours, "net_")  # the unfitted one was cloned
    people = auditor.audit(X, y).people
    moved = people[people["needed"] & (people["reference_status"] == "found")]
    columns = [
        f"{name} (reference)" if f"{name} (reference)" in people else name for name in X.columns
    ]
    advised = moved[columns].set_axis(X.columns, axis=1)
    assert (other.predict(advised) == 1).all()


def test_rows_are_only_read():
    X = pd.DataFrame({"income": [1.0, 4.0], "debt": [3.0, 5.0]})
    before = X.copy()
    model = linear_model([1, -1], 0.0)
    RecourseAuditor(model, model, actions=ACTIONS).fit(X, [0, 1]).audit(X)
    pd.testing.assert_frame_equal(X, before)
    assert torch.is_grad_enabled()


# ----- advice that fails for one group only --------------------------------------------------


def scores_with_shift(shift):
    """A model that grants where income > debt; of people with a flag it asks for 0.5 more."""

    def scores(rows):
        return (rows["income"] - rows["debt"] - 0.5 * rows["flag"] * shift).to_numpy()

    return scores


def planted(n_per_group, shift, seed=0):
    """Two groups alike, every row refused; 30 % of the women carry the flag.

    The flag says nothing to the reference. The deployed model asks those who carry it for more.
    """
    random = np.random.default_rng(seed)
    n = 2 * n_per_group
    debt = random.integers(10, 40, n) / 4
    table = pd.DataFrame({"income": debt - random.integers(2, 9, n) / 4, "debt": debt})
    table["sex"] = ["female", "male"] * n_per_group
    women = np.flatnonzero(table["sex"] == "female")
    table["flag"] = 0.0
    table.loc[women[: round(0.3 * n_per_group)], "flag"] = 1.0
    fields = table[["income", "debt", "flag"]]
    some = pd.concat([fields.head(20), fields.head(20).assign(income=30.0)])
    actions = ActionSet(
        immutable=["debt", "flag"], bounds={"income": (0, 40)},
        cost_weights={"income": 1.0, "debt": 1.0, "flag": 1.0},
    )  # fmt: skip
    auditor = RecourseAuditor(
        scores_with_shift(0), scores_with_shift(shift), actions=actions,
        solver=CoordinateSolver(n_starts=1, n_rounds=1),
    )  # fmt: skip
    return auditor.fit(some, [0] * 20 + [1] * 20), fields, table["sex"]


def test_advice_that_fails_for_30_percent_of_one_group_is_found():
    auditor, rows, sex = planted(200, shift=1)
    result = auditor.audit(rows, groups=sex)
    assert result.counts["advised"] == 400
    assert result.measures["validity_drop"] == 0.15
    assert result.by_group["female"]["validity_drop"] == pytest.approx(0.3)
    assert result.by_group["male"]["validity_drop"] == 0
    assert result.measures["validity_drop"].low > 0.1
    test = next(test for test in result.tests if test.measure == "validity_drop")
    assert test.p_adjusted < 1e-10
    assert (test.highest, test.lowest) == ("female", "male")
    assert test.difference == pytest.approx(0.3)
    broken = result.people[result.people["outcome"] == "broken"]
    assert set(broken["group"]) == {"female"}
    assert (broken["flag"] == 1).all()
    # Who must pay more pays 0.5 more.
    more = broken["deployed_cost"] - broken["reference_cost"]
    np.testing.assert_allclose(more, 0.5, atol=1e-2)
    gaps = next(test for test in result.tests if test.measure == "median_recourse_gap")
    assert gaps.p_adjusted < 1e-10


def test_the_same_people_and_models_without_the_shift_give_no_finding():
    auditor, rows, sex = planted(200, shift=0)
    result = auditor.audit(rows, groups=sex)
    assert result.counts["advised"] == 400
    assert result.counts["broken"] == 0
    assert [test.p_adjusted for test in result.tests] == [1.0, 1.0, 1.0]
