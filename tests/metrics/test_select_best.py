import copy
import pickle

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from skcfq.metrics import recourse_scoring, select_best

from .fakes import FakeQuantized, rows

X, Y = rows()


def results(accuracy, drop, gap=None, flips=None):
    cells = len(accuracy)
    return {
        "params": [{"bit_budget": 2 + i} for i in range(cells)],
        "mean_test_accuracy": np.array(accuracy),
        "mean_test_neg_validity_drop": -np.array(drop),
        "mean_test_neg_abs_recourse_gap": -np.array(gap or [0.0] * cells),
        "mean_test_neg_decision_flips": -np.array(flips or [0.0] * cells),
    }


@pytest.mark.parametrize(
    ("rule", "best"),
    [
        (select_best(), 1),
        (select_best(0.5), 0),
        (select_best(None), 0),
        (select_best(0.02, max_abs_recourse_gap=0.1), 2),
        (select_best(None, max_decision_flips=0.0), 3),
    ],
    ids=repr,
)
def test_most_accurate_that_keeps_recourse(rule, best):
    cells = results(
        [0.9, 0.8, 0.7, 0.6], [0.4, 0.02, 0.0, 0.9], [0.0, 0.5, 0.1, 9.0], [0.1] * 3 + [0]
    )
    found = rule(cells)
    assert found == best
    assert type(found) is int


def test_ties_go_to_the_lower_validity_drop():
    assert select_best()(results([0.8, 0.8, 0.8], [0.02, 0.01, 0.01])) == 1
    assert select_best(None)(results([0.8, 0.8], [0.02, 0.01])) == 0


def test_undefined_figures_keep_no_limit():
    assert select_best()(results([0.9, 0.8], [np.nan, 0.0])) == 1
    assert select_best()(results([np.nan, 0.8], [0.0, 0.0])) == 1


def test_rounding_of_a_mean_over_folds():
    drop = np.mean([0.02] * 3 + [0.06, 0.0, 0.0])
    assert select_best()(results([0.9], [drop])) == 0
    assert select_best(0.1)(results([0.9], [0.1 + 1e-16 * 3])) == 0


def test_in_a_search():
    search = GridSearchCV(
        FakeQuantized(),
        {"broken": [0.0, 0.5], "wrong": [0, 4]},
        cv=2,
        scoring=recourse_scoring(),
        refit=select_best(max_validity_drop=0.02, max_decision_flips=0.1),
    ).fit(X, Y)
    assert search.best_params_ == {"broken": 0.0, "wrong": 0}
    assert search.best_estimator_.score(X, Y).validity_drop == 0


def test_no_cell_keeps_recourse():
    cells = results([0.9, 0.8, 0.7], [0.4, np.nan, 0.125], [0.5, np.nan, 0.25])
    with pytest.raises(ValueError) as raised:
        select_best(max_abs_recourse_gap=0.5)(cells)
    assert str(raised.value) == (
        "select_best: none of 3 cells has validity_drop <= 0.02 and abs_recourse_gap <= 0.5:\n"
        "  {'bit_budget': 4}: accuracy 0.7, validity_drop 0.125, abs_recourse_gap 0.25\n"
        "  {'bit_budget': 2}: accuracy 0.9, validity_drop 0.4, abs_recourse_gap 0.5\n"
        "  {'bit_budget': 3}: accuracy 0.8, validity_drop nan, abs_recourse_gap nan\n"
        "Raise bit_budget or eta, set a looser limit, or look at all cells with refit=False; nan "
        "means that nobody needed recourse in some fold: use fewer, stratified folds."
    )


def test_long_lists_are_cut():
    with pytest.raises(ValueError, match=r"\n  and 5 more\n"):
        select_best()(results([0.9] * 25, [0.5] * 25))


def test_all_scores_failed():
    with pytest.raises(ValueError, match="none of 1 cells has a finite accuracy:"):
        select_best(None)(results([np.nan], [0.0]))


def test_search_without_the_figures():
    search = GridSearchCV(FakeQuantized(), {"wrong": [0]}, cv=2, refit=select_best())
    with pytest.raises(ValueError) as raised:
        search.fit(X, Y)
    assert str(raised.value) == (
        "select_best: the search has no mean_test_accuracy, mean_test_neg_validity_drop: pass "
        "scoring=recourse_scoring() to it. If you did, scoring failed: error_score='raise' shows why."
    )


def test_limits_out_of_range():
    with pytest.raises(ValueError) as raised:
        select_best(2, max_abs_recourse_gap=-1, max_decision_flips="few")
    assert str(raised.value) == (
        "select_best has 3 problems:\n"
        "  1. max_validity_drop is 2, must be a number in [0, 1], or None for no limit.\n"
        "  2. max_abs_recourse_gap is -1, must be a number >= 0, or None for no limit.\n"
        "  3. max_decision_flips is 'few', must be a number in [0, 1], or None for no limit."
    )


def test_pickles():
    rule = select_best(0.1, max_decision_flips=0.2)
    assert pickle.loads(pickle.dumps(rule)) == copy.deepcopy(rule) == rule
    assert repr(rule) == (
        "select_best(max_validity_drop=0.1, max_abs_recourse_gap=None, max_decision_flips=0.2)"
    )
