"""The closed form against brute force."""

import itertools

import numpy as np
import pandas as pd
import pytest

from skcfq.actions import ActionSet
from skcfq.datasets._affine_recourse import MARGIN, affine_score, cheapest_affine_action

COEFFICIENTS = {"income": 2.0, "debt": -1.0, "age": 0.5, "home": {"rent": 0.0, "own": 3.0}}
ACTIONS = ActionSet(
    immutable=["age"],
    bounds={"income": (0, 4), "debt": (0, 6)},
    allowed_values={"home": ["rent", "own"]},
    cost_weights={"income": 4.0, "debt": 1.0, "home": 4.5},
)


def person(income=1.0, debt=3.0, age=2.0, home="rent"):
    return pd.DataFrame({"income": [income], "debt": [debt], "age": [age], "home": [home]})


def solve(X, intercept, **changes):
    fields = {
        "immutable": ACTIONS.immutable,
        "bounds": ACTIONS.bounds,
        "allowed_values": ACTIONS.allowed_values,
        "cost_weights": ACTIONS.cost_weights,
    }
    return cheapest_affine_action(X, COEFFICIENTS, intercept, ActionSet(**{**fields, **changes}))


def test_score():
    X = pd.concat([person(), person(home="own")], ignore_index=True)
    assert affine_score(X, COEFFICIENTS, -1.0).tolist() == [-1.0, 2.0]


# The score of person() without intercept is 2 * 1 - 3 + 0.5 * 2 + 0 = 0. Score per cost: debt 1,
# home 3 / 4.5, income 1 / 2; debt can give 3, income 6, home 3.
@pytest.mark.parametrize(
    ("missing", "cost", "after"),
    [
        (2, 2.0, {"debt": 1.0, "income": 1.0, "home": "rent"}),
        (3, 3.0, {"debt": 0.0, "income": 1.0, "home": "rent"}),
        (4, 5.0, {"debt": 0.0, "income": 1.5, "home": "rent"}),  # dearer with home: 5.5
        (6, 7.5, {"debt": 0.0, "income": 1.0, "home": "own"}),
        (7, 9.5, {"debt": 0.0, "income": 1.5, "home": "own"}),
        (12, 19.5, {"debt": 0.0, "income": 4.0, "home": "own"}),
    ],
)
def test_worked_by_hand(missing, cost, after):
    result = solve(person(), intercept=-missing + 1e-6).iloc[0]
    assert result["cost"] == pytest.approx(cost, abs=1e-5)
    for feature, value in after.items():
        assert result[feature] == (value if feature == "home" else pytest.approx(value, abs=1e-5))


def test_one_change_may_forbid_the_best_rate():
    # Debt is cheapest per score, but can give only 3 of 4: alone, only income reaches it.
    result = solve(person(), intercept=-4.0, max_changes=1).iloc[0]
    assert result["cost"] == pytest.approx(8.0)
    assert (result["debt"], result["home"]) == (3.0, "rent")


def test_favourable_row_keeps_everything():
    X = person(home="own")
    result = solve(X, intercept=-3.0)
    assert result["cost"].tolist() == [0.0]
    assert result.drop(columns="cost").equals(X)


def test_no_action_costs_infinity():
    X = person()
    result = solve(X, intercept=-13.0)
    assert result["cost"].tolist() == [np.inf]
    assert result.drop(columns="cost").equals(X)


def test_value_outside_the_bounds_is_kept():
    result = solve(person(debt=9.0), intercept=2.0).iloc[0]  # score -4, debt above its bound
    assert result["debt"] == 9.0
    assert result["cost"] == pytest.approx(4.5 + 2.0)


def test_direction_against_the_score_blocks():
    result = solve(person(), intercept=-2.0, increase_only=["debt"]).iloc[0]
    assert result["debt"] == 3.0
    assert result["cost"] == pytest.approx(4.0)


def test_transitions():
    blocked = solve(person(), -12.0, allowed_values={}, transitions={"home": {"own": ["rent"]}})
    open_ = solve(person(), -11.0, allowed_values={}, transitions={"home": {"rent": ["own"]}})
    assert blocked["cost"].tolist() == [np.inf]
    assert open_["home"].tolist() == ["own"]


def test_all_that_is_missing_is_listed():
    actions = ActionSet(cost="l2", step={"debt": 1}, bounds={"income": (0, None)})
    with pytest.raises(ValueError) as error:
        cheapest_affine_action(person(), COEFFICIENTS, 0.0, actions)
    lines = str(error.value).splitlines()
    assert lines[0] == "cheapest_affine_action has 10 problems:"
    assert "  1. cost='l2': only 'l1' has this closed form." in lines
    assert "  10. 'home' has neither allowed_values nor transitions: give one." in lines


@pytest.mark.parametrize("max_changes", [1, 2, None])
@pytest.mark.parametrize("seed", range(5))
def test_nothing_on_a_grid_is_cheaper(seed, max_changes):
    random = np.random.default_rng(seed)
    coefficients = {
        "a": random.uniform(0.5, 2), "b": -random.uniform(0.5, 2), "c": random.uniform(0.5, 2),
        "k": {"x": 0.0, "y": random.uniform(-2, 2), "z": random.uniform(-2, 2)},
    }  # fmt: skip
    weights = {feature: random.uniform(0.5, 2) for feature in coefficients}
    actions = ActionSet(
        bounds=dict.fromkeys("abc", (0, 2)),
        allowed_values={"k": ["x", "y", "z"]},
        cost_weights=weights,
        max_changes=max_changes,
    )
    X = pd.DataFrame(random.uniform(0, 2, (6, 3)), columns=list("abc"))
    X["k"] = random.choice(list("xyz"), 6)
    intercept = -affine_score(X, coefficients, 0.0).median() - 1.5
    result = cheapest_affine_action(X, coefficients, intercept, actions)

    points = 21
    for i, row in X.iterrows():
        levels = {f: np.append(np.linspace(0, 2, points), row[f]) for f in "abc"}
        grid = pd.DataFrame(
            list(itertools.product(*levels.values(), "xyz")), columns=["a", "b", "c", "k"]
        )
        changed = grid.ne(row, axis="columns")
        cost = (
            sum(weights[f] * (grid[f] - row[f]).abs() for f in "abc") + weights["k"] * changed["k"]
        )
        allowed = affine_score(grid, coefficients, intercept) >= 0
        if max_changes is not None:
            allowed &= changed.sum(axis=1) <= max_changes
        cheapest = cost[allowed].min() if allowed.any() else np.inf
        found = result["cost"][i]
        assert found <= cheapest + 1e-8  # the margin costs this much at most
        if np.isfinite(found):
            # Rounding each number up to the next grid point reaches the target as well.
            assert cheapest <= found + sum(weights[f] for f in "abc") * 2 / (points - 1) + 1e-8
            assert affine_score(result.loc[[i]], coefficients, intercept).item() >= 0


def test_result_reaches_the_target_in_floating_point():
    X = pd.concat([person(income=v / 7) for v in range(20)], ignore_index=True)
    result = solve(X, intercept=-5.3)
    score = affine_score(result, COEFFICIENTS, -5.3)
    assert (score >= 0).all()
    assert score[result["home"] == "rent"].max() <= 2 * MARGIN
