"""The contract that every solver keeps."""

import contextlib

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from torch import nn

from skcfq import CoordinateSolver, GreedySolver, PGDSolver
from skcfq.actions import ActionSet, Encoding, auto_preprocessor, bind_actions
from skcfq.recourse import BaseSolver, RecourseResult
from tests.recourse.brute import centre, network, people, price, world

SOLVERS = {"greedy": GreedySolver, "pgd": PGDSolver, "coordinate": CoordinateSolver}


@pytest.fixture(scope="module", params=SOLVERS)
def make(request):
    return SOLVERS[request.param]


def bound(frame, **fields):
    """An action space of the automatic encoding of a frame."""
    encoding = Encoding(auto_preprocessor(frame), frame.columns)
    return bind_actions(ActionSet(**fields), encoding, frame)


def mixed_people(n=30, seed=0):
    random = np.random.default_rng(seed)
    return people(n, random).assign(rent=random.normal(0, 2, n))


def any_network(space, frame, seed=0):
    """A random network that a third of the frame's people pass."""
    model = network(space.encoding.n_columns, np.random.default_rng(seed))
    centre(model, space.encoding.encode(frame))
    return model


def assert_same(a, b, rows=slice(None)):
    """Two results are the same, to the bit."""
    for name in ("cost", "success", "needed", "status", "support", "delta", "encoded"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name)[rows], err_msg=name)
    assert a.counterfactual.equals(b.counterfactual.iloc[rows])


# ----- who needs nothing, who gets nothing -------------------------------------------------


def test_trap_moves_people_who_need_nothing(make):
    w = world(0)
    has_it = w.decide(w.train) == 1
    assert 0 < has_it.sum() < len(has_it)
    result = make().solve(w.logits, w.train, 1, w.space)
    np.testing.assert_array_equal(result.needed, ~has_it)
    assert (result.cost[has_it] == 0).all()
    assert result.success[has_it].all()
    assert (result.status[has_it] == "not needed").all()
    assert not result.support[has_it].any()
    assert (result.delta[has_it] == 0).all()
    assert result.counterfactual[has_it].equals(w.train[has_it])
    assert (result.cost[result.success & ~has_it] > 0).all()


def test_nobody_needs_recourse(make):
    w = world(0)
    X = w.train[w.decide(w.train) == 1]

    class Searched(make):
        def _search(self, margin, problem):
            raise AssertionError("nobody to search for")

    result = Searched().solve(w.logits, X, 1, w.space)
    assert (result.status == "not needed").all()
    assert result.counterfactual.equals(X)
    assert result.cost.tolist() == [0.0] * len(X)


@pytest.mark.parametrize("case", ["immutable", "dead network", "other class only"])
def test_a_failed_search_says_so_and_changes_nothing(make, case):
    X = mixed_people()
    space = bound(X, **({"immutable": list(X)} if case == "immutable" else {}))
    model = any_network(space, X)
    if case == "immutable":
        model[-1].bias += torch.tensor([1e3, 0.0])
    elif case == "dead network":
        for parameter in model.parameters():
            parameter.zero_()
        model[-1].bias[0] = 0.1
    else:
        model[-1].bias[0] = 1e6
    result = make().solve(model, X, 1, space)
    assert result.needed.all()
    assert (result.status == "not found").all()
    assert not result.success.any()
    assert np.isnan(result.cost).all()
    assert not result.support.any()
    assert (result.delta == 0).all()
    assert result.counterfactual.equals(X)


def test_a_decision_that_is_never_favourable_is_never_a_success(make):
    # The network says yes after the action, the deployed decision says no: no success.
    w = world(0)
    result = make().solve(w.logits, w.train, 1, w.space, predict=lambda X: np.zeros(len(X), int))
    assert result.needed.all()
    assert not result.success.any()
    assert result.counterfactual.equals(w.train)


