"""Small regions of networks with rounded activations: patterns of levels, and regions that are put by."""

import itertools
import math

import numpy as np
import pytest
import torch

from skcfq import ExactSolver, GreedySolver
from skcfq.recourse import Problem, _branch, _intervals, read_layers
from skcfq.recourse._base import MARGIN, Margin
from skcfq.recourse._branch import HAIR, BranchAndBound
from skcfq.recourse._condition import Condition
from skcfq.recourse._intervals import MOST_OPEN, MOST_PATTERNS, IntervalRelaxation
from skcfq.recourse._pool import AT_HAND, Pool, best_of_each
from skcfq.recourse._regions import Extent, Regions
from tests.recourse.brute import ACTION_SETS, world


def small_regions(problem, random, size):
    """Boxes of a size, in units of cost, anywhere in the action sets, without choices."""
    regions = Regions.join([Regions.whole(problem)] * 20)
    low, high = regions.low.clone(), regions.high.clone()
    start = low + torch.from_numpy(random.random(low.shape)) * (high - low)
    regions.low[:] = start
    regions.high[:] = torch.minimum(high, start + size)
    regions.open[:] = False
    return regions


@pytest.mark.parametrize("name", ["free", "weights"])
@pytest.mark.parametrize("quantized", [True, "units"])
@pytest.mark.parametrize("most", [MOST_PATTERNS, 2], ids=["all patterns", "two patterns"])
def test_patterns_tell_where_a_margin_is_reached(name, quantized, most, monkeypatch):
    """No random point of a region that is impossible is valid, and a valid one is on the side of the limit."""
    monkeypatch.setattr(_intervals, "MOST_PATTERNS", most)
    n_impossible = n_sided = n_valid = 0
    for seed in range(6):
        random = np.random.default_rng(seed)
        w = world(seed, ACTION_SETS[name], quantized=quantized)
        x = torch.from_numpy(w.space.encoding.encode(w.train).astype(np.float32)).double()
        problem = Problem(w.space, w.space.rows(w.train), x, torch.ones(len(x), dtype=torch.int64))
        margin = Margin(w.logits, torch.float64)
        relaxation = IntervalRelaxation(read_layers(margin.logits), problem)
        for size in (0.02, 0.2, 1.0):
            regions = small_regions(problem, random, size)
            extent = Extent(problem, regions, torch.full((len(regions),), 1e3))
            hidden = relaxation.hidden(regions, extent)
            versus = torch.tensor([[[-1.0, 1.0]]], dtype=torch.float64).expand(len(regions), 1, 2)
            threshold = torch.full((len(regions),), MARGIN, dtype=torch.float64)
            asked = torch.from_numpy(random.random(len(regions)) < 0.9)
            levels = relaxation.decide(hidden, versus, threshold, asked)
            possible, unit, side, limit, _ = vars(levels).values()
            few = asked & ((hidden[0].spread > 0).sum(dim=1) <= MOST_OPEN)
            assert (possible == asked)[~few].all()
            assert (unit[~few] == -1).all()
            possible |= ~asked
            part, sided = problem.select(regions.person), unit >= 0
            outputs = [relaxation.output(regions.person, each) for each in unit.clamp(min=0).T]
            for _ in range(40):
                share = torch.from_numpy(random.random(regions.low.shape))
                u = regions.low + share * (regions.high - regions.low)
                choice = torch.full_like(regions.stay, -1, dtype=torch.int64)
                valid = margin(part.encode(u, choice), part.target) >= MARGIN
                assert not valid[~possible].any()
                reached = torch.stack(
                    [base + (slope * u).sum(dim=1) for base, slope, _ in outputs], dim=1
                )
                assert (side * (reached - limit) >= -1e-9)[valid[:, None] & sided].all()
                n_valid += int((valid[:, None] & sided).sum())
            n_impossible += int((~possible).sum())
            n_sided += int(sided.sum())
    assert min(n_impossible, n_sided, n_valid) > 100


