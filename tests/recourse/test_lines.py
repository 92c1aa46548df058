"""Points on lines where a margin jumps: cheaper, never on an edge, the same for everybody alone."""

import pytest
import torch

from skcfq import GreedySolver
from skcfq.recourse import _problem, _scatter
from skcfq.recourse._base import MARGIN
from skcfq.recourse._cheaper import take_cheapest
from skcfq.recourse._lines import fan, scan
from skcfq.recourse._polish import sweep
from skcfq.recourse._rebuild import rebuild
from skcfq.recourse._scatter import random_states
from skcfq.recourse._steady import steady
from tests.recourse.brute import ACTION_SETS
from tests.recourse.test_barter import valid_states
from tests.recourse.test_problem import assert_allowed, bound


def again(margin, problem, u, choice):
    return rebuild(margin, problem, u, choice, torch.Generator().manual_seed(1))


def rays(margin, problem, u, choice):
    return fan(margin, problem, u, choice, torch.Generator().manual_seed(1))


class Jump:
    """A margin that is 1 where `valid` says so of the change of the first number, else -1."""

    rounds = True

    def __init__(self, problem, valid):
        self.problem, self.valid = problem, valid

    def __call__(self, z, target):
        column = self.problem.columns[0]
        u = (z[:, column] - self.problem.x[0, column]) / self.problem.rate[0]
        return torch.where(self.valid(u.abs()), 1.0, -1.0)


def moved(problem, length):
    """Everybody's first number moved a length up, or down where there is no room."""
    u, choice = problem.start()
    u[:, 0] = torch.where(problem.high[:, 0] >= length, length, -length)
    return u, choice


@pytest.fixture
def problem():
    """One person several times."""
    _, _, problem = bound("free", 0, steps=False)
    room = torch.maximum(problem.high[:, 0], -problem.low[:, 0]) >= 0.5
    return problem.select(room.nonzero()[0]).repeat(6)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_window_near_by_of_another_feature_is_found_although_all_around_it_is_not(problem, side):
    def window(u):
        return (side * u > 0.008) & (side * u < 0.02)

    class Window(Jump):
        def __call__(self, z, target):
            u = (z[:, problem.columns[1]] - problem.x[0, problem.columns[1]]) / problem.rate[1]
            return torch.where(window(u), 1.0, super().__call__(z, target))

    margin = Window(problem, lambda size: size >= 0.5)
    problem.low[:, 1], problem.high[:, 1] = -1.0, 1.0
    u, _ = scan(margin, problem, *moved(problem, 0.5))
    assert window(u[:, 1]).all()
    assert (u[:, 0] == 0).all()


def test_an_action_of_two_features_is_made_smaller_where_that_holds(problem):
    class Both(Jump):
        def __call__(self, z, target):
            columns = problem.columns[:2]
            size = ((z - problem.x[0])[:, columns] / problem.rate[:2]).abs()
            alike = (size[:, 0] - size[:, 1]).abs() < 1e-4
            inside = self.valid(size[:, 0])
            return torch.where(alike & inside, 1.0, -1.0)

    problem.low[:, :2], problem.high[:, :2] = -1.0, 1.0
    u, choice = problem.start()
    u[:, :2] = 0.5
    margin = Both(problem, lambda size: ((size > 0.008) & (size < 0.02)) | (size >= 0.499))
    smaller, choice = scan(margin, problem, u, choice)
    assert (smaller[:, :2] < 0.02).all()
    torch.testing.assert_close(smaller[:, 0], smaller[:, 1])


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_window_that_two_features_reach_together_is_found(problem, side):
    """From a large change of one; no line of one feature leads through it, nor a small step towards it."""

    class Together(Jump):
        def __call__(self, z, target):
            columns = problem.columns[:2]
            u = (z - problem.x[0])[:, columns] / problem.rate[:2]
            inside = ((u[:, 0] - 0.1).abs() < 0.05) & ((side * u[:, 1] - 0.15).abs() < 0.05)
            return torch.where(inside, 1.0, super().__call__(z, target))

    problem.low[:, :2], problem.high[:, :2] = -1.0, 1.0
    if side > 0:
        problem.low[:, 1] = 0.0  # where a direction is closed, rays turn round
    margin = Together(problem, lambda size: size >= 0.5)
    start = moved(problem, 0.5)
    assert torch.equal(scan(margin, problem, *start)[0], start[0])
    u, _ = rays(margin, problem, *start)
    assert ((u[:, 0] - 0.1).abs() < 0.05).all()
    assert ((side * u[:, 1] - 0.15).abs() < 0.05).all()


def test_a_single_choice_that_costs_less_is_taken(problem):
    class Chosen(Jump):
        """Any other category is as good as a large change."""

        def __call__(self, z, target):
            other = ((z - problem.x[0]).abs() * problem.block.sum(0)).sum(1) > 0.5
            return torch.where(other, 1.0, super().__call__(z, target))

    problem.price = problem.price * 0.01
    assert (problem.allowed & (problem.price > 0)).any()
    u, choice = scan(Chosen(problem, lambda size: size >= 0.5), problem, *moved(problem, 0.5))
    assert (choice >= 0).any(dim=1).all()
    least = problem.price.masked_fill(~problem.allowed | (problem.price == 0), torch.inf)
    torch.testing.assert_close(problem.cost(u, choice), least.min(dim=1).values)


