import copy
import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from skcfq import (
    ActionSet,
    DistilObjective,
    FaithfulObjective,
    GreedySolver,
    OutputObjective,
    PaperObjective,
    TaskObjective,
)
from skcfq.actions import Encoding, bind_actions
from skcfq.quantization import build_quantized, linear_layers, mlp
from skcfq.training import Batch, Lesson, Step, deployed, short_action
from skcfq.training._faithful import BracketTerm, DistilTerm, just_short

from .test_allocate import make_lesson


def affine(weight, bias):
    """Two logits: 0 and ``weight @ x + bias``."""
    layer = nn.Linear(len(weight), 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0] * len(weight), weight]))
        layer.bias.copy_(torch.tensor([0.0, bias]))
    return nn.Sequential(layer)


@pytest.fixture
def lesson():
    """An affine teacher, x0 + 2 x1 > 1, and people on a grid around its boundary."""
    frame = pd.DataFrame(
        [[0.0, 0.0], [0.5, -0.5], [-1.0, 0.2], [2.0, 0.3], [0.2, 0.1]], columns=["x0", "x1"]
    )
    network = affine([1.0, 2.0], -1.0)
    actions = ActionSet(bounds={"x0": (-5, 5), "x1": (-5, 5)}, cost_weights={"x0": 1.0, "x1": 1.0})
    space = bind_actions(actions, Encoding(None, frame.columns), frame)
    advice = GreedySolver().solve(network, frame, 1, space)
    x = torch.tensor(frame.to_numpy(), dtype=torch.float32)
    return Lesson(x, network, 1, frame, space, advice, torch.ones(len(x)))


def step_of(network, lesson, prepared, y=(0, 1, 0, 1, 0), weight=None):
    n = len(lesson.x)
    weight = torch.ones(n) if weight is None else weight
    batch = Batch(lesson.x, torch.tensor(y), weight, prepared.points, prepared.extra)
    return Step(network, network, batch, lesson.target)


def total(prepared, step):
    return sum(term(step) for term in prepared.terms)


def test_task_term_is_the_weighted_cross_entropy(lesson):
    weight = torch.tensor([1.0, 2.0, 0.5, 1.0, 0.5])
    prepared = TaskObjective(bit_cost=0.0).prepare(lesson)
    step = step_of(lesson.network, lesson, prepared, weight=weight)
    losses = F.cross_entropy(
        lesson.network(lesson.x), torch.tensor([0, 1, 0, 1, 0]), reduction="none"
    )
    torch.testing.assert_close(total(prepared, step), (losses * weight).mean())


def test_validity_term_is_the_cross_entropy_at_the_advice(lesson):
    student = affine([0.5, 1.0], -0.2)
    with_validity = PaperObjective(eta=0.7, bit_cost=0.0).prepare(lesson)
    without = PaperObjective(eta=0.0, bit_cost=0.0).prepare(lesson)
    difference = total(with_validity, step_of(student, lesson, with_validity)) - total(
        without, step_of(student, lesson, without)
    )
    moved = torch.from_numpy(lesson.advice.encoded)
    expected = 0.7 * F.cross_entropy(student(moved), torch.ones(5, dtype=torch.int64))
    torch.testing.assert_close(difference, expected)


def test_people_without_advice_are_left_out_of_the_validity(lesson):
    success = lesson.advice.success.copy()
    success[0] = False
    changed = dataclasses.replace(
        lesson, advice=dataclasses.replace(lesson.advice, success=success)
    )
    prepared = PaperObjective(eta=1.0, bit_cost=0.0).prepare(changed)
    student = affine([0.5, 1.0], -0.2)
    step = step_of(student, changed, prepared)
    moved = torch.from_numpy(lesson.advice.encoded)[1:]
    expected = F.cross_entropy(student(moved), torch.ones(4, dtype=torch.int64))
    torch.testing.assert_close(prepared.terms[1](step), expected)


def test_hinge_term_asks_for_the_margin(lesson):
    prepared = PaperObjective(eta=0.0, hinge=2.0, hinge_margin=0.3, bit_cost=0.0).prepare(lesson)
    student = affine([1.0, 1.0], -1.0)
    step = step_of(student, lesson, prepared)
    moved = torch.from_numpy(lesson.advice.encoded)
    margin = student(moved)[:, 1] - student(moved)[:, 0]
    torch.testing.assert_close(prepared.terms[1](step), 2.0 * (0.3 - margin).clamp(min=0).mean())