def test_success_is_checked_on_raw_rows_after_rounding(make):
    w = world(1)
    seen = []

    def predict(frame):
        seen.append(frame)
        return w.decide(frame)

    result = make().solve(w.logits, w.train, 1, w.space, predict=predict)
    assert (result.success & result.needed).any()
    assert len(seen) >= 2
    for frame in seen:
        assert (frame.dtypes == w.train.dtypes).all()
        assert frame["rating"].isin([1.0, 2.5, 4.0]).all()
        assert list(frame.columns) == list(w.train.columns)


def test_what_just_misses_is_tried_a_little_further_out(make):
    frame = pd.DataFrame({"x": np.linspace(-4, 4, 9)})
    space = bound(frame, bounds={"x": (-100, 100)})
    scale = space.numeric.scale[0]
    model = nn.Linear(1, 2).requires_grad_(False)
    model.weight[:, 0], model.bias[:] = torch.tensor([-0.5, 0.5]), 0.0

    def strict(rows):  # the deployed model's boundary lies a little past the network's
        return (rows["x"].to_numpy() * scale > 5e-5).astype(int)

    result = make().solve(model, frame, 1, space, predict=strict)
    assert result.needed.tolist() == [True] * 5 + [False] * 4
    assert result.success[:4].all()
    assert (strict(result.counterfactual)[result.success] == 1).all()
    change = (result.counterfactual["x"] - frame["x"]).abs() * space.numeric.weight[0]
    np.testing.assert_allclose(result.cost[result.success], change[result.success])


# ----- targets and shapes ------------------------------------------------------------------


def test_targets_of_each_person(make):
    w = world(2, n_classes=3)
    target = np.arange(len(w.train)) % 3
    result = make().solve(w.logits, w.train, target, w.space)
    np.testing.assert_array_equal(result.needed, w.decide(w.train) != target)
    after = w.decide(result.counterfactual)
    assert (after[result.success] == target[result.success]).all()
    assert result.success.mean() > 0.6
    for wanted in range(3):
        alone = make().solve(w.logits, w.train[target == wanted], wanted, w.space)
        np.testing.assert_array_equal(alone.success, result.success[target == wanted])
        np.testing.assert_allclose(alone.cost, result.cost[target == wanted], rtol=1e-3)


def test_a_single_row(make):
    w = world(0)
    i = int(np.flatnonzero(w.decide(w.train) == 0)[0])
    alone = make().solve(w.logits, w.train.iloc[[i]], 1, w.space)
    together = make().solve(w.logits, w.train, 1, w.space)
    assert len(alone) == 1
    np.testing.assert_allclose(alone.cost, together.cost[[i]], rtol=1e-3)


def test_no_rows(make):
    w = world(0)
    result = make().solve(w.logits, w.train.iloc[:0], 1, w.space)
    assert len(result) == 0
    assert result.delta.shape == (0, w.space.encoding.n_columns)
    assert result.support.shape == (0, 5)
    assert result.counterfactual.shape == (0, 5)
    predict_called = make().solve(
        w.logits, w.train.iloc[:0], np.zeros(0, int), w.space, predict=lambda X: 1 / 0
    )
    assert len(predict_called) == 0


def test_nothing_but_categories(make):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({c: random.choice(list("uvwxy"), 40) for c in "abcd"})
    space = bound(frame, max_changes=2)
    model = any_network(space, frame)
    result = make().solve(model, frame, 1, space)
    assert (result.success & result.needed).any()
    changed = frame.ne(result.counterfactual)
    assert (changed.sum(axis=1) <= 2).all()
    np.testing.assert_array_equal(changed, result.support)
    np.testing.assert_allclose(result.cost[result.success], changed.sum(axis=1)[result.success])


def test_nothing_but_one_number(make):
    frame = pd.DataFrame({"x": np.linspace(0, 1, 20) ** 2})
    space = bound(frame)
    result = make().solve(any_network(space, frame, 1), frame, 1, space)
    assert ((result.success) | (result.status == "not found")).all()


