"""A packed model as plain JSON values and arrays, and back. Everything that is read is checked.

The manifest of format 1 is an object with the fields of `FIELDS`; a field that is not listed there
is refused, so nothing in a file is ignored. The arrays are ``0.codes`` (bytes), ``0.steps`` and
``0.bias`` (float32) of the first layer, and so on.
"""

import math

import numpy as np

from ._codes import FLOAT, TERNARY, n_bytes
from ._encoder import CategoryColumn, Encoder, IgnoredColumn, NumberColumn
from ._packed import PackedLayer, PackedModel

#: The format that is written; every older one is read.
VERSION = 1

#: Limits of what is read: no deployed network of a table comes near them.
MAX_WEIGHTS = 2**24
MAX_LAYERS = 64
MAX_COLUMNS = 2**16
MAX_CELLS = 2**20
MAX_TEXT = 2**20

#: Types of labels, by the name that the manifest gives them.
LABELS = {
    name: np.dtype(name) for name in ("object", "bool", "int64", "int32", "float64", "float32")
}


# ----- writing -----------------------------------------------------------------------------------


def write_manifest(model):
    """Describe a packed model.

    Parameters
    ----------
    model : PackedModel

    Returns
    -------
    manifest : dict of plain values
    arrays : dict of str to ndarray
    """
    layers, arrays = [], {}
    for i, layer in enumerate(model.layers):
        layers.append(
            {
                "n_inputs": layer.n_inputs,
                "n_outputs": layer.n_outputs,
                "bits": "ternary" if layer.bits == TERNARY else layer.bits,
                "relu": layer.relu,
                "activation_bits": layer.activation_bits,
                "activation_step": layer.activation_step,
            }
        )
        arrays[f"{i}.codes"] = np.frombuffer(layer.packed, dtype=np.uint8)
        arrays[f"{i}.steps"], arrays[f"{i}.bias"] = layer.steps, layer.bias
    kind = "text" if model.classes.dtype.kind == "U" else model.classes.dtype.name
    if kind != "text" and kind not in LABELS:
        raise ValueError(
            f"labels of type {model.classes.dtype} cannot be saved: use text or int64."
        )
    manifest = {
        "format": VERSION,
        "layers": layers,
        "labels": kind,
        "classes": model.classes.tolist(),
        "target": model.target,
        "n_features": model.n_features,
        "feature_names": None if model.feature_names is None else list(model.feature_names),
        "encoder": None if model.encoder is None else _write_encoder(model.encoder),
        "actions": model.actions,
        "info": model.info,
    }
    return manifest, arrays


def _write_encoder(encoder):
    columns = []
    for column in encoder.columns:
        if isinstance(column, NumberColumn):
            record = {
                "number": column.name,
                "input": column.column,
                "scale": column.scale,
                "offset": column.offset,
                "missing": column.missing,
            }
        elif isinstance(column, CategoryColumn):
            record = {
                "category": column.name,
                "categories": list(column.categories),
                "cells": column.cells,
                "missing": column.missing,
                "unknown": column.unknown,
            }
        else:
            record = {"ignored": column.name}
        columns.append(record)
    base = [[i, value] for i, value in enumerate(encoder.base) if value != 0]
    return {"n_inputs": len(encoder.base), "base": base, "columns": columns}


# ----- reading -----------------------------------------------------------------------------------


def read_manifest(manifest, arrays):
    """Build the model that :func:`write_manifest` described.

    Parameters
    ----------
    manifest : object
        Whatever JSON held.
    arrays : dict of str to ndarray
        Of uint8 or float32, one-dimensional.

    Returns
    -------
    PackedModel

    Raises
    ------
    ValueError
        At the first thing that is not as :func:`write_manifest` writes it, naming it.
    """
    if not isinstance(manifest, dict) or not _is_whole(manifest.get("format"), 1, 10**6):
        raise ValueError("its manifest does not tell a format.")
    if manifest["format"] > VERSION:
        raise ValueError(
            f"it is of format {manifest['format']}, and this version of skcfq reads formats up to "
            f"{VERSION}: upgrade skcfq."
        )
    _check(manifest, FIELDS, "the manifest")
    layers = [_read_layer(i, each, arrays) for i, each in enumerate(manifest["layers"])]
    if arrays:
        raise ValueError(f"it has arrays that no layer uses: {sorted(arrays)[:4]}.")
    classes = _read_classes(manifest["labels"], manifest["classes"])
    names, n_features = manifest["feature_names"], manifest["n_features"]
    encoder = manifest["encoder"]
    if encoder is not None:
        encoder = _read_encoder(encoder)
    widths = [n_features if encoder is None else len(encoder.base)]
    for i, layer in enumerate(layers):
        _need(layer.n_inputs == widths[-1], f"layer {i} does not take what comes before it")
        _need(layer.relu == (i + 1 < len(layers)), f"layer {i} has the wrong activation")
        widths.append(layer.n_outputs)
    _need(widths[-1] == len(classes), "the logits are not as many as the classes")
    _need(manifest["target"] in classes.tolist(), "the target is no class")
    _need(encoder is None or len(encoder.columns) == n_features, "the columns are not n_features")
    if names is not None:
        _need(len(set(names)) == len(names) == n_features, "the names are not those of n_features")
    return PackedModel(
        tuple(layers),
        encoder,
        classes,
        n_features,
        None if names is None else tuple(names),
        manifest["target"],
        manifest["actions"],
        manifest["info"],
    )


