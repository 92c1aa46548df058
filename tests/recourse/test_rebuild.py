"""Actions built up again on true outputs: small changes that each cross a level, never dearer."""

import pytest
import torch

from skcfq.recourse import _rebuild
from skcfq.recourse._base import MARGIN
from skcfq.recourse._lines import scan
from skcfq.recourse._rebuild import rebuild
from skcfq.recourse._steady import steady
from tests.recourse.brute import ACTION_SETS
from tests.recourse.test_barter import valid_states
from tests.recourse.test_lines import Jump, moved
from tests.recourse.test_problem import assert_allowed, bound


def again(margin, problem, u, choice):
    return rebuild(margin, problem, u, choice, torch.Generator().manual_seed(1))


@pytest.fixture
def problem():
    """One person several times, who may move three numbers either way."""
    _, _, problem = bound("free", 0, steps=False)
    problem = problem.select(torch.zeros(6, dtype=torch.int64))
    problem.low[:, :3], problem.high[:, :3] = -1.0, 1.0
    return problem


class Levels(Jump):
    """Each of three numbers is worth a level from a length on; so is the first number's being large."""

    def __call__(self, z, target):
        size = ((z - self.problem.x[0])[:, self.problem.columns[:3]] / self.problem.rate[:3]).abs()
        crossed = (size >= 0.02).sum(dim=1) >= 3
        return torch.where(crossed | (size[:, 0] >= 0.5), 1.0, 0.1 * (size >= 0.02).sum(dim=1) - 1)


def test_small_changes_that_each_cross_a_level_take_the_place_of_a_large_one(problem):
    margin = Levels(problem, None)
    start = moved(problem, 0.5)
    on_lines, _ = scan(margin, problem, *start)
    assert (on_lines.abs().sum(dim=1) >= 0.45).all()  # a line has one number only
    u, choice = again(margin, problem, *start)
    cost = problem.cost(u, choice)
    assert (cost < 0.1).all()
    assert (cost >= 0.06).all()  # three levels of .02
    assert (u[:, :3].abs() >= 0.02).all()


def test_what_is_not_given_up_stays(problem, monkeypatch):
    """One number has to be large; what the others cost is found for less beside it."""

    class Beside(Levels):
        def __call__(self, z, target):
            size = ((z - problem.x[0])[:, problem.columns[:3]] / problem.rate[:3]).abs()
            bought = (size[:, 1] >= 0.3) | (size[:, 2] >= 0.01)
            return (size[:, 0] >= 0.4) * 1.0 + bought * 1.0 + (size[:, 2] >= 0.01) * 0.1 - 1.5

    monkeypatch.setattr(_rebuild, "ALL_OF_IT", 0.0)
    monkeypatch.setattr(_rebuild, "N_STEPS", (2,))  # too few for both from the start
    u, choice = problem.start()
    u[:, 0], u[:, 1] = 0.41, 0.31
    u, choice = again(Beside(problem, None), problem, u, choice)
    assert (u[:, 0] >= 0.4).all()
    assert (u[:, 2].abs() >= 0.01).all()
    assert (problem.cost(u, choice) < 0.55).all()


def test_where_there_are_steps_none_is_shorter_than_one(problem, monkeypatch):
    monkeypatch.setattr(_rebuild, "N_STEPS", (12,))  # a twelfth of the room would be less
    problem.unit, problem.has_steps = torch.zeros_like(problem.unit), True
    problem.unit[:3] = 0.125
    margin = Levels(problem, None)
    u, choice = again(margin, problem, *moved(problem, 0.5))
    torch.testing.assert_close(u[:, :3].abs(), torch.full((6, 3), 0.125))
    assert (problem.cost(u, choice) < 0.5).all()


@pytest.mark.parametrize("kind", ACTION_SETS)
def test_what_is_built_holds_and_never_costs_more(kind):
    cheaper = 0
    for seed in range(2):
        _, margin, problem, u, choice, _ = valid_states(kind, seed)
        new_u, new_choice = again(margin, problem, u, choice)
        assert_allowed(problem, new_u, new_choice)
        assert (margin(problem.encode(new_u, new_choice), problem.target) >= MARGIN).all()
        less = problem.cost(new_u, new_choice) < problem.cost(u, choice)
        cheaper += int(less.sum())
        assert torch.equal(new_u[~less], u[~less])
        assert steady(margin, problem, new_u, new_choice)[less].all()
        one = torch.tensor([len(u) // 2])
        alone = again(margin, problem.select(one), u[one], choice[one])
        torch.testing.assert_close(alone[0], new_u[one])
        assert torch.equal(alone[1], new_choice[one])
    assert cheaper > 0


def test_who_is_refused_stays(problem):
    margin = Jump(problem, lambda size: size < 0)
    u, choice = moved(problem, 0.5)
    assert torch.equal(again(margin, problem, u, choice)[0], u)


def test_without_numbers_there_is_nothing_to_build(problem):
    problem.low, problem.high = torch.zeros_like(problem.low), torch.zeros_like(problem.high)
    margin = Jump(problem, lambda size: size >= 0)
    u, choice = problem.start()
    choice[:, 0] = int(problem.allowed[0].nonzero()[0])
    new_u, new_choice = again(margin, problem, u, choice)
    assert (new_u == 0).all()
    assert (new_choice[:, 1:] == -1).all()