# ----- traps -------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()])
def test_trap_step_sizes_too_small_ever_to_change_a_category(make, encoder):
    # Only another job gives the target; small steps alone would never leave the present one.
    frame = pd.DataFrame({"job": list("aabb"), "x": [0.0, 1.0, 2.0, 3.0]})
    branches = [("job", encoder, ["job"]), ("x", "passthrough", ["x"])]
    transformer = ColumnTransformer(branches, sparse_threshold=0).fit(frame)
    space = bind_actions(ActionSet(immutable=["x"]), Encoding(transformer, frame.columns), frame)
    model = nn.Linear(space.encoding.n_columns, 2).requires_grad_(False)
    weights = torch.zeros(2, space.encoding.n_columns)
    weights[1, -2] = 1.0  # code of b
    model.weight.copy_(weights)
    model.bias.copy_(torch.tensor([0.5, 0.0]))
    result = make().solve(model, frame, 1, space)
    assert result.status.tolist() == ["found"] * 2 + ["not needed"] * 2
    assert result.counterfactual["job"].tolist() == list("bbbb")
    assert result.cost.tolist() == [1, 1, 0, 0]


def test_trap_custom_costs_dropped_by_some_solvers(make):
    # Either feature alone gives the target; the dearer one must not be chosen.
    frame = pd.DataFrame({"p": [0.0, 4.0] * 5, "q": [0.0, 4.0] * 5, "r": np.arange(10.0)})
    model = nn.Linear(3, 2).requires_grad_(False)
    model.weight.copy_(torch.tensor([[0.0, 0, 0], [1.0, 1.0, 0.0]]))
    model.bias.copy_(torch.tensor([3.0, 0.0]))
    for dear, cheap in (("p", "q"), ("q", "p")):
        actions = ActionSet(cost_weights={dear: 50.0, cheap: 0.02}, immutable=["r"])
        space = bind_actions(actions, Encoding(None, frame.columns), frame)
        result = make().solve(model, frame, 1, space)
        assert result.success.all()
        assert (result.counterfactual[dear] == frame[dear]).all()
        np.testing.assert_allclose(result.cost[result.needed], 3 * 0.02, rtol=1e-3)


@pytest.mark.parametrize("cost", ["l2", "mixed"])
def test_trap_the_norm_dropped_by_some_solvers(make, cost):
    w = world(3, {"cost": cost, "mix": 0.3})
    result = make().solve(w.logits, w.train, 1, w.space)
    several = result.support.sum(axis=1) >= 2
    paid = [price(w, w.train.iloc[i], result.counterfactual.iloc[i]) for i in range(len(w.train))]
    np.testing.assert_allclose(
        result.cost[result.success], np.array(paid)[result.success], rtol=1e-6, atol=1e-9
    )
    assert (result.cost[several & result.success] > 0).all()


def test_trap_ordinal_snapping_that_leaves_the_box(make):
    frame = pd.DataFrame({"x": [0.0, 7.0, 20.0, 33.0, 47.0]})
    space = bound(frame, bounds={"x": (0, 47)}, step={"x": 10})
    model = nn.Linear(1, 2).requires_grad_(False)
    model.weight.copy_(torch.tensor([[0.0], [1.0]]))
    for wanted in (38, 42, 46.5):  # raw value from which on the answer is yes
        start = (wanted - frame["x"].mean()) / frame["x"].std(ddof=0)
        model.bias.copy_(torch.tensor([start, 0.0]))
        result = make().solve(model, frame, 1, space)
        after = result.counterfactual["x"]
        assert after.between(0, 47).all()
        np.testing.assert_allclose((after - frame["x"]) % 10, 0)
        reachable = [
            (frame["x"][i] + 10 * k) >= wanted
            for i, k in enumerate(np.floor((47 - frame["x"]) / 10))
        ]
        assert result.success.tolist() == reachable


