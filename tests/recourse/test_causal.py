"""Recourse whose actions have consequences."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from skcfq import ExactSolver, GreedySolver, PGDSolver
from skcfq.actions import ActionSet, CausalActionSet, Encoding, auto_preprocessor, bind_actions
from skcfq.recourse import Problem, RelaxedBox, relaxed_steps, target_margin
from skcfq.recourse._base import MARGIN
from tests.recourse.brute import ACTION_SETS, centre, network, people
from tests.recourse.test_affine import affine

NAMES = ["a", "b", "c", "d"]
GRAPH = {"b": ["a"], "c": ["a", "b"], "d": ["c"]}
POSITIVE = {"b": {"a": 0.8}, "c": {"a": 0.3, "b": 0.5}, "d": {"c": 1.2}}
SOLVERS = {"greedy": GreedySolver, "pgd": PGDSolver}


def bent(a, b):
    return 0.3 * a + 2 * np.tanh(b / 4)


@pytest.fixture(params=SOLVERS)
def make(request):
    return SOLVERS[request.param]


def space_of(frame, kind=CausalActionSet, preprocessor=None, **fields):
    preprocessor = auto_preprocessor(frame) if preprocessor is None else preprocessor
    return bind_actions(kind(**fields), Encoding(preprocessor, frame.columns), frame)


def wide_world(seed, equations, **fields):
    """Four numbers with far bounds that hang together, and a random affine model."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(3, 5, (30, 4)), columns=NAMES)
    far = dict.fromkeys(NAMES, (-1e3, 1e3))
    space = space_of(frame, bounds=far, graph=GRAPH, equations=equations, **fields)
    weights = random.uniform(0.3, 1.5, 4)
    score = space.encoding.encode(frame) @ weights - 0.5
    return frame, space, affine(weights, -0.5), weights, np.maximum(-score, 0.0)


def problem_of(space, frame, n_classes=2):
    x = torch.from_numpy(space.encoding.encode(frame).astype(np.float32))
    return Problem(space, space.rows(frame), x, torch.ones(len(frame), dtype=torch.int64))


def random_state(problem, random):
    n, m = problem.low.shape
    u = torch.from_numpy(random.normal(size=(n, m)).astype(np.float32))
    u[torch.from_numpy(random.random((n, m)) < 0.5)] = 0.0
    choice = np.full((n, problem.q), -1)
    owner = problem.owner.numpy()
    for k in range(problem.q):
        choice[:, k] = np.where(
            random.random(n) < 0.5, random.choice(np.flatnonzero(owner == k), n), -1
        )
    return u, torch.from_numpy(choice)


# ----- no graph ----------------------------------------------------------------------------


def assert_same(a, b):
    for name in ("cost", "success", "needed", "status", "support", "delta", "encoded"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.counterfactual.equals(b.counterfactual)


@pytest.mark.parametrize("fields", ACTION_SETS.values(), ids=ACTION_SETS)
def test_without_a_graph_it_is_the_plain_action_set_to_the_bit(make, fields):
    random = np.random.default_rng(0)
    frame = people(40, random).assign(rent=random.normal(0, 2, 40))
    spaces = [space_of(frame, kind, **fields) for kind in (ActionSet, CausalActionSet)]
    model = network(spaces[0].encoding.n_columns, random)
    centre(model, spaces[0].encoding.encode(frame))
    plain, causal = (make().solve(model, frame, 1, space) for space in spaces)
    assert (plain.success & plain.needed).any()
    assert_same(plain, causal)


def test_a_graph_whose_equations_are_zero_changes_no_advice(make):
    frame, space, model, *_ = wide_world(0, {n: dict.fromkeys(p, 0.0) for n, p in GRAPH.items()})
    plain = space_of(frame, ActionSet, bounds=dict.fromkeys(NAMES, (-1e3, 1e3)))
    assert_same(make().solve(model, frame, 1, space), make().solve(model, frame, 1, plain))


# ----- encoding and slopes -----------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.booleans())
def test_states_are_encoded_as_raw_rows_are(seed, nonlinear):
    random = np.random.default_rng(seed)
    frame = people(12, random).assign(rent=random.normal(0, 2, 12), fee=random.normal(5, 1, 12))
    frame["loans"] = frame["loans"].astype(float)
    graph = {"rent": ["years", "loans"], "fee": ["rent"]}
    equations = {"rent": bent} if nonlinear else {}
    far = dict.fromkeys(["years", "loans", "rent", "fee"], (-1e3, 1e3))
    space = space_of(frame, bounds=far, graph=graph, equations=equations, immutable=["rating"])
    problem = problem_of(space, frame)
    u, choice = random_state(problem, random)
    delta = u.double().numpy() / space.numeric.weight
    raw = space.apply(frame, space.rows(frame), delta, choice.numpy())
    expected = space.encoding.encode(raw)
    np.testing.assert_allclose(problem.encode(u, choice), expected, rtol=1e-4, atol=1e-4)
    some = torch.tensor([5, 2, 2])
    expected = problem.encode(u, choice)[some]
    part = problem.select(some).encode(u[some], choice[some])
    torch.testing.assert_close(part, expected)
    torch.testing.assert_close(problem.encode(u[some], choice[some], some), expected)


@pytest.mark.parametrize("equations", [POSITIVE, {**POSITIVE, "c": bent}], ids=["linear", "bent"])
def test_slopes_tell_what_a_small_change_does(equations):
    frame, space, *_ = wide_world(1, equations)
    problem = problem_of(space, frame)
    gradient = torch.from_numpy(np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32))
    none = problem.start()[0]
    torch.testing.assert_close(problem.slopes(gradient), problem.slopes(gradient, none))
    u = none.clone()
    u[:, 2] = 0.7  # c is set: a and b no longer reach d through it
    # Where c is set, d has followed: setting d would first undo that, which is no slope.
    for state, free in ((none, range(4)), (u, range(3))):
        slopes = problem.slopes(gradient, state)
        for j in free:
            there = state.clone()
            there[:, j] += 1e-2
            choice = problem.start()[1]
            rise = problem.encode(there, choice) - problem.encode(state, choice)
            torch.testing.assert_close(
                slopes[:, j], (rise * gradient).sum(1) / 1e-2, rtol=1e-2, atol=6e-3
            )
    assert not torch.allclose(problem.slopes(gradient, u)[:, 0], problem.slopes(gradient)[:, 0])


