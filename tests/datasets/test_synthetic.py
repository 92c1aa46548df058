"""The generator: deterministic, learnable, and true about its recourse."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq.datasets import make_recourse_classification
from skcfq.datasets._affine_recourse import affine_score, cheapest_affine_action

NUMBERS = ["age", "income", "debt", "savings", "years_employed", "open_loans"]
CATEGORIES = ["sex", "housing", "employment"]


@pytest.fixture(scope="module")
def credit():
    return make_recourse_classification(random_state=0)


def test_shapes_and_types(credit):
    assert credit.data.shape == (2000, 9)
    assert list(credit.frame.columns) == [*credit.feature_names, "credit"]
    assert set(credit.feature_names) == {*NUMBERS, *CATEGORIES}
    assert all(credit.data[name].dtype == np.int64 for name in NUMBERS)
    assert all(pd.api.types.is_string_dtype(credit.data[name]) for name in CATEGORIES)
    assert credit.target_names == ["granted", "refused"]
    assert credit.favourable == "granted"
    assert credit.train_index is None
    assert credit.test_index is None
    assert not credit.frame.isna().any(axis=None)
    assert type(credit.true_coefficients) is dict


def test_same_seed_same_people():
    first, second = (make_recourse_classification(50, random_state=3) for _ in range(2))
    pd.testing.assert_frame_equal(first.frame, second.frame)
    pd.testing.assert_frame_equal(first.true_recourse, second.true_recourse)
    other = make_recourse_classification(50, random_state=4)
    assert not first.frame.equals(other.frame)


def test_random_state_instance_moves_on():
    random = np.random.RandomState(3)
    first = make_recourse_classification(50, random_state=random)
    second = make_recourse_classification(50, random_state=random)
    assert first.frame.equals(make_recourse_classification(50, random_state=3).frame)
    assert not first.frame.equals(second.frame)


def test_score_is_affine_in_raw_units(credit):
    row = credit.data.iloc[0]
    expected = credit.true_intercept
    for feature, coefficient in credit.true_coefficients.items():
        value = row[feature]
        expected += coefficient[value] if isinstance(coefficient, dict) else coefficient * value
    assert credit.true_score.iloc[0] == pytest.approx(expected, abs=1e-12)


def test_without_noise_the_label_is_the_rule():
    exact = make_recourse_classification(random_state=0, noise=0)
    assert ((exact.target == "granted") == (exact.true_score >= 0)).all()


def test_noise_changes_labels_and_no_feature(credit):
    exact = make_recourse_classification(random_state=0, noise=0)
    pd.testing.assert_frame_equal(exact.data, credit.data)
    assert (exact.target != credit.target).mean() == pytest.approx(0.08, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_about_60_percent_are_granted(seed):
    target = make_recourse_classification(random_state=seed).target
    assert (target == "granted").mean() == pytest.approx(0.61, abs=0.03)


def test_a_small_network_learns_it(credit):
    encoder = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(), make_column_selector(dtype_exclude="number")),
    )
    network = MLPClassifier((32,), early_stopping=True, random_state=0)
    scores = cross_val_score(
        make_pipeline(encoder, network), credit.data, credit.target, cv=3, n_jobs=1
    )
    assert 0.85 < scores.mean() < 0.92


def test_actions_do_not_depend_on_the_draw(credit):
    other = make_recourse_classification(10, random_state=1)
    assert other.actions == credit.actions
    assert other.realistic_actions == credit.realistic_actions
    assert set(credit.actions.bounds) == set(NUMBERS) - {"age"}
    assert {*credit.actions.cost_weights, *credit.actions.immutable} == set(credit.feature_names)


def test_bunches_share_nothing_that_a_user_may_change(credit):
    other = make_recourse_classification(10, random_state=0)
    other.true_coefficients["housing"]["own"] = 99.0
    assert credit.true_coefficients["housing"]["own"] == 0.4


def test_true_recourse_flips_true_score(credit):
    refused = credit.true_score < 0
    assert refused.sum() > 500
    after = affine_score(credit.true_recourse, credit.true_coefficients, credit.true_intercept)
    assert (after >= 0).all()
    cost = credit.true_recourse["cost"]
    assert (cost[refused] > 0).all()
    assert (cost[~refused] == 0).all()
    kept = credit.true_recourse.loc[~refused, credit.feature_names]
    pd.testing.assert_frame_equal(kept, credit.data[~refused], check_dtype=False)


def test_true_recourse_obeys_the_actions(credit):
    after, before, actions = credit.true_recourse, credit.data, credit.actions
    changed = pd.DataFrame({f: after[f] != before[f] for f in credit.feature_names})
    assert not changed[list(actions.immutable)].any(axis=None)
    assert changed.sum(axis=1).max() == actions.max_changes
    for feature, (lower, upper) in actions.bounds.items():
        assert after[feature][changed[feature]].between(lower, upper).all()
    for feature, values in actions.allowed_values.items():
        assert after[feature][changed[feature]].isin(values).all()


def test_cost_is_the_weighted_sum_of_changes(credit):
    after, before = credit.true_recourse, credit.data
    cost = pd.Series(0.0, index=before.index)
    for feature, weight in credit.actions.cost_weights.items():
        if feature in NUMBERS:
            cost += weight * (after[feature] - before[feature]).abs()
        else:
            cost += weight * (after[feature] != before[feature])
    np.testing.assert_allclose(after["cost"], cost, rtol=0, atol=1e-8)


def test_several_kinds_of_action_occur(credit):
    refused = credit.true_score < 0
    before = credit.data[refused]
    changed = pd.DataFrame({f: credit.true_recourse.loc[refused, f] != before[f] for f in before})
    assert (changed.mean() > 0.05).sum() >= 5
    assert set(changed.sum(axis=1)) == {1, 2, 3}


def test_everyone_has_an_action():
    """The worst person that can be drawn still has one."""
    worst = make_recourse_classification(1, random_state=0)
    row = worst.data.assign(
        age=18, income=500, debt=60000, savings=0, years_employed=0, open_loans=8,
        housing="family", employment="unemployed",
    )  # fmt: skip
    result = cheapest_affine_action(
        row, worst.true_coefficients, worst.true_intercept, worst.actions
    )
    assert np.isfinite(result["cost"]).all()


def test_milp_finds_nothing_cheaper(credit):
    """The same optimum, written down as a mixed-integer program and solved by HiGHS."""
    refused = credit.data[credit.true_score < 0].iloc[:40]
    for i, row in refused.iterrows():
        expected = _milp_cost(row, credit)
        assert credit.true_recourse["cost"][i] == pytest.approx(expected, abs=1e-5)


def _milp_cost(row, credit):
    """One variable per direction of a number and per category, one switch per number."""
    actions, coefficients = credit.actions, credit.true_coefficients
    cost, gain, upper, switches = [], [], [], []
    numeric = [f for f in actions.bounds if f in coefficients]
    for feature in numeric:
        lower, top = actions.bounds[feature]
        outside = not lower <= row[feature] <= top
        for sign, room in ((1, top - row[feature]), (-1, row[feature] - lower)):
            cost.append(actions.cost_weights[feature])
            gain.append(sign * coefficients[feature])
            upper.append(0 if outside else room)
    groups = []
    for feature in actions.allowed_values:
        start = coefficients[feature][row[feature]]
        others = [to for to in actions.allowed_values[feature] if to != row[feature]]
        groups.append(list(range(len(cost), len(cost) + len(others))))
        cost += [actions.cost_weights[feature]] * len(others)
        gain += [coefficients[feature][to] - start for to in others]
        upper += [1] * len(others)
    categories = [j for group in groups for j in group]
    switches = list(range(len(cost), len(cost) + len(numeric)))
    cost += [0.0] * len(numeric)
    gain += [0.0] * len(numeric)
    upper += [1] * len(numeric)

    n = len(cost)
    rows, low, high = [np.array(gain)], [-credit.true_score[row.name]], [np.inf]
    for j, switch in enumerate(switches):
        for variable in (2 * j, 2 * j + 1):
            link = np.zeros(n)
            link[variable], link[switch] = 1.0, -max(upper[variable], 1e-9)
            rows.append(link)
            low.append(-np.inf)
            high.append(0.0)
    for group in groups:
        rows.append(np.isin(np.arange(n), group).astype(float))
        low.append(0.0)
        high.append(1.0)
    rows.append(np.isin(np.arange(n), switches + categories).astype(float))
    low.append(0.0)
    high.append(actions.max_changes)
    solution = milp(
        cost,
        integrality=np.isin(np.arange(n), switches + categories).astype(int),
        bounds=Bounds(0, upper),
        constraints=LinearConstraint(np.array(rows), low, high),
        options={"mip_rel_gap": 0},
    )
    assert solution.success
    return solution.fun


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"n_samples": 0},
            "make_recourse_classification: n_samples=0: an integer >= 1 is needed.",
        ),
        (
            {"noise": -1.0},
            "make_recourse_classification: noise=-1.0: a finite number >= 0 is needed.",
        ),
        (
            {"n_samples": 2.5, "noise": float("nan")},
            "make_recourse_classification has 2 problems:\n"
            "  1. n_samples=2.5: an integer >= 1 is needed.\n"
            "  2. noise=nan: a finite number >= 0 is needed.",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        make_recourse_classification(**arguments)
    assert str(error.value) == message
