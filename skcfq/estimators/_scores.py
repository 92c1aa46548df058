"""Classifiers that only give scores, seen as recourse sees a network."""

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline

from .._utils._errors import raise_problems
from ..actions import Encoding, raw_preprocessor
from ..recourse import CoordinateSolver, one_thread
from ._sessions import OnnxModel, is_session
from ._views import ClassifierView, as_fitted, missing_network, network_view, unwrap

#: Deciding classifiers whose ``predict`` is not the largest of their scores.
THRESHOLDS = (FixedThresholdClassifier, TunedThresholdClassifierCV)


class ScoreView(ClassifierView):
    """A fitted classifier that gives scores without gradients.

    As :class:`ClassifierView`; `logits` returns what the classifier says about rows, and cannot
    be differentiated.
    """

    def default_solver(self):
        """A CoordinateSolver, which needs no gradients."""
        return CoordinateSolver()

    def _prepared(self, solver, target):
        if solver is not None and solver.uses_gradients:
            raise TypeError(
                f"solver={type(solver).__name__} follows gradients, which this classifier does not "
                "have: use CoordinateSolver, or None."
            )
        return super()._prepared(solver, target)


@one_thread()
def classifier_view(model, frame, *, encoding=None, classes=None):
    """See a fitted classifier as recourse needs it, whatever it is.

    Parameters
    ----------
    model : fitted classifier, callable or onnxruntime.InferenceSession
        A classifier that is backed by a network (see :func:`network_view`) is seen as one.
        Of all others the scores are asked for: ``decision_function``, else ``predict_proba``, else
        ``predict`` alone. Of a Pipeline whose transformers can be read, the last step is
        asked, on encoded rows; else the whole model, on raw rows. A callable takes a frame of
        raw rows and returns scores: of shape (n,), positive for the second of two classes, or
        (n, n_classes), the largest of which decides. Of a session, see :class:`OnnxModel`.
    frame : DataFrame of shape (n_samples, n_raw_features)
        Rows as the model takes them: their dtypes, and, for raw rows, their categories.
    encoding : Encoding, default=None
        That of an earlier view of the same model, whose categories are kept.
    classes : sequence of label, default=None
        Labels of a callable's or session's classes; ``None``: 0, 1, ...

    Returns
    -------
    ClassifierView
        A :class:`NetworkView` or a :class:`ScoreView`.

    Raises
    ------
    TypeError
        If the model is neither.
    ValueError
        Later, if a callable returns scores of another shape.

    Examples
    --------
    >>> from skcfq.datasets import make_recourse_classification
    >>> data = make_recourse_classification(n_samples=200, random_state=0)
    >>> view = classifier_view(lambda rows: rows["income"] - 2 * rows["debt"], data.data)
    >>> space = view.bind(data.actions, data.data)
    >>> result = view.solve(None, data.data.head(20), 1, space)
    >>> bool(result.success.any())
    True
    """
    model = unwrap(model)
    if not missing_network("model", model):
        return network_view(model, frame.columns)
    if is_session(model):
        model = OnnxModel(model)
    if isinstance(model, OnnxModel):
        model = model.labelled(classes)
        raise_problems("OnnxModel", model.problems(frame.columns))
        return _of_function(model, frame, encoding, model.classes)
    if isinstance(model, type) or not hasattr(model, "classes_"):
        return _of_function(model, frame, encoding, classes)
    labels = {label: i for i, label in enumerate(np.asarray(model.classes_).tolist())}

    def predict(rows):
        return _indices(labels, model.predict(_as_taken(model, rows, frame.dtypes)))

    if encoding is None:
        encoding = _steps_encoding(model, frame) or Encoding(raw_preprocessor(frame), frame.columns)
    if isinstance(encoding.preprocessor, Pipeline):
        last = unwrap(model[-1])
        names = getattr(last, "feature_names_in_", None)

        def rows_of(z):
            return z if names is None else pd.DataFrame(z, columns=names)

        def decide(z):
            return _indices(labels, last.predict(rows_of(z)))

        return ScoreView(
            np.asarray(model.classes_),
            encoding,
            _as_logits(lambda z: _scores(last, rows_of(z), labels), len(labels)),
            predict,
            decide,
        )
    raw = _RawRows(encoding, frame)

    def scores(z):
        return _scores(model, _as_taken(model, raw.decode(z), frame.dtypes), labels)

    return ScoreView(np.asarray(model.classes_), encoding, _as_logits(scores, len(labels)), predict)