def test_match_term_is_zero_for_the_teacher_itself_and_trains_through_the_steps(lesson):
    objective = PaperObjective(
        eta=0.0, match_action=1.0, match_cost=1.0, match_steps=3, bit_cost=0.0
    )
    prepared = objective.prepare(lesson)
    term = prepared.terms[1]
    assert term(step_of(lesson.network, lesson, prepared)).item() == pytest.approx(0.0, abs=1e-6)
    student = affine([0.5, 1.0], -0.2)
    loss = term(step_of(student, lesson, prepared))
    assert loss > 0.01
    (gradient,) = torch.autograd.grad(loss, student[0].weight)
    # The same derivative by finite differences: gradients flow through all three steps.
    for index in [(1, 0), (1, 1)]:
        values = []
        for shift in (1e-3, -1e-3):
            moved = affine([0.5, 1.0], -0.2)
            with torch.no_grad():
                moved[0].weight[index] += shift
            values.append(term(step_of(moved, lesson, prepared)).item())
        assert gradient[index].item() == pytest.approx(
            (values[0] - values[1]) / 2e-3, rel=0.05, abs=1e-3
        )


@pytest.mark.parametrize("cost", ["l1", "l2", "mixed"])
def test_who_the_student_leaves_where_he_is_has_a_gradient(lesson, cost):
    """Far from the boundary the loss is flat to the last bit, and the action exactly 0."""
    actions = dataclasses.replace(lesson.space.actions, cost=cost)
    space = bind_actions(actions, lesson.space.encoding, lesson.frame)
    objective = PaperObjective(eta=0.0, match_action=1.0, match_cost=1.0, bit_cost=0.0)
    prepared = objective.prepare(dataclasses.replace(lesson, space=space))
    student = affine([0.5, 1.0], 200.0)
    loss = prepared.terms[1](step_of(student, lesson, prepared))
    (gradient,) = torch.autograd.grad(loss, student[0].weight)
    assert gradient.isfinite().all()


def test_short_action_takes_projected_gradient_steps_by_hand(lesson):
    prepared = PaperObjective(match_action=1.0, match_steps=1, match_step_size=0.5).prepare(lesson)
    box = prepared.terms[2].box.with_limits(prepared.extra["low"], prepared.extra["high"])
    action = short_action(lesson.network, lesson.x, box, 1, 1, 0.5)
    logit = lesson.x @ torch.tensor([1.0, 2.0]) - 1.0
    # d/dz of -log sigmoid(w z + b) is -(1 - sigmoid) w; the box of 5 does not bind.
    expected = 0.5 * (1 - torch.sigmoid(logit))[:, None] * torch.tensor([1.0, 2.0])
    torch.testing.assert_close(action, expected)
    torch.testing.assert_close(prepared.extra["short_action"], expected)


def test_bit_cost_is_the_expected_average_width():
    network = build_quantized(
        linear_layers(mlp((3, 4, 2), torch.Generator().manual_seed(0))), (2, 4)
    )
    prepared = TaskObjective(bit_cost=0.5).prepare(None)
    step = Step(
        network, network, Batch(torch.zeros(1, 3), torch.zeros(1, dtype=int), torch.ones(1)), 1
    )
    assert prepared.terms[1](step).item() == pytest.approx(0.5 * 3.0)
    first, second = network.layers
    first.fix_bits(4)  # by far the larger part
    assert prepared.terms[1](step).item() == pytest.approx(0.5 * (4 * 12 + 3 * 8) / 20)
    second.fix_bits(2)
    assert prepared.terms[1](step) == 0.0  # nothing is left to choose


def test_distilled_logits_count_at_rows_and_at_each_point(lesson):
    """By hand, with three classes, weights and people who do not count."""
    random = torch.Generator().manual_seed(0)
    weight = torch.tensor([1.0, 2.0, 0.5, 1.0, 0.5])
    counted = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0])
    points = {name: torch.randn(5, 2, generator=random) for name in ("one", "two", "three")}
    network, student = nn.Linear(2, 3), nn.Linear(2, 3)
    extra = {"counted": counted, "teacher": network(lesson.x)}
    extra |= {f"teacher_{name}": network(rows) for name, rows in points.items()}
    step = Step(
        student, student, Batch(lesson.x, torch.zeros(5, dtype=int), weight, points, extra), 1
    )

    def distance(rows):
        gap = student(rows) - network(rows)
        return (gap - gap.mean(1, keepdim=True)).pow(2).sum(1)

    near, shares = torch.rand(5, generator=random), torch.rand(5, 3, generator=random)
    for names in (("one", "two", "three"), ("three", "one"), ("two",), ()):
        for told in (False, True):
            for name in {"near", "point_shares"} & set(extra):
                del extra[name]
            if told:
                extra.update(near=near, point_shares=shares[:, : len(names)])
            expected = (distance(lesson.x) * weight * (near if told else 1)).mean()
            for k, name in enumerate(names):
                share = weight * counted / (weight * counted).sum() * (shares[:, k] if told else 1)
                expected = expected + (distance(points[name]) * share).sum()
            torch.testing.assert_close(DistilTerm(0.7, names)(step), 0.7 * expected)
        for name in names:
            torch.testing.assert_close(step.logits_at(name), student(points[name]))


