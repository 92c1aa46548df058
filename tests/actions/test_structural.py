"""What follows from interventions, against equations written out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.actions.test_causal_set import bound, people, squared
from tests.strategies import seeds

FREE = dict.fromkeys(("age", "income", "savings", "score"), (-1000000.0, 1000000.0))
GRAPH = {"savings": ["income", "age"], "score": ["savings", "income"]}
EQUATIONS = {"savings": {"income": 0.4, "age": -0.1}, "score": {"savings": 2.0, "income": 0.5}}


def act(space, frame, **delta):
    """Rows after the same interventions on everybody."""
    rows = space.rows(frame)
    names = [space.feature_names[i] for i in space.numeric.feature]
    change = np.tile([delta.get(name, 0.0) for name in names], (len(frame), 1))
    none = np.full((len(frame), len(space.discrete)), -1)
    return (
        space.apply(frame, rows, change, none),
        space.support(change, none),
        space.cost(rows, change, none),
    )


def test_what_follows_what_is_held_and_what_it_costs():
    frame = people(5)
    space = bound(frame, bounds=FREE, graph=GRAPH, equations=EQUATIONS)
    after, support, cost = act(space, frame, income=10.0)
    np.testing.assert_allclose(after["income"], frame["income"] + 10)
    np.testing.assert_allclose(after["savings"], frame["savings"] + 4)
    np.testing.assert_allclose(after["score"], frame["score"] + 2 * 4 + 0.5 * 10)
    assert after[["age", "member", "job"]].equals(frame[["age", "member", "job"]])
    assert support.sum(axis=1).tolist() == [1] * 5
    np.testing.assert_allclose(cost, 10 * space.numeric.weight[1])
    # Savings are set: what income does to them is cut, what they do to the score is not.
    after, support, cost = act(space, frame, income=10.0, savings=-1.0)
    np.testing.assert_allclose(after["savings"], frame["savings"] - 1)
    np.testing.assert_allclose(after["score"], frame["score"] - 2 + 0.5 * 10)
    assert support.sum(axis=1).tolist() == [2] * 5
    np.testing.assert_allclose(cost, np.array([10.0, 1.0]) @ space.numeric.weight[1:3])
    # An effect that is set changes no cause.
    after, *_ = act(space, frame, score=5.0)
    np.testing.assert_allclose(after["score"], frame["score"] + 5)
    assert after.drop(columns="score").equals(frame.drop(columns="score"))


def test_noise_is_kept_under_a_nonlinear_equation():
    frame = people(5)
    space = bound(frame, bounds=FREE, graph={"savings": ["income"]}, equations={"savings": squared})
    after, *_ = act(space, frame, income=10.0)
    noise = frame["savings"] - squared(frame["income"])
    np.testing.assert_allclose(after["savings"], squared(frame["income"] + 10) + noise)


def test_what_may_not_be_acted_upon_follows_all_the_same():
    frame = people(5)
    space = bound(
        frame, immutable=["savings", "score"], increase_only=["income"], bounds={"income": (0, 60)},
        graph=GRAPH, equations=EQUATIONS,
    )  # fmt: skip
    after, support, _ = act(space, frame, income=10.0)
    np.testing.assert_allclose(after["score"], frame["score"] + 13)
    assert not support[:, 2:4].any()


def test_neither_bounds_nor_steps_hold_for_what_follows():
    frame = people(5)
    space = bound(
        frame, bounds={**FREE, "savings": (0, 13)}, step={"savings": 1, "income": 5}, graph=GRAPH,
        equations=EQUATIONS,
    )  # fmt: skip
    after, *_ = act(space, frame, income=55.0)
    np.testing.assert_allclose(after["savings"], frame["savings"] + 22)


def test_whole_numbers_stay_where_nothing_follows():
    frame = people(4).assign(children=[0, 1, 2, 3])
    graph, equations = {"children": ["income"]}, {"children": {"income": 0.5}}
    space = bound(frame, bounds=FREE, graph=graph, equations=equations)
    untouched, *_ = act(space, frame, score=1.0)
    assert untouched["children"].equals(frame["children"])
    half, *_ = act(space, frame, income=1.0)
    assert half["children"].tolist() == [0.5, 1.5, 2.5, 3.5]
    whole, *_ = act(space, frame, income=2.0)
    assert whole["children"].tolist() == [1, 2, 3, 4]
    assert whole["children"].dtype == frame["children"].dtype


def softly(a, b):
    return 3 * np.tanh(a / 20) + 0.01 * a * b


@settings(max_examples=25)
@given(seeds(), st.booleans(), st.lists(st.booleans(), min_size=4, max_size=4))
def test_slopes_are_those_of_finite_interventions(random, nonlinear, is_set):
    frame = people(6, seed=int(random.integers(99)))
    equations = {**EQUATIONS, "score": softly} if nonlinear else EQUATIONS
    space = bound(frame, bounds=FREE, graph=GRAPH, equations=equations)
    model, value = space.causes, space.rows(frame).nodes
    delta = random.normal(size=(6, 4)) * np.array(is_set)
    gradient = random.normal(size=(6, len(model.names)))
    found = model.slopes(value, delta, gradient)
    for k, move in enumerate(model.move):
        nudge = np.zeros_like(delta)
        nudge[:, move] = 1e-4 * np.where(delta[:, move] < 0, -1, 1)
        base = model.changes(value, delta)
        if not is_set[move] and model.parents[k]:
            # Setting it cuts it off: compared with being set where it is.
            start = delta.copy()
            start[:, move] = base[:, k]
            if (start[:, move] == 0).any():
                start[:, move] += 1e-9
        else:
            start = delta
        there, here = (model.changes(value, d) for d in (start + nudge, start))
        if not is_set[move] and not model.parents[k]:
            here = base
        slope = ((there - here) * gradient).sum(axis=1) / nudge[:, move]
        np.testing.assert_allclose(found[:, k], slope, rtol=1e-3, atol=1e-4)


def test_outside_its_domain_a_function_passes_on_no_slope():
    frame = people(30)
    low = frame["income"].min()
    space = bound(
        frame, bounds=FREE, graph={"savings": ["income"]},
        equations={"savings": lambda income: np.sqrt(income - low)},
    )  # fmt: skip
    model, value = space.causes, space.rows(frame).nodes
    slopes = model.slopes(value, np.zeros((30, 4)), np.ones((30, 2)))
    assert np.isfinite(slopes).all()
    after, *_ = act(space, frame, income=-5.0)
    assert np.isnan(after["savings"]).any()


@pytest.mark.parametrize("n", [0, 1])
def test_no_rows_and_one_row(n):
    frame = people(5)
    space = bound(frame, bounds=FREE, graph=GRAPH)
    after, *_ = act(space, frame.head(n), income=1.0)
    assert len(after) == n
