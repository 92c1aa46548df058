"""ExactSolver: optimal by listing all actions, by an independent MILP, and proofs that hold."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skcfq import ActionSet, ExactSolver, FullPrecisionClassifier, GreedySolver, PGDSolver
from skcfq.actions import Encoding, bind_actions
from skcfq.datasets import make_recourse_classification
from skcfq.recourse import Problem, _branch, read_layers
from skcfq.recourse._base import MARGIN, Margin
from skcfq.recourse._dual import Dual
from skcfq.recourse._intervals import IntervalRelaxation
from skcfq.recourse._regions import Extent, Regions
from skcfq.recourse._relaxation import Relaxation, relax
from skcfq.recourse._scatter import random_states
from tests.recourse.brute import ACTION_SETS, cheapest, world
from tests.recourse.milp import cheapest_by_milp

KINDS = [
    (name, quantized, n_classes)
    for name in ACTION_SETS
    for quantized in (False, True)
    for n_classes in (2, 3)
]
KINDS += [(name, "units", 2) for name in list(ACTION_SETS)[::3]]


@pytest.mark.parametrize(("name", "quantized", "n_classes"), KINDS)
def test_optimal_by_listing_all_actions(name, quantized, n_classes):
    """Every constraint and cost: the cheapest action, or a proof that there is none."""
    seed = 6 if quantized == "units" else 5
    w = world(seed, ACTION_SETS[name], n_classes=n_classes, quantized=quantized)
    X, target = w.train.head(24), n_classes - 1
    result = ExactSolver().solve(w.logits, X, target, w.space)
    assert result.needed.sum() >= 4
    for i in np.flatnonzero(result.needed):
        optimum = cheapest(w, X.iloc[i], target)
        if np.isinf(optimum):
            assert result.status[i] == "infeasible"
            assert np.isinf(result.bound[i])
            assert np.isnan(result.cost[i])
        else:
            assert result.status[i] == "optimal"
            assert result.cost[i] == pytest.approx(optimum, rel=1.5e-4)
            assert result.bound[i] <= optimum * (1 + 1e-6)
            assert result.bound[i] >= optimum * (1 - 1.5e-4)


@pytest.fixture(scope="module")
def loans():
    """A trained network on people with continuous features, and who is refused."""
    data = make_recourse_classification(n_samples=500, noise=0.05, random_state=3)
    clf = FullPrecisionClassifier((12, 8), max_epochs=30, lr=0.01, random_state=0)
    actions = ActionSet(max_changes=3, immutable=["age"] if "age" in data.data else [])
    clf.set_params(actions=actions, target=data.favourable).fit(data.data, data.target)
    refused = data.data[clf.predict(data.data) != data.favourable]
    return clf, refused.head(12)


def test_optimal_by_an_independent_milp(loans):
    clf, people = loans
    view = clf.network_view_()
    result = view.solve(ExactSolver(), people, clf.target_, clf.actions_)
    assert (result.status == "optimal").all()
    for i in range(len(people)):
        optimum = cheapest_by_milp(view, people.iloc[[i]], clf.target_, clf.actions_)
        assert result.cost[i] == pytest.approx(optimum, rel=5e-4)


def test_never_dearer_than_where_it_starts(loans):
    clf, people = loans
    view = clf.network_view_()
    exact = view.solve(ExactSolver(start=PGDSolver()), people, clf.target_, clf.actions_)
    for solver in (PGDSolver(), GreedySolver()):
        found = view.solve(solver, people, clf.target_, clf.actions_)
        assert (exact.cost <= found.cost * (1 + 1e-4)).all()
        assert (exact.bound <= found.cost).all()
        assert set(found.status) == {"found"}
        assert (found.bound == 0).all()


def test_without_time_the_first_action_is_returned_unproven(loans):
    clf, people = loans
    view = clf.network_view_()
    rushed = view.solve(ExactSolver(time_limit=0.0), people, clf.target_, clf.actions_)
    proven = view.solve(ExactSolver(), people, clf.target_, clf.actions_)
    assert rushed.success.all()
    assert "found" in set(rushed.status)
    assert (rushed.bound <= proven.cost * (1 + 1e-9)).all()


@pytest.mark.parametrize("quantized", [False, True])
def test_what_regions_limit_does_not_hang_on_the_clock(quantized, monkeypatch):
    """The same again on a machine that is a thousand times slower; more regions prove more."""
    w = world(4, ACTION_SETS["free"], quantized=quantized)
    people = w.train.head(16)
    proven = ExactSolver().solve(w.logits, people, 1, w.space)
    results = []
    for n_regions, pace in ((1, 1.0), (10, 1.0), (10, 1000.0), (10_000, 1.0)):
        clock = itertools.count(step=pace)
        monkeypatch.setattr(_branch, "time", SimpleNamespace(perf_counter=lambda c=clock: next(c)))
        solver = ExactSolver(time_limit=float("inf"), max_regions=n_regions)
        results.append(solver.solve(w.logits, people, 1, w.space))
    some, again = results[1:3]
    for name in ("cost", "bound", "status", "encoded"):
        np.testing.assert_array_equal(getattr(some, name), getattr(again, name))
    n_proven = [int(np.isin(each.status, ["optimal", "infeasible"]).sum()) for each in results]
    assert n_proven[0] < n_proven[1] == n_proven[2] < n_proven[3]
    for found in results:
        assert (found.bound <= np.where(proven.success, proven.cost, np.inf) * (1 + 1e-4)).all()


def test_wider_gap_ends_sooner_and_says_so(loans):
    clf, people = loans
    view = clf.network_view_()
    loose = view.solve(ExactSolver(gap=0.3), people, clf.target_, clf.actions_)
    tight = view.solve(ExactSolver(), people, clf.target_, clf.actions_)
    assert set(loose.status) == {"optimal"}
    assert (loose.bound >= loose.cost * 0.7 * (1 - 1e-6)).all()
    assert (tight.cost >= loose.cost * 0.7).all()


def test_people_are_solved_alike_alone_and_together(loans):
    clf, people = loans
    together = clf.set_params(solver=ExactSolver()).recourse(people)
    for i in (0, 5, 11):
        alone = clf.recourse(people.iloc[[i]])
        assert alone["recourse_status"].tolist() == ["optimal"]
        assert alone["recourse_cost"].iloc[0] == pytest.approx(
            together["recourse_cost"].iloc[i], rel=2e-4
        )


def test_logistic_regression_is_proven_at_once():
    data = make_recourse_classification(n_samples=400, random_state=1)
    clf = FullPrecisionClassifier(
        (), actions=data.actions, target=data.favourable, max_epochs=20, lr=0.05, random_state=0,
        solver=ExactSolver(time_limit=5.0),
    ).fit(data.data, data.target)  # fmt: skip
    result = clf.solve_recourse(data.data)
    assert result.needed.any()
    assert set(result.status[result.needed]) <= {"optimal", "infeasible"}


def test_network_that_cannot_be_read_is_an_error_that_says_what_can(loans):
    clf, people = loans
    tanh = nn.Sequential(nn.Linear(clf.encoding_.n_columns, 3), nn.Tanh(), nn.Linear(3, 2))
    message = (
        "Tanh cannot be read: linear layers with ReLUs between them are needed. GreedySolver and "
        "PGDSolver take any differentiable network."
    )
    with pytest.raises(TypeError, match=message):
        ExactSolver().solve(tanh, people, 1, clf.actions_)


@pytest.mark.parametrize(
    "wrong",
    [
        {"gap": -1e-3}, {"time_limit": -1.0}, {"gap": 1.0},
        {"max_regions": 0}, {"max_regions": 2.5}, {"max_regions": True},
    ],
)  # fmt: skip
def test_wrong_limits_are_errors(loans, wrong):
    clf, people = loans
    with pytest.raises(ValueError, match=f"ExactSolver: {next(iter(wrong))}="):
        clf.set_params(solver=ExactSolver(**wrong)).recourse(people)


# ----- the parts: every bound is a bound ----------------------------------------------------


@settings(max_examples=60)
@given(low=st.floats(-6, 6), width=st.floats(0, 6), step=st.floats(0.05, 2), top=st.integers(1, 7))
@pytest.mark.parametrize("levels", [False, True])
def test_lines_enclose_activations(levels, low, width, step, top):
    layer = read_layers(nn.Sequential(nn.Linear(1, 1), nn.ReLU()))[0]
    if levels:
        layer = type(layer)(layer.weight, layer.bias, True, step, top)
    ends = torch.tensor([low, low + width], dtype=torch.float64)
    lines = relax(layer, ends[0], ends[1])
    a = torch.linspace(*ends.tolist(), 301, dtype=torch.float64)
    value = torch.from_numpy(layer.activate(a.numpy()))
    assert (lines.low_slope * a + lines.low_offset <= value + 1e-9).all()
    assert (lines.high_slope * a + lines.high_offset >= value - 1e-9).all()


def test_lines_are_exact_where_an_activation_is_linear():
    layer = read_layers(nn.Sequential(nn.Linear(1, 1), nn.ReLU()))[0]
    low = torch.tensor([0.2, -3.0], dtype=torch.float64)
    high = torch.tensor([1.0, -1.0], dtype=torch.float64)
    lines = relax(layer, low, high)
    assert lines.gap(low, high).tolist() == [0.0, 0.0]


def random_regions(problem, random):
    """The whole action set of each person, and random parts of it."""
    regions = Regions.join([Regions.whole(problem) for _ in range(4)])
    n = len(problem.x)
    cut = torch.from_numpy(random.random((2, 3 * n, problem.low.shape[1])))
    at = cut.sort(dim=0).values
    regions.low[n:], regions.high[n:] = (
        regions.low[n:] + at[0] * (regions.high[n:] - regions.low[n:]),
        regions.low[n:] + at[1] * (regions.high[n:] - regions.low[n:]),
    )
    regions.open[n:] &= torch.from_numpy(random.random(regions.open[n:].shape) < 0.7)
    return regions


def states_within(problem, regions, random):
    """For random states of the action set, in which regions they lie."""
    generator = torch.Generator().manual_seed(int(random.integers(2**31)))
    part = problem.select(regions.person)
    for u, choice in random_states(part, 60, generator):
        inside = ((u >= regions.low) & (u <= regions.high)).all(dim=1)
        if choice.shape[1]:
            picked = regions.open.gather(1, choice.clamp(min=0)) | (choice < 0)
            inside &= picked.all(dim=1)
        yield part, u, choice, inside


@pytest.mark.parametrize("relaxed", [Relaxation, IntervalRelaxation])
@pytest.mark.parametrize("quantized", [False, True, "units"])
@pytest.mark.parametrize("kind", ["free", "few changes", "weights", "l2", "mixed"])
def test_bounds_hold_for_every_action_of_a_region(kind, quantized, relaxed):
    """No action has more margin than the relaxation says, nor is cheaper than the dual says."""
    n_seen = 0
    for seed in range(3):
        random = np.random.default_rng(seed)
        w = world(seed, ACTION_SETS[kind], quantized=quantized)
        x = torch.from_numpy(w.space.encoding.encode(w.train).astype(np.float32)).double()
        target = torch.ones(len(x), dtype=torch.int64)
        problem = Problem(w.space, w.space.rows(w.train), x, target)
        margin = Margin(w.logits, torch.float64)
        regions = random_regions(problem, random)
        budget = torch.from_numpy(random.uniform(0.3, 3.0, len(regions)))
        relaxation = relaxed(read_layers(margin.logits), problem)
        reach = Extent(problem, regions, budget)
        versus = torch.tensor([[-1.0, 1.0]], dtype=torch.float64)
        hidden = relaxation.hidden(regions, reach)
        constant, number, choices = relaxation.above(regions.person, hidden, 2, versus)
        most = (constant + reach(number, choices)[0]).squeeze(1)
        dual = Dual(
            problem, regions, number[:, 0], choices[:, 0], MARGIN - constant[:, 0],
            square=kind == "l2",
        )  # fmt: skip
        least = dual.solve()[0]
        for part, u, choice, inside in states_within(problem, regions, random):
            cost = part.cost(u, choice)
            counts = inside & (cost <= budget)
            value = margin(part.encode(u, choice), part.target)
            assert (value <= most + 1e-9)[counts].all()
            if kind != "mixed":
                valid = counts & (value >= MARGIN)
                assert (cost >= least - 1e-6)[valid].all()
                n_seen += int(valid.sum())
    assert kind == "mixed" or n_seen > 20


@pytest.mark.parametrize("kind", ["free", "few changes", "one change", "weights", "l2"])
def test_what_is_cut_off_cannot_be_cheapest(kind):
    """Every action that reaches a linear margin within the budget is still there afterwards."""
    n_seen = n_cut = 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        w = world(seed, ACTION_SETS[kind])
        x = torch.from_numpy(w.space.encoding.encode(w.train).astype(np.float32)).double()
        target = torch.ones(len(x), dtype=torch.int64)
        problem = Problem(w.space, w.space.rows(w.train), x, target)
        whole, regions = Regions.whole(problem), Regions.whole(problem)
        n, m = problem.low.shape
        number = torch.from_numpy(random.normal(size=(n, m)))
        gain = torch.from_numpy(random.normal(size=problem.price.shape))
        need = torch.from_numpy(random.uniform(0.2, 2.0, n))
        budget = torch.from_numpy(random.uniform(0.5, 2.5, n))
        dual = Dual(problem, regions, number, gain, need, square=kind == "l2")
        bound, price, bargain, _ = dual.solve()
        dual.tighten(price, bargain, budget)
        n_cut += int((regions.high - regions.low < whole.high - whole.low).sum())
        n_cut += int((regions.open != whole.open).sum() + (regions.stay != whole.stay).sum())
        for _, u, choice, _ in states_within(problem, whole, random):
            picked = gain.gather(1, choice.clamp(min=0)) * (choice >= 0)
            reaches = (number * u).sum(1) + picked.sum(1) >= need
            cost = problem.cost(u, choice)
            assert (cost >= bound - 1e-6)[reaches].all()
            counts = reaches & (cost <= budget)
            slack = 1e-7
            kept = ((u >= regions.low - slack) & (u <= regions.high + slack)).all(dim=1)
            allowed = regions.open.gather(1, choice.clamp(min=0)) & (choice >= 0)
            kept &= (allowed | ((choice < 0) & regions.stay)).all(dim=1)
            assert kept[counts].all()
            n_seen += int(counts.sum())
    assert n_seen > 50
    assert n_cut > 50


@pytest.mark.parametrize("kind", ["free", "few changes", "one change", "weights", "l2"])
def test_no_other_price_bounds_the_cost_better(kind):
    """The bound is that of the best of many prices, and what is made at it reaches the value, but not right below."""
    n_reached = 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        w = world(seed, ACTION_SETS[kind])
        x = torch.from_numpy(w.space.encoding.encode(w.train).astype(np.float32)).double()
        target = torch.ones(len(x), dtype=torch.int64)
        problem = Problem(w.space, w.space.rows(w.train), x, target)
        regions = Regions.whole(problem)
        n, m = problem.low.shape
        number = torch.from_numpy(random.normal(size=(n, m)))
        gain = torch.from_numpy(random.normal(size=problem.price.shape))
        need = torch.from_numpy(random.uniform(-0.2, 2.0, n))
        dual = Dual(problem, regions, number, gain, need, square=kind == "l2")
        bound, price, bargain, _ = dual.solve()
        found = bound.square() if kind == "l2" else bound
        reached = bound < 1e3
        for factor in np.geomspace(1e-3, 1e3, 400):
            total = dual.at(factor * dual.scale).total
            assert (found >= total - 1e-6 * (1 + total.abs()))[reached].all()
        assert (bargain.surplus >= 0)[reached].all()
        paid = reached & (need > 0)
        assert (dual.at(price * (1 - 1e-4)).surplus < 1e-3)[paid].all()
        n_reached += int(paid.sum())
    assert n_reached > 50


def test_a_place_that_is_given_up_may_be_taken_by_another_feature():
    """One change, of three: b alone costs 1.0 and c alone 1.04; without b, its place is c's."""
    frame = pd.DataFrame({name: [0.0, 1.0] for name in "abc"})
    actions = ActionSet(
        max_changes=1, step=dict.fromkeys("abc", 1), cost_weights={"a": 0.1, "b": 1.0, "c": 1.04}
    )
    space = bind_actions(actions, Encoding(None, frame.columns), frame)
    x = torch.zeros((1, 3), dtype=torch.float64)
    problem = Problem(space, space.rows(frame.head(1)), x, torch.ones(1, dtype=torch.int64))
    regions = Regions.whole(problem)
    gain_per_cost = torch.tensor([[0.5 / 0.1, 1.2 / 1.0, 1.1 / 1.04]], dtype=torch.float64)
    none, need = x[:, :0], torch.ones(1, dtype=torch.float64)
    dual = Dual(problem, regions, gain_per_cost, none, need, square=False)
    bound, price, bargain, _ = dual.solve()
    assert bound.item() <= 1.0
    dual.tighten(price, bargain, torch.full((1,), 1.05, dtype=torch.float64))
    assert (regions.low <= 0).all(), "b may stay as it is"
    assert regions.high[0, 2] >= 1.04


@pytest.mark.parametrize("relaxed", [Relaxation, IntervalRelaxation])
def test_bounds_are_exact_at_a_point(relaxed):
    w = world(1, quantized=True)
    x = torch.from_numpy(w.space.encoding.encode(w.train).astype(np.float32)).double()
    target = torch.ones(len(x), dtype=torch.int64)
    problem = Problem(w.space, w.space.rows(w.train), x, target)
    margin = Margin(w.logits, torch.float64)
    regions = Regions.whole(problem)
    regions.low[:], regions.high[:], regions.open[:] = 0.0, 0.0, False
    reach = Extent(problem, regions, torch.ones(len(x), dtype=torch.float64))
    relaxation = relaxed(read_layers(margin.logits), problem)
    hidden = relaxation.hidden(regions, reach)
    versus = torch.tensor([[-1.0, 1.0]], dtype=torch.float64)
    constant, number, choices = relaxation.above(regions.person, hidden, 2, versus)
    most = (constant + reach(number, choices)[0]).squeeze(1)
    np.testing.assert_allclose(most, margin(x, target), atol=1e-8)