def test_trap_two_active_categories_of_a_partly_immutable_group(make):
    random = np.random.default_rng(0)
    jobs = pd.get_dummies(pd.Series(random.choice(list("abcd"), 60)), prefix="job", dtype=float)
    frame = jobs.assign(x=random.normal(size=60))
    table = {"a": ["b"], "b": ["c"], "c": ["a"]}  # d is neither left nor entered
    space = bind_actions(
        ActionSet(transitions={"job": table}), Encoding(None, frame.columns), frame
    )
    model = nn.Linear(5, 2).requires_grad_(False)  # c is wanted most, then b and d
    model.weight.copy_(torch.tensor([[0.0] * 5, [-1.0, 1.0, 2.0, 1.0, 0.2]]))
    model.bias.copy_(torch.tensor([1.5, 0.0]))
    result = make().solve(model, frame, 1, space)
    assert (result.success & result.support[:, 0]).any()
    after = result.counterfactual[jobs.columns]
    assert (after.sum(axis=1) == 1).all()
    assert after.isin([0.0, 1.0]).all(axis=None)
    assert (after["job_d"] == jobs["job_d"]).all()
    before, now = jobs.idxmax(axis=1).str[-1], after.idxmax(axis=1).str[-1]
    moved = before != now
    assert all(now[i] in table[before[i]] for i in moved.index[moved])


@pytest.mark.parametrize("bits", [2])
def test_trap_plateaus_of_quantized_activations(make, bits):
    # Where slopes vanish the search must not give up: as many are served as can be.
    served = []
    for seed in range(4):
        w = world(seed + 20, quantized=True, n=30)
        result = make().solve(w.logits, w.train, 1, w.space)
        served.append(result.success[result.needed].mean())
    assert np.mean(served) >= 0.97


# ----- same bits ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd():
    frame = mixed_people(70, seed=3)
    space = bound(frame, max_changes=3, step={"years": 1})
    return frame, space, any_network(space, frame, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "context",
    [
        lambda: joblib.parallel_config(n_jobs=1),
        lambda: joblib.parallel_config(n_jobs=2),
        lambda: joblib.parallel_config(backend="sequential"),
        lambda: joblib.parallel_config(backend="multiprocessing", n_jobs=2),
        lambda: threads(2),
    ],
    ids=["one job", "two jobs", "sequential", "processes", "two torch threads"],
)
def test_same_bits_whatever_runs_beside(make, crowd, alone, context):
    frame, space, model = crowd
    with context():
        assert_same(in_batches(make).solve(model, frame, 1, space), alone)


def in_batches(make):
    """A solver that has several batches to share out, and not much to do in each."""
    little = {"n_random": 16, "n_trades": 50} if make is GreedySolver else {}
    return make(batch_size=40, **little)


@pytest.fixture(scope="module")
def alone(make, crowd):
    """What a solver finds with nothing beside it."""
    frame, space, model = crowd
    found = in_batches(make).solve(model, frame, 1, space)
    assert (found.success & found.needed).sum() > 20
    return found


@contextlib.contextmanager
def threads(n):
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
        assert torch.get_num_threads() == n  # the solver restores the setting
    finally:
        torch.set_num_threads(before)


def test_same_bits_in_any_order_of_rows(make, crowd):
    frame, space, model = crowd
    expected = make().solve(model, frame, 1, space)
    order = np.random.default_rng(0).permutation(len(frame))
    assert_same(make().solve(model, frame.iloc[order], 1, space), expected, order)


def test_same_bits_twice_and_from_a_clone(make, crowd):
    frame, space, model = crowd
    solver = make()
    first = solver.solve(model, frame, 1, space)
    state = torch.get_rng_state()
    assert_same(solver.solve(model, frame, 1, space), first)
    assert torch.equal(torch.get_rng_state(), state)  # the global generator is not touched
    assert_same(clone(solver).solve(model, frame, 1, space), first)


def test_rows_that_are_encoded_already(make, crowd, monkeypatch):
    frame, space, model = crowd
    frame = frame.head(40)
    encoded = space.encoding.encode(frame)
    plain = make().solve(model, frame, 1, space)
    alternatives = make().solve_diverse(2, model, frame, 1, space)
    lengths, encode = [], Encoding.encode

    def counted(self, rows):
        lengths.append(len(rows))
        return encode(self, rows)

    monkeypatch.setattr(Encoding, "encode", counted)
    assert_same(make().solve(model, frame, 1, space, encoded=encoded), plain)
    assert len(frame) not in lengths  # only who moved is encoded
    given = make().solve_diverse(2, model, frame, 1, space, encoded=encoded)
    for one, other in zip(given, alternatives, strict=True):
        assert_same(one, other)


