"""Actions that have to hold right beside where they end, and guesses that come before a proof: rounded activations."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from skcfq import ActionSet, ExactSolver, GreedySolver
from skcfq.actions import Encoding, bind_actions
from skcfq.quantization import QuantReLU
from skcfq.recourse import Problem, _branch
from skcfq.recourse._base import Margin
from skcfq.recourse._branch import HAIR, SMALL, TINY, BranchAndBound
from skcfq.recourse._regions import Regions
from skcfq.recourse._steady import beside, wiggle
from tests.recourse.brute import ACTION_SETS, centre, network, world

ABC = list("abc")


def numbers(seed, n=40):
    """Rows of three numbers without steps, a network with rounded activations, and free actions."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(n, 3)), columns=ABC)
    logits = network(3, random, hidden=8, quantized=True)
    centre(logits, frame.to_numpy())
    return frame, logits, bind_actions(ActionSet(), Encoding(None, frame.columns), frame)


def problem_of(frame, space):
    x = torch.from_numpy(frame.to_numpy().astype(np.float32)).double()
    return Problem(space, space.rows(frame), x, torch.ones(len(x), dtype=torch.int64))


def test_where_actions_are_moved_to_is_enclosed():
    """Away from none and towards it, also across none, and by how much."""
    random = np.random.default_rng(0)
    scale = torch.from_numpy(10.0 ** random.uniform(-7, 0, (2000, 3)))
    ends = torch.from_numpy(random.normal(size=(2, 2000, 3))) * scale
    ends[torch.from_numpy(random.random(ends.shape) < 0.3)] = 0.0
    low, high = ends.amin(dim=0), ends.amax(dim=0)
    moved = {side: beside(low, high, side) for side in (1.0, -1.0, 0.0)}
    for share in (0.0, 1e-6, 0.3, 1 - 1e-6, 1.0, "none"):
        u = (
            torch.zeros_like(low).clamp(low, high)
            if share == "none"
            else torch.lerp(low, high, share)
        )
        off = wiggle(u)
        assert ((wiggle(low) <= off + 1e-15) & (off <= wiggle(high) + 1e-15)).all()
        for side, (lowest, highest) in moved.items():
            at = u + side * off
            assert ((lowest <= at + 1e-15) & (at <= highest + 1e-15)).all()


def test_the_cheapest_action_that_holds_beside_is_never_cut_off(monkeypatch):
    """Boxes around it, down to where only what holds beside is left, stay and are bounded by what it costs."""
    monkeypatch.setattr(_branch, "N_WORTH_IT", 1)
    n_left = dict.fromkeys((1e-07, 1e-06, 1e-05, TINY, 0.001, SMALL, 0.1), 0)
    for seed in range(6):
        frame, logits, space = numbers(seed)
        problem, margin = problem_of(frame, space), Margin(logits, torch.float64)
        search = BranchAndBound(margin, problem, 0.0)
        search.offer(torch.arange(len(frame)), *GreedySolver()._search(margin, problem)[:2])
        search.run(time_limit=math.inf, max_regions=4000)
        u, best = search.u.clone(), search.cost.clone()
        who = (torch.isfinite(best) & (best > 0)).nonzero().squeeze(1)
        search.cost = best * (1 + 1e-3) + 2 * HAIR
        random = np.random.default_rng(seed)
        for size in n_left:
            below, above = (
                torch.from_numpy(size / 2 * random.random(u[who].shape)) for _ in range(2)
            )
            part = Regions.whole(problem).take(who)
            part.low, part.high = u[who] - below, u[who] + above
            left, rows, *_ = search._narrow(part)
            assert len(rows) == len(who), size
            assert (left.bound <= best[who] * (1 + 1e-9)).all()
            assert ((u[who] >= left.low - 1e-9) & (u[who] <= left.high + 1e-9)).all()
            n_left[size] += len(rows)
    assert min(n_left.values()) > 50


