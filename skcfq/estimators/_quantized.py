"""Quantization-aware training behind scikit-learn's interface."""

import numbers

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from .._utils._errors import raise_problems
from .._utils._sklearn import HasMethods, Interval, with_callbacks
from ..quantization import (
    average_bits,
    build_quantized,
    calibrate_clips,
    canonical_bits,
    linear_layers,
    mlp,
    quant_layers,
)
from ..training import Lesson, train
from ._callbacks import FitTask
from ._compare import compare
from ._full_precision import FullPrecisionClassifier, as_batch, hold_out, training_plan
from ._network import BaseNetworkClassifier
from ._teacher import learn_teacher
from ._views import is_fitted, network_view, unwrap


class BaseQuantizedClassifier(BaseNetworkClassifier):
    """Common part of the quantized classifiers: everything but the objective."""

    _parameter_constraints = {
        **BaseNetworkClassifier._parameter_constraints,
        "bit_budget": [Interval(numbers.Real, 0, None, closed="neither")],
        "bits": ["array-like", numbers.Real],
        "activation_bits": [Interval(numbers.Integral, 2, 8, closed="both"), None],
        "per_channel": ["boolean"],
        "search_fraction": [Interval(numbers.Real, 0, 1, closed="neither")],
        "teacher": [HasMethods(["fit", "predict"]), None],
        "memory": [str, HasMethods(["cache"]), None],
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

    def _candidates(self):
        """Candidate widths, and sentences about what is wrong with them or the budget."""
        widths = (self.bits,) if isinstance(self.bits, numbers.Real) else tuple(self.bits)
        problems = []
        try:
            widths = tuple(sorted({canonical_bits(width) for width in widths}))
        except (TypeError, ValueError) as error:
            return (), [f"bits={self.bits!r}: {error}"]
        if not widths:
            problems.append("bits is empty: at least one width is needed.")
        elif self.bit_budget < min(widths):
            problems.append(
                f"bit_budget={self.bit_budget!r} is below the narrowest width, {min(widths):.4g} bits: raise the "
                "budget, or add a narrower width to bits (1.58 is ternary)."
            )
        return tuple(width for width in widths), problems

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
        self._validate_params()
        objective = self._objective()
        widths, problems = self._candidates()
        problems += objective.problems() if hasattr(objective, "problems") else []
        raise_problems(type(self).__name__, problems)
        table = self._read(X, y, sample_weight)
        task = FitTask(self, X, y, 1 + self.max_epochs)
        seed = self._seed()
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
        raise_problems(type(self).__name__, self._teacher_problems(view, table.frame.columns))
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
            bit_budget=float(self.bit_budget),
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
        self._set_module(module, history)
        self.bits_ = tuple(layer.bits for layer in quant_layers(module))
        self.average_bits_ = average_bits(module)
        task.done()
        return self

    def _teacher_problems(self, view, columns):
        """What keeps a given teacher from teaching this data."""
        problems = []
        if view.classes.tolist() != self.classes_.tolist():
            problems.append(
                f"the teacher's classes {view.classes.tolist()} are not those of y, {self.classes_.tolist()}."
            )
        names = getattr(unwrap(self.teacher_), "feature_names_in_", None)
        if (
            names is not None
            and hasattr(self, "feature_names_in_")
            and list(names) != list(columns)
        ):
            problems.append(
                f"the teacher was fitted on the columns {list(names)}, X has {list(columns)}."
            )
        return problems

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
        check_is_fitted(self, "net_")
        frame = self._checked(X)
        comparison = self.compare_recourse(X)
        y_pred = self.classes_[self._frame_logits(frame).argmax(axis=1)]
        return comparison.score(np.asarray(y), y_pred, sample_weight)

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
        check_is_fitted(self, "net_")
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
