"""Affine models, where the cheapest action has a closed form."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler
from torch import nn

from skcfq import GreedySolver, PGDSolver
from skcfq.actions import ActionSet, Encoding, auto_preprocessor, bind_actions
from skcfq.datasets import make_recourse_classification
from skcfq.recourse._base import MARGIN

NAMES = ["a", "b", "c"]
#: The margin that a solver aims at, and float32 rounding, in units of cost for slopes near 1.
SLACK = 3 * MARGIN


def affine(weights, bias):
    """Two logits, 0 and the affine score."""
    layer = nn.Linear(len(weights), 2).requires_grad_(False)
    layer.weight[0], layer.bias[0] = 0.0, 0.0
    layer.weight[1], layer.bias[1] = torch.as_tensor(weights, dtype=torch.float32), float(bias)
    return layer


def wide_world(seed, **fields):
    """Three scaled numbers with far bounds, an affine model, and its score per unit of cost."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(3, 5, (30, 3)), columns=NAMES)
    encoding = Encoding(StandardScaler().fit(frame), NAMES)
    actions = ActionSet(bounds=dict.fromkeys(NAMES, (-1e3, 1e3)), **fields)
    space = bind_actions(actions, encoding, frame)
    weights = random.uniform(0.3, 1.5, 3) * random.choice([-1, 1], 3)
    model = affine(weights, -0.5)
    slopes = weights * space.numeric.scale / space.numeric.weight
    score = encoding.encode(frame) @ weights - 0.5
    return frame, space, model, slopes, np.maximum(-score, 0.0)


SOLVERS = [GreedySolver(), PGDSolver(n_steps=80)]
solvers = pytest.mark.parametrize("solver", SOLVERS, ids=["greedy", "pgd"])


@solvers
@settings(max_examples=6)
@given(seed=st.integers(0, 10**6))
def test_l1_moves_the_feature_with_most_score_per_cost(solver, seed):
    frame, space, model, slopes, missing = wide_world(seed)
    result = solver.solve(model, frame, 1, space)
    assert result.success.all()
    optimum = missing / np.abs(slopes).max()
    assert (result.cost >= optimum * (1 - 1e-5)).all()
    if isinstance(solver, GreedySolver):
        np.testing.assert_allclose(result.cost, optimum, rtol=2e-3, atol=SLACK / 0.3)
        moved = result.support[result.needed]
        assert (moved.sum(axis=1) == 1).all()
        assert moved[:, np.abs(slopes).argmax()].all()
    else:
        assert result.cost.sum() <= 1.7 * optimum.sum()


@pytest.mark.parametrize("seed", [3, 179, 235, 267])
def test_no_crumb_of_a_second_change_is_left(seed):
    """Two features buy nearly the same; trades had left a thousandth of the second one."""
    frame, space, model, slopes, missing = wide_world(seed)
    result = GreedySolver().solve(model, frame, 1, space)
    assert (result.support[result.needed].sum(axis=1) == 1).all()
    np.testing.assert_allclose(result.cost, missing / np.abs(slopes).max(), rtol=2e-3, atol=SLACK)


@solvers
@settings(max_examples=6)
@given(seed=st.integers(0, 10**6))
def test_l2_moves_every_feature_in_proportion(solver, seed):
    frame, space, model, slopes, missing = wide_world(seed, cost="l2")
    result = solver.solve(model, frame, 1, space)
    assert result.success.all()
    optimum = missing / np.linalg.norm(slopes)
    assert (result.cost >= optimum * (1 - 1e-5)).all()
    np.testing.assert_allclose(result.cost, optimum, rtol=2e-3, atol=SLACK / 0.5)
    far = optimum > 0.3
    change = result.delta[far] / space.numeric.scale * space.numeric.weight
    direction = change / np.linalg.norm(change, axis=1, keepdims=True)
    np.testing.assert_allclose(
        direction, np.tile(slopes / np.linalg.norm(slopes), (far.sum(), 1)), atol=0.05
    )