@pytest.mark.parametrize("search", [scan, again, rays])
@pytest.mark.parametrize("kind", ACTION_SETS)
def test_what_holds_is_kept_and_nothing_costs_more(kind, search):
    cheaper = 0
    for seed in range(2):
        _, margin, problem, u, choice, _ = valid_states(kind, seed)
        new_u, new_choice = search(margin, problem, u, choice)
        assert_allowed(problem, new_u, new_choice)
        assert (margin(problem.encode(new_u, new_choice), problem.target) >= MARGIN).all()
        less = problem.cost(new_u, new_choice) < problem.cost(u, choice)
        cheaper += int(less.sum())
        assert torch.equal(new_u[~less], u[~less])
        assert steady(margin, problem, new_u, new_choice)[less].all()
        one = torch.tensor([len(u) // 2])
        alone = search(margin, problem.select(one), u[one], choice[one])
        torch.testing.assert_close(alone[0], new_u[one])
        assert torch.equal(alone[1], new_choice[one])
    assert cheaper > 0


@pytest.mark.parametrize("search", [scan, again, rays])
def test_who_is_refused_stays(problem, search):
    margin = Jump(problem, lambda size: size < 0)
    u, choice = moved(problem, 0.5)
    assert torch.equal(search(margin, problem, u, choice)[0], u)


def test_on_an_edge_nothing_is_steady_but_where_levels_are_not_rounded(problem):
    margin = Jump(problem, lambda size: (size >= 0.25) & (size < 0.4))
    at = {
        length: steady(margin, problem, *moved(problem, length)) for length in (0.3, 0.25001, 0.1)
    }
    assert at[0.3].all()
    assert not at[0.1].any()
    edge = moved(problem, 0.25 + 1e-6)
    assert (margin(problem.encode(*edge), problem.target) > 0).any()
    assert not steady(margin, problem, *edge).any()
    upper = moved(problem, 0.4 - 1e-6)
    assert (margin(problem.encode(*upper), problem.target) > 0).any()
    assert not steady(margin, problem, *upper).any()
    margin.rounds = False
    assert steady(margin, problem, *edge).any()


def only_first_number(problem):
    """Of one continuous number, up to 1, and nothing else."""
    problem.low, problem.high = torch.zeros_like(problem.low), torch.zeros_like(problem.high)
    problem.high[:, 0] = 1.0
    problem.allowed = torch.zeros_like(problem.allowed)
    return problem


def test_a_solver_keeps_nothing_that_holds_on_a_sliver_only(problem):
    class Sliver(Jump):
        def __call__(self, z, target):
            return super().__call__(z, target) + 0 * z.sum(1)  # with slopes, of 0

    def valid(size):
        return ((size - 0.5).abs() < 1e-6) | (size >= 0.8)

    margin = Sliver(only_first_number(problem), valid)
    u, _, _ = GreedySolver()._search(margin, problem)
    assert (u[:, 0] >= 0.8).all()
    assert (u[:, 0] < 0.801).all()
    margin.rounds = False
    u, _, _ = GreedySolver()._search(margin, problem)
    torch.testing.assert_close(u[:, 0], torch.full((6,), 0.5))


def test_crumbs_are_not_swept_onto_an_edge(problem):
    problem.low[:, :2], problem.high[:, :2] = -1.0, 1.0
    u, choice = problem.start()
    u[:, 0], u[:, 1] = 0.5, 0.001
    for end, is_swept in ((0.501 - 1e-6, False), (0.5005, True)):
        margin = Jump(problem, lambda size, end=end: size >= end)
        swept = sweep(margin, problem, u, choice)
        assert (margin(problem.encode(swept, choice), problem.target) > 0).all() == is_swept
        assert ((swept[:, 1] == 0) == is_swept).all()


def test_the_cheapest_of_several_that_hold_is_taken(problem):
    margin = Jump(problem, lambda size: size >= 0.2)
    u, choice = moved(problem, 0.5)
    cost = problem.cost(u, choice)
    tried = [moved(problem, length) for length in (0.4, 0.1, 0.3, 0.0)]
    states = (torch.cat(part) for part in zip(*tried, strict=True))
    take_cheapest(margin, problem.repeat(4), *states, u, choice, cost)
    torch.testing.assert_close(u[:, 0].abs(), torch.full((6,), 0.3))
    torch.testing.assert_close(cost, problem.cost(u, choice))


def test_of_several_the_cheapest_on_an_edge_is_passed_over(problem):
    margin = Jump(problem, lambda size: size >= 0.25)
    u, choice = moved(problem, 0.5)
    cost = problem.cost(u, choice)
    tried = [moved(problem, length) for length in (0.25 + 1e-6, 0.3)]
    assert (margin(problem.encode(*tried[0]), problem.target) > 0).all()
    states = (torch.cat(part) for part in zip(*tried, strict=True))
    take_cheapest(margin, problem.repeat(2), *states, u, choice, cost)
    torch.testing.assert_close(u[:, 0].abs(), torch.full((6,), 0.3))


def test_margins_in_parts_are_those_in_one_piece(problem, monkeypatch):
    u, choice = moved(problem, 0.4)
    weights = torch.randn(problem.x.shape[1], generator=torch.Generator().manual_seed(0))
    problem.target = torch.arange(len(problem.x)) % 2

    def margin(z, target):
        return z @ weights + 100 * target

    rows = torch.arange(len(u)).flip(0)
    whole = problem.margins(margin, u, choice), problem.margins(margin, u, choice, rows)
    monkeypatch.setattr(_problem, "N_ROWS", 3)
    parts = problem.margins(margin, u, choice), problem.margins(margin, u, choice, rows)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other)


def test_random_states_are_the_same_however_many_are_drawn_at_once(monkeypatch):
    _, _, problem = bound("free", 0, steps=True)

    def draw():
        return list(random_states(problem, 7, torch.Generator().manual_seed(5)))

    together = draw()
    monkeypatch.setattr(_scatter, "N_ROWS", 3 * len(problem.x))
    apart = draw()
    assert len(together) == len(apart) == 7
    for one, other in zip(together, apart, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