def test_faithful_objective_is_least_at_the_teacher_without_margins(lesson):
    objective = FaithfulObjective(eta=1.0, inner_margin=0.0, outer_margin=0.0, bit_cost=0.0)
    prepared = objective.prepare(lesson)
    at_teacher = total(prepared, step_of(lesson.network, lesson, prepared)).item()
    assert at_teacher == pytest.approx(0.0, abs=1e-6)
    lenient, strict = affine([1.0, 2.0], -0.5), affine([1.0, 2.0], -1.5)
    assert total(prepared, step_of(lenient, lesson, prepared)) > 0.05
    assert total(prepared, step_of(strict, lesson, prepared)) > 0.05


@pytest.mark.parametrize("scale", [0.4, math.inf])
def test_what_is_near_to_the_boundary_counts_most_and_advice_by_its_weight(lesson, scale):
    extra = FaithfulObjective(advice=5.0, nearness=scale).prepare(lesson).extra
    names = ("recourse", "short", "middle", "past")
    for name, found in zip(names, extra["point_shares"].T, strict=True):
        gap = extra[f"teacher_{name}"].diff(dim=1)[:, 0]
        expected = (5.0 if name == "recourse" else 1.0) / (1 + (gap / scale) ** 2)
        torch.testing.assert_close(found, expected)
    gap = extra["teacher"].diff(dim=1)[:, 0]
    torch.testing.assert_close(extra["near"], 1 / (1 + (gap / scale) ** 2))


def test_bracket_punishes_both_sides(lesson):
    prepared = FaithfulObjective(
        eta=1.0, inner_margin=0.0, outer_margin=0.0, distil=0.0, bit_cost=0.0
    ).prepare(lesson)
    (bracket,) = [term for term in prepared.terms if isinstance(term, BracketTerm)]
    lenient, strict = affine([1.0, 2.0], -0.7), affine([1.0, 2.0], -1.3)
    # The boundary is 0.3 away; just short of the advice the teacher is 5 % of the way short.
    counted = prepared.extra["counted"].bool()
    short = prepared.extra["short_margin"][counted]
    expected = ((short + 0.3).clamp(min=0) ** 2).mean().item()
    assert bracket(step_of(lenient, lesson, prepared)).item() == pytest.approx(expected, rel=1e-3)
    assert bracket(step_of(strict, lesson, prepared)).item() == pytest.approx(0.3**2, rel=1e-3)


def drawn_loss(term, student, points, target, y):
    """What a term is on average over draws: each point by itself, by its share."""
    losses = []
    for i in range(len(points.x)):
        one = {name: each[i : i + 1] for name, each in points.extra.items()}
        batch = Batch(points.x[i : i + 1], y[points.row[i : i + 1]], torch.ones(1), {}, one)
        losses.append(term(Step(student, student, batch, target)))
    return points.share @ torch.stack(losses)


def test_points_that_are_drawn_as_often_as_they_count_ask_for_the_same(lesson):
    """Without an inner margin, which follows from the errors at all points of a batch."""
    objective = FaithfulObjective(
        eta=0.7, distil=1.3, advice=4.0, nearness=0.6, inner_margin=0.0, task=0.3, bit_cost=0.0
    )
    weight = torch.tensor([1.0, 2.0, 0.5, 1.0, 0.5])
    lesson = dataclasses.replace(lesson, weight=weight)
    prepared, points = objective.prepare(lesson), objective.prepare_points(lesson)
    student, y = affine([0.8, 2.1], -1.3), torch.tensor([0, 1, 0, 1, 0])
    assert 0 < len(points.x) - 5 == 4 * int(lesson.counted.sum()) < 20
    step = step_of(student, lesson, prepared, weight=weight)
    for term, drawn in zip(prepared.terms, points.terms, strict=True):
        expected = term(step)
        assert expected > 1e-3
        torch.testing.assert_close(drawn_loss(drawn, student, points, 1, y), expected)


