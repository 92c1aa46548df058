"""Several different actions of a person."""

import re

import numpy as np
import pandas as pd
import pytest

from skcfq import CoordinateSolver, FullPrecisionClassifier, GreedySolver, PGDSolver
from tests.recourse.brute import ACTION_SETS, cheapest_supports, price, world

SOLVERS = {"greedy": GreedySolver(), "pgd": PGDSolver(), "coordinate": CoordinateSolver()}


def alternatives(results, i):
    """Cost, features and raw row of each action of one person."""
    return [(r.cost[i], r.support[i], r.counterfactual.iloc[i]) for r in results if r.success[i]]


@pytest.mark.parametrize("kind", ["free", "few changes", "bounds", "transitions", "l2"])
@pytest.mark.parametrize("name", SOLVERS)
def test_actions_are_different_valid_and_in_order(name, kind):
    solver, several = SOLVERS[name], 0
    for seed in range(2):
        w = world(seed, ACTION_SETS[kind])
        X = w.train.head(9)
        results = solver.solve_diverse(3, w.logits, X, 1, w.space)
        plain = solver.solve(w.logits, X, 1, w.space)
        assert len(results) == 3
        for i in np.flatnonzero(plain.needed):
            found = alternatives(results, i)
            several += len(found) > 1
            if plain.success[i]:
                assert found[0][0] <= plain.cost[i] * (1 + 1e-6)
            for k, (cost, support, row) in enumerate(found):
                assert price(w, X.iloc[i], row) == pytest.approx(cost, rel=1e-6)
                assert w.decide(row.to_frame().T.astype(X.dtypes.to_dict()))[0] == 1
                for cheaper, other, _ in found[:k]:
                    assert cheaper <= cost
                    assert not (support | ~other).all(), "it changes all that a cheaper one does"
    assert several >= 5


def test_all_that_there_are_are_found():
    """Against the list of all actions: the same number, at nearly the same cost."""
    ratio, people = [], 0
    for seed in range(3):
        w = world(seed, ACTION_SETS["few changes"])
        X = w.train.head(15)
        results = CoordinateSolver().solve_diverse(4, w.logits, X, 1, w.space)
        for i in np.flatnonzero(results[0].needed):
            expected = cheapest_supports(w, X.iloc[i], 1)[:4]
            found = alternatives(results, i)
            assert len(found) == len(expected)
            ratio += [cost / best for (cost, _, _), (best, _) in zip(found, expected, strict=True)]
            people += 1
    assert people > 20
    assert np.mean(ratio) < 1.01
    assert np.mean(np.abs(np.array(ratio) - 1) < 1e-6) > 0.95


@pytest.mark.parametrize("name", SOLVERS)
def test_people_without_a_further_action(name):
    w = world(0, {"max_changes": 1, "immutable": ["job", "home"]})
    X = w.train
    results = SOLVERS[name].solve_diverse(4, w.logits, X, 1, w.space)
    plain = SOLVERS[name].solve(w.logits, X, 1, w.space)
    np.testing.assert_array_equal(results[0].success, plain.success)
    last = results[3]  # three features may change, one at a time: there is no fourth action
    needed = last.needed
    assert needed.any()
    assert not needed.all()
    assert (last.status[needed] == "not found").all()
    assert np.isnan(last.cost[needed]).all()
    assert not last.support.any()
    assert (last.delta == 0).all()
    assert (last.status[~needed] == "not needed").all()
    assert (last.cost[~needed] == 0).all()
    assert last.counterfactual.equals(X)
    np.testing.assert_array_equal(last.encoded, w.space.encoding.encode(X).astype(np.float32))


def test_one_action_is_that_of_solve():
    w = world(1)
    (only,) = GreedySolver().solve_diverse(1, w.logits, w.train, 1, w.space)
    plain = GreedySolver().solve(w.logits, w.train, 1, w.space)
    np.testing.assert_array_equal(only.cost, plain.cost)
    assert only.counterfactual.equals(plain.counterfactual)


@pytest.mark.parametrize("name", SOLVERS)
def test_closed_features_stay(name):
    w = world(0)
    closed = np.zeros((len(w.train), 5), dtype=bool)
    closed[np.arange(len(w.train)), np.arange(len(w.train)) % 5] = True
    result = SOLVERS[name].solve(w.logits, w.train, 1, w.space, closed=closed)
    free = SOLVERS[name].solve(w.logits, w.train, 1, w.space)
    assert (free.support & closed).any()
    assert not (result.support & closed).any()
    assert (result.success & result.needed).any()
    changed = w.train.ne(result.counterfactual).to_numpy()
    np.testing.assert_array_equal(changed, result.support)


def test_nobody_and_people_who_need_nothing():
    w = world(0)
    for X in (w.train.iloc[:0], w.train[w.decide(w.train) == 1]):
        results = GreedySolver().solve_diverse(2, w.logits, X, 1, w.space)
        assert [len(r) for r in results] == [len(X)] * 2
        assert all((r.status == "not needed").all() for r in results)


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "3"])
def test_number_of_actions(n):
    w = world(0)
    with pytest.raises(
        ValueError, match=re.escape(f"diverse={n!r}: a whole number >= 1 is needed.")
    ):
        GreedySolver().solve_diverse(n, w.logits, w.train, 1, w.space)


# ----- on the estimators -------------------------------------------------------------------


@pytest.fixture(scope="module")
def classifier(credit):
    return FullPrecisionClassifier(
        (16,), actions=credit.realistic_actions, target="granted", max_epochs=10, random_state=0
    ).fit(credit.data, credit.target)


def test_frame_of_alternatives(classifier, credit):
    X = credit.data.head(120).astype({"housing": "category"})
    advice = classifier.recourse(X, diverse=3)
    number = advice["recourse_alternative"]
    assert set(number) == {1, 2, 3}
    assert advice["housing"].dtype == X["housing"].dtype
    first = advice[number == 1]
    assert first.index.equals(X.index)
    plain = classifier.recourse(X)
    assert (first["recourse_cost"] <= plain["recourse_cost"] + 1e-9)[plain.recourse_success].all()
    for _, mine in advice.groupby(level=0, sort=False):
        assert mine["recourse_alternative"].tolist() == list(range(1, len(mine) + 1))
        assert mine["recourse_cost"].is_monotonic_increasing or len(mine) == 1
    later = advice[number > 1]
    assert (later["recourse_status"] == "found").all()
    assert (classifier.predict(later[X.columns]) == "granted").all()
    assert (first["recourse_status"] == "not needed").any()


def test_one_alternative_is_the_plain_frame(classifier, credit):
    X = credit.data.head(30)
    pd.testing.assert_frame_equal(classifier.recourse(X, diverse=1), classifier.recourse(X))


@pytest.mark.parametrize("n", [0, True, 1.5])
def test_number_of_alternatives(classifier, credit, n):
    with pytest.raises(
        ValueError, match=re.escape(f"diverse={n!r}: a whole number >= 1 is needed.")
    ):
        classifier.recourse(credit.data.head(3), diverse=n)
