"""States: projection, cost, encoding, and the way back to raw units."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from skcfq.actions import ActionSet, Encoding, auto_preprocessor, bind_actions
from skcfq.recourse import Problem, RelaxedBox, relaxed_steps, target_margin
from skcfq.recourse._pgd import nearest_state
from skcfq.recourse._polish import reach_limits, sweep
from skcfq.recourse._scatter import apart, random_states, scatter, stacked
from tests.recourse.brute import ACTION_SETS, people

KINDS = st.sampled_from(list(ACTION_SETS))


def bound(kind, seed, *, n=8, steps=True):
    """An action space and the problem of `n` people; the rating is continuous without steps."""
    random = np.random.default_rng(seed)
    train = people(40, random).assign(rent=random.uniform(-2, 3, 40))
    fields = dict(ACTION_SETS[kind])
    if steps:
        fields |= {"step": {"years": 1, "loans": 2}, "allowed_values": {"rating": (1.0, 2.5, 4.0)}}
    space = bind_actions(
        ActionSet(**fields), Encoding(auto_preprocessor(train), train.columns), train
    )
    frame = people(n, random).assign(rent=random.uniform(-3, 4, n))
    return space, frame, problem_of(space, frame)


def problem_of(space, frame, target=1):
    x = torch.from_numpy(space.encoding.encode(frame).astype(np.float32))
    return Problem(space, space.rows(frame), x, torch.full((len(frame),), target))


def any_state(problem, random, size=3.0):
    """Numbers in and out of the limits, choices open or not."""
    n, m = problem.low.shape
    u = random.normal(0, size, (n, m)) * (random.random((n, m)) < 0.8)
    choice = np.full((n, problem.q), -1)
    for k in range(problem.q):
        of_k = (problem.owner == k).nonzero().squeeze(1).numpy()
        choice[:, k] = random.choice([-1, *of_k], n)
    return torch.from_numpy(u.astype(np.float32)), torch.from_numpy(choice)


def assert_allowed(problem, u, choice):
    """A state keeps limits, steps, open choices and the number of changes."""
    assert (u >= problem.low).all()
    assert (u <= problem.high).all()
    n_steps = u / torch.where(problem.unit > 0, problem.unit, torch.inf)
    torch.testing.assert_close(n_steps, n_steps.round(), rtol=0, atol=1e-4)
    for k in range(problem.q):
        picked = choice[:, k] >= 0
        assert (problem.owner[choice[picked, k]] == k).all()
        assert problem.allowed[picked.nonzero().squeeze(1), choice[picked, k]].all()
    assert (problem.n_changes(u, choice) <= problem.max_changes).all()


@settings(max_examples=20)
@given(kind=KINDS, seed=st.integers(0, 10**6), steps=st.booleans())
def test_projection_is_feasible_and_idempotent(kind, seed, steps):
    _, _, problem = bound(kind, seed % 50, steps=steps)
    state = any_state(problem, np.random.default_rng(seed))
    before = [part.clone() for part in state]
    once = problem.project(*state)
    assert_allowed(problem, *once)
    twice = problem.project(*once)
    for first, second, given_, kept in zip(once, twice, state, before, strict=True):
        assert torch.equal(first, second)
        assert torch.equal(given_, kept)  # what was given is as it was


@settings(max_examples=20)
@given(kind=KINDS, seed=st.integers(0, 10**6))
def test_cost_is_zero_at_no_action_and_nowhere_else(kind, seed):
    _, _, problem = bound(kind, seed % 50)
    u, choice = problem.project(*any_state(problem, np.random.default_rng(seed)))
    cost, changed = problem.cost(u, choice), problem.n_changes(u, choice) > 0
    assert torch.equal(cost > 0, changed)
    assert (cost >= 0).all()
    assert (problem.cost(*problem.start()) == 0).all()


@settings(max_examples=25)
@given(kind=KINDS, seed=st.integers(0, 10**6), steps=st.booleans())
def test_states_are_raw_actions(kind, seed, steps):
    space, frame, problem = bound(kind, seed % 50, steps=steps)
    u, choice = problem.project(*any_state(problem, np.random.default_rng(seed)))
    rows, delta = space.rows(frame), problem.raw_delta(u)
    after = space.apply(frame, rows, delta, choice.numpy())
    np.testing.assert_allclose(problem.encode(u, choice), space.encoding.encode(after), atol=1e-4)
    np.testing.assert_allclose(
        problem.cost(u, choice), space.cost(rows, delta, choice.numpy()), rtol=1e-5, atol=1e-6
    )
    stepped = space.numeric.step > 0
    if steps:  # exact multiples, not nearly
        n_steps = delta[:, stepped] / space.numeric.step[stepped]
        assert (n_steps == np.rint(n_steps)).all()
    assert (delta[u.numpy() == 0] == 0).all()


@given(n_steps=st.integers(-(10**6), 10**6), scale=st.floats(1e-3, 1e3))
def test_trap_many_steps_are_not_rounded_away(n_steps, scale):
    # A step of 1 in amounts up to a million: truncating with a relative slack moved a step on.
    frame = pd.DataFrame({"x": [0.0, 1e6, -1e6, 3.3e5 * scale]})
    space = bind_actions(
        ActionSet(step={"x": 1}, bounds={"x": (-1e7, 1e7)}), Encoding(None, ["x"]), frame
    )
    problem = problem_of(space, frame.head(1))
    u = torch.tensor([[n_steps * space.numeric.weight[0]]], dtype=torch.float32)
    snapped = problem.snap(u)
    assert problem.raw_delta(snapped).item() == n_steps
    assert torch.equal(problem.snap(snapped), snapped)
    short = problem.snap(u * 0.9999)
    assert abs(problem.raw_delta(short).item()) <= abs(n_steps)


def test_projection_keeps_the_dearest_changes():
    frame = pd.DataFrame({name: np.arange(5.0) for name in "abcd"})
    space = bind_actions(ActionSet(max_changes=2), Encoding(None, frame.columns), frame)
    problem = problem_of(space, frame.iloc[[2]])
    u = torch.tensor([[0.5, -1.2, 0.1, 0.7]])
    kept, _ = problem.project(u, torch.zeros((1, 0), dtype=torch.int64))
    torch.testing.assert_close(kept, torch.tensor([[0.0, -1.2, 0.0, 0.7]]))


def test_select_takes_people_and_leaves_the_rest():
    _, _, problem = bound("transitions", 0)
    index = torch.tensor([5, 0, 5])
    part = problem.select(index)
    u, choice = any_state(problem, np.random.default_rng(0))
    expected = problem.encode(u, choice)[index]
    torch.testing.assert_close(part.encode(u[index], choice[index]), expected, rtol=0, atol=0)
    some = problem.encode(u[index], choice[index], index)
    torch.testing.assert_close(some, expected, rtol=0, atol=0)
    asked = problem.margins(lambda z, target: z.sum(1) + target, u[index], choice[index], index)
    torch.testing.assert_close(asked, expected.sum(1) + problem.target[index])
    assert torch.equal(part.allowed, problem.allowed[index])
    assert len(problem.x) == 8


def test_nothing_to_move():
    frame = people(6, np.random.default_rng(0))
    space = bind_actions(
        ActionSet(immutable=list(frame.columns)),
        Encoding(auto_preprocessor(frame), frame.columns),
        frame,
    )
    problem = problem_of(space, frame)
    u, choice = problem.project(*problem.start())
    assert (u.shape, choice.shape) == ((6, 0), (6, 0))
    assert (problem.cost(u, choice) == 0).all()
    assert torch.equal(problem.encode(u, choice), problem.x)
    assert list(random_states(problem, 3, torch.Generator())) == []


# ----- margin ------------------------------------------------------------------------------


def test_margin_of_two_and_of_more_classes():
    logits = torch.tensor([[1.0, 3.0], [2.0, -1.0]])
    assert target_margin(logits, torch.tensor([1, 1])).tolist() == [2, -3]
    assert target_margin(logits, torch.tensor([0, 0])).tolist() == [-2, 3]
    logits = torch.tensor([[1.0, 3.0, 2.5], [2.0, -1.0, 2.0]])
    assert target_margin(logits, torch.tensor([2, 0])).tolist() == [-0.5, 0]
    assert target_margin(logits, torch.tensor([1, 1])).tolist() == [0.5, -3]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_margin_has_the_slopes_of_the_two_logits_that_decide(n_classes):
    logits = torch.tensor([[0.0, 1.0, 5.0][:n_classes]], requires_grad=True)
    target_margin(logits, torch.tensor([0])).sum().backward()
    assert logits.grad.tolist() == [[1, -1] if n_classes == 2 else [1, 0, -1]]


# ----- relaxed actions ---------------------------------------------------------------------


@settings(max_examples=20)
@given(kind=KINDS, seed=st.integers(0, 10**6))
def test_relaxed_projection_is_feasible_and_idempotent(kind, seed):
    _, _, problem = bound(kind, seed % 50, steps=False)
    box = RelaxedBox(problem)
    generator = torch.Generator().manual_seed(seed)
    delta = 3 * torch.randn(problem.x.shape, generator=generator)
    once = box.project(delta)
    assert (once >= box.low).all()
    assert (once <= box.high).all()
    assert ((box.change(once) > 0).sum(dim=1) <= problem.max_changes).all()
    assert torch.equal(box.project(once), once)
    assert (once[:, box.feature < 0] == 0).all()


@settings(max_examples=20)
@given(kind=KINDS, seed=st.integers(0, 10**6))
def test_relaxed_actions_of_states_are_inside_and_are_read_back(kind, seed):
    _, _, problem = bound(kind, seed % 50, steps=False)
    u, choice = problem.project(*any_state(problem, np.random.default_rng(seed), size=1.0))
    box = RelaxedBox(problem)
    delta = problem.encode(u, choice) - problem.x
    assert (delta >= box.low - 1e-5).all()
    assert (delta <= box.high + 1e-5).all()
    again, picked = nearest_state(problem, delta)
    torch.testing.assert_close(again, u, rtol=0, atol=1e-5)
    assert torch.equal(picked, choice)
    # One-hot codes are all equally far apart, so that the relaxed cost is the true one.
    torch.testing.assert_close(box.cost(delta), problem.cost(u, choice), rtol=1e-4, atol=1e-4)


def test_relaxed_steps_walk_at_the_asked_pace():
    frame = pd.DataFrame({"a": [0.0, 10.0], "b": [0.0, 2.0], "c": [5.0, 5.1]})
    encoding = Encoding(StandardScaler().fit(frame), frame.columns)
    space = bind_actions(ActionSet(immutable=["c"]), encoding, frame)
    problem = problem_of(space, frame.head(1))
    box = RelaxedBox(problem)
    weights = torch.tensor([4.0, 1.0, 9.0])
    steps = relaxed_steps(
        lambda z: -(z * weights).sum(1), problem.x, box, torch.zeros(1, 3), 3, 0.2, normalise=True
    )
    # Steepest feature 0.2 a step in units of cost, the other in proportion, the fixed one never.
    for i, delta in enumerate(steps, start=1):
        torch.testing.assert_close(delta.detach(), torch.tensor([[0.2 * i, 0.05 * i, 0.0]]))
    steps = relaxed_steps(
        lambda z: -(z * weights).sum(1), problem.x, box, torch.zeros(1, 3), 30, 1.0, normalise=True
    )
    *_, last = steps
    torch.testing.assert_close(last.detach(), box.high)


# ----- random states -----------------------------------------------------------------------


@settings(max_examples=20)
@given(kind=KINDS, seed=st.integers(0, 10**6), steps=st.booleans())
def test_random_states_are_allowed_and_the_same_in_any_company(kind, seed, steps):
    _, _, problem = bound(kind, seed % 50, steps=steps)
    index = torch.tensor([6, 1])
    alone = random_states(problem.select(index), 5, torch.Generator().manual_seed(seed))
    for u, choice in random_states(problem, 5, torch.Generator().manual_seed(seed)):
        assert_allowed(problem, u, choice)
        part_u, part_choice = next(alone)
        assert torch.equal(part_u, u[index])
        assert torch.equal(part_choice, choice[index])


def test_random_states_reach_every_corner():
    space, frame, problem = bound("free", 0)
    seen = np.zeros((len(frame), len(space.choice_feature)), dtype=bool)
    ends = torch.zeros_like(problem.low, dtype=torch.int64)
    for u, choice in random_states(problem, 400, torch.Generator().manual_seed(0)):
        people_at, k = np.nonzero(choice.numpy() >= 0)
        seen[people_at, choice.numpy()[people_at, k]] = True
        ends |= torch.isclose(u, problem.low).long() + 2 * torch.isclose(u, problem.high).long()
    assert (seen == problem.allowed.numpy()).all()
    assert (ends == 3).all()


def test_scatter_keeps_the_cheapest_valid_state():
    _, _, problem = bound("free", 0)
    weights = torch.randn(problem.x.shape[1], generator=torch.Generator().manual_seed(0))

    def margin(z, target):
        return (z * weights).sum(1) - 2.0

    def draw():
        return random_states(problem, 50, torch.Generator().manual_seed(3))

    u, choice, cost = scatter(margin, problem, 50, torch.Generator().manual_seed(3), 1000)
    costs = torch.stack(
        [
            torch.where(margin(problem.encode(*s), None) >= 2e-5, problem.cost(*s), torch.inf)
            for s in draw()
        ]
    )
    torch.testing.assert_close(cost, costs.amin(dim=0))
    found = torch.isfinite(cost)
    assert found.any()
    torch.testing.assert_close(problem.cost(u, choice)[found], cost[found])
    assert (problem.n_changes(u, choice)[~found] == 0).all()


@pytest.mark.parametrize(("n_rows", "sizes"), [(1, [10] * 5), (25, [20, 20, 10]), (1000, [50])])
def test_states_are_stacked_as_far_as_rows_hold_them_and_taken_apart_again(n_rows, sizes):
    states = [(torch.full((10, 2), float(i)), torch.full((10, 1), i)) for i in range(5)]
    groups = list(stacked(iter(states), n_rows))
    assert [len(u) for u, _ in groups] == sizes
    again = [state for group in groups for state in apart(group, 10)]
    assert len(again) == 5
    for (u, choice), (found_u, found_choice) in zip(states, again, strict=True):
        assert torch.equal(u, found_u)
        assert torch.equal(choice, found_choice)


def test_crumbs_go_to_the_largest_change_where_the_margin_holds():
    _, _, problem = bound("free", 0)
    u, choice = problem.start()
    problem.unit.zero_()  # no whole steps
    u[:, 0], u[:, 1] = problem.low[:, 0] * 0.4, problem.high[:, 1] * 1e-4
    crumbs = (u[:, 0] != 0) & (u[:, 1] != 0) & (u[:, 1] < 0.01 * u[:, 0].abs())
    assert crumbs.any()
    assert not crumbs.all()
    swept = sweep(lambda z, target: torch.full((len(z),), 1.0), problem, u, choice)
    assert (swept[crumbs][:, 1] == 0).all()
    torch.testing.assert_close(problem.cost(swept, choice), problem.cost(u, choice))
    assert torch.equal(swept[~crumbs], u[~crumbs])
    refused = sweep(lambda z, target: torch.full((len(z),), -1.0), problem, u, choice)
    assert torch.equal(refused, u)
    problem.norm = "l2"  # two changes together cost less than one of their sum
    dearer = sweep(lambda z, target: torch.full((len(z),), 1.0), problem, u, choice)
    assert torch.equal(dearer, u)


def test_what_ends_a_rounding_error_before_a_limit_ends_on_it():
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, 4.0], "b": [0.0, 1.0, 2.0, 4.0]})
    space = bind_actions(ActionSet(), Encoding(None, frame.columns), frame)
    x = torch.from_numpy(frame.to_numpy(np.float32).copy())
    problem = Problem(space, space.rows(frame), x, torch.ones(4, dtype=torch.int64))
    u, choice = problem.start()
    u[1, 0] = problem.low[1, 0] * (1 - 3e-7)
    u[2, 1] = problem.high[2, 1] * (1 - 1e-4)  # more than rounding
    u[3] = problem.low[3] * (1 - 3e-7)
    fine = lambda z, target: torch.full((len(z),), 1.0)  # noqa: E731
    ended = reach_limits(fine, problem, u, choice)
    assert ended[1].tolist() == [problem.low[1, 0], 0.0]
    assert ended[2].tolist() == u[2].tolist()
    assert torch.equal(ended[3], problem.low[3])
    assert ended[0].tolist() == [0.0, 0.0]
    bad = lambda z, target: torch.full((len(z),), -1.0)  # noqa: E731
    assert torch.equal(reach_limits(bad, problem, u, choice), u)
