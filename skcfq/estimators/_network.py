"""What all our classifiers share: a network behind scikit-learn's interface."""

import dataclasses
import functools
import numbers

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from .._utils._errors import raise_problems
from .._utils._sklearn import (
    CallbackSupportMixin,
    InstanceWith,
    StrOptions,
    check_parameters,
    check_sample_weight,
)
from ..actions import ActionSet, Encoding, auto_preprocessor
from ..recourse import BaseSolver, GreedySolver, alternatives_frame, one_thread
from ..training import deployed, merge_rows, wrap_net
from ._checks import size_problems
from ._chunks import row_chunks, with_progress
from ._modules import module_state, restore_module
from ._table import as_given, check_table, encode_rows, read_labels
from ._views import NetworkView


@dataclasses.dataclass(frozen=True)
class TrainingTable:
    """Checked training rows, as given and merged.

    Attributes
    ----------
    frame : DataFrame of shape (n_samples, n_features)
        Raw rows.
    labels : ndarray of shape (n_samples,)
    codes : ndarray of int, shape (n_samples,)
        Class indices.
    weight : ndarray of shape (n_samples,)
        Sample weights times class weights.
    index : ndarray of int, shape (n_unique,)
        Positions of the rows that stand for all that are equal, see `merge_rows`.
    merged_weight : ndarray of shape (n_unique,)
    """

    frame: pd.DataFrame
    labels: np.ndarray
    codes: np.ndarray
    weight: np.ndarray
    index: np.ndarray
    merged_weight: np.ndarray

    def take(self, rows):
        """The table of some of the rows, merged anew."""
        frame, codes, weight = self.frame.iloc[rows], self.codes[rows], self.weight[rows]
        return TrainingTable(
            frame, self.labels[rows], codes, weight, *merge_rows(frame, codes, weight)
        )

    @functools.cached_property
    def merged(self):
        """The rows at `index`."""
        return self.frame.iloc[self.index]

    @property
    def merged_codes(self):
        """Their class indices."""
        return self.codes[self.index]


class BaseNetworkClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Prediction, recourse and state of the classifiers; subclasses fit."""

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like"],
        "preprocessor": [StrOptions({"auto"}), InstanceWith(["fit", "transform"]), None],
        "actions": [ActionSet, None],
        "target": [str, numbers.Real, "boolean", None],
        "solver": [BaseSolver, None],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "random_state": ["random_state"],
    }
    #: Classifiers that can train elsewhere have a parameter of this name.
    device = "cpu"
    _doc_link_module = "skcfq"

    # ----- reading the training table ------------------------------------------------------

    def _read(self, X, y, sample_weight):
        """Check parameters and training data; sets ``classes_`` and feature attributes.

        Returns
        -------
        TrainingTable
        """
        check_parameters(self)
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None."
            )
        frame = check_table(self, X, reset=True, allow_missing=self._imputes())
        y = read_labels(y, frame)
        check_classification_targets(y)
        weight = check_sample_weight(
            sample_weight, frame, dtype=np.float64, ensure_non_negative=True
        )
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._check_two_classes(codes, weight)
        raise_problems(type(self).__name__, self._problems(frame))
        weight = weight * compute_sample_weight(self.class_weight, y)
        if (weight < 0).any():
            raise ValueError(
                f"{type(self).__name__}: class_weight={self.class_weight!r}: weights >= 0 are needed."
            )
        self._check_two_classes(codes, weight)
        return TrainingTable(
            frame, self.classes_[codes], codes, weight, *merge_rows(frame, codes, weight)
        )

    def _imputes(self):
        """Whether missing numbers are the user's preprocessor's business."""
        return isinstance(self.preprocessor, (ColumnTransformer, Pipeline))

    def _check_two_classes(self, codes, weight):
        present = self.classes_[np.unique(codes[weight > 0])].tolist()
        if len(present) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes in y with positive weight; "
                f"y holds only one class: {present}."
            )

    def _problems(self, frame):
        """Sentences about what parameters and training rows together make impossible."""
        problems = size_problems(self.hidden_layer_sizes)
        if self.target is not None and self.target not in self.classes_.tolist():
            problems.append(
                f"target={self.target!r} is not one of the classes {self.classes_.tolist()}."
            )
        return problems + self._encoding_problems(frame)

    def _encoding_problems(self, frame):
        """Sentences about columns that preprocessor=None cannot take."""
        return [
            f"column {name!r} is not numeric: with preprocessor=None, X must be encoded."
            for name, dtype in frame.dtypes.items()
            if self.preprocessor is None and dtype.kind not in "biuf"
        ]

    @property
    def target_(self):
        """The class that recourse leads to: `target`, by default the last class."""
        check_is_fitted(self, "classes_")
        return self.classes_.tolist()[-1] if self.target is None else self.target

    @property
    def _target_index(self):
        return self.classes_.tolist().index(self.target_)

    def _fit_encoding(self, table):
        """Fit the preprocessor: the automatic one on weighted unique rows, the user's on all."""
        frame = table.frame
        if self.preprocessor is None:
            return Encoding(None, frame.columns)
        if isinstance(self.preprocessor, str):
            fitted = auto_preprocessor(table.merged, table.merged_weight)
            # Of no use after fitting, and skops cannot save it.
            for _, transformer, _ in (*fitted.transformers, *fitted.transformers_):
                getattr(transformer, "__dict__", {}).pop("_metadata_request", None)
        else:
            fitted = clone(self.preprocessor).fit(frame, table.labels)
        return Encoding(fitted, frame.columns)

    def _encode(self, frame):
        return encode_rows(type(self).__name__, self.encoding_, frame)

    def _seed(self):
        """One integer for everything that is random in this fit."""
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _set_module(self, module, history):
        self.history_ = history
        self.net_ = wrap_net(module, history, self.device)

    # ----- prediction ----------------------------------------------------------------------

    def _logits(self, X):
        """Logits in float64, shape (n_samples, n_classes)."""
        return self._frame_logits(self._checked(X))

    def _checked(self, X):
        """Rows to predict, as a frame."""
        check_is_fitted(self, "net_")
        return check_table(self, X, reset=False, allow_missing=self._imputes())

    def _frame_logits(self, frame):
        return self._encoded_logits(self._encode(frame))

    def _encoded_logits(self, encoded):
        network = deployed(self.net_.module_, torch.float64)
        # What fits into a cache is as fast in one thread as in several, and takes less memory.
        # One layout of memory, since products of another one differ in the last bit.
        parts = torch.from_numpy(np.require(encoded, requirements=["C", "W"])).split(1024)
        with torch.no_grad(), one_thread():
            return torch.cat([network(part) for part in parts]).numpy()

    def decision_function(self, X):
        """Logit of the second class minus the first; all logits with more classes.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in the units of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict_proba(self, X):
        """Class probabilities.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in the units of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        logits = self._logits(X)
        logits = np.exp(logits - logits.max(axis=1, keepdims=True))
        return logits / logits.sum(axis=1, keepdims=True)

    def predict(self, X):
        """Most probable class. Decisions are computed in double precision.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows in the units of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        decided = self._logits(X).argmax(axis=1)
        return self.classes_[decided]

    # ----- recourse ------------------------------------------------------------------------

    @one_thread()
    def network_view_(self):
        """The fitted classifier as recourse sees it.

        Returns
        -------
        NetworkView
        """
        check_is_fitted(self, "net_")
        return NetworkView(
            self.classes_,
            self.encoding_,
            deployed(self.net_.module_),
            lambda frame: self._frame_logits(frame).argmax(axis=1),
            lambda encoded: self._encoded_logits(encoded).argmax(axis=1),
            deployed(self.net_.module_, torch.float64),
        )

    def solve_recourse(self, X):
        """Search recourse to the target for every row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            People, in the units of ``fit``.

        Returns
        -------
        RecourseResult
        """
        return self._ask(X, lambda view, *question: view.solve(*question))

    def recourse(self, X, *, diverse=1):
        """What each person could do to get the target, in the units of ``fit``.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            People, in the units of ``fit``.
        diverse : int, default=1
            The largest number of different actions of a person, cheapest first. They differ in
            the features that they change, and none changes all that a cheaper one does.

        Returns
        -------
        DataFrame of shape (n_samples, n_features + 3)
            The rows after the action, with ``recourse_cost`` (0: none needed, NaN: none found),
            ``recourse_success`` and ``recourse_status``. With `diverse` above 1, a row for every
            action that was found and at least one for every person, and their number, from 1, in
            ``recourse_alternative``.
        """
        if diverse == 1 and not isinstance(diverse, bool):
            return as_given(self.solve_recourse(X).to_frame(), X)
        found = self._ask(X, lambda view, *question: view.solve_diverse(diverse, *question))
        return as_given(alternatives_frame(found), X)

    def iter_recourse(self, X, *, chunk_size=50_000, verbose=False):
        """Recourse of more people than fit into memory at once.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or iterator of such
            People, in the units of ``fit``, or parts of them one after another.
        chunk_size : int, default=50_000
            Rows of each part, if `X` is in one piece.
        verbose : bool, default=False
            Show a progress bar.

        Yields
        ------
        DataFrame of shape (n_rows, n_features + 3)
            As :meth:`recourse`, of each part.
        """
        for part in with_progress(row_chunks(X, chunk_size), X, verbose):
            yield self.recourse(part)

    def _ask(self, X, search):
        """What ``search(view, solver, frame, target, actions, encoded)`` finds for rows."""
        frame = self._checked(X)
        encoded = self._encode(frame)  # what cannot be encoded is a clear error
        return search(
            self.network_view_(), self._solver(), frame, self.target_, self.actions_, encoded
        )

    def _solver(self):
        return GreedySolver() if self.solver is None else clone(self.solver)

    # ----- state ---------------------------------------------------------------------------

    def __getstate__(self):
        """NumPy arrays and plain values only: no optimizer, no training rows, no torch objects."""
        state = dict(super().__getstate__())
        net = state.pop("net_", None)
        if net is not None:
            state["_module_state"] = module_state(net.module_)
        for transient in (
            "_callback_fit_ctx",
            "_parent_callback_ctx",
            "_skl_callbacks_to_teardown",
        ):
            state.pop(transient, None)
        return state

    def __setstate__(self, state):
        state = dict(state)
        module = state.pop("_module_state", None)
        super().__setstate__(state)
        if module is not None:
            self.net_ = wrap_net(
                restore_module(module), state["history_"], state.get("device", "cpu")
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.sparse = False
        return tags
