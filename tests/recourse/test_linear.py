"""Cheapest states of a linear margin, against all sets of changes."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skcfq.actions import ActionSet, Encoding, bind_actions
from skcfq.recourse._base import MARGIN
from skcfq.recourse._linear import cheapest_linear
from tests.recourse.test_problem import KINDS, assert_allowed, bound, problem_of


def linear(problem, seed, missing):
    """Slopes, and a margin at the people's own rows that is short by `missing`."""
    generator = torch.Generator().manual_seed(seed)
    slopes = torch.randn(problem.x.shape[1], generator=generator)
    value = torch.full((len(problem.x),), MARGIN * 1.5 - missing)
    return slopes.expand_as(problem.x), value


def gained(problem, gradient, u, choice):
    return (gradient * (problem.encode(u, choice) - problem.x)).sum(dim=1)


def cheapest_by_hand(problem, gradient, missing, i):
    """Least L1 cost of person `i`: every set of categories, then a fractional knapsack."""
    part = problem.select(torch.tensor([i]))
    slope = (gradient[0, part.columns] * part.rate).double()
    room = torch.where(slope > 0, part.high[0], -part.low[0]).double()
    start = part.start()
    lists = []
    for k in range(part.q):
        open_ = ((part.owner == k) & part.allowed[0]).nonzero().squeeze(1).tolist()
        lists.append([-1, *open_])
    best = np.inf
    for picks in itertools.product(*lists):
        choice = torch.tensor([picks], dtype=torch.int64).reshape(1, part.q)
        n_left = part.max_changes - int((choice >= 0).sum())
        if n_left < 0:
            continue
        need = missing - gained(part, gradient[:1], start[0], choice).item()
        price = part.cost(start[0], choice).item()
        size = min(n_left, len(slope))
        for members in itertools.combinations(range(len(slope)), size):
            left, cost = need, price
            for j in sorted(members, key=lambda j: -abs(slope[j])):
                step = min(max(left, 0) / max(abs(slope[j].item()), 1e-12), room[j].item())
                left, cost = left - step * abs(slope[j].item()), cost + step
            if left <= 1e-6:
                best = min(best, cost)
    return best


@settings(max_examples=20)
@given(kind=KINDS, seed=st.integers(0, 10**6), missing=st.floats(0.01, 8), steps=st.booleans())
def test_states_are_allowed_and_reach_what_can_be_reached(kind, seed, missing, steps):
    _, _, problem = bound(kind, seed % 50, steps=steps)
    gradient, value = linear(problem, seed, missing)
    u, choice = cheapest_linear(problem, gradient, value, problem.x)
    assert_allowed(problem, u, choice)
    assert_allowed(problem, *problem.project(u, choice))
    if not steps:
        reached = gained(problem, gradient, u, choice) >= missing * (1 - 1e-3) - 1e-5
        for i in (~reached).nonzero().squeeze(1).tolist():
            assert np.isinf(cheapest_by_hand(problem, gradient, missing * 1.001, i))


@pytest.mark.parametrize("kind", ["free", "directions", "few changes", "one change", "weights"])
def test_hardly_dearer_than_the_optimum(kind):
    ratio = []
    for seed in range(6):
        _, _, problem = bound(kind, seed, steps=False)
        for missing in (0.3, 2.0, 5.0):
            gradient, value = linear(problem, seed, missing)
            u, choice = cheapest_linear(problem, gradient, value, problem.x)
            cost = problem.change(u, choice).sum(dim=1).numpy()
            best = np.array([cheapest_by_hand(problem, gradient, missing, i) for i in range(8)])
            fine = np.isfinite(best)
            assert (cost[fine] >= best[fine] * (1 - 1e-4)).all()
            ratio.append(cost[fine] / best[fine])
    ratio = np.concatenate(ratio)
    assert len(ratio) > 50
    assert ratio.mean() <= 1.03
    assert (ratio <= 1.001).mean() >= 0.8


def test_small_bargains_do_not_use_up_the_changes():
    # Two changes: the two best rates give 2 of the missing 3; the third rate alone gives it all.
    frame = pd.DataFrame({"a": [0.0, 1.5], "b": [0.0, 1.5], "c": [0.0, 9.0]})
    actions = ActionSet(
        max_changes=2, cost_weights=dict.fromkeys("abc", 1.0),
        bounds={"a": (0, 1), "b": (0, 1), "c": (0, 9)},
    )  # fmt: skip
    problem = problem_of(bind_actions(actions, Encoding(None, list("abc")), frame), frame.head(1))
    gradient = torch.tensor([[1.0, 0.9, 0.5]])
    value = torch.tensor([1.5 * MARGIN - 3.0])
    u, _ = cheapest_linear(problem, gradient, value, problem.x)
    torch.testing.assert_close(u, torch.tensor([[1.0, 0.0, 4.0]]), rtol=1e-4, atol=1e-4)