def test_relaxed_rows_follow_and_pass_their_slopes_on():
    frame, space, *_ = wide_world(2, POSITIVE)
    problem = problem_of(space, frame)
    z = (problem.x + torch.tensor([0.5, 0.0, 0.0, 0.0])).requires_grad_()
    followed = problem.follow(z)
    u = problem.start()[0]
    u[:, 0] = 0.5 / problem.rate[0]
    torch.testing.assert_close(followed.detach(), problem.encode(u, problem.start()[1]))
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0])
    (gradient,) = torch.autograd.grad((followed @ weights).sum(), z)
    expected = problem.slopes(weights.expand(30, 4), u) / problem.rate
    torch.testing.assert_close(gradient, expected)


def test_relaxed_steps_climb_through_the_causes():
    # Only d counts, and only a may be acted upon.
    frame = wide_world(3, POSITIVE)[0]
    space = space_of(
        frame, immutable=["b", "c", "d"], bounds={"a": (-1e3, 1e3)}, graph=GRAPH, equations=POSITIVE
    )
    problem, model = problem_of(space, frame), affine([0.0, 0.0, 0.0, 1.0], -3.0)
    box, wanted = RelaxedBox(problem), problem.target

    def loss(z):
        return -target_margin(model(problem.follow(z)), wanted)

    start = torch.zeros_like(problem.x)
    *_, last = relaxed_steps(loss, problem.x, box, start, 5, 0.1, normalise=True)
    assert (last[:, 0] > 0).all()
    assert (last[:, 1:] == 0).all()
    assert (loss(problem.x + last) < loss(problem.x)).all()


# ----- closed form -------------------------------------------------------------------------


def total_effects(space, weights):
    """Score per unit of cost of each feature, through all that follows: (I - B)^-1."""
    direct = np.zeros((4, 4))
    for effect, causes in POSITIVE.items():
        for cause, coefficient in causes.items():
            direct[NAMES.index(effect), NAMES.index(cause)] = coefficient
    reach = np.linalg.inv(np.eye(4) - direct)  # [effect, cause]
    return (weights * space.numeric.scale) @ reach / space.numeric.weight


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_l1_acts_on_the_feature_with_most_effect_through_all_that_follows(seed):
    frame, space, model, weights, missing = wide_world(seed, POSITIVE)
    effect = total_effects(space, weights)
    result = GreedySolver().solve(model, frame, 1, space)
    assert result.success.all()
    optimum = missing / effect.max()
    assert (result.cost >= optimum * (1 - 1e-5)).all()
    np.testing.assert_allclose(result.cost, optimum, rtol=2e-3, atol=3 * MARGIN / 0.3)
    support = result.support[result.needed]
    assert (support.sum(axis=1) == 1).all()
    assert support[:, effect.argmax()].all()


def test_pgd_comes_near_it():
    ratio = []
    for seed in range(4):
        frame, space, model, weights, missing = wide_world(seed, POSITIVE)
        result = PGDSolver(n_steps=80).solve(model, frame, 1, space)
        assert result.success.all()
        optimum = missing / total_effects(space, weights).max()
        assert (result.cost >= optimum * (1 - 1e-5)).all()
        ratio.append(result.cost.sum() / optimum.sum())
    assert np.mean(ratio) <= 1.7