def _read_layer(i, record, arrays):
    where = f"layer {i}"
    _check(record, LAYER, where)
    n_inputs, n_outputs = record["n_inputs"], record["n_outputs"]
    bits = TERNARY if record["bits"] == "ternary" else record["bits"]
    n_weights = n_inputs * n_outputs
    _need(n_weights <= MAX_WEIGHTS, f"{where} has more than {MAX_WEIGHTS} weights")
    parts = [arrays.pop(f"{i}.{name}", None) for name in ("codes", "steps", "bias")]
    for part, dtype in zip(parts, (np.uint8, np.float32, np.float32), strict=True):
        _need(
            part is not None and part.dtype == dtype and part.ndim == 1, f"{where} lacks an array"
        )
    packed, steps, bias = parts
    _need(len(packed) == n_bytes(n_weights, bits), f"{where} has weights of another size")
    _need(len(steps) in (1, n_outputs) and len(bias) == n_outputs, f"{where} has wrong sizes")
    _need(np.isfinite(steps).all() and (steps > 0).all(), f"{where} has steps that are not > 0")
    _need(np.isfinite(bias).all(), f"{where} has an infinite bias")
    activation_bits, activation_step = record["activation_bits"], record["activation_step"]
    _need(
        (activation_bits is None) == (activation_step is None)
        and (activation_step is None or (activation_step > 0 and record["relu"])),
        f"{where} has an activation that is half described",
    )
    layer = PackedLayer(
        n_inputs, n_outputs, bits, packed.tobytes(), steps, bias, record["relu"],
        activation_bits, None if activation_step is None else float(activation_step),
    )  # fmt: skip
    codes = layer.codes()  # refuses bytes that nobody packed
    _need(bits != FLOAT or np.isfinite(codes).all(), f"{where} has infinite weights")
    return layer


def _read_classes(kind, values):
    allowed = {"b": bool, "i": int, "f": (int, float)}
    dtype = np.dtype(str) if kind == "text" else LABELS[kind]
    if dtype.kind in allowed:
        of_kind = all(isinstance(v, allowed[dtype.kind]) for v in values)
        of_kind &= dtype.kind == "b" or not any(isinstance(v, bool) for v in values)
    else:
        of_kind = kind == "object" or all(isinstance(v, str) for v in values)
    _need(of_kind, f"the classes are not of the type {kind}")
    _need(len(set(values)) == len(values), "a class is given twice")
    try:
        return np.array(values, dtype=dtype)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"the classes are not of the type {kind}.") from error


def _read_encoder(record):
    _check(record, ENCODER, "the encoder")
    n_inputs = record["n_inputs"]
    base = [0.0] * n_inputs
    for column, value in _cells(record["base"], n_inputs, "the base"):
        base[column] = value
    columns, n_cells = [], 0
    for raw, each in enumerate(record["columns"]):
        where = f"column {raw}"
        kind = next((k for k in COLUMNS if isinstance(each, dict) and k in each), "number")
        _check(each, COLUMNS[kind], where)
        if kind == "number":
            _need(each["input"] < n_inputs, f"{where} sets an input that is not there")
            columns.append(
                NumberColumn(
                    each["number"], each["input"], float(each["scale"]), float(each["offset"]),
                    None if each["missing"] is None else float(each["missing"]),
                )
            )  # fmt: skip
        elif kind == "ignored":
            columns.append(IgnoredColumn(each["ignored"]))
        else:
            categories = each["categories"]
            _need(len(set(categories)) == len(categories), f"{where} has a category twice")
            cells = [_cells(row, n_inputs, where) for row in each["cells"]]
            _need(len(cells) == len(categories), f"{where} has not one code for each category")
            others = [
                None if each[name] is None else _cells(each[name], n_inputs, where)
                for name in ("missing", "unknown")
            ]
            widest = max(map(len, [*cells, *(other or () for other in others)]), default=0)
            n_cells += (len(cells) + 2) * widest
            _need(n_cells <= MAX_CELLS, f"{where} has too many cells")
            columns.append(
                CategoryColumn(each["category"], tuple(categories), tuple(cells), *others)
            )
    return Encoder(tuple(columns), tuple(base))


