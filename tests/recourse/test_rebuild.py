"""Actions built up again on true outputs: small changes that each cross a level, never dearer."""

import numpy as np
import pytest
import torch

from skcfq import ActionSet
from skcfq.actions import Encoding, auto_preprocessor, bind_actions
from skcfq.recourse import _rebuild
from skcfq.recourse._lines import scan
from tests.recourse.brute import people
from tests.recourse.test_lines import Jump, again, moved
from tests.recourse.test_problem import bound, problem_of


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


def test_where_nothing_is_a_number_nothing_is_built():
    frame = people(40, np.random.default_rng(0))[["job", "home"]]
    encoding = Encoding(auto_preprocessor(frame), frame.columns)
    problem = problem_of(bind_actions(ActionSet(), encoding, frame), frame)
    u, choice = problem.start()
    choice[:, 0] = problem.allowed.int().argmax(dim=1)
    assert u.shape[1] == 0
    new_u, new_choice = again(lambda z, target: 1 + 0 * z.sum(dim=1), problem, u, choice)
    assert torch.equal(new_u, u)
    assert torch.equal(new_choice, choice)