def test_the_cheapest_action_is_never_cut_off(monkeypatch):
    """Boxes around it stay, with it inside and a bound that it does not undercut, also by two levels at once."""
    monkeypatch.setattr(_branch, "NEARLY", 0.0)
    monkeypatch.setattr(_branch, "N_WORTH_IT", 1)
    n_mixed, mix = [], Condition.mix
    monkeypatch.setattr(
        Condition, "mix", lambda *args: n_mixed.append(len(args[0].need)) or mix(*args)
    )
    n_left = 0
    for seed, quantized in itertools.product(range(6), (True, "units")):
        random = np.random.default_rng(seed)
        w = world(seed, ACTION_SETS["free"], quantized=quantized)
        x = torch.from_numpy(w.space.encoding.encode(w.train).astype(np.float32)).double()
        problem = Problem(w.space, w.space.rows(w.train), x, torch.ones(len(x), dtype=torch.int64))
        margin = Margin(w.logits, torch.float64)
        search = BranchAndBound(margin, problem, 0.0)
        search.offer(torch.arange(len(x)), *GreedySolver()._search(margin, problem)[:2])
        search.run(time_limit=math.inf, max_regions=400)
        u, choice, best = search.u.clone(), search.choice.clone(), search.cost.clone()
        who = (torch.isfinite(best) & (u != 0).any(dim=1)).nonzero().squeeze(1)
        search.cost = best * (1 + 1e-3)
        for size in (1e-3, 1e-2, 1e-1, 0.3, 1.0):
            regions = Regions.whole(problem).take(who)
            low, high = (torch.from_numpy(size * random.random(u[who].shape)) for _ in range(2))
            regions.low = torch.maximum(regions.low, u[who] - low)
            regions.high = torch.minimum(regions.high, u[who] + high)
            regions.stay &= choice[who] < 0
            picks = torch.zeros_like(regions.open).scatter(1, choice[who].clamp(min=0), 1)
            regions.open &= picks & (choice[who] >= 0)[:, problem.owner]
            left, rows, *_ = search._narrow(regions)
            assert len(rows) == len(who)
            assert (left.bound <= best[who] * (1 + 1e-9)).all()
            assert ((u[who] >= left.low - 1e-7) & (u[who] <= left.high + 1e-7)).all()
            n_left += len(rows)
    assert n_left > 100
    assert sum(n_mixed) > 30


def test_regions_that_are_put_by_come_back():
    """Nothing is lost, the lowest bounds come first, and who is given up is gone everywhere."""
    random = np.random.default_rng(0)
    w = world(0, ACTION_SETS["free"])
    x = torch.from_numpy(w.space.encoding.encode(w.train).astype(np.float32)).double()
    problem = Problem(w.space, w.space.rows(w.train), x, torch.ones(len(x), dtype=torch.int64))
    n, size = len(x), 4
    many = Regions.join([Regions.whole(problem)] * (3 * AT_HAND))
    many.bound = torch.from_numpy(random.permutation(len(many)).astype(float))
    pool = Pool(many.take(slice(0, n)), size, lambda regions: regions.bound != 5.0)
    for start in range(n, len(many), n):
        pool.put(many.take(slice(start, start + n)))
        assert len(pool.at_hand) <= AT_HAND * size
    assert len(pool.put_by) > 1
    late = torch.zeros(n, dtype=torch.bool)
    late[2] = True
    given_up = set(pool.give_up(late).bound.tolist())
    assert given_up | {5.0} == set(many.bound[many.person == 2].tolist()) | {5.0}
    everyone = torch.ones(n, dtype=torch.bool)
    at_hand = pool.at_hand
    pool.at_hand = at_hand.take(slice(0, 0))  # as if all of it had been given up
    seen = at_hand.bound.tolist()
    while len(taken := pool.take()):
        assert len(taken) <= size
        seen += taken.bound.tolist()
    assert set(seen) | {5.0} == set(many.bound[many.person != 2].tolist()) | {5.0}
    assert len(seen) == len(set(seen))
    assert len(pool.give_up(everyone)) == 0


