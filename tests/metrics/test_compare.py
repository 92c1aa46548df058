from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given

from skcfq.metrics import recourse_measures

from .fakes import recourse
from .strategies import actions


def six_people():
    """1 dearer; 2 accepted now; 3 recourse lost; 4 had none; 5 needs none; 6 refused now."""
    reference = recourse(
        [[2, 0], [0, 1], [4, 0], [0, 0], [0, 0], [0, 0]],
        needed=[True, True, True, True, False, False],
        success=[True, True, True, False, True, True],
    )
    deployed = recourse(
        [[3, 0], [0, 0], [0, 0], [1, 1], [0, 0], [7, 7]],
        needed=[True, False, True, True, False, True],
        success=[True, True, False, True, True, True],
    )
    valid = [False, True, False, False, False, False]
    return reference, deployed, valid, [0, 0, 0, 0, 1, 1], [0, 1, 0, 0, 1, 0]


def test_six_people_by_hand():
    measures = recourse_measures(*six_people())
    found = {name: (float(figure), figure.n) for name, figure in measures.items()}
    assert found == {
        "validity_drop": (pytest.approx(2 / 3), 3),
        "recourse_gap": (pytest.approx((0.5 - 1) / 2), 2),
        "abs_recourse_gap": (pytest.approx(0.75), 2),
        "decision_flips": (pytest.approx(2 / 6), 6),
        "reference_feasible": (0.75, 4),
        "deployed_feasible": (0.75, 4),
        "direction_similarity": (1.0, 1),
        "action_overlap": (0.5, 2),
    }


def test_who_needs_nothing_weighs_nothing():
    # Whatever a record says of people who need nothing: no cost, no action, or NaN.
    reference, deployed, *rest = six_people()
    expected = recourse_measures(reference, deployed, *rest)
    for record in (reference, deployed):
        record.delta[~record.needed] = np.nan
        record.cost[~record.needed] = np.nan
        record.success[~record.needed] = False
    measures = recourse_measures(reference, deployed, *rest)
    np.testing.assert_equal(
        {name: figure.as_dict() for name, figure in measures.items()},
        {name: figure.as_dict() for name, figure in expected.items()},
    )


def test_nobody_needs_recourse():
    nobody = recourse(np.zeros((3, 2)), needed=[False] * 3)
    measures = recourse_measures(nobody, nobody, [True] * 3, [1] * 3, [1] * 3)
    defined = {name for name, figure in measures.items() if not np.isnan(figure)}
    assert defined == {"decision_flips"}
    assert {figure.n for name, figure in measures.items() if name not in defined} == {0}


def test_leniency_shows():
    # A model that accepts everyone breaks no promise, and halves no cost: it asks for nothing.
    reference = recourse([[1.0], [2.0]])
    deployed = recourse([[0.0], [0.0]], needed=[False, False])
    measures = recourse_measures(reference, deployed, [True, True], [0, 0], [1, 1])
    assert measures["validity_drop"] == 0
    assert measures["recourse_gap"] == -1
    assert measures["abs_recourse_gap"] == 1
    assert measures["decision_flips"] == 1


def test_options_reach_every_figure():
    measures = recourse_measures(*six_people(), confidence_level=0.8, n_resamples=0)
    assert {figure.confidence_level for figure in measures.values()} == {0.8}
    assert np.isnan(measures["recourse_gap"].low)
    assert not np.isnan(measures["validity_drop"].low)


def test_names_every_problem():
    _, deployed, *_ = six_people()
    deployed.cost = deployed.cost[:5]
    with pytest.raises(ValueError) as raised:
        recourse_measures(SimpleNamespace(cost=[-1.0]), deployed, ["?"], [0], [0])
    assert str(raised.value) == (
        "recourse_measures has 4 problems:\n"
        "  1. reference (SimpleNamespace) has no needed, success, delta, support.\n"
        "  2. reference.cost is negative in 1 of 1 rows, first -1 in row 0: a cost is >= 0, or NaN "
        "where no recourse was found.\n"
        "  3. deployed_valid holds other values than True and False.\n"
        "  4. reference_decision has 1 rows, deployed_decision has 1 rows, reference.cost has 1 rows, "
        "deployed.needed has 6 rows, deployed.success has 6 rows, deployed.cost has 5 rows, "
        "deployed.delta has 6 rows, deployed.support has 6 rows: the same people must stand in the "
        "same rows."
    )


def test_success_without_cost_is_refused():
    reference, *rest = six_people()
    reference.cost[0] = np.nan
    with pytest.raises(ValueError) as raised:
        recourse_measures(reference, *rest)
    assert str(raised.value) == (
        "recourse_measures: reference.cost is not finite in 1 rows where success is True."
    )


def test_actions_of_different_width_are_refused():
    reference, deployed, *rest = six_people()
    deployed.delta = np.zeros((6, 3))
    message = r"^recourse_measures: reference.delta has shape \(6, 2\), deployed.delta has shape"
    with pytest.raises(ValueError, match=message):
        recourse_measures(reference, deployed, *rest)


@given(actions())
def test_identical_models_are_faithful(pair):
    delta = np.nan_to_num(pair[0])
    record = recourse(delta, needed=delta.any(axis=1))
    decision = (~record.needed).astype(int)
    measures = recourse_measures(record, record, np.ones(len(delta)), decision, decision)
    perfect = {"direction_similarity", "action_overlap", "reference_feasible", "deployed_feasible"}
    for name, figure in measures.items():
        if figure.n:
            assert figure == pytest.approx(1.0 if name in perfect else 0.0)
        else:
            assert np.isnan(figure)
