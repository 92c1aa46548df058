"""Classifiers whose advice has consequences."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skcfq import (
    CausalActionSet,
    CFQClassifier,
    FullPrecisionClassifier,
    GreedySolver,
    PaperObjective,
    PGDSolver,
    RecourseAuditor,
)


def saved(income, debt):
    """A share of income, less where there is debt; a function of a module, so that it pickles."""
    return 1.5 * income / (1 + debt / 20000)


ACTIONS = CausalActionSet(
    immutable=["age", "sex", "housing", "employment", "years_employed"],
    bounds={"income": (0, 8000), "debt": (0, 60000), "savings": (0, 30000)},
    step={"income": 50, "open_loans": 1},
    graph={"savings": ["income", "debt"], "debt": ["open_loans"]},
    equations={"savings": saved},  # that of debt is fitted
    max_changes=3,
)


def expected_rows(clf, before, result):
    """What the equations make of the interventions, written out."""
    names = clf.actions_.feature_names
    acted = pd.DataFrame(result.support, columns=names, index=before.index)
    after = result.counterfactual
    slope = clf.actions_.causes.equations[clf.actions_.causes.names.index("debt")][0]
    loans = after["open_loans"] - before["open_loans"]
    debt = np.where(acted["debt"], after["debt"], before["debt"] + slope * loans)
    follows = saved(after["income"], debt) - saved(before["income"], before["debt"])
    savings = np.where(acted["savings"], after["savings"], before["savings"] + follows)
    return debt, savings


@pytest.fixture(scope="module")
def fitted(credit):
    clf = CFQClassifier(
        (16,), actions=ACTIONS, target="granted", bit_budget=4, max_epochs=8, random_state=0,
        teacher=FullPrecisionClassifier(
            (16,), actions=ACTIONS, target="granted", max_epochs=25, random_state=0
        ),
    )  # fmt: skip
    return clf.fit(credit.data, credit.target)


@pytest.mark.parametrize("solver", [GreedySolver(), PGDSolver()], ids=["greedy", "pgd"])
def test_advice_is_valid_with_its_consequences_in_raw_units(credit, fitted, solver):
    people = credit.data
    clf = pickle.loads(pickle.dumps(fitted))
    clf.solver = solver
    result = clf.solve_recourse(people)
    found = result.success & result.needed
    assert found.sum() > 50
    assert (clf.predict(result.counterfactual[result.success]) == "granted").all()
    debt, savings = expected_rows(clf, people, result)
    np.testing.assert_allclose(result.counterfactual["debt"], debt, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(result.counterfactual["savings"], savings, rtol=1e-9, atol=1e-6)
    # Costs, changes and steps are those of what the person does.
    moves = clf.actions_.numeric
    change = result.counterfactual.iloc[:, moves.raw_column].to_numpy(float)
    change = np.abs(change - people.iloc[:, moves.raw_column].to_numpy(float)) * moves.weight
    paid = np.where(result.support[:, moves.feature], change, 0).sum(axis=1)
    np.testing.assert_allclose(result.cost[result.success], paid[result.success], atol=1e-9)
    assert (result.support.sum(axis=1) <= 3).all()
    assert ((result.counterfactual["income"] - people["income"])[found] % 50 == 0).all()
    names = list(clf.actions_.feature_names)
    followed = result.counterfactual["savings"].ne(people["savings"]).to_numpy()
    assert (followed & ~result.support[:, names.index("savings")]).any()


def test_it_is_an_estimator_like_others(credit, fitted):
    rows = credit.data.head(40)
    again = pickle.loads(pickle.dumps(fitted))
    pd.testing.assert_frame_equal(again.recourse(rows), fitted.recourse(rows))
    assert clone(fitted).actions == ACTIONS
    score = fitted.score(credit.data, credit.target)
    assert 0.7 < score < 1
    assert score.validity_drop.n > 0
    auditor = RecourseAuditor(fitted.teacher_, fitted, actions=ACTIONS, target="granted")
    measures = auditor.fit(credit.data, credit.target).audit(rows).measures
    assert measures["validity_drop"].n > 0


def test_functions_that_a_cache_cannot_know_are_refused_before_training(credit, tmp_path):
    actions = CausalActionSet(
        graph={"savings": ["income"]}, equations={"savings": lambda income: 2 * income}
    )
    clf = CFQClassifier((4,), actions=actions, memory=str(tmp_path), max_epochs=1, random_state=0)
    with pytest.raises(ValueError) as error:
        clf.fit(credit.data, credit.target)
    assert str(error.value) == (
        "CFQClassifier: equations['savings'] of actions cannot be pickled, which memory needs: use a "
        "function of a module, not a lambda or a function inside another."
    )
    actions = CausalActionSet(graph=ACTIONS.graph, equations=ACTIONS.equations)
    first, second = (
        clone(clf).set_params(actions=actions).fit(credit.data, credit.target) for _ in range(2)
    )
    rows = credit.data.head(20)
    pd.testing.assert_frame_equal(first.recourse(rows), second.recourse(rows))


def test_the_match_term_is_refused_before_training(credit):
    clf = CFQClassifier(objective=PaperObjective(match_cost=0.1), actions=ACTIONS)
    with pytest.raises(ValueError) as error:
        clf.fit(credit.data, credit.target)
    assert str(error.value) == (
        "CFQClassifier: actions has a causal graph, and the match term of the objective knows no "
        "consequences: leave out match_action and match_cost."
    )
    assert not hasattr(clf, "teacher_")


def test_encoded_rows_with_fitted_equations():
    random = np.random.default_rng(0)
    a = random.normal(size=400)
    X = pd.DataFrame({"a": a, "b": 2 * a + random.normal(0, 0.1, 400)})
    y = (X["b"] + 0.3 * random.normal(size=400) > 1).astype(int)
    actions = CausalActionSet(immutable=["b"], graph={"b": ["a"]}, bounds={"a": (-9, 9)})
    clf = FullPrecisionClassifier(
        (), preprocessor=None, actions=actions, max_epochs=30, random_state=0
    ).fit(X, y)
    result = clf.solve_recourse(X)
    assert result.success.all()
    rise = result.counterfactual - X
    slope = np.polyfit(X["a"], X["b"], 1)[0]
    np.testing.assert_allclose(rise["b"], slope * rise["a"], atol=1e-9)
    assert not result.support[:, 1].any()