def test_the_inner_margin_of_drawn_points_is_that_of_all(lesson):
    objective = FaithfulObjective(advice=1.0, nearness=math.inf, outer_margin=0.0, bit_cost=0.0)
    prepared, points = objective.prepare(lesson), objective.prepare_points(lesson)
    student = affine([1.01, 2.0], -1.3)
    batch = Batch(points.x, points.row, torch.ones(len(points.x)), {}, points.extra)
    n_counted = int(lesson.counted.sum())
    # Each point stands once; the mean is over all of them, and over the counted.
    found = points.terms[1](Step(student, student, batch, 1)) * len(points.x) / n_counted
    expected = prepared.terms[1](step_of(student, lesson, prepared))
    torch.testing.assert_close(found, expected)
    assert len(points.terms) == 2


def test_points_without_anybody_to_advise_are_the_rows(lesson):
    nobody = dataclasses.replace(
        lesson.advice, success=np.zeros(5, dtype=bool), cost=np.full(5, np.nan)
    )
    points = FaithfulObjective().prepare_points(dataclasses.replace(lesson, advice=nobody))
    assert torch.equal(points.x, lesson.x)
    assert points.share.isfinite().all()
    batch = Batch(points.x, points.row, torch.ones(5), {}, points.extra)
    step = Step(affine([1.0, 0.0], 0.0), None, batch, 1)
    assert points.terms[1](step) == 0


@pytest.mark.parametrize(
    ("weight", "inner"), [([1.0, 2.0], 0.0), ([1.01, 2.0], None), ([3.0, 1.0], 0.5)]
)
def test_inner_margin_is_at_most_three_spreads_of_the_errors(lesson, weight, inner):
    """A student that is wrong alike everywhere needs no margin, a bad one needs the whole."""
    prepared = FaithfulObjective(eta=1.0, inner_margin=0.5, outer_margin=0.0).prepare(lesson)
    (bracket,) = [term for term in prepared.terms if isinstance(term, BracketTerm)]
    student = affine(weight, -1.3)
    counted = prepared.extra["counted"].bool()
    with torch.no_grad():
        inside, short = (
            (logits[:, 1] - logits[:, 0])[counted]
            for logits in (student(prepared.points[name]) for name in ("recourse", "short"))
        )
        if inner is None:
            inner = 3 * inside.std(correction=0).item()
            assert 0 < inner < 0.5
    expected = ((inner - inside).clamp(min=0) ** 2 + short.clamp(min=0) ** 2).mean().item()
    found = bracket(step_of(student, lesson, prepared)).item()
    assert found == pytest.approx(expected, rel=1e-2)


def test_faithful_objective_counts_only_people_who_need_and_have_advice(lesson):
    prepared = FaithfulObjective().prepare(lesson)
    np.testing.assert_array_equal(
        prepared.extra["counted"].numpy(),
        (lesson.advice.needed & lesson.advice.success).astype(float),
    )
    assert lesson.advice.needed.tolist() == [True, True, True, False, True]


@pytest.mark.parametrize("failing", [0.0, 0.01, 0.2, 0.5, None])
@pytest.mark.parametrize("weighted", [False, True])
def test_training_ends_where_so_much_advice_fails(failing, weighted):
    network = mlp((4, 8, 3), torch.Generator().manual_seed(0)).requires_grad_(False)
    weight = torch.rand(300, generator=torch.Generator().manual_seed(1)) if weighted else None
    lesson = make_lesson(network, n=300, weight=weight)
    module = build_quantized(linear_layers(network), (3,))
    before = copy.deepcopy(module)
    FaithfulObjective(failing=failing).finish(module, lesson)
    logits = deployed(module)(torch.from_numpy(lesson.advice.encoded))
    fails = (logits.argmax(1) != 1) & (lesson.counted > 0)
    share = float(lesson.weight[fails].sum() / (lesson.weight * lesson.counted).sum())
    moved = module.layers[-1].bias - before.layers[-1].bias
    assert moved[[0, 2]].tolist() == [0, 0]
    if failing is None:
        assert moved[1] == 0
        return
    assert share <= failing
    # One person more would be too many.
    counted = lesson.counted > 0
    heaviest = float(lesson.weight[counted].max() / lesson.weight[counted].sum())
    assert share > failing - heaviest - 1e-6
    # The last one is on the boundary, where rounding decides.
    rest = logits.clone()
    rest[:, 1] = -torch.inf
    margin = (logits[:, 1] - rest.amax(1))[counted & ~fails]
    assert 0 < margin.min() < 3e-5


