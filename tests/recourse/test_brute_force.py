"""Solvers against the cheapest of all actions, listed one by one."""

import functools

import numpy as np
import pytest

from skcfq import CoordinateSolver, GreedySolver, PGDSolver
from tests.recourse.brute import ACTION_SETS, cheapest, price, world

SOLVERS = {"greedy": GreedySolver(), "pgd": PGDSolver(), "coordinate": CoordinateSolver()}
KINDS = {kind: (kind, {}) for kind in ACTION_SETS} | {
    "three classes": ("free", {"n_classes": 3}),
    "two bits": ("free", {"quantized": True}),
    "two bits, bounds": ("bounds", {"quantized": True}),
    "two bits, few changes": ("few changes", {"quantized": True}),
    "units' own bits": ("free", {"quantized": "units"}),
}
#: Mean of cost over optimum at most, and share of feasible people who must be served.
MEAN_RATIO = {"greedy": 1.2, "pgd": 1.3, "coordinate": 1.02}
SERVED = {"greedy": 1.0, "pgd": 0.95, "coordinate": 1.0}


@functools.cache
def solved_by_hand(kind):
    """Small worlds of a kind, with the optimum of each person who needs recourse."""
    name, options = KINDS[kind]
    worlds = []
    for seed in range(3):
        w = world(seed, ACTION_SETS[name], **options)
        target = w.logits[-1].out_features - 1
        X = w.train.head(12)
        needed = w.decide(X) != target
        optimum = [cheapest(w, row, target) for _, row in X[needed].iterrows()]
        worlds.append((w, X, target, needed, np.array(optimum)))
    return worlds


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_against_brute_force(kind, solver):
    ratio, served = [], []
    for w, X, target, needed, optimum in solved_by_hand(kind):
        result = SOLVERS[solver].solve(w.logits, X, target, w.space)
        np.testing.assert_array_equal(result.needed, needed)
        found = result.success[needed]
        # A success gets the target in raw units, keeps every constraint, and costs what it says.
        assert (w.decide(result.counterfactual[result.success]) == target).all()
        for i in np.flatnonzero(result.success):
            paid = price(w, X.iloc[i], result.counterfactual.iloc[i])
            assert paid == pytest.approx(result.cost[i], rel=1e-6, abs=1e-9)
        assert not found[np.isinf(optimum)].any()
        assert (result.cost[needed][found] >= optimum[found] * (1 - 1e-6)).all()
        ratio.append(result.cost[needed][found] / optimum[found])
        served.append(found[np.isfinite(optimum)])
    ratio, served = np.concatenate(ratio), np.concatenate(served)
    assert len(served) >= 10
    assert ratio.mean() <= MEAN_RATIO[solver]
    assert served.mean() >= SERVED[solver]