@settings(max_examples=6)
@given(seed=st.integers(0, 10**6), weights=st.tuples(*[st.floats(0.05, 5)] * 3))
def test_given_weights_decide_what_is_cheap(seed, weights):
    weights = dict(zip(NAMES, weights, strict=True))
    frame, space, model, slopes, missing = wide_world(seed, cost_weights=weights)
    result = GreedySolver().solve(model, frame, 1, space)
    optimum = missing / np.abs(slopes).max()
    np.testing.assert_allclose(result.cost, optimum, rtol=5e-3, atol=SLACK / np.abs(slopes).max())


@pytest.mark.parametrize("max_changes", [1, 2])
def test_l2_with_few_changes_moves_the_steepest_features(max_changes):
    for seed in range(5):
        frame, space, model, slopes, missing = wide_world(seed, cost="l2", max_changes=max_changes)
        result = GreedySolver().solve(model, frame, 1, space)
        best = np.sort(np.abs(slopes))[::-1][:max_changes]
        optimum = missing / np.linalg.norm(best)
        assert (result.support.sum(axis=1) <= max_changes).all()
        assert (result.cost >= optimum * (1 - 1e-5)).all()
        np.testing.assert_allclose(result.cost, optimum, rtol=5e-3, atol=SLACK / 0.3)


def test_mixed_costs_no_more_than_either_pure_action():
    frame, space, model, slopes, missing = wide_world(3, cost="mixed", mix=0.4)
    result = GreedySolver().solve(model, frame, 1, space)
    one = missing / np.abs(slopes).max()  # one feature: both norms are its change
    share = slopes / np.linalg.norm(slopes)
    proportional = missing / np.linalg.norm(slopes) * (0.4 + 0.6 * np.abs(share).sum())
    bound = np.minimum(one, proportional)
    assert (result.cost <= bound * 1.005 + SLACK).all()


def test_the_cheapest_step_count_of_a_stepped_feature():
    frame = pd.DataFrame({"n": np.arange(10)})
    encoding = Encoding(StandardScaler().fit(frame), ["n"])
    space = bind_actions(ActionSet(step={"n": 2}, bounds={"n": (0, 20)}), encoding, frame)
    # In raw units the score is n - 12.5: from n, the target is the first n + 2k past 12.5.
    scale, mean = frame["n"].std(ddof=0), frame["n"].mean()
    model = affine([scale], mean - 12.5)
    result = GreedySolver().solve(model, frame, 1, space)
    reached = result.counterfactual["n"].to_numpy()
    assert reached.tolist() == [14, 13] * 5
    np.testing.assert_allclose(result.cost, (reached - frame["n"]) / scale)


# ----- the closed form of make_recourse_classification -------------------------------------


def true_model(encoding, coefficients, intercept):
    """The data set's decision rule as a linear layer on encoded rows."""
    weights, bias = np.zeros(encoding.n_columns), intercept
    for feature in encoding.features:
        effect = coefficients.get(feature.name)
        if isinstance(effect, dict):
            weights[feature.columns] = [effect[c] for c in feature.categories]
        elif effect is not None:
            weights[feature.column] = effect / feature.scale
            bias -= effect * feature.offset / feature.scale
    return affine(weights, bias)


@pytest.mark.parametrize("seed", [0, 1])
def test_true_recourse_of_the_synthetic_credits(seed):
    data = make_recourse_classification(1500, random_state=seed)
    encoding = Encoding(auto_preprocessor(data.data), data.data.columns)
    model = true_model(encoding, data.true_coefficients, data.true_intercept)
    space = bind_actions(data.actions, encoding, data.data)
    result = GreedySolver().solve(model, data.data, 1, space)
    needed = (data.true_score < 0).to_numpy()
    optimum = data.true_recourse["cost"].to_numpy()
    np.testing.assert_array_equal(result.needed, needed)
    assert result.success.all()  # everyone has an action
    # The margin costs up to MARGIN over the worst score per cost, that of debt.
    assert (result.cost >= optimum * (1 - 1e-5) - 1e-6).all()
    near = result.cost <= optimum * (1 + 1e-3) + MARGIN / 0.28
    assert near[needed].mean() >= 0.95
    assert result.cost[needed].sum() <= 1.005 * optimum[needed].sum()
