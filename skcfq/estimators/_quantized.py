"""What all quantized classifiers share: a teacher, its recourse, widths within a budget."""

import copy
import dataclasses
import numbers

import numpy as np
import torch
from sklearn.base import clone

from .._utils._errors import raise_problems
from .._utils._sklearn import InstanceWith, Interval, StrOptions, with_callbacks
from ..quantization import (
    average_activation_bits,
    average_bits,
    build_quantized,
    byte_budget_bits,
    calibrate_clips,
    drop_reference_columns,
    linear_layers,
    packed_bytes,
    quant_layers,
    unit_widths,
)
from ..recourse import one_thread
from ..training import (
    Lesson,
    allocate_by_preference,
    allocate_by_sensitivity,
    settle_activations,
    with_synthetic,
)
from ._callbacks import FitTask
from ._checks import (
    activation_problems,
    causal_problems,
    pin_problems,
    read_widths,
    teacher_problems,
)
from ._compare import ComparedMixin, compare
from ._full_precision import FullPrecisionClassifier
from ._network import BaseNetworkClassifier
from ._teacher import learn_teacher
from ._training import as_batch
from ._views import is_fitted, network_view, relu_twin


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network is quantized, once it is known what it is.

    Attributes
    ----------
    allocation : object or None
        What tells the worth of widths, by ``values``; None learns them.
    start : object or None
        What calibrates the network before training, by ``calibrate``.
    lr : float or None
        Learning rate; None without training.
    settle_fraction : float
        Share of the epochs, the last, in which integer weights stay as they are.
    clip_rule : {"pact", "lsq"}
        What clips of activations learn from, see :class:`~skcfq.quantization.QuantReLU`.
    in_turn : bool
        Whether weights are rounded in turn.
    """

    allocation: object = None
    start: object = None
    lr: float | None = None
    settle_fraction: float = 0.0
    clip_rule: str = "pact"
    in_turn: bool = False

    @property
    def per_channel(self):
        """Whether each output is going to have a width of its own."""
        return bool(getattr(self.allocation, "per_channel", False))

    @property
    def per_input(self):
        """Whether inputs are going to have widths of their own."""
        return bool(getattr(self.allocation, "per_input", False))


class BaseQuantizedClassifier(ComparedMixin, BaseNetworkClassifier):
    """Common part of the quantized classifiers: everything but how the network is quantized."""

    _parameter_constraints = {
        **BaseNetworkClassifier._parameter_constraints,
        "bit_budget": [Interval(numbers.Real, 0, None, closed="neither")],
        "byte_budget": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "bits": ["array-like", numbers.Real, StrOptions({"ternary"})],
        "activation_bits": [
            Interval(numbers.Integral, 2, 8, closed="both"),
            "array-like",
            StrOptions({"auto"}),
            None,
        ],
        "activation_budget": [Interval(numbers.Real, 2, None, closed="left"), None],
        "per_channel": ["boolean"],
        "prune_fraction": [Interval(numbers.Real, 0, 1, closed="left")],
        "allocation": [InstanceWith(["values"]), None],
        "pin": [dict, None],
        "teacher": [InstanceWith(["fit", "predict"]), None],
        "memory": [str, InstanceWith(["cache"]), None],
    }

    # What subclasses say.

    def _objective(self):
        """What is kept or trained for: an object with ``needs_recourse``."""
        raise NotImplementedError

    def _recipe(self):
        """What is asked for, if the teacher's network is the one to quantize."""
        raise NotImplementedError

    def _settled(self, recipe, lesson, same):
        """What is done: the `recipe`, or what replaces it if ``"auto"`` may choose.

        Parameters
        ----------
        recipe : Recipe
        lesson : Lesson
        same : bool
            Whether the network to quantize is the teacher's.

        Returns
        -------
        Recipe
        """
        return recipe

    def _widths(self, recipe):
        """Candidate widths, the budget, and what is wrong with them; see `read_widths`.

        Parameters
        ----------
        recipe : Recipe
            Of which only the allocation counts.
        """
        return read_widths(self.bits, self.bit_budget)

    @property
    def _n_layers(self):
        """Number of layers, None if only the teacher knows."""
        raise NotImplementedError

    @property
    def _n_subtasks(self):
        """How many subtasks quantizing has at most, for scikit-learn's callbacks."""
        raise NotImplementedError

    def _network(self, twin, n_columns, seed):
        """The network to quantize.

        Parameters
        ----------
        twin : torch.nn.Sequential or None
            See `relu_twin`, of the teacher.
        n_columns : int
            Of the encoded rows.
        seed : int
        """
        raise NotImplementedError

    def _quantize(self, module, network, lesson, codes, budget, seed, task, recipe):
        """Quantize: change `module`, which starts as `network`, and return the history."""
        raise NotImplementedError

    # ----- fit -------------------------------------------------------------------------------

    def _problems(self, frame):
        objective = self._objective()
        recipe = self._recipe()
        widths, _, width_problems = self._widths(recipe)
        problems = [
            *super()._problems(frame),
            *width_problems,
            *pin_problems(self.pin, widths, self._n_layers),
            *activation_problems(self.activation_bits, self.activation_budget),
            *(objective.problems() if hasattr(objective, "problems") else ()),
        ]
        problems += causal_problems(self.actions, objective, self.memory)
        if recipe.per_channel and not self.per_channel:
            problems.append(
                f"allocation={self.allocation!r} gives each output a width of its own, which needs a step of its "
                "own: give per_channel=True, or an allocation per layer."
            )
        if self.teacher is not None:
            if not isinstance(self.preprocessor, (str, type(None))):
                problems.append(
                    "preprocessor and teacher are both given, and the teacher's encoding is what the "
                    "quantized network uses too: give the preprocessor to the teacher."
                )
            named = hasattr(self, "feature_names_in_")
            problems += teacher_problems(self.teacher, self.classes_, frame.columns, named)
        return problems

    @property
    def _chooses_activations(self):
        """Whether widths of the hidden activations are to be chosen."""
        return np.ndim(self.activation_bits) > 0 or self.activation_bits == "auto"

    # A teacher of the user's brings its own preprocessor.

    def _encoding_problems(self, frame):
        return super()._encoding_problems(frame) if self.teacher is None else []

    def _imputes(self):
        return super()._imputes() or self.teacher is not None

    def _teacher(self, seed):
        """The teacher to fit, seeded so that a cache can know it; a fitted one as it is."""
        if self.teacher is not None:
            teacher = self.teacher
            unseeded = teacher.get_params().get("random_state", seed) is None
            return (
                clone(teacher).set_params(random_state=seed)
                if unseeded and not is_fitted(teacher)
                else teacher
            )
        names = (
            "hidden_layer_sizes",
            "preprocessor",
            "actions",
            "target",
            "solver",
            "early_stopping",
            "validation_fraction",
            "n_iter_no_change",
            "device",
        )
        # class_weight is left out: it is in the sample weights that the teacher is given.
        params = self.get_params(deep=False)
        return FullPrecisionClassifier(
            random_state=seed, **{name: params[name] for name in names if name in params}
        )

    @with_callbacks
    @one_thread()
    def fit(self, X, y, sample_weight=None):
        """Train the teacher, solve its recourse where it is needed, then quantize.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training rows: a raw frame, or a numeric array.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; a weight of 2 equals the row given twice.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For bad input, listing all problems, before training.
        """
        table = self._read(X, y, sample_weight)
        objective, recipe = self._objective(), self._recipe()
        widths, budget, _ = self._widths(recipe)
        task = FitTask(self, X, y, 1 + self._n_subtasks, budget)
        seed = self._seed()
        table, held_back = self._hold_back(table, seed)
        searching = len(widths) > 1
        choosing = searching or self._chooses_activations
        asking = [objective, recipe.start, recipe.allocation if choosing else None]
        teacher, space, advice, solve = task.step(
            "teacher",
            lambda: learn_teacher(
                self,
                self._teacher(seed),
                table,
                named=hasattr(self, "feature_names_in_"),
                want_recourse=any(each is not None and each.needs_recourse for each in asking),
                solver=self._solver(),
            ),
        )
        self.teacher_, self.actions_, self.encoding_ = teacher, space, space.encoding
        view = network_view(teacher, table.frame.columns)
        twin = relu_twin(view)
        batch = as_batch(self._encode(table.merged), table.merged_codes, table.merged_weight)
        network = self._network(twin, batch.x.shape[1], seed)
        lesson = Lesson(
            batch.x, view.logits, self._target_index, table.merged, space, advice, batch.weight
        )
        in_turn = self._settled(recipe, lesson, network is twin).in_turn
        lesson, codes = self._extended(lesson, batch.y, objective, network, solve, seed, in_turn)
        recipe = self._settled(recipe, lesson, network is twin)
        widths = self._widths(recipe)[0]
        if recipe.per_input and searching:
            network = drop_reference_columns(
                network, lesson.x, space.encoding.one_hot_groups, lesson.weight
            )
        module, network, budget = self._rounded(network, lesson, widths, budget, recipe)
        task.budget = budget
        if recipe.allocation is not None and searching:
            allocate_by_sensitivity(
                module, recipe.allocation, network, lesson, budget, self.byte_budget
            )
        history = self._quantize(module, network, lesson, codes, budget, seed, task, recipe)
        if held_back is not None:
            self.calibration_ = self._calibrate(module, view, held_back)
        self._set_module(module, history)
        self.bits_ = tuple(layer.bits for layer in quant_layers(module))
        self.channel_bits_ = tuple(layer.channel_bits for layer in quant_layers(module))
        self.input_shifts_ = tuple(
            tuple(layer.input_shifts.tolist()) for layer in quant_layers(module)
        )
        self.average_bits_ = average_bits(module)
        self.activation_bits_ = tuple(activation.bits for activation in module.activations)
        self.unit_bits_ = unit_widths(module)
        self.average_activation_bits_ = average_activation_bits(module)
        self.packed_bytes_ = packed_bytes(module)
        task.done()
        return self

    def _extended(self, lesson, codes, objective, network, solve, seed, in_turn):
        """The lesson and the class indices, with as many synthetic people as the objective asks for."""
        count = getattr(objective, "count_synthetic", None)
        n_weights = sum(layer.weight.numel() for layer in linear_layers(network))
        n = 0 if count is None else count(len(codes), n_weights, in_turn)
        if n == 0:
            return lesson, codes
        lesson = with_synthetic(lesson, n, seed, self._encode, solve, in_turn)
        with torch.no_grad():
            labels = lesson.network(lesson.x[-n:]).argmax(1)
        return lesson, torch.cat([codes, labels])

    def _rounded(self, network, lesson, widths, budget, recipe):
        """The network before training or calibration, pinned layers fixed; what it rounds; the bit budget."""
        activation_bits = self.activation_bits
        if self._chooses_activations:
            activation_bits, network = settle_activations(
                activation_bits, self.activation_budget, recipe.allocation, network, lesson
            )
        clips = None
        if self.activation_bits is not None:
            clips = calibrate_clips(network, lesson.x)
        module = build_quantized(
            linear_layers(network), widths, per_channel=self.per_channel,
            activation_bits=activation_bits, clips=clips, prune_fraction=self.prune_fraction,
            clip_rule=recipe.clip_rule,
        )  # fmt: skip
        layers = quant_layers(module)
        raise_problems(type(self).__name__, pin_problems(self.pin, widths, len(layers)))
        for position, width in (self.pin or {}).items():
            layers[position].fix_bits(width)
        if self.byte_budget is not None:
            budget = min(budget, byte_budget_bits(module, self.byte_budget, recipe.per_channel))
        # A budget that pinned layers break is an error now, not when widths are chosen.
        allocate_by_preference(copy.deepcopy(module), budget)
        return module, network, budget

    def _hold_back(self, table, seed):
        """Training rows, and rows that neither teacher nor student sees; None if not asked for."""
        return table, None

    def _comparison(self, frame):
        self._encode(frame)  # what cannot be encoded is a clear error
        return compare(
            network_view(self.teacher_, frame.columns),
            self.network_view_(),
            frame,
            self.target_,
            self._solver(),
            self.actions_,
            self.actions_,
        )