def test_duplicate_rows_get_the_same(make, crowd):
    frame, space, model = crowd
    twice = pd.concat([frame.head(40)] * 2)
    result = make().solve(model, twice, 1, space)
    assert_same(result.take(np.arange(40)), result.take(np.arange(40, 80)))


def test_inputs_are_not_changed(make, crowd):
    frame, space, model = crowd
    copy, weights = frame.copy(), [p.clone() for p in model.parameters()]
    make().solve(model, frame, 1, space)
    assert frame.equals(copy)
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    assert all(p.grad is None for p in model.parameters())


def test_random_states_have_a_seed():
    frame = mixed_people(60, seed=1)
    space = bound(frame)
    model = any_network(space, frame, 5)
    costs = [PGDSolver(random_state=seed).solve(model, frame, 1, space).cost for seed in (0, 0, 1)]
    np.testing.assert_array_equal(costs[0], costs[1])
    assert not np.array_equal(costs[0], costs[2], equal_nan=True)


# ----- odd columns -------------------------------------------------------------------------


def odd_frames():
    frame = mixed_people(24, seed=2)
    n = len(frame)
    return {
        "huge values": frame.assign(rent=frame["rent"] * 1e30),
        "tiny values": frame.assign(rent=frame["rent"] * 1e-30),
        "constant columns": frame.assign(one=1, half=0.5, zero=0, word="w", yes=True),
        "duplicate rows": pd.concat([frame.head(3)] * 8),
        "booleans": frame.assign(flag=np.arange(n) % 3 == 0),
        "nullable": frame.assign(
            years=frame["years"].astype("Int64"),
            rent=frame["rent"].astype("Float64"),
            flag=pd.array(np.arange(n) % 3 == 0, "boolean"),
            job=frame["job"].astype("string"),
        ),
        "small integers": frame.assign(
            years=frame["years"].astype("uint8"), loans=frame["loans"].astype("int8")
        ),
        "category dtype": frame.astype({"job": "category", "home": "category"}),
        "integer categories": frame.assign(code=pd.Categorical(np.arange(n) % 4)),
        "missing categories": frame.assign(
            job=frame["job"].where(np.arange(n) % 4 > 0), home=frame["home"].where(np.arange(n) > 3)
        ),
        "odd index": frame.set_axis(["p", "q"] * (n // 2)),
    }


@pytest.mark.parametrize("name", odd_frames())
def test_odd_columns(make, name):
    frame = odd_frames()[name]
    space = bound(frame, step={"years": 1}, max_changes=4)
    for seed in (0, 1):
        model = any_network(space, frame, seed)
        result = make().solve(model, frame, 1, space)
        assert isinstance(result, RecourseResult)
        after = result.counterfactual
        assert after.index.equals(frame.index)
        encoded = torch.from_numpy(space.encoding.encode(after).astype(np.float32))
        decided = model(encoded).argmax(dim=1).numpy()
        assert (decided[result.success] == 1).all()
        assert np.isfinite(result.cost[result.success]).all()
        assert pd.api.types.is_integer_dtype(after["years"].dtype)
        whole = [c for c in frame if c not in ("rent", "loans", "rating")]
        assert (after[whole].dtypes == frame[whole].dtypes).all()
        assert (result.success & result.needed).any() or not result.needed.any()


def test_values_that_float32_cannot_hold(make):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3e200, 4.0], "y": [0.0, 1.0, 2.0, 3.0]})
    space = bind_actions(ActionSet(immutable=["x"]), Encoding(None, frame.columns), frame)
    model = network(2, np.random.default_rng(1))
    result = make().solve(model, frame, 1, space)
    assert len(result) == 4
    assert set(result.status) <= {"not needed", "found", "not found"}