def test_consequences_make_recourse_cheaper_here():
    frame, space, model, *_ = wide_world(5, POSITIVE)
    plain = space_of(frame, ActionSet, bounds=dict.fromkeys(NAMES, (-1e3, 1e3)))
    cheap, dear = (GreedySolver().solve(model, frame, 1, s) for s in (space, plain))
    assert cheap.cost.sum() < 0.8 * dear.cost.sum()


# ----- brute force -------------------------------------------------------------------------


def small_world(seed, nonlinear):
    """Three whole numbers in steps and a ReLU network: at most a few hundred actions each."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {name: random.integers(0, 6, 40) for name in "abc"} | {"age": random.integers(20, 60, 40)}
    )
    space = space_of(
        frame, preprocessor=StandardScaler().fit(frame), immutable=["age"],
        step=dict.fromkeys("abc", 1), max_changes=2, decrease_only=["b"],
        graph={"b": ["a", "age"], "c": ["b"]},
        equations={"b": bent if nonlinear else {"a": -0.7, "age": 0.1}},
    )  # fmt: skip
    model = network(4, random)
    centre(model, space.encoding.encode(frame))
    return frame, space, model


def listed_actions(space, frame, i):
    """Every allowed change of one person, (n_actions, 3), and the rows it leads to."""
    row = frame.iloc[[i]]
    limits = space.rows(row)
    reach = [
        np.arange(np.ceil(a), b + 1e-9) for a, b in zip(limits.low[0], limits.high[0], strict=True)
    ]
    delta = np.array([d for d in itertools.product(*reach) if np.count_nonzero(d) <= 2])
    many = row.loc[row.index.repeat(len(delta))].reset_index(drop=True)
    rows, none = space.rows(many), np.zeros((len(delta), 0), dtype=int)
    return space.apply(many, rows, delta, none), space.cost(rows, delta, none)


@pytest.mark.parametrize("nonlinear", [False, True], ids=["linear", "bent"])
def test_against_every_action_there_is(make, nonlinear):
    ratio, served = [], []
    for seed in range(3):
        frame, space, model = small_world(seed, nonlinear)

        def decide(rows, space=space, model=model):
            encoded = torch.from_numpy(space.encoding.encode(rows).astype(np.float32))
            return model(encoded).argmax(dim=1).numpy()

        result = make().solve(model, frame, 1, space)
        assert (decide(result.counterfactual[result.success]) == 1).all()
        for i in np.flatnonzero(result.needed)[:15]:
            after, cost = listed_actions(space, frame, i)
            best = np.where(decide(after) == 1, cost, np.inf).min()
            if result.success[i]:
                assert result.cost[i] >= best * (1 - 1e-9)
                ratio.append(result.cost[i] / best)
                # The advice is one of these actions, with these consequences.
                same = np.isclose(after.to_numpy(), result.counterfactual.iloc[i].to_numpy(float))
                at = np.flatnonzero(same.all(axis=1))
                assert np.isclose(cost[at], result.cost[i]).any()
            served.append(result.success[i] == np.isfinite(best))
    assert len(served) >= 20
    assert np.mean(served) >= 0.9
    assert np.mean(ratio) <= (1.05 if make is GreedySolver else 1.3)


def test_the_exact_solver_does_not_prove_what_it_does_not_know():
    frame, space, model, *_ = wide_world(0, POSITIVE)
    with pytest.raises(TypeError) as error:
        ExactSolver().solve(model, frame, 1, space)
    assert str(error.value) == (
        "ExactSolver knows no consequences of actions: use GreedySolver or PGDSolver with a causal "
        "graph."
    )


def test_categories_and_consequences_together(make):
    random = np.random.default_rng(7)
    frame = people(60, random).assign(rent=random.normal(0, 2, 60))
    space = space_of(
        frame, graph={"rent": ["years"]}, equations={"rent": {"years": 0.5}},
        step={"years": 1, "loans": 1}, max_changes=3, immutable=["rating"],
    )  # fmt: skip
    model = network(space.encoding.n_columns, random)
    centre(model, space.encoding.encode(frame))
    result = make().solve(model, frame, 1, space)
    found = result.success & result.needed
    assert found.mean() > 0.3
    after, names = result.counterfactual, list(space.feature_names)
    acted = pd.DataFrame(result.support, columns=names)
    follows = (~acted["rent"] & acted["years"]).to_numpy()
    assert follows.any()
    rise = (after["rent"] - frame["rent"])[follows]
    np.testing.assert_allclose(rise, 0.5 * (after["years"] - frame["years"])[follows], atol=1e-9)
    assert (result.support.sum(axis=1) <= 3).all()
    still = ~acted["rent"] & ~acted["years"]
    assert after["rent"][still.to_numpy()].equals(frame["rent"][still.to_numpy()])