def test_everybody_has_their_turn():
    w = world(0, ACTION_SETS["free"])
    x = torch.from_numpy(w.space.encoding.encode(w.train).astype(np.float32)).double()
    problem = Problem(w.space, w.space.rows(w.train), x, torch.ones(len(x), dtype=torch.int64))
    whole = Regions.whole(problem)
    regions = Regions.join([whole.take(slice(0, 1))] * 5 + [whole.take(slice(1, 2))] * 2)
    regions.bound = torch.tensor([5.0, 1, 4, 2, 3, 9, 8], dtype=torch.float64)
    first = best_of_each(regions, 4)
    assert sorted(regions.bound[first].tolist()) == [1, 2, 8, 9]


def test_what_is_proven_holds_beside_where_it_ends():
    """Of a network with rounded activations: nothing cheaper than the bound by a search from elsewhere."""
    w = world(3, ACTION_SETS["free"], quantized=True)
    exact = ExactSolver(gap=1e-6, time_limit=20.0).solve(w.logits, w.train, 1, w.space)
    greedy = GreedySolver(n_trades=3000).solve(w.logits, w.train, 1, w.space)
    needed = exact.needed
    assert needed.sum() > 5
    assert set(exact.status[needed]) <= {"optimal", "infeasible"}
    assert (exact.success >= greedy.success).all()
    both = needed & greedy.success
    assert (greedy.cost[both] >= exact.bound[both] * (1 - 1e-9)).all()
    assert (exact.cost[both] <= greedy.cost[both] * (1 + 1e-9)).all()
    cost, bound = (each[needed & exact.success] for each in (exact.cost, exact.bound))
    assert (cost - bound <= HAIR * (1 + 1e-6)).all()
    assert (cost - bound > 1e-6 * cost * (1 + 1e-6)).all(), "a share of the cost alone would do"


def test_that_there_is_none_is_not_said_of_actions_that_do_not_hold_beside(monkeypatch):
    """Who has an action, though none that holds right beside where it ends, is not found, and not infeasible."""
    w = world(3, ACTION_SETS["free"], quantized=True)
    people = w.train[w.decide(w.train) != 1]
    greedy = GreedySolver().solve(w.logits, people, 1, w.space)
    assert greedy.success.sum() > 5
    monkeypatch.setattr(
        _branch, "steady", lambda margin, part, u, choice: torch.zeros(len(u), dtype=torch.bool)
    )
    x = torch.from_numpy(w.space.encoding.encode(people).astype(np.float32)).double()
    problem = Problem(w.space, w.space.rows(people), x, torch.ones(len(x), dtype=torch.int64))
    bound = BranchAndBound(Margin(w.logits, torch.float64), problem, 1e-4).run(time_limit=60.0)
    assert bound[torch.from_numpy(greedy.success)].isfinite().all()


def test_every_other_time_the_smallest_regions_come_first():
    """Of regions with rounded activations, so that actions are found early."""
    w = world(0, ACTION_SETS["free"])
    x = torch.from_numpy(w.space.encoding.encode(w.train).astype(np.float32)).double()
    problem = Problem(w.space, w.space.rows(w.train), x, torch.ones(len(x), dtype=torch.int64))
    regions = Regions.join([Regions.whole(problem).take(slice(0, 1))] * 8)
    regions.bound = torch.arange(8, dtype=torch.float64)
    regions.low = torch.zeros_like(regions.low)
    regions.high = (1.0 + (6 - regions.bound).abs())[:, None].expand_as(regions.high).clone()
    pools = [
        Pool(regions, 2, lambda part: torch.ones(len(part), dtype=torch.bool), dives=dives)
        for dives in (False, True)
    ]
    taken = [[sorted(pool.take().bound.tolist()) for _ in range(3)] for pool in pools]
    assert taken[0] == [[0, 1], [2, 3], [4, 5]]
    assert taken[1] == [[0, 1], [5, 6], [2, 3]]
