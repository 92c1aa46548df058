"""Quantization-aware training behind scikit-learn's interface."""

import functools
import numbers

import torch

from .._utils._sklearn import InstanceWith, Interval
from ..quantization import linear_layers, mlp, quant_layers
from ..training import Batch, BatchDataset, allocate_by_preference, start_in_turn, train
from ._quantized import BaseQuantizedClassifier, Recipe
from ._training import TRAINING_CONSTRAINTS, hold_out, training_plan, training_problems

#: So many points are drawn for an epoch, in steps of so many, where weights are rounded in turn.
POINTS_PER_EPOCH = 102_400
POINTS_PER_STEP = 1024


class BaseTrainedClassifier(BaseQuantizedClassifier):
    """Common part of the classifiers that are trained while quantized: all but the objective."""

    _parameter_constraints = {
        **BaseQuantizedClassifier._parameter_constraints,
        **TRAINING_CONSTRAINTS,
        "start": [InstanceWith(["calibrate"]), None],
        "search_fraction": [Interval(numbers.Real, 0, 1, closed="neither")],
        "settle_fraction": [Interval(numbers.Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes=(128, 64),
        *,
        bit_budget=4.0,
        byte_budget=None,
        bits=(2, 3, 4, 8),
        activation_bits=None,
        activation_budget=None,
        per_channel=True,
        prune_fraction=0.0,
        allocation=None,
        pin=None,
        start=None,
        search_fraction=0.3,
        settle_fraction=0.0,
        preprocessor="auto",
        actions=None,
        target=None,
        solver=None,
        teacher=None,
        memory=None,
        max_epochs=30,
        batch_size="auto",
        lr=1e-3,
        weight_decay=1e-2,
        class_weight=None,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=8,
        callbacks=None,
        device="cpu",
        random_state=None,
        verbose=0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.bit_budget = bit_budget
        self.byte_budget = byte_budget
        self.bits = bits
        self.activation_bits = activation_bits
        self.activation_budget = activation_budget
        self.per_channel = per_channel
        self.prune_fraction = prune_fraction
        self.allocation = allocation
        self.pin = pin
        self.start = start
        self.search_fraction = search_fraction
        self.settle_fraction = settle_fraction
        self.preprocessor = preprocessor
        self.actions = actions
        self.target = target
        self.solver = solver
        self.teacher = teacher
        self.memory = memory
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _problems(self, frame):
        problems = [*super()._problems(frame), *training_problems(self)]
        recipe = self._recipe()
        learned = recipe.allocation is None and len(self._widths(recipe)[0]) > 1
        if recipe.start is not None:
            if hasattr(recipe.start, "problems"):
                problems += recipe.start.problems()
            if learned:
                problems.append(
                    f"start={self.start!r} needs widths that are settled before training: give "
                    "allocation, or one width in bits."
                )
        if learned and self.search_fraction + recipe.settle_fraction > 1:
            problems.append(
                f"search_fraction={self.search_fraction!r} and settle_fraction={recipe.settle_fraction!r} are more "
                "than all epochs together: weights settle after the search for widths."
            )
        return problems

    def _recipe(self):
        return Recipe(self.allocation, self.start, self.lr, self.settle_fraction)

    @property
    def _n_layers(self):
        return len(self.hidden_layer_sizes) + 1

    @property
    def _n_subtasks(self):
        return self.max_epochs

    def _network(self, twin, n_columns, seed):
        """The teacher's network, or a new one if its layers have other sizes."""
        sizes = [n_columns, *self.hidden_layer_sizes, len(self.classes_)]
        if twin is not None and [each.out_features for each in linear_layers(twin)] == sizes[1:]:
            return twin
        for name in ("allocation", "start"):
            if getattr(self, name) not in (None, "auto"):
                raise ValueError(
                    f"{name}={getattr(self, name)!r} goes by the teacher's layers, but the teacher has "
                    f"no ReLU layers of the sizes {sizes}: give its hidden_layer_sizes, or {name}=None."
                )
        return mlp(sizes, torch.Generator().manual_seed(seed))

    def _rows(self, objective, lesson, codes, seed, validates):
        """The terms, rows to learn from, and rows for early stopping or None."""
        prepared = objective.prepare(lesson)
        batch = Batch(lesson.x, codes, lesson.weight, prepared.points, prepared.extra)
        if not validates:
            return prepared.terms, BatchDataset(batch), None
        train_rows, valid_rows = hold_out(self, codes.numpy(), seed)
        valid = None if valid_rows is None else BatchDataset(batch, valid_rows)
        return prepared.terms, BatchDataset(batch, train_rows), valid

    def _quantize(self, module, network, lesson, codes, budget, seed, task, recipe):
        """Train; returns the history."""
        order = None
        if recipe.start is not None:
            network = recipe.start.calibrate(module, network, lesson) or network
            if recipe.in_turn:
                order = start_in_turn(module, network, lesson)
        objective = self._objective()
        if hasattr(objective, "finish"):
            task.finish = functools.partial(objective.finish, lesson=lesson)
        drawn = order is not None and hasattr(objective, "prepare_points")
        if drawn:
            terms, train_rows, valid_rows = drawn_points(objective, lesson, codes)
        else:
            terms, train_rows, valid_rows = self._rows(
                objective, lesson, codes, seed, order is None
            )
        searching = any(layer.searches for layer in quant_layers(module))
        history = train(
            module,
            terms,
            train_rows,
            valid_rows,
            self._target_index,
            training_plan(
                self,
                POINTS_PER_EPOCH if drawn else len(train_rows),
                seed,
                task.hooks(),
                POINTS_PER_STEP if drawn else 256,
                lr=recipe.lr,
                bit_budget=budget,
                search_epochs=max(1, round(self.search_fraction * self.max_epochs))
                if searching
                else 0,
                hold_epochs=0 if recipe.in_turn else int(recipe.settle_fraction * self.max_epochs),
                order=order,
            ),
        )
        if any(layer.searches for layer in quant_layers(module)):
            # A callback of the user's ended the training, or went back, before the search ended.
            allocate_by_preference(module, budget)
        if task.finish is not None:
            task.finish(module)
        return history


def drawn_points(objective, lesson, codes):
    """The terms, points that are drawn as often as they count, and None: nothing is held out."""
    points = objective.prepare_points(lesson)
    weight = torch.ones(len(points.x))
    batch = Batch(points.x, codes[points.row], weight, {}, points.extra)
    return points.terms, BatchDataset(batch, None, points.share, POINTS_PER_EPOCH), None