def needle(width):
    """Two numbers whose sum counts: the target is given from 1 to 1 + `width`, and from 2 on."""
    logits = nn.Sequential(nn.Linear(2, 3), QuantReLU(2, 3.0), nn.Linear(3, 2))
    with torch.no_grad():
        logits[0].weight.fill_(20.0)
        # The first level is reached at one half.
        logits[0].bias.copy_(0.5 - 20.0 * torch.tensor([1.0, 1.0 + width, 2.0]))
        logits[2].weight.copy_(torch.tensor([[0.0, 0.0, 0.0], [1.0, -1.0, 1.0]]))
        logits[2].bias.copy_(torch.tensor([0.0, -0.5]))
    frame = pd.DataFrame(np.zeros((1, 2)), columns=ABC[:2])
    limits = pd.DataFrame(np.full((2, 2), [[-1.3], [1.3]]), columns=ABC[:2])
    actions = ActionSet(cost_weights=dict.fromkeys(ABC[:2], 1.0))
    return (
        logits.eval().requires_grad_(False),
        frame,
        bind_actions(actions, Encoding(None, limits.columns), limits),
    )


@pytest.mark.parametrize(("width", "total"), [(1e-6, 2.0), (1e-2, 1.0)])
def test_what_is_too_thin_to_hold_beside_is_passed_over(width, total):
    """Proven at once, though what is too thin runs through all of the action set."""
    logits, frame, space = needle(width)
    exact = ExactSolver(time_limit=20.0).solve(logits, frame, 1, space)
    assert exact.status.tolist() == ["optimal"]
    reached = (exact.encoded - frame.to_numpy()).sum()
    assert reached == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize("trust", [0.0, 0.4])
def test_what_a_guess_leaves_out_is_not_left_out_of_the_proof(monkeypatch, trust):
    """What is optimal, and who has no action, is the same after a guess however bad."""
    w = world(4, ACTION_SETS["directions"], quantized=True)
    results = []
    for guesses in ((), ((trust, 0.5),)):
        monkeypatch.setattr(_branch, "GUESSES", guesses)
        results.append(ExactSolver(time_limit=20.0).solve(w.logits, w.train, 1, w.space))
    without, with_guess = results
    assert {"optimal", "infeasible"} <= set(without.status)
    assert (without.status == with_guess.status).all()
    found = without.success
    assert np.allclose(without.cost[found], with_guess.cost[found], rtol=1e-4, atol=2e-5)


def test_guesses_leave_the_proof_its_share_of_time_and_regions(monkeypatch):
    frame, logits, space = numbers(0, n=2)
    search = BranchAndBound(Margin(logits, torch.float64), problem_of(frame, space), 1e-4)
    limits = []
    monkeypatch.setattr(
        search, "_exhaust", lambda limit: limits.append((search.trust, *limit.flatten().tolist()))
    )
    search.run(time_limit=20.0, max_regions=1000)
    *guesses, proof = limits
    assert guesses == [(trust, 20.0 * share, 1000 * share) for trust, share in _branch.GUESSES]
    assert proof == (1.0, 20.0, 1000.0)
    assert max(share for _, share in _branch.GUESSES) < 1


def test_a_guess_finds_cheaper_actions():
    """Regions whose middle is far from the target are passed over, others are not."""
    n_better = n_regions = n_all = 0
    for seed in range(4):
        frame, logits, space = numbers(seed)
        problem, margin = problem_of(frame, space), Margin(logits, torch.float64)
        first = GreedySolver(n_trades=0, n_rounds=0)._search(margin, problem)[:2]
        costs = []
        for trust in (0.3, 1.0):
            search = BranchAndBound(margin, problem, 1e-4)
            search.offer(torch.arange(len(frame)), *first)
            before, search.trust = search.cost.clone(), trust
            looked_at, narrow = [], search._narrow
            search._narrow = lambda part, narrow=narrow, seen=looked_at: (
                seen.append(len(part)) or narrow(part)
            )
            search._exhaust(torch.tensor(torch.inf))
            costs.append(search.cost)
            if trust < 1:
                n_better += int((search.cost < before * (1 - 1e-3)).sum())
                n_regions += sum(looked_at)
            else:
                n_all += sum(looked_at)
        assert (costs[0] >= costs[1] * (1 - 1e-3)).all()
    assert n_better > 3
    assert n_regions < 0.7 * n_all
