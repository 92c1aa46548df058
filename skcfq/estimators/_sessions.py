"""Graphs in ONNX Runtime, seen as functions of frames that return scores."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from .._utils._errors import raise_problems
from .._utils._extras import require

#: How ONNX Runtime calls the types of NumPy.
DTYPES = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
    "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(int16)": np.int16,
    "tensor(int8)": np.int8, "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_,
    "tensor(string)": object,
}  # fmt: skip

#: Operators whose result for a row depends on the others.
DYNAMIC = (b"DynamicQuantizeLinear", b"DynamicQuantizeMatMul", b"DynamicQuantizeLSTM")

FLOATS = ("tensor(float)", "tensor(double)", "tensor(float16)")
LABELS = ("tensor(int64)", "tensor(int32)", "tensor(string)")


def is_session(model):
    """Whether a model is a session of ONNX Runtime, known by what it can do."""
    return all(hasattr(model, name) for name in ("run", "get_inputs", "get_outputs"))


class OnnxModel:
    """An ONNX graph of a classifier, as a function of frames.

    Takes graphs as converters write them: one input per column, of shape (n, 1) or (n,), named
    as the column; or one input of shape (n, n_columns) that takes all of them. Puts out a
    score per class, and may put out the label that it decides for, which then counts.

    Parameters
    ----------
    model : path-like, bytes or onnxruntime.InferenceSession
        A path or bytes run under the runtime's default options, and are carried by ``pickle``
        and ``clone``; a session cannot be copied.
    classes : sequence of label, default=None
        What the columns of the scores, and the labels, mean; ``None``: what
        :func:`skcfq.export.export_onnx` wrote into the file, else the sorted labels of the rows
        that an audit is fitted on.
    one_by_one : bool, default=None
        Whether the graph is run for each row alone, as a server does. Dynamic quantization takes the
        scale of activations from all rows of a call, so that in a batch a person's decision depends
        on who else is in it. ``None`` is True for files with such an operator, else False; of a
        session nothing is known.

    Attributes
    ----------
    session : onnxruntime.InferenceSession

    Raises
    ------
    ValueError
        If the file is no ONNX graph, or has no output with a score per class.
    ImportError
        If onnxruntime is not installed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skcfq import QATClassifier
    >>> from skcfq.datasets import make_recourse_classification
    >>> from skcfq.estimators import OnnxModel
    >>> from skcfq.export import export_onnx
    >>> data = make_recourse_classification(n_samples=400, random_state=0)
    >>> clf = QATClassifier((8,), max_epochs=2, random_state=0).fit(data.data, data.target)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "credit.onnx"
    >>> _ = export_onnx(clf, path)
    >>> scores = OnnxModel(path)(data.data)
    >>> bool((clf.classes_[scores.argmax(axis=1)] == clf.predict(data.data)).all())
    True
    """

    def __init__(self, model, *, classes=None, one_by_one=None):
        self._bytes = None
        if is_session(model):
            self._open(model)
        else:
            require("OnnxModel", "export", "onnxruntime")
            self._bytes = bytes(model) if isinstance(model, bytes) else Path(model).read_bytes()
            self._open(_session(self._bytes, model))
        self.classes = self._known_classes() if classes is None else np.asarray(classes)
        if one_by_one is None:
            one_by_one = any(name in (self._bytes or b"") for name in DYNAMIC)
        self.one_by_one = one_by_one

    def __getstate__(self):
        if self._bytes is None:
            raise TypeError("a session of ONNX Runtime cannot be copied: give OnnxModel a path.")
        return {"bytes": self._bytes, "classes": self.classes, "one_by_one": self.one_by_one}

    def __setstate__(self, state):
        self._bytes, self.classes = state["bytes"], state["classes"]
        self.one_by_one = state["one_by_one"]
        self._open(_session(self._bytes, "the ONNX file"))

    def _open(self, session):
        self.session = session
        self._inputs = {each.name: each for each in session.get_inputs()}
        outputs = session.get_outputs()
        labels = [each.name for each in outputs if each.type in LABELS and len(each.shape) <= 2]
        tables = [each for each in outputs if each.type in FLOATS and len(each.shape) == 2]
        tables.sort(key=lambda each: each.name != "logits")  # of several, those before a softmax
        maps = [each for each in outputs if each.type.startswith("seq(map(")]
        problems = []
        if not tables + maps:
            told = ", ".join(f"{each.name} {each.type}{each.shape}" for each in outputs)
            problems.append(f"no output has a score per class; there is {told}.")
        elif tables and tables[0].shape[1] == 1:
            problems.append(
                f"the output {tables[0].name} is one number a row, which may be a probability or a "
                "logit: give the audit a function of frames that runs the session and tells."
            )
        raise_problems("OnnxModel", problems)
        self._scores = (tables + maps)[0].name
        self._label = labels[0] if labels else None

    def _known_classes(self):
        """Classes in the metadata of a file of ours, else None."""
        text = self.session.get_modelmeta().custom_metadata_map.get("skcfq.classes")
        return None if text is None else np.array(json.loads(text))

    def labelled(self, classes):
        """The same graph with these classes, where it knows none itself.

        Parameters
        ----------
        classes : sequence of label or None

        Returns
        -------
        OnnxModel
        """
        if self.classes is not None or classes is None:
            return self
        known = object.__new__(type(self))  # a session cannot be copied, but shared
        vars(known).update(vars(self) | {"classes": np.asarray(classes)})
        return known

    @property
    def columns(self):
        """Names of the columns that it takes; None if they have none."""
        named = all(each.shape[1:] in ([], [1]) for each in self._inputs.values())
        return list(self._inputs) if named else None

    def problems(self, columns):
        """What keeps the graph from taking rows with these columns.

        Parameters
        ----------
        columns : sequence of str

        Returns
        -------
        list of str
        """
        columns = list(columns)
        problems = [
            f"its input {each.name!r} has the type {each.type}, which no column gives."
            for each in self._inputs.values()
            if each.type not in DTYPES
        ]
        if self._takes_matrix(columns):
            (each,) = self._inputs.values()
            width = each.shape[1]
            if isinstance(width, int) and width != len(columns):
                problems.append(
                    f"its input {each.name!r} takes {width} columns, X has {len(columns)}."
                )
        else:
            missing = [name for name in self._inputs if name not in columns]
            if missing:
                problems.append(
                    f"its inputs {missing} are no columns of X, which has {columns}; name them alike, "
                    "or export the graph with one input of all columns."
                )
        return problems

    def _takes_matrix(self, columns):
        shapes = [each.shape for each in self._inputs.values()]
        if len(shapes) != 1 or len(shapes[0]) != 2:
            return False
        return shapes[0][1] != 1 or (len(columns) == 1 and next(iter(self._inputs)) not in columns)

    def __call__(self, frame):
        """Scores of rows, the largest of which decides.

        Parameters
        ----------
        frame : DataFrame of shape (n_samples, n_columns)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)

        Raises
        ------
        ValueError
            If the runtime refuses the rows, or puts out a label that is no class.
        """
        found, labels = self._run(self._feeds(frame), len(frame))
        if isinstance(found, list):  # a dictionary a row
            found = pd.DataFrame(found, columns=self._columns(found)).to_numpy()
        scores = _spread(np.array(found, dtype=float))
        if self.classes is not None and scores.shape[1] != len(self.classes):
            raise ValueError(
                f"the graph scores {scores.shape[1]} classes, there are {len(self.classes)}: "
                f"{self.classes.tolist()}."
            )
        return scores if labels is None else self._decided(scores, labels)

    def _run(self, feeds, n_rows):
        """Scores as the graph gives them, and labels or None."""
        names = [self._scores] if self._label is None else [self._scores, self._label]
        calls = [feeds]
        if self.one_by_one and n_rows > 1:
            calls = [{n: part[i : i + 1] for n, part in feeds.items()} for i in range(n_rows)]
        try:
            found = [self.session.run(names, call) for call in calls]
        except Exception as error:  # the runtime's own kinds
            raise ValueError(
                f"ONNX Runtime refuses the rows: {str(error).splitlines()[0]}"
            ) from error
        scores, *labels = zip(*found, strict=True)
        if isinstance(scores[0], list):
            scores = [row for part in scores for row in part]
        else:
            scores = np.concatenate(scores)
        return scores, np.concatenate(labels[0]) if labels else None

    def _columns(self, rows):
        """Keys of the dictionaries, in the order of the classes."""
        keys = list(rows[0]) if rows else []
        known = [] if self.classes is None else self.classes.tolist()
        return known if set(known) == set(keys) else keys

    def _feeds(self, frame):
        if self._takes_matrix(frame.columns):
            ((name, each),) = self._inputs.items()
            return {name: np.ascontiguousarray(frame.to_numpy(dtype=DTYPES[each.type]))}
        feeds = {}
        for name, each in self._inputs.items():
            values = _typed(frame[name], each)
            feeds[name] = values[:, None] if len(each.shape) == 2 else values
        return feeds

    def _decided(self, scores, labels):
        """Scores whose largest is that of the graph's own label, where they tell otherwise."""
        labels = np.asarray(labels).reshape(len(scores))
        classes = list(range(scores.shape[1])) if self.classes is None else self.classes.tolist()
        index = {label: i for i, label in enumerate(classes)}
        unknown = sorted(set(labels.tolist()) - set(index), key=str)
        if unknown:
            raise ValueError(
                f"the graph decides for {unknown}, the classes are {classes}: give "
                "OnnxModel(path, classes=...) what the model was fitted on."
            )
        wanted = np.array([index[label] for label in labels.tolist()], dtype=np.int64)
        rows = np.flatnonzero(scores.argmax(axis=1) != wanted)
        largest = scores[rows].max(axis=1)
        scores[rows, wanted[rows]] = largest + 1e-6 * (1 + np.abs(largest))
        return scores


def _session(data, source):
    import onnxruntime

    name = "the bytes" if isinstance(source, bytes) else str(source)
    try:
        return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own kinds
        reason = str(error).splitlines()[0]
        raise ValueError(f"{name} is no graph that ONNX Runtime can run: {reason}") from error


def _typed(column, each):
    """One column as the graph takes it; a missing word is the empty text."""
    if each.type == "tensor(string)":
        words = column.astype(object)
        return words.where(column.notna(), "").astype(str).to_numpy(dtype=object)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    dtype = np.dtype(DTYPES[each.type])
    if dtype.kind != "f" and not np.isfinite(values).all():
        raise ValueError(f"column {each.name!r} has missing values, its input takes whole numbers.")
    return values.astype(dtype)


def _spread(scores):
    """Probabilities with their logarithm added, which tells those apart that are all but 0."""
    likely = scores.min(initial=0.0) >= 0 and np.allclose(scores.sum(axis=1), 1.0, atol=1e-4)
    return scores + 1e-3 * np.log(np.maximum(scores, 1e-12)) if likely else scores
