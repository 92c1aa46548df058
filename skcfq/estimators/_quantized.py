"""Quantization-aware training behind scikit-learn's interface."""

import numbers

import torch
from sklearn.base import clone

from .._utils._sklearn import InstanceWith, Interval, StrOptions, with_callbacks
from ..quantization import (
    average_bits,
    build_quantized,
    calibrate_clips,
    linear_layers,
    mlp,
    quant_layers,
)
from ..recourse import one_thread
from ..training import Lesson, allocate_by_preference, train
from ._callbacks import FitTask
from ._checks import causal_problems, read_widths, teacher_problems
from ._compare import compare
from ._full_precision import FullPrecisionClassifier, as_batch, hold_out, training_plan
from ._network import BaseNetworkClassifier
from ._table import read_labels
from ._teacher import learn_teacher
from ._views import is_fitted, network_view


class BaseQuantizedClassifier(BaseNetworkClassifier):
    """Common part of the quantized classifiers: everything but the objective."""

    _parameter_constraints = {
        **BaseNetworkClassifier._parameter_constraints,
        "bit_budget": [Interval(numbers.Real, 0, None, closed="neither")],
        "bits": ["array-like", numbers.Real, StrOptions({"ternary"})],
        "activation_bits": [Interval(numbers.Integral, 2, 8, closed="both"), None],
        "per_channel": ["boolean"],
        "search_fraction": [Interval(numbers.Real, 0, 1, closed="neither")],
        "teacher": [InstanceWith(["fit", "predict"]), None],
        "memory": [str, InstanceWith(["cache"]), None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(128, 64),
        *,
        bit_budget=4.0,
        bits=(2, 3, 4, 8),
        activation_bits=None,
        per_channel=True,
        search_fraction=0.3,
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
        self.bits = bits
        self.activation_bits = activation_bits
        self.per_channel = per_channel
        self.search_fraction = search_fraction
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

    def _objective(self):
        """The training objective: an object with ``prepare`` and ``needs_recourse``."""
        raise NotImplementedError

    def _problems(self, frame):
        objective = self._objective()
        problems = [
            *super()._problems(frame),
            *read_widths(self.bits, self.bit_budget)[2],
            *(objective.problems() if hasattr(objective, "problems") else ()),
        ]
        problems += causal_problems(self.actions, objective, self.memory)
        if self.teacher is not None:
            if not isinstance(self.preprocessor, (str, type(None))):
                problems.append(
                    "preprocessor and teacher are both given, and the teacher's encoding is what the "
                    "quantized network uses too: give the preprocessor to the teacher."
                )
            named = hasattr(self, "feature_names_in_")
            problems += teacher_problems(self.teacher, self.classes_, frame.columns, named)
        return problems

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
        return FullPrecisionClassifier(
            random_state=seed, **{name: getattr(self, name) for name in names}
        )

    @with_callbacks
    @one_thread()
    def fit(self, X, y, sample_weight=None):
        """Train the teacher, solve its recourse, then train the quantized network.

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
        objective = self._objective()
        widths, budget, _ = read_widths(self.bits, self.bit_budget)
        task = FitTask(self, X, y, 1 + self.max_epochs, budget)
        seed = self._seed()
        table, held_back = self._hold_back(table, seed)
        teacher, space, advice = task.step(
            "teacher",
            lambda: learn_teacher(
                self,
                self._teacher(seed),
                table,
                named=hasattr(self, "feature_names_in_"),
                want_recourse=objective.needs_recourse,
                solver=self._solver(),
            ),
        )
        self.teacher_, self.actions_, self.encoding_ = teacher, space, space.encoding
        view = network_view(teacher, table.frame.columns)
        encoded = self._encode(table.merged)
        module = self._student(view, encoded, widths, seed)
        batch = as_batch(encoded, table.merged_codes, table.merged_weight)
        lesson = Lesson(batch.x, view.logits, self._target_index, table.merged, space, advice)
        prepared = objective.prepare(lesson)
        batch = batch._replace(points=prepared.points, extra=prepared.extra)
        train_rows, valid_rows = hold_out(self, table.merged_codes, seed)
        searching = len(widths) > 1
        plan = training_plan(
            self,
            len(train_rows),
            seed,
            task.hooks(),
            bit_budget=budget,
            search_epochs=max(1, round(self.search_fraction * self.max_epochs)) if searching else 0,
        )
        history = train(
            module,
            prepared.terms,
            batch.take(torch.from_numpy(train_rows)),
            None if valid_rows is None else batch.take(torch.from_numpy(valid_rows)),
            self._target_index,
            plan,
        )
        if any(layer.bits is None for layer in quant_layers(module)):
            # A callback of the user's ended the training, or went back, before the search ended.
            allocate_by_preference(module, budget)
        if held_back is not None:
            self.calibration_ = self._calibrate(module, view, held_back)
        self._set_module(module, history)
        self.bits_ = tuple(layer.bits for layer in quant_layers(module))
        self.average_bits_ = average_bits(module)
        task.done()
        return self

    def _student(self, view, encoded, widths, seed):
        """The network to quantize: the teacher's, or a new one if its layers have other sizes."""
        sizes = [encoded.shape[1], *self.hidden_layer_sizes, len(self.classes_)]
        layers = linear_layers(view.logits)
        shapes = [layer.in_features for layer in layers] + [
            layer.out_features for layer in layers[-1:]
        ]
        relu = all(type(part).__name__ in ("Linear", "ReLU") for part in view.logits.children())
        source = view.logits
        if shapes != sizes or not relu:
            source = mlp(sizes, torch.Generator().manual_seed(seed))
        x = torch.from_numpy(encoded.astype("float32"))
        clips = None if self.activation_bits is None else calibrate_clips(source, x)
        return build_quantized(
            linear_layers(source), widths, per_channel=self.per_channel,
            activation_bits=self.activation_bits, clips=clips,
        )  # fmt: skip

    def _hold_back(self, table, seed):
        """Training rows, and rows that neither teacher nor student sees; None if not asked for."""
        return table, None

    def score(self, X, y, sample_weight=None):
        """Accuracy, with what quantization did to the teacher's recourse.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in the units of ``fit``.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            For the accuracy.

        Returns
        -------
        RecourseScore
            A float, the accuracy, that carries validity drop, recourse gap, changed decisions
            and counts.
        """
        y = read_labels(y, self._checked(X))
        comparison = self.compare_recourse(X)
        return comparison.score(y, comparison.deployed_decision, sample_weight)

    def compare_recourse(self, X):
        """Recourse of the same people under the teacher and under this classifier.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            People, in the units of ``fit``.

        Returns
        -------
        Comparison
        """
        frame = self._checked(X)
        self._encode(frame)
        return compare(
            network_view(self.teacher_, frame.columns),
            self.network_view_(),
            frame,
            self.target_,
            self._solver(),
            self.actions_,
            self.actions_,
        )
