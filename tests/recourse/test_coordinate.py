"""CoordinateSolver on scores without gradients: trees, steps, rules."""

import functools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from skcfq import ActionSet, CoordinateSolver
from skcfq.actions import Encoding, bind_actions
from tests.recourse.brute import ACTION_SETS, cheapest, price, tree_world

MODELS = {
    "forest": lambda: RandomForestClassifier(15, max_depth=6, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=20, random_state=0),
}


@pytest.mark.parametrize("kind", ACTION_SETS)
@pytest.mark.parametrize("model", MODELS)
def test_trees_against_brute_force(model, kind):
    ratio, n_people = [], 0
    for seed in range(3):
        w = tree_world(seed, ACTION_SETS[kind], MODELS[model]())
        X = w.train.head(12)
        needed = w.decide(X) != 1
        optimum = np.array([cheapest(w, row, 1) for _, row in X[needed].iterrows()])
        result = CoordinateSolver().solve(w.logits, X, 1, w.space)
        np.testing.assert_array_equal(result.needed, needed)
        np.testing.assert_array_equal(result.success[needed], np.isfinite(optimum))
        for i in np.flatnonzero(result.success):
            paid = price(w, X.iloc[i], result.counterfactual.iloc[i])
            assert paid == pytest.approx(result.cost[i], rel=1e-6, abs=1e-9)
        assert (w.decide(result.counterfactual[result.success]) == 1).all()
        ratio.append(result.cost[needed & result.success] / optimum[np.isfinite(optimum)])
        n_people += needed.sum()
    ratio = np.concatenate(ratio)
    assert n_people >= 15
    assert ratio.min() > 1 - 1e-6
    assert ratio.mean() <= 1.03
    assert np.mean(ratio < 1 + 1e-6) >= 0.85


def rule(function):
    """Logits of a rule on raw numbers: -1 or 1, flat everywhere."""

    def logits(z):
        lead = np.where(function(z.numpy().T), 1.0, -1.0).astype(np.float32)
        return torch.from_numpy(np.column_stack([-lead, lead]))

    return logits


@pytest.fixture(scope="module")
def plane():
    frame = pd.DataFrame(np.random.default_rng(0).uniform(0, 10, size=(60, 3)), columns=list("abc"))
    weights = {"a": 1.0, "b": 2.0, "c": 0.5}
    return frame, weights


def solved(frame, function, **fields):
    space = bind_actions(ActionSet(**fields), Encoding(None, frame.columns), frame)
    return CoordinateSolver().solve(rule(function), frame, 1, space)


def test_the_edge_of_a_plateau_is_found(plane):
    frame, weights = plane
    result = solved(frame, lambda x: x[0] >= 7.3, cost_weights=weights)
    expected = np.maximum(7.3 - frame["a"], 0)
    assert result.success.all()
    np.testing.assert_allclose(result.cost, expected, rtol=2e-3, atol=1e-5)
    assert (result.support == (expected > 0).to_numpy()[:, None] * [True, False, False]).all()


def test_the_cheaper_of_two_ways_is_taken(plane):
    frame, weights = plane
    result = solved(frame, lambda x: (x[0] >= 8.1) | (x[2] <= 1.2), cost_weights=weights)
    raise_a, lower_c = np.maximum(8.1 - frame["a"], 0), 0.5 * np.maximum(frame["c"] - 1.2, 0)
    expected = np.minimum(raise_a, lower_c)
    np.testing.assert_allclose(result.cost, expected, rtol=2e-3, atol=1e-5)
    assert (raise_a < lower_c).any()
    assert (lower_c < raise_a).any()


def test_a_number_may_take_a_value_between_those_of_training_rows(plane):
    """Training rows have whole `a` only; people may take any."""
    frame, _ = plane
    frame = frame.assign(a=frame["a"].round())
    weights = {"a": 1.0, "b": 0.5, "c": 1.0}
    result = solved(
        frame, lambda x: x[0] + 0.4 * x[1] >= 7.5, cost_weights=weights,
        bounds={"a": (0, 20), "b": (0, 20)}, immutable=["c"],
    )  # fmt: skip
    short = np.maximum(7.5 - frame["a"] - 0.4 * frame["b"], 0)  # `a` is the better bargain
    assert (short % 1 > 0.1).sum() > 10
    np.testing.assert_allclose(result.cost, np.where(result.needed, short, 0), rtol=2e-3, atol=1e-4)


def test_two_features_at_once_on_a_rule_that_neither_helps_alone(plane):
    frame, weights = plane
    result = solved(frame, lambda x: (x[0] >= 6.0) & (x[1] >= 4.0), cost_weights=weights)
    expected = np.maximum(6.0 - frame["a"], 0) + 2 * np.maximum(4.0 - frame["b"], 0)
    assert result.success.all()
    assert result.support.sum(axis=1).max() == 2
    ratio = result.cost[result.needed] / expected[result.needed]
    assert ratio.min() > 0.999
    assert ratio.mean() < 1.01


