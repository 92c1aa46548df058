"""Trades between changes: never dearer, always valid, the same for everybody alone."""

import copy

import numpy as np
import pytest
import torch

from skcfq import ActionSet, ExactSolver, FullPrecisionClassifier
from skcfq.datasets import make_recourse_classification
from skcfq.recourse import Problem
from skcfq.recourse._barter import TOGETHER, _trades, barter
from skcfq.recourse._base import MARGIN, Margin
from skcfq.recourse._scatter import scatter
from tests.recourse.brute import ACTION_SETS, cheapest, world


def valid_states(kind, seed):
    """People of a world with rounded activations, and a random valid action of each."""
    w = world(seed, ACTION_SETS[kind], quantized=True)
    x = torch.from_numpy(w.space.encoding.encode(w.train).astype(np.float32))
    target = torch.ones(len(x), dtype=torch.int64)
    problem = Problem(w.space, w.space.rows(w.train), x, target)
    margin = Margin(w.logits)
    u, choice, cost = scatter(margin, problem, 64, torch.Generator().manual_seed(0), 1000)
    needy = (margin(x, target) < MARGIN) & torch.isfinite(cost)
    rows = needy.nonzero().squeeze(1)
    return w, margin, problem.select(rows), u[rows], choice[rows], rows


def trade(margin, problem, u, choice, n=200):
    return barter(margin, problem, u, choice, n, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", ACTION_SETS)
def test_trades_lower_the_cost_of_valid_actions_towards_the_optimum(kind):
    before, after, optimum = [], [], []
    for seed in range(3):
        w, margin, problem, u, choice, rows = valid_states(kind, seed)
        new_u, new_choice = trade(margin, problem, u, choice)
        assert (margin(problem.encode(new_u, new_choice), problem.target) >= MARGIN).all()
        projected = problem.project(new_u, new_choice)
        torch.testing.assert_close(projected[0], new_u)
        torch.testing.assert_close(projected[1], new_choice)
        before.append(problem.cost(u, choice))
        after.append(problem.cost(new_u, new_choice))
        assert (after[-1] <= before[-1]).all()
        optimum += [cheapest(w, w.train.iloc[i], 1) for i in rows.tolist()]
    before, after = torch.cat(before), torch.cat(after)
    assert (after >= torch.tensor(optimum) * (1 - 1e-5)).all()
    assert after.sum() < before.sum()


def test_nobody_depends_on_who_else_is_there():
    _, margin, problem, u, choice, _ = valid_states("free", 0)
    together = trade(margin, problem, u, choice)
    for i in range(0, len(u), 3):
        one = torch.tensor([i])
        alone = trade(margin, problem.select(one), u[one], choice[one])
        torch.testing.assert_close(alone[0], together[0][one])
        torch.testing.assert_close(alone[1], together[1][one])


def test_who_is_refused_and_who_did_not_move_are_left_alone():
    _, margin, problem, *_ = valid_states("free", 0)
    u, choice = problem.start()
    same_u, same_choice = trade(margin, problem, u, choice, n=20)
    assert (same_u == 0).all()
    assert (same_choice == -1).all()


def test_trades_in_double_precision_end_where_those_in_single_precision_do():
    _, margin, problem, u, choice, _ = valid_states("free", 1)
    single = trade(margin, problem, u, choice, n=50)
    double = copy.copy(problem)
    for name, value in vars(problem).items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            setattr(double, name, value.double())
    precise = Margin(margin.logits, torch.float64)
    ends = trade(precise, double, u.double(), choice, n=50)
    cost, expected = double.cost(*ends), problem.cost(*single)
    assert (cost < problem.cost(u, choice)).any()
    near = (cost - expected).abs() <= 1e-3 * expected
    assert near.float().mean() > 0.9  # but for edges between levels


@pytest.mark.parametrize("kind", ["free", "weights"])
def test_a_trade_takes_from_one_change_and_gives_no_more_to_another(kind):
    *_, problem, u, choice, _ = valid_states(kind, 0)
    n_more = n_new = n_picked = 0
    for seed in range(20):
        tried, picked = _trades(problem, u, choice, torch.Generator().manual_seed(seed))
        tried, picked = tried.view(TOGETHER, *u.shape), picked.view(TOGETHER, *choice.shape)
        moved = tried.abs() - u.abs()
        given = (-moved).clamp(min=0).sum(dim=2) + problem.paid(choice).sum(dim=1)
        assert ((moved < -1e-6).sum(dim=2) <= 1).all()
        assert ((moved > 1e-6).sum(dim=2) <= 1).all()
        assert (moved.clamp(min=0).sum(dim=2) <= given + 1e-5).all()
        assert ((tried * u >= 0).all(dim=2)).all()
        n_more += int(((moved > 1e-6) & (u != 0)).sum())
        n_new += int(((tried != 0) & (u == 0)).sum())
        other = (picked != choice) & (picked >= 0)
        k, row, feature = other.nonzero(as_tuple=True)
        to = picked[k, row, feature]
        assert (problem.owner[to] == feature).all()
        assert problem.allowed[row, to].all()
        dearest = problem.change(u, choice).max(dim=1).values
        assert (problem.price[row, to] < dearest[row]).all()
        n_picked += len(k)
    assert min(n_more, n_new, n_picked) > 50


@pytest.mark.parametrize("kind", ["free", "weights"])
def test_trades_one_at_a_time_are_those_together(kind, monkeypatch):
    """To the bit: so many at once is a question of time alone."""
    _, margin, problem, u, choice, _ = valid_states(kind, 0)
    together = trade(margin, problem, u, choice)
    assert (problem.cost(*together) < problem.cost(u, choice)).any()
    monkeypatch.setattr("skcfq.recourse._barter.N_ROWS", 1)
    for one, all_ in zip(trade(margin, problem, u, choice), together, strict=True):
        assert torch.equal(one, all_)


@pytest.mark.parametrize("columns", [["income", "debt"], ["housing", "employment"]])
def test_numbers_alone_and_choices_alone_are_traded(columns):
    data = make_recourse_classification(n_samples=200, random_state=0)
    clf = FullPrecisionClassifier(
        (8,), actions=ActionSet(), target=data.favourable, max_epochs=10, lr=0.02, random_state=0
    ).fit(data.data[columns], data.target)
    greedy = clf.solve_recourse(data.data[columns])
    exact = clf.set_params(solver=ExactSolver()).solve_recourse(data.data[columns])
    assert greedy.needed.sum() > 20
    np.testing.assert_array_equal(greedy.success, exact.success)
    assert greedy.cost[exact.success].sum() <= exact.cost[exact.success].sum() * 1.01


def test_what_has_lowered_the_cost_is_tried_once_more(monkeypatch):
    *_, problem, u, choice, _ = valid_states("free", 0)
    rows = (u.abs() > 0.5).any(dim=1).nonzero().squeeze(1)
    problem, u, choice = problem.select(rows), u[rows], choice[rows]
    problem.unit, problem.has_steps = torch.zeros_like(problem.unit), False
    anything = Margin(lambda z: torch.stack([0 * z[:, 0], 1 + 0 * z[:, 0]], dim=1))
    rounds = []

    def proposals(part, u, choice, generator):
        rounds.append(u.clone())
        share = 0.9 if len(rounds) == 1 else 1.0  # a tenth off once, then nothing new
        return (u * share).repeat(TOGETHER, 1), choice.repeat(TOGETHER, 1)

    monkeypatch.setattr("skcfq.recourse._barter._trades", proposals)
    ends, _ = trade(anything, problem, u, choice, n=4 * TOGETHER)
    for found, share in zip((*rounds, ends), (1.0, 0.9, 0.8, 0.7, 0.6), strict=True):
        torch.testing.assert_close(found, u * share)