def _of_function(function, frame, encoding, classes):
    """The view of a function of frames."""
    raise_problems(
        "classifier_view",
        []
        if callable(function) and not isinstance(function, type)
        else [f"{function!r} is neither a fitted classifier nor a function that returns scores."],
        TypeError,
    )
    if encoding is None:
        encoding = Encoding(raw_preprocessor(frame), frame.columns)
    raw = _RawRows(encoding, frame)

    def scores(rows):
        found = np.asarray(function(rows), dtype=float)
        if found.ndim == 1:
            found = np.column_stack([-found / 2, found / 2])
        n_classes = found.shape[-1] if classes is None else len(classes)
        if found.shape != (len(rows), n_classes):
            raise ValueError(
                f"the scoring function returned shape {np.shape(found)} for {len(rows)} rows and "
                f"{n_classes} classes: one number a row (of two classes), or one a class is needed."
            )
        return found

    if classes is None:
        classes = np.arange(scores(frame.head(1)).shape[1])

    def predict(rows):
        return scores(rows.astype(_words(frame.dtypes))).argmax(axis=1)

    return ScoreView(
        np.asarray(classes),
        encoding,
        _as_logits(lambda z: scores(raw.decode(z)), len(classes)),
        predict,
    )


class _RawRows:
    """Raw rows from their float32 codes: fast, and in the dtypes that the model was fitted on."""

    def __init__(self, encoding, frame):
        self.features, self.dtypes = encoding.features, frame.dtypes
        self.labels = {
            feature.name: pd.Series(list(feature.categories))
            .astype(frame[feature.name].dtype)
            .array
            for feature in encoding.features
            if hasattr(feature, "categories")
        }

    def decode(self, z):
        columns = {}
        for feature in self.features:
            name = feature.name
            if name in self.labels:
                # A feature with one category has no column; -1 is the last label, the missing one.
                code = z[:, feature.columns[0]] if len(feature.columns) else np.zeros(len(z))
                columns[name] = self.labels[name].take(code.astype(int))
                continue
            value = z[:, feature.column].astype(float)
            nearest = np.rint(value)
            # What is whole but for float32 is whole.
            near = np.abs(value - nearest) <= 3e-7 * np.maximum(np.abs(value), 1.0)
            columns[name] = np.where(near, nearest, value)
        return pd.DataFrame(columns)


def _steps_encoding(model, frame):
    """The encoding by a Pipeline's own transformers, None if some feature cannot be read."""
    if not isinstance(model, Pipeline) or len(model) < 2:
        return None
    encoding = Encoding(model[:-1], frame.columns)
    if encoding.unreadable:
        return None
    try:
        encoding.encode(frame.head(1))
    except ValueError:  # columns of words that the transformers pass on
        return None
    return encoding


def _scores(model, rows, labels):
    """Scores of a classifier whose argmax is its decision, (n, n_classes)."""
    last = unwrap(model[-1]) if isinstance(model, Pipeline) else model
    votes = getattr(last, "decision_function_shape", None) == "ovo" and len(labels) > 2
    largest = not isinstance(last, THRESHOLDS)  # whether the largest score decides
    if hasattr(model, "decision_function") and largest and not votes:
        scores = np.asarray(model.decision_function(rows), dtype=float)
        return np.column_stack([-scores / 2, scores / 2]) if scores.ndim == 1 else scores
    scores = np.zeros((len(rows), len(labels)))
    if hasattr(model, "predict_proba"):
        likely = np.asarray(model.predict_proba(rows), dtype=float)
        # The logarithm tells probabilities apart that are all but 0; of equal ones, the first
        # class is decided for.
        scores = likely + 1e-3 * np.log(np.maximum(likely, 1e-12)) - 3e-5 * np.arange(len(labels))
        if largest and not votes:
            return scores
    scores *= 0.1
    scores[np.arange(len(rows)), _indices(labels, model.predict(rows))] += 1.0
    return scores


def _indices(labels, decided):
    return np.array([labels[label] for label in np.asarray(decided).tolist()], dtype=np.int64)


def _as_logits(scores, n_classes):
    """Scores of float32 arrays as a function of tensors."""

    def logits(z):
        if len(z) == 0:  # scikit-learn's classifiers refuse it
            return torch.zeros((0, n_classes))
        return torch.from_numpy(np.ascontiguousarray(scores(z.numpy()), dtype=np.float32))

    return logits


def _as_taken(model, frame, dtypes):
    """Raw rows as a model takes them."""
    if hasattr(model, "feature_names_in_"):
        return frame.astype(_words(dtypes))
    return as_fitted(model, frame)


def _words(dtypes):
    """The dtypes of columns that hold no numbers."""
    return {
        name: dtype
        for name, dtype in dtypes.items()
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)
    }