def test_whole_steps_stop_at_the_first_that_is_enough(plane):
    frame, _ = plane
    whole = frame.round()
    result = solved(whole, lambda x: x[0] >= 7.3, step={"a": 2}, bounds={"a": (0, 12)})
    steps = np.ceil(np.maximum(7.3 - whole["a"], 0) / 2)
    np.testing.assert_allclose(result.counterfactual["a"], whole["a"] + 2 * steps)


def test_rare_values_of_a_column_that_is_mostly_zero():
    random = np.random.default_rng(0)
    gain = np.where(random.random(400) < 0.05, random.uniform(1000, 90000, 400), 0.0)
    frame = pd.DataFrame({"gain": gain, "other": random.normal(size=400)})
    result = solved(frame, lambda x: (x[0] >= 3000) & (x[0] < 8000), immutable=["other"])
    assert result.success.all()
    paid = result.counterfactual["gain"][(frame["gain"] == 0).to_numpy()]
    np.testing.assert_allclose(paid, 3000, rtol=2e-3)


def test_people_are_scored_in_few_large_batches(plane):
    frame, _ = plane
    crowd = pd.concat([frame + shift for shift in np.linspace(0, 1, 20)], ignore_index=True)
    calls = []

    def counted(x):
        calls.append(x.shape[1])
        return x[0] + x[1] >= 17

    result = solved(crowd, counted)
    assert result.needed.sum() > 500
    assert result.success.all()
    assert len(calls) < len(crowd) / 2
    assert np.mean(calls) > 500


def test_constant_scores_are_a_failed_search(plane):
    frame, _ = plane
    result = solved(frame, lambda x: x[0] > 1e9)
    assert (result.status == "not found").all()
    assert result.counterfactual.equals(frame)


def test_nothing_is_asked_of_people_who_may_change_nothing(plane):
    frame, _ = plane
    result = solved(frame, lambda x: x[0] >= 7.3, immutable=list("abc"))
    assert (result.success == (frame["a"] >= 7.3)).all()


@functools.cache
def trees(seed):
    return tree_world(seed, {}, MODELS["forest"]())


@st.composite
def action_sets(draw):
    """Fields of an action set on the small world."""
    fields = {}
    names = ("years", "loans", "job", "home")
    fields["immutable"] = draw(st.lists(st.sampled_from(names), unique=True, max_size=2))
    free = [n for n in ("years", "loans") if n not in fields["immutable"]]
    up = draw(st.lists(st.sampled_from(free), unique=True)) if free else []
    fields["increase_only"] = up
    fields["decrease_only"] = [n for n in free if n not in up and draw(st.booleans())]
    fields["bounds"] = {
        n: (draw(st.sampled_from([None, 0, 1])), draw(st.sampled_from([None, 3, 5]))) for n in free
    }
    if "job" not in fields["immutable"] and draw(st.booleans()):
        fields["transitions"] = {"job": {"none": ["part"], "part": ["full", "none"]}}
    fields["max_changes"] = draw(st.sampled_from([None, 1, 2, 3]))
    fields["cost"] = draw(st.sampled_from(["l1", "l2", "mixed"]))
    fields["step"] = {n: draw(st.sampled_from([1, 2])) for n in free}
    return fields


@given(fields=action_sets(), seed=st.integers(0, 2), target=st.integers(0, 1))
@settings(max_examples=40)
def test_no_action_ever_breaks_its_action_set(fields, seed, target):
    w = trees(seed)
    fields = {**fields, "allowed_values": {"rating": (1.0, 2.5, 4.0)}}
    for name in ("years", "loans"):
        if name in fields["immutable"]:
            fields["step"].pop(name, None)
    actions = ActionSet(**fields)
    space = bind_actions(actions, w.space.encoding, w.train)
    restricted = type(w)(w.train, actions, space, w.logits)
    X = w.train.head(25)
    result = CoordinateSolver(n_random=8).solve(w.logits, X, target, space)
    for i in np.flatnonzero(result.success):
        paid = price(restricted, X.iloc[i], result.counterfactual.iloc[i])
        assert paid == pytest.approx(result.cost[i], rel=1e-6, abs=1e-9)
    assert (w.decide(result.counterfactual[result.success]) == target).all()
    failed = ~result.success
    assert result.counterfactual[failed].equals(X[failed])


def test_random_actions_help_where_nothing_else_does():
    # Four features at once, each without effect alone: pairs do not reach it.
    frame = pd.DataFrame({c: [0.0, 1.0] * 10 for c in "abcde"})
    function = functools.partial(np.all, axis=0)
    found = {}
    for n_random in (0, 512):
        space = bind_actions(ActionSet(), Encoding(None, frame.columns), frame)
        solver = CoordinateSolver(n_random=n_random)
        logits = rule(lambda x: function(x[:4] == [[1.0]] * 4))
        found[n_random] = solver.solve(logits, frame, 1, space)
    assert not found[0].success[::2].any()
    assert found[512].success.all()
    assert (found[512].support[::2] == [True] * 4 + [False]).all()
