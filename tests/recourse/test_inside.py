"""A network from behind its first layer: the same margins, slopes and states, and who is refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder
from torch import nn

from skcfq import GreedySolver
from skcfq.actions import ActionSet, CausalActionSet, Encoding, bind_actions
from skcfq.quantization import QuantReLU
from skcfq.recourse._base import Margin
from skcfq.recourse._inside import Inside, look_inside
from skcfq.recourse._problem import Problem
from skcfq.recourse._slopes import slope_and_value, with_slopes
from skcfq.recourse._steady import steady
from tests.recourse.test_problem import KINDS, any_state, bound

SIZES = {"deep": (9, 7), "shallow": (5,), "affine": ()}


def network(n_inputs, hidden, n_classes, seed, bits=None):
    """Random weights; activations are rounded where `bits` are given, for ``"units"`` to widths of their own."""
    torch.manual_seed(seed)
    parts = []
    for i, n_outputs in enumerate((*hidden, n_classes)):
        parts.append(nn.Linear(n_inputs, n_outputs))
        if i < len(hidden):
            widths = tuple((3, 0, 2, 4, 1)[k % 5] for k in range(n_outputs))
            activation = QuantReLU(*((widths, 4.0) if bits == "units" else (bits, 0.8 + i)))
            parts.append(nn.ReLU() if bits is None else activation)
        n_inputs = n_outputs
    return nn.Sequential(*parts).eval().requires_grad_(False)


def wide(kind, seed, n_classes=2, steps=True):
    """Forty people in double precision, in which hardly an output lies between two levels."""
    space, frame, _ = bound(kind, seed, n=40, steps=steps)
    x = torch.from_numpy(space.encoding.encode(frame))
    return Problem(space, space.rows(frame), x, torch.arange(len(x)) % n_classes)


def gains(problem, gradient, choice):
    """What each choice adds to a linear function, from present choices."""
    value, here = problem.values(gradient, choice)
    return value - here[:, problem.owner]


@settings(max_examples=25, deadline=None)
@given(
    kind=KINDS,
    seed=st.integers(0, 10**6),
    hidden=st.sampled_from(list(SIZES)),
    n_classes=st.sampled_from([2, 3]),
    bits=st.sampled_from([None, 2, 4, "units"]),
)
def test_margins_and_slopes_from_behind_are_those_of_the_network(
    kind, seed, hidden, n_classes, bits
):
    problem = wide(kind, seed % 50, n_classes)
    margin = Margin(
        network(problem.x.shape[1], SIZES[hidden], n_classes, seed, bits), torch.float64
    )
    inside, behind = look_inside(margin, problem)
    assert isinstance(inside, Inside)
    assert inside.rounds == (bits is not None and hidden != "affine")
    random = np.random.default_rng(seed)
    u, choice = any_state(problem, random)
    u = u.double()
    z, h = problem.encode(u, choice), behind.encode(u, choice)
    gradient, value = slope_and_value(margin, z, problem.target)
    seen_gradient, seen_value = slope_and_value(inside, h, problem.target)
    torch.testing.assert_close(seen_value, value)
    torch.testing.assert_close(inside(h, problem.target), value)
    torch.testing.assert_close(
        behind.slopes(seen_gradient, u), problem.slopes(gradient, u), rtol=1e-6, atol=1e-9
    )
    torch.testing.assert_close(
        gains(behind, seen_gradient, choice), gains(problem, gradient, choice), rtol=1e-6, atol=1e-9
    )
    some = torch.from_numpy(random.choice(len(z), 11))
    for which, at, whole in ((margin, z, gradient), (inside, h, seen_gradient)):
        torch.testing.assert_close(with_slopes(which, at, problem.target)[1](some), whole[some])


@settings(max_examples=20, deadline=None)
@given(kind=KINDS, seed=st.integers(0, 10**6), steps=st.booleans())
def test_gains_are_what_choices_add(kind, seed, steps):
    problem = wide(kind, seed % 50, steps=steps)
    random = np.random.default_rng(seed)
    u, choice = any_state(problem, random)
    gradient = torch.from_numpy(random.normal(size=problem.x.shape))
    gained = gains(problem, gradient, choice)
    before = problem.encode(u.double(), choice)
    for c in range(gained.shape[1]):
        there = choice.clone()
        there[:, problem.owner[c]] = c
        rise = ((problem.encode(u.double(), there) - before) * gradient).sum(dim=1)
        torch.testing.assert_close(gained[:, c], rise)


def test_people_whose_value_is_not_listed_leave_what_stands_in_their_row():
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.5, 4.0, 7.25], "y": np.arange(5.0)})
    space = bind_actions(
        ActionSet(allowed_values={"x": (0.0, 1.0, 4.0)}), Encoding(None, frame.columns), frame
    )
    rows = space.rows(frame)
    assert rows.present[:, 0].tolist() == [0, 1, -1, 2, -1]
    x = torch.tensor(frame.to_numpy())
    problem = Problem(space, rows, x, torch.ones(5, dtype=torch.int64))
    assert rows.present[:, 0].tolist() == [0, 1, -1, 2, -1]  # taken hold of, not changed
    u, choice = problem.start()
    choice[:, 0] = 2
    for index in (None, torch.tensor([4, 2, 0]), slice(1, 4)):
        at = slice(None) if index is None else index
        moved = problem.encode(u[at], choice[at], index)
        assert moved[:, 0].tolist() == [4.0] * len(moved)
        assert moved[:, 1].tolist() == x[at, 1].tolist()
    gained = gains(problem, torch.ones((5, 2), dtype=x.dtype), problem.start()[1])
    torch.testing.assert_close(gained[:, 2], 4.0 - x[:, 0])
    part = problem.select(torch.tensor([4, 1]))
    assert part.encode(u[:2], choice[:2])[:, 0].tolist() == [4.0, 4.0]


def test_consequences_are_seen_from_behind():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(30, 3)), columns=list("abc"))
    space = bind_actions(
        CausalActionSet(
            graph={"b": ["a"], "c": ["b"]}, equations={"b": {"a": 2.0}, "c": {"b": -1.0}}
        ),
        Encoding(None, frame.columns),
        frame,
    )
    x = torch.tensor(frame.to_numpy())
    problem = Problem(space, space.rows(frame), x, torch.ones(30, dtype=torch.int64))
    margin = Margin(network(3, (8,), 2, 0), torch.float64)
    inside, behind = look_inside(margin, problem)
    u, choice = problem.start()
    u[:, 0], u[::2, 1] = 0.4, -0.3
    h, z = behind.encode(u, choice), problem.encode(u, choice)
    assert not torch.allclose(z, x + u @ problem.motion)
    torch.testing.assert_close(inside(h, problem.target), margin(z, problem.target))
    seen, told = (
        part.slopes(slope_and_value(which, at, problem.target)[0], u)
        for which, part, at in ((inside, behind, h), (margin, problem, z))
    )
    torch.testing.assert_close(seen, told)


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    "logits",
    [
        nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2)),
        nn.Sequential(nn.Linear(2, 300), nn.ReLU(), nn.Linear(300, 2)),
        nn.Sequential(Doubled(2, 4), nn.ReLU(), nn.Linear(4, 2)),
        nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2), nn.ReLU()),
        lambda z: torch.stack([z[:, 0], z[:, 1] ** 2], dim=1),
    ],
    ids=["tanh", "wide", "doubled", "relu last", "function"],
)
def test_what_cannot_be_read_is_searched_from_outside(logits):
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(40, 2)), columns=["a", "b"])
    x = torch.tensor(frame.to_numpy(np.float32))
    if isinstance(logits, nn.Module):
        torch.manual_seed(3)
        linear = [part for part in logits.requires_grad_(False) if isinstance(part, nn.Linear)]
        for part in linear:
            part.reset_parameters()
        # Both classes are common, and a last ReLU does nothing before anybody has moved.
        linear[-1].bias += 4.0
        linear[-1].bias += 4.0 - logits(x).median(dim=0).values
    space = bind_actions(ActionSet(), Encoding(None, frame.columns), frame)
    problem = Problem(space, space.rows(frame), x, torch.ones(40, dtype=torch.int64))
    margin = Margin(logits)
    assert look_inside(margin, problem) == (margin, problem)
    found = 0
    for target in (0, 1):
        result = GreedySolver().solve(logits, frame, target, space)
        after = torch.tensor(result.counterfactual.to_numpy(np.float32))
        decided = logits(after).argmax(dim=1).numpy()
        assert (decided[result.success] == target).all()
        found += (result.success & result.needed).sum()
    assert found


def test_the_search_is_the_same_from_both_sides(monkeypatch):
    space, frame, problem = bound("free", 3, n=40)
    logits = network(problem.x.shape[1], (16, 8), 2, 5)
    found = GreedySolver().solve(logits, frame, 1, space)
    monkeypatch.setattr("skcfq.recourse._greedy.look_inside", lambda *question: question)
    expected = GreedySolver().solve(logits, frame, 1, space)
    assert found.needed.any()
    np.testing.assert_allclose(found.cost, expected.cost, rtol=1e-3)


@pytest.mark.parametrize("layer", [0, 2])
def test_a_choice_that_ends_between_two_levels_is_not_steady(layer):
    frame = pd.DataFrame({"job": ["a", "b", "c"] * 2})
    encoder = ColumnTransformer([("job", OneHotEncoder(sparse_output=False), ["job"])]).fit(frame)
    space = bind_actions(ActionSet(), Encoding(encoder, frame.columns), frame)
    x = torch.tensor(space.encoding.encode(frame), dtype=torch.float32)
    model = nn.Sequential(
        nn.Linear(3, 1),
        QuantReLU(2, clip=3.0),
        nn.Linear(1, 1),
        QuantReLU(2, clip=3.0),
        nn.Linear(1, 2),
    ).requires_grad_(False)
    # b ends a few millionths above the edge between levels 0 and 1, and c far above it.
    first, second, last = (model[i] for i in (0, 2, 4))
    for part in (first, second, last):
        part.weight.zero_(), part.bias.zero_()
    first.weight[0], second.weight[0], last.weight[1] = torch.tensor([0.0, 1.0, 2.0]), 1.0, 1.0
    last.bias[1] = -0.5
    model[layer].bias[0] = -0.5 + 1e-6
    problem = Problem(space, space.rows(frame), x, torch.ones(6, dtype=torch.int64))
    inside, behind = look_inside(Margin(model), problem)
    u, choice = problem.start()
    for pick, holds in ((1, False), (2, True)):
        choice[:, 0] = pick
        assert (behind.margins(inside, u, choice) > 0).all()
        assert steady(inside, behind, u, choice).all() == holds