def test_solvers_are_estimators_with_parameters(make):
    assert issubclass(make, BaseSolver)
    solver = make(batch_size=7)
    assert clone(solver).get_params() == solver.get_params()
    assert repr(make()) == f"{make.__name__}()"


def test_trap_a_slope_leads_far_where_the_rest_of_the_network_is_silent():
    """Many steps along the only feature with a slope, where one step of another is enough."""
    frame = pd.DataFrame(
        np.random.default_rng(0).uniform(0, 0.9, size=(80, 8)), columns=list("abcdefgh")
    )

    def logits(z):
        margin = 0.05 * z[:, 0] + 2 * torch.relu(z[:, 1] - 1) - 1
        return torch.stack([-margin / 2, margin / 2], dim=1)

    actions = ActionSet(
        cost_weights=dict.fromkeys(frame, 1.0), bounds=dict.fromkeys(frame, (0, 60))
    )
    space = bind_actions(actions, Encoding(None, frame.columns), frame)
    result = GreedySolver().solve(logits, frame, 1, space)
    expected = 1 + (1 - 0.05 * frame["a"]) / 2 - frame["b"]
    assert result.success.all()
    np.testing.assert_allclose(result.cost, expected, rtol=1e-3)


def test_trap_a_choice_that_slopes_prefer_to_a_number_that_bends():
    """Another job is enough alone; slopes do not show that the number gets worth more further on."""
    random = np.random.default_rng(0)
    # Others that say nothing: where few features may move, everything is tried.
    names = ["number", *"cdefgh"]
    frame = pd.DataFrame(random.normal(size=(200, 7)), columns=names)
    frame["job"] = random.choice(list("ab"), 200)
    space = bound(frame, cost_weights={**dict.fromkeys(frame, 1.0), "job": 0.9})
    people = pd.DataFrame(0.0, range(3), names).assign(job=list("aab"))
    encoded = space.encoding.encode(people)
    number = int(
        np.flatnonzero(space.encoding.encode(people.assign(number=1.0))[0] != encoded[0])[0]
    )
    job = int(np.flatnonzero(encoded[2] > encoded[0])[0])
    scale = frame["number"].std(ddof=0)

    def logits(z):
        moved = (z[:, number] - float(encoded[0, number])) * scale
        margin = 0.4 * moved + 1.6 * torch.relu(moved - 0.2) + 1.05 * z[:, job] - 1
        return torch.stack([-margin / 2, margin / 2], dim=1)

    result = GreedySolver().solve(logits, people, 1, space)
    assert result.needed.tolist() == [True, True, False]
    np.testing.assert_allclose(result.cost[:2], 0.66, rtol=1e-3)
    assert frame.columns[result.support[0]].tolist() == ["number"]


def test_trap_a_number_that_slopes_prefer_to_one_that_bends():
    """The first step is on the steepest number, and is enough; the second one bends upwards."""
    names = [*"abcdefgh"]
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 8)), columns=names)
    frame /= frame.std(ddof=0)
    space = bound(frame, cost_weights=dict.fromkeys(names, 1.0))
    people = pd.DataFrame(0.0, range(4), names).assign(c=[0.0, 0.2, -0.2, 2.0])
    encoded = torch.from_numpy(space.encoding.encode(people)).float()

    def logits(z):
        a, b = ((z - encoded[0])[:, :2]).unbind(1)
        rest = z[:, 2] - encoded[0, 2]
        margin = 0.5 * a + 0.48 * b + 2 * torch.relu(b - 0.2) + 0.3 * rest - 0.4
        return torch.stack([-margin / 2, margin / 2], dim=1)

    result = GreedySolver().solve(logits, people, 1, space)
    assert result.needed.tolist() == [True, True, True, False]
    expected = (0.8 - 0.3 * people["c"]) / 2.48
    np.testing.assert_allclose(result.cost[:3], expected[:3], rtol=1e-3)
    assert (result.support[:3].sum(axis=1) == 1).all()