def _cells(pairs, n_inputs, where):
    """Inputs and the values that they are set to."""
    ok = _is_list(pairs, lambda p: _is_list(p, _is_number, 2) and len(p) == 2, MAX_COLUMNS)
    _need(ok and all(_is_whole(p[0], 0, n_inputs - 1) for p in pairs), f"{where} has a wrong code")
    return tuple((column, float(value)) for column, value in pairs)


# ----- what a field may hold ---------------------------------------------------------------------


def _is_whole(value, low, high):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_text(value):
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _is_plain(value):
    return isinstance(value, bool) or _is_number(value) or _is_text(value)


def _is_list(value, of, longest):
    return isinstance(value, list | tuple) and len(value) <= longest and all(map(of, value))


def _is_info(value):
    """Plain values, and one level of them."""
    if not isinstance(value, dict) or len(value) > 64:
        return False
    inner = [
        v for each in value.values() for v in (each.values() if isinstance(each, dict) else [each])
    ]
    return len(inner) < 1024 and all(v is None or _is_plain(v) for v in inner)


def _whole(low, high):
    return lambda value: _is_whole(value, low, high)


def _optional(check):
    return lambda value: value is None or check(value)


FIELDS = {
    "format": _whole(1, VERSION),
    "layers": lambda v: _is_list(v, lambda each: isinstance(each, dict), MAX_LAYERS) and len(v) > 0,
    "labels": lambda v: isinstance(v, str) and v in ("text", *LABELS),
    "classes": lambda v: _is_list(v, _is_plain, MAX_COLUMNS) and len(v) > 1,
    "target": _is_plain,
    "n_features": _whole(1, MAX_COLUMNS),
    "feature_names": _optional(lambda v: _is_list(v, _is_text, MAX_COLUMNS)),
    "encoder": _optional(lambda v: isinstance(v, dict)),
    "actions": _optional(_is_text),
    "info": _is_info,
}
LAYER = {
    "n_inputs": _whole(1, MAX_WEIGHTS),
    "n_outputs": _whole(1, MAX_WEIGHTS),
    "bits": lambda v: v == "ternary" or _is_whole(v, 2, 8) or _is_whole(v, FLOAT, FLOAT),
    "relu": lambda v: isinstance(v, bool),
    "activation_bits": _optional(_whole(2, 8)),
    "activation_step": _optional(lambda v: _is_number(v) and math.isfinite(v)),
}
ENCODER = {
    "n_inputs": _whole(1, MAX_COLUMNS),
    "base": lambda v: isinstance(v, list),
    "columns": lambda v: _is_list(v, lambda each: isinstance(each, dict), MAX_COLUMNS),
}
CATEGORIES = {
    "category": _is_text,
    "categories": lambda v: _is_list(v, lambda c: c is None or _is_plain(c), MAX_COLUMNS),
    "cells": lambda v: _is_list(v, lambda row: isinstance(row, list), MAX_COLUMNS),
    "missing": _optional(lambda v: isinstance(v, list)),
    "unknown": _optional(lambda v: isinstance(v, list)),
}
NUMBERS = {
    "number": _is_text,
    "input": _whole(0, MAX_COLUMNS),
    "scale": _is_number,
    "offset": _is_number,
    "missing": _optional(_is_number),
}
COLUMNS = {"number": NUMBERS, "category": CATEGORIES, "ignored": {"ignored": _is_text}}


def _check(record, fields, where):
    """Raise unless an object has exactly these fields, each with a value that is allowed."""
    names = set(record)
    unknown, missing = sorted(names - set(fields)), sorted(set(fields) - names)
    _need(not unknown, f"{where} has fields that are not known: {unknown[:4]}")
    _need(not missing, f"{where} lacks the fields {missing[:4]}")
    wrong = [name for name, allowed in fields.items() if not allowed(record[name])]
    _need(not wrong, f"{where} has wrong values of {wrong}")


def _need(condition, sentence):
    if not condition:
        raise ValueError(f"{sentence}.")
