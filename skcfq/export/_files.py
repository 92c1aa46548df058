"""Files of packed models that are safe to load from strangers.

A file is in the safetensors format: sizes, then bytes. Its metadata hold the manifest as JSON, and
the array ``sha256`` the SHA-256 of manifest and other arrays. Nothing in it is code, and nothing is
allocated before its size is known to be that of the file's own bytes.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np

from .._utils._extras import require
from .._utils._files import atomic_path
from ._manifest import read_manifest, write_manifest
from ._packed import PackedClassifier

#: The largest file that is read.
MAX_BYTES = 64 * 2**20

DTYPES = {"U8": np.uint8, "F32": np.dtype("<f4")}


def save(model, path):
    """Write a packed classifier to a file that is safe to load.

    The file is a safetensors file with a JSON manifest in its metadata, and their SHA-256. It is
    written whole or not at all.

    Parameters
    ----------
    model : PackedClassifier
        See :func:`skcfq.export.export_packed`. A classifier with its teacher, to be audited and
        trained on, is a larger thing, which joblib or skops carry.
    path : path-like
        The file; its folder must exist.

    Raises
    ------
    TypeError
        If `model` is no packed classifier.

    See Also
    --------
    skcfq.load : Reads the file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import skcfq
    >>> from skcfq.datasets import make_recourse_classification
    >>> from skcfq.export import export_packed
    >>> data = make_recourse_classification(n_samples=400, random_state=0)
    >>> clf = skcfq.QATClassifier((8,), max_epochs=2, random_state=0).fit(data.data, data.target)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "credit.skcfq"
    >>> skcfq.save(export_packed(clf), path)
    >>> bool((skcfq.load(path).predict(data.data) == clf.predict(data.data)).all())
    True
    """
    require("skcfq.save", "export", "safetensors")
    from safetensors.numpy import save as to_bytes

    if not isinstance(model, PackedClassifier):
        raise TypeError(
            f"save takes a PackedClassifier, got {type(model).__name__}: pack it with "
            "skcfq.export.export_packed. A classifier with its teacher is saved by joblib or skops."
        )
    manifest, arrays = write_manifest(model.model)
    text = json.dumps(manifest, allow_nan=False, separators=(",", ":"))
    read_manifest(json.loads(text), dict(arrays))  # what is written can be read
    data = to_bytes({**arrays, "sha256": _digest(text, arrays)}, metadata={"skcfq": text})
    with atomic_path(path) as part:
        part.write_bytes(data)


def load(path):
    """Read a packed classifier from a file that :func:`skcfq.save` wrote.

    No part of the file is run, and all of it is checked before it is used: a file that was
    damaged or made up is an error, and takes no more memory than a small multiple of its size.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    PackedClassifier

    Raises
    ------
    ValueError
        If the file is larger than 64 MiB, is no such file, does not have the SHA-256 that it
        states, comes from a newer version, or contradicts itself.

    See Also
    --------
    skcfq.save : Writes it, with an example.
    """
    require("skcfq.load", "export", "safetensors")
    path = Path(path)
    try:
        return PackedClassifier(_read(path))
    except ValueError as error:
        raise ValueError(f"{path.name} is not a model that skcfq.load reads: {error}") from error


def read_limited(path):
    """Bytes of a file that is not too large to be a model."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes.")
    return data


def _read(path):
    metadata, arrays = _parse(read_limited(path))
    stated = arrays.pop("sha256", None)
    if set(metadata) != {"skcfq"} or stated is None:
        raise ValueError("it is a safetensors file of something else.")
    text = metadata["skcfq"]
    if not np.array_equal(stated, _digest(text, arrays)):
        raise ValueError(
            "its bytes do not have the SHA-256 that it states: it was changed or damaged."
        )
    return read_manifest(_json(text), arrays)


def _parse(data):
    """Metadata and arrays of a safetensors file."""
    from safetensors import SafetensorError, deserialize

    try:
        parts = deserialize(data)
    except SafetensorError as error:
        raise ValueError(f"it is no safetensors file ({error}).") from error
    length = int.from_bytes(data[:8], "little")
    header = _json(data[8 : 8 + length].decode())
    metadata = header.get("__metadata__", {})
    arrays = {}
    for name, part in parts:
        if part["dtype"] not in DTYPES or len(part["shape"]) != 1:
            raise ValueError(f"it holds an array of type {part['dtype']}, shape {part['shape']}.")
        arrays[name] = np.frombuffer(bytes(part["data"]), dtype=DTYPES[part["dtype"]])
    return metadata, arrays


def _json(text):
    """Parse JSON without NaN, infinity, keys given twice or endless nesting."""

    def unique(pairs):
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a JSON object of it has a key twice.")
        return dict(pairs)

    def finite(number):
        value = float(number)
        if not math.isfinite(value):
            raise ValueError("its JSON holds a number that is not finite.")
        return value

    try:
        return json.loads(text, object_pairs_hook=unique, parse_float=finite, parse_constant=finite)
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply.") from error


def _digest(text, arrays):
    """SHA-256 of the manifest and, by name, of every array; ndarray of uint8, shape (32,)."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        digest.update(f"\n{name} {arrays[name].dtype.str} {len(arrays[name])}\n".encode())
        digest.update(arrays[name].tobytes())
    return np.frombuffer(digest.digest(), dtype=np.uint8)
