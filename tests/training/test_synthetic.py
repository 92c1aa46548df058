"""Synthetic people to learn from."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.frozen import FrozenEstimator

from skcfq import (
    ActionSet,
    CFQClassifier,
    FaithfulObjective,
    FullPrecisionClassifier,
    GreedySolver,
    PaperObjective,
)
from skcfq.actions import Encoding, bind_actions
from skcfq.quantization import mlp
from skcfq.training import Lesson, recombined, with_synthetic


def people(n=50):
    """Nobody shares a value with another."""
    return pd.DataFrame(
        {
            "income": np.arange(n) * 100,
            "debt": np.arange(n) + 0.5,
            "city": [f"city {i}" for i in range(n)],
            "age": np.arange(n, dtype=float),
        },
        index=np.arange(n) + 1000,
    )


def origins(frame, made):
    """The person whom each value comes from: ndarray of int, of the shape of `made`."""
    place = {name: {value: i for i, value in enumerate(frame[name])} for name in frame}
    return np.stack([made[name].map(place[name]) for name in frame], axis=1)


def test_everybody_is_put_together_of_two_people():
    frame = people()
    made = recombined(frame, np.ones(50), 4000, np.random.default_rng(0))
    assert made.dtypes.equals(frame.dtypes)
    assert made.index.equals(pd.RangeIndex(4000))
    found = origins(frame, made)
    counts = np.array([len(set(row)) for row in found])
    assert counts.max() == 2
    # Of four features: all of the first, or of the second, in .7**4 + .3**4 of the cases.
    assert (counts == 1).mean() == pytest.approx(0.7**4 + 0.3**4 + 1 / 50, abs=0.03)
    for column in found.T:
        assert set(column) == set(range(50))


def test_people_are_drawn_by_their_weight():
    weight = np.zeros(50)
    weight[:3] = 1.0, 2.0, 1.0
    found = origins(people(), recombined(people(), weight, 2000, np.random.default_rng(0)))
    shares = np.bincount(found.ravel(), minlength=50) / found.size
    np.testing.assert_allclose(shares[:3], [0.25, 0.5, 0.25], atol=0.03)
    assert not shares[3:].any()


def test_missing_values_and_categories_are_taken_as_they_are():
    frame = pd.DataFrame(
        {
            "a": [np.nan, 1.0, 2.0],
            "b": pd.Categorical(["x", "y", np.nan]),
            "c": np.array(["x", np.nan, "z"], dtype=object),
        }
    )
    made = recombined(frame, np.ones(3), 300, np.random.default_rng(0))
    assert made.dtypes.equals(frame.dtypes)
    assert made.isna().mean().between(0.2, 0.45).all()


@pytest.fixture(scope="module")
def lesson():
    network = mlp((3, 8, 2), torch.Generator().manual_seed(3)).requires_grad_(False)
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    frame = pd.DataFrame(x.numpy().astype(float), columns=["a", "b", "c"])
    space = bind_actions(ActionSet(), Encoding(None, frame.columns), frame)
    advice = GreedySolver().solve(network, frame, 1, space)
    return Lesson(x, network, 1, frame, space, advice, torch.linspace(0.5, 1.5, 40))


def test_a_lesson_goes_on_with_people_who_are_advised_like_the_others(lesson):
    def solve(frame):
        return GreedySolver().solve(lesson.network, frame, 1, lesson.space)

    longer = with_synthetic(lesson, 25, 0, lesson.space.encoding.encode, solve)
    assert len(longer.frame) == len(longer.x) == len(longer.advice) == len(longer.weight) == 65
    assert torch.equal(longer.x[:40], lesson.x)
    torch.testing.assert_close(longer.weight, torch.cat([lesson.weight, torch.ones(25)]))
    pd.testing.assert_frame_equal(longer.frame[:40], lesson.frame)
    made = longer.frame[40:].reset_index(drop=True)
    np.testing.assert_array_equal(longer.x[40:].numpy(), made.to_numpy(dtype=np.float32))
    expected = solve(made)
    for name in ("cost", "success", "needed", "status", "delta", "encoded", "support", "bound"):
        parts = [getattr(lesson.advice, name), getattr(expected, name)]
        np.testing.assert_array_equal(getattr(longer.advice, name), np.concatenate(parts))
    advised = longer.advice.counterfactual.to_numpy()
    np.testing.assert_array_equal(advised[:40], lesson.advice.counterfactual.to_numpy())
    np.testing.assert_array_equal(advised[40:], expected.counterfactual.to_numpy())
    assert longer.advice.feature_names == lesson.advice.feature_names
    assert (longer.counted[40:] == 1).any()
    again = with_synthetic(lesson, 25, 0, lesson.space.encoding.encode, solve)
    assert torch.equal(again.x, longer.x)
    other = with_synthetic(lesson, 25, 1, lesson.space.encoding.encode, solve)
    assert not torch.equal(other.x, longer.x)


def test_synthetic_people_in_need_are_all_refused_by_the_teacher(lesson):
    def decided(x):
        return lesson.network(x).argmax(1) == lesson.target

    def solve(frame):
        return GreedySolver().solve(lesson.network, frame, lesson.target, lesson.space)

    encode = lesson.space.encoding.encode
    assert decided(with_synthetic(lesson, 60, 0, encode, solve).x[40:]).any()
    longer = with_synthetic(lesson, 60, 0, encode, solve, in_need=True)
    assert len(longer.x) == len(longer.advice) == 100
    assert not decided(longer.x[40:]).any()
    with torch.no_grad():
        generous = mlp((3, 2))
        generous[0].weight.zero_()
        generous[0].bias.copy_(torch.tensor([0.0, 1.0]))
    nobody = dataclasses.replace(lesson, network=generous)
    assert len(with_synthetic(nobody, 60, 0, encode, solve, in_need=True).x) == 100


def test_few_rows_are_filled_up_to_four_times_the_weights():
    objective = FaithfulObjective()
    assert objective.count_synthetic(600, 7_000) == 27_400
    assert objective.count_synthetic(6_000, 100_000) == 60_000 - 6_000
    assert objective.count_synthetic(24_999, 100_000) == 60_000 - 24_999
    assert objective.count_synthetic(25_000, 100_000) == 0
    assert objective.count_synthetic(25_000, 100_000, in_turn=True) == 35_000
    assert objective.count_synthetic(60_000, 100_000, in_turn=True) == 0
    assert objective.count_synthetic(600, 150) == 0
    assert objective.count_synthetic(30, 16_000) == 1_500
    assert FaithfulObjective(n_synthetic=7).count_synthetic(10**6, 1) == 7
    assert not hasattr(PaperObjective(), "count_synthetic")


@pytest.mark.parametrize("wrong", [-1, 2.5, True, "many", None])
def test_a_number_of_people_that_cannot_be(wrong):
    assert FaithfulObjective(n_synthetic=wrong).problems() == [
        f'n_synthetic={wrong!r}: a whole number >= 0 or "auto" is needed.'
    ]


def test_synthetic_people_steady_what_few_rows_teach(credit):
    """Errors at advice to people who were not learned from, against learning from the rows alone."""
    errors = {0: 0.0, 600: 0.0}
    for seed in range(3):
        learn = np.random.default_rng(seed).permutation(len(credit.data))[:60]
        X, y = credit.data.iloc[learn], credit.target.iloc[learn]
        known = {"actions": credit.actions, "target": "granted", "random_state": 0}
        teacher = FullPrecisionClassifier((64, 32), max_epochs=40, lr=5e-3, **known).fit(X, y)
        others = credit.data.drop(X.index)
        advice = teacher.solve_recourse(others)
        advised = advice.counterfactual[advice.needed & advice.success]
        for n in errors:
            model = CFQClassifier(
                (64, 32), bit_budget=3, objective=FaithfulObjective(n_synthetic=n), max_epochs=4,
                teacher=FrozenEstimator(teacher), **known,
            ).fit(X, y)  # fmt: skip
            gap = model.decision_function(advised) - teacher.decision_function(advised)
            errors[n] += np.std(gap)
    assert errors[600] < 0.8 * errors[0]