def test_training_ends_as_it_is_where_nobody_is_advised(lesson):
    nobody = dataclasses.replace(
        lesson, advice=dataclasses.replace(lesson.advice, needed=np.zeros(5, dtype=bool))
    )
    assert not nobody.counted.any()
    module = build_quantized(linear_layers(mlp((2, 2))), (3,))
    bias = module.layers[-1].bias.clone()
    FaithfulObjective().finish(module, nobody)
    assert torch.equal(module.layers[-1].bias, bias)


def test_just_short_is_refused_by_the_teacher(lesson):
    short = torch.from_numpy(just_short(lesson.advice, lesson.space, 0.05))
    logits = lesson.network(lesson.x + short)
    needed = lesson.advice.needed
    assert (logits[needed, 1] < logits[needed, 0]).all()


def test_just_short_of_a_categorical_action_lacks_one_change():
    frame = pd.DataFrame(
        {"job": ["a", "b", "a", "b"], "home": ["u", "u", "v", "v"], "n": [0.0, 1.0, 2.0, 3.0]}
    )
    from skcfq.actions import auto_preprocessor

    encoding = Encoding(auto_preprocessor(frame), frame.columns)
    space = bind_actions(ActionSet(immutable=["n"]), encoding, frame)
    columns = {f.name: f.columns for f in encoding.features if hasattr(f, "columns")}
    network = nn.Sequential(nn.Linear(encoding.n_columns, 2))
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].bias.copy_(torch.tensor([1.5, 0.0]))
        # Both changes are needed: each second category is worth 1.
        network[0].weight[1, columns["job"][1]] = 1.0
        network[0].weight[1, columns["home"][1]] = 1.0
    advice = GreedySolver().solve(network, frame, 1, space)
    assert advice.support.sum(axis=1).tolist() == [2, 1, 1, 0]
    short = just_short(advice, space, 0.05)
    blocks = [(short[:, columns[name]] != 0).any(axis=1) for name in ("job", "home")]
    assert np.sum(blocks, axis=0).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("objective", "problem"),
    [
        (PaperObjective(eta=-1), "eta=-1: a number >= 0 is needed."),
        (PaperObjective(match_steps=0), "match_steps=0: an integer >= 1 is needed."),
        (FaithfulObjective(rho=1.5), "rho=1.5: a share between 0 and 1 is needed."),
        (FaithfulObjective(advice=-1), "advice=-1: a number >= 0 is needed."),
        (FaithfulObjective(failing=1), "failing=1: None, or a share from 0 to below 1 is needed."),
        (
            FaithfulObjective(failing="x"),
            "failing='x': None, or a share from 0 to below 1 is needed.",
        ),
        (FaithfulObjective(nearness=0), "nearness=0: a number > 0 is needed, infinity allowed."),
        (
            OutputObjective(nearness=-1.0),
            "nearness=-1.0: a number > 0 is needed, infinity allowed.",
        ),
        (
            OutputObjective(nearness=math.nan),
            "nearness=nan: a number > 0 is needed, infinity allowed.",
        ),
        (DistilObjective(at_recourse=2), "at_recourse=2: True or False is needed."),
        (TaskObjective(bit_cost=math.nan), "bit_cost=nan: a number >= 0 is needed."),
    ],
)
def test_wrong_parameters_are_named(objective, problem):
    assert objective.problems() == [problem]


@pytest.mark.parametrize("at_recourse", [False, True])
def test_distillation_is_labels_and_squared_logits(lesson, at_recourse):
    objective = DistilObjective(strength=0.5, at_recourse=at_recourse, task=2.0, bit_cost=0.0)
    assert objective.needs_recourse == at_recourse
    given = lesson if at_recourse else dataclasses.replace(lesson, advice=None)
    prepared = objective.prepare(given)
    student = affine([0.5, 1.0], -0.2)
    weight = torch.tensor([1.0, 2.0, 0.5, 1.0, 0.5])
    step = step_of(student, lesson, prepared, weight=weight)
    losses = F.cross_entropy(student(lesson.x), torch.tensor([0, 1, 0, 1, 0]), reduction="none")

    def distance(rows):
        # Up to a common constant: half the squared difference of the margins.
        gap = (student(rows) - lesson.network(rows)) @ torch.tensor([-1.0, 1.0])
        return gap.square() / 2

    expected = 2.0 * (losses * weight).mean() + 0.5 * (distance(lesson.x) * weight).mean()
    if at_recourse:
        counted = weight * lesson.counted
        moved = torch.from_numpy(lesson.advice.encoded)
        expected = expected + 0.5 * (distance(moved) * counted).sum() / counted.sum()
    torch.testing.assert_close(total(prepared, step), expected)
