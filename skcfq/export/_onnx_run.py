"""Run an exported ONNX file on rows of any kind."""

import hashlib
import json
from pathlib import Path

import numpy as np

from .._utils._extras import require
from ._files import read_limited
from ._rows import as_numbers, as_values, is_missing, read_columns


def seal(data):
    """Append the SHA-256 of a serialized model, as one more entry of its metadata.

    Messages of protobuf are joined by joining their bytes: what is appended is read as part of the
    model by every runtime, and can be checked without parsing anything.
    """
    key, value = b"skcfq.file_sha256", b'"' + hashlib.sha256(data).hexdigest().encode() + b'"'
    entry = bytes([0x0A, len(key)]) + key + bytes([0x12, len(value)]) + value
    return data + bytes([0x72, len(entry)]) + entry  # field 14 of ModelProto, metadata_props


def is_sealed(data):
    """Whether the bytes are a model with its SHA-256 appended."""
    length = len(seal(b""))
    return len(data) > length and seal(data[:-length]) == data


# ----- running the file --------------------------------------------------------------------------


class OnnxClassifier:
    """An exported graph that takes rows of any kind, as a packed classifier does.

    Parameters
    ----------
    model : bytes
        The file's content.
    options : onnxruntime.SessionOptions, default=None
        ``None`` is the runtime's default.

    Attributes
    ----------
    session : onnxruntime.InferenceSession
    classes_ : ndarray of shape (n_classes,)
    facts : dict
        The metadata: bits, budget, audit figures, columns, SHA-256 of the packed model.

    Raises
    ------
    ValueError
        If the bytes are not those that :func:`export_onnx` wrote. They are not parsed then.
    """

    def __init__(self, model, options=None):
        require("OnnxClassifier", "export", "onnxruntime")
        import onnxruntime

        if not is_sealed(model):
            raise ValueError("it is no file of export_onnx, or it was changed or damaged.")
        self.session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.facts = {
            name.removeprefix("skcfq."): json.loads(value)
            for name, value in metadata.items()
            if name.startswith("skcfq.")
        }
        self.classes_ = np.array(self.facts["classes"])

    def feeds(self, X):
        """The graph's inputs for raw rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), data frame, dict of columns or structured array
            Rows in the units of ``fit``.

        Returns
        -------
        dict of str to ndarray
        """
        types = {each.name: each.type for each in self.session.get_inputs()}
        records, facts = self.facts["columns"], self.facts
        names, n_features = facts["feature_names"], facts["n_features"]
        needed = [True] * n_features
        if records is not None:
            needed = [kind != "ignored" for kind, _ in records]
        columns = read_columns(X, names, n_features, needed)
        if records is None:
            if not isinstance(columns, np.ndarray):
                columns = np.column_stack([as_numbers(column) for column in columns])
            return {"X": np.ascontiguousarray(columns, dtype=DTYPES[types["X"]])}
        columns = list(columns.T) if isinstance(columns, np.ndarray) else columns
        feeds = {}
        for (kind, name), column in zip(records, columns, strict=True):
            if kind != "ignored":
                feeds[name] = _typed(column, types[name])[:, None]
        return feeds

    def logits(self, X):
        """Logits of raw rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), data frame, dict of columns or structured array
            Rows in the units of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return self.session.run(["logits"], self.feeds(X))[0]

    def predict_proba(self, X):
        """Class probabilities of raw rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), data frame, dict of columns or structured array
            Rows in the units of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return self.session.run(["probabilities"], self.feeds(X))[0]

    def predict(self, X):
        """Classes of raw rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), data frame, dict of columns or structured array
            Rows in the units of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.session.run(["label"], self.feeds(X))[0]


DTYPES = {
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


def _typed(column, kind):
    """A column as an array of an input's type."""
    if kind == "tensor(string)":
        values = ["" if is_missing(value) else str(value) for value in as_values(column)]
        return np.array(values, dtype=object)
    numbers = as_numbers(column)
    if kind == "tensor(int64)" and np.isnan(numbers).any():
        raise ValueError(
            "X has missing values in a column of whole numbers, which fit did not have."
        )
    return numbers.astype(DTYPES[kind])


def load_onnx(path, options=None):
    """Open a file that :func:`export_onnx` wrote.

    Parameters
    ----------
    path : path-like
    options : onnxruntime.SessionOptions, default=None
        ``None`` is the runtime's default.

    Returns
    -------
    OnnxClassifier
        With ``predict``, ``predict_proba`` and ``logits`` of raw rows.

    Raises
    ------
    ValueError
        If the file is another one, or was changed: then it is not given to the runtime.
    """
    path = Path(path)
    try:
        return OnnxClassifier(read_limited(path), options)
    except ValueError as error:
        raise ValueError(f"{path.name} cannot be loaded: {error}") from error
