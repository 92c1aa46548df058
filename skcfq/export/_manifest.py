"""A packed model as plain JSON values and arrays, and back. Everything that is read is checked.

The manifest of format 4 is an object with the fields of ``_fields.FIELDS``; one that is not listed there
is refused, so nothing in a file is ignored. The arrays are ``0.codes`` (bytes), ``0.steps`` and
``0.bias`` (float32) of the first layer, and so on. Format 4 added lists of ``activation_bits``, one width for
each output, format 3 the field ``shifts`` of a layer, the lowest bits that the codes of each input do without;
``null`` where they have all. Format 1 had one width per layer. Otherwise the older formats are the same.
"""

import numpy as np

from ._codes import FLOAT, TERNARY, list_blocks, n_bytes
from ._encoder import CategoryColumn, Encoder, IgnoredColumn, NumberColumn
from ._fields import (
    COLUMNS,
    ENCODER,
    FIELDS,
    LABELS,
    LAYER,
    MAX_ABSENT,
    MAX_CELLS,
    MAX_COLUMNS,
    MAX_WEIGHTS,
    OLD_LAYER,
    VERSION,
    check,
    is_list,
    is_number,
    is_whole,
    need,
)
from ._model import PackedLayer, PackedModel

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
                "bits": _write_bits(layer.bits),
                "relu": layer.relu,
                "activation_bits": list(layer.activation_bits)
                if isinstance(layer.activation_bits, tuple)
                else layer.activation_bits,
                "activation_step": layer.activation_step,
                "shifts": None if layer.shifts is None else list(layer.shifts),
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


def _write_bits(bits):
    if isinstance(bits, tuple):
        return [_write_bits(width) for width in bits]
    return "ternary" if bits == TERNARY else bits


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
    if not isinstance(manifest, dict) or not is_whole(manifest.get("format"), 1, 10**6):
        raise ValueError("its manifest does not tell a format.")
    if manifest["format"] > VERSION:
        raise ValueError(
            f"it is of format {manifest['format']}, and this version of skcfq reads formats up to "
            f"{VERSION}: upgrade skcfq."
        )
    check(manifest, FIELDS, "the manifest")
    fields = LAYER if manifest["format"] > 2 else OLD_LAYER
    layers = [_read_layer(i, each, arrays, fields) for i, each in enumerate(manifest["layers"])]
    several = any(isinstance(layer.bits, tuple) for layer in layers)
    need(manifest["format"] > 1 or not several, "format 1 has one width per layer")
    several = any(isinstance(layer.activation_bits, tuple) for layer in layers)
    need(manifest["format"] > 3 or not several, "format 3 has one width of activations per layer")
    absent = sum(map(_n_absent, layers))
    need(absent <= MAX_ABSENT, f"it has more than {MAX_ABSENT} weights that take no bits")
    if arrays:
        raise ValueError(f"it has arrays that no layer uses: {sorted(arrays)[:4]}.")
    classes = _read_classes(manifest["labels"], manifest["classes"])
    names, n_features = manifest["feature_names"], manifest["n_features"]
    encoder = manifest["encoder"]
    if encoder is not None:
        encoder = _read_encoder(encoder)
    widths = [n_features if encoder is None else len(encoder.base)]
    for i, layer in enumerate(layers):
        need(layer.n_inputs == widths[-1], f"layer {i} does not take what comes before it")
        need(layer.relu == (i + 1 < len(layers)), f"layer {i} has the wrong activation")
        widths.append(layer.n_outputs)
    need(widths[-1] == len(classes), "the logits are not as many as the classes")
    need(manifest["target"] in classes.tolist(), "the target is no class")
    need(encoder is None or len(encoder.columns) == n_features, "the columns are not n_features")
    if names is not None:
        need(len(set(names)) == len(names) == n_features, "the names are not those of n_features")
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


def _read_layer(i, record, arrays, fields):
    where = f"layer {i}"
    check(record, fields, where)
    n_inputs, n_outputs = record["n_inputs"], record["n_outputs"]
    bits = _read_bits(record["bits"])
    if isinstance(bits, tuple):
        need(len(bits) == n_outputs, f"{where} has not one width for each output")
        need(len(set(bits)) > 1, f"{where} lists a width that all outputs share")
    shifts = record.get("shifts")
    if shifts is not None:
        shifts = tuple(shifts)
        need(bits != FLOAT, f"{where} has shifts of weights that are not quantized")
        need(len(shifts) == n_inputs, f"{where} has not one shift for each input")
        need(any(shifts), f"{where} lists shifts that are all 0")
    n_weights = n_inputs * n_outputs
    need(n_weights <= MAX_WEIGHTS, f"{where} has more than {MAX_WEIGHTS} weights")
    parts = [arrays.pop(f"{i}.{name}", None) for name in ("codes", "steps", "bias")]
    for part, dtype in zip(parts, (np.uint8, np.float32, np.float32), strict=True):
        need(part is not None and part.dtype == dtype and part.ndim == 1, f"{where} lacks an array")
    packed, steps, bias = parts
    blocks = list_blocks(bits, shifts, n_outputs, n_inputs)
    n_packed = sum(n_bytes(len(o) * len(i), width) for width, _, o, i in blocks)
    need(len(packed) == n_packed, f"{where} has weights of another size")
    need(len(steps) in (1, n_outputs) and len(bias) == n_outputs, f"{where} has wrong sizes")
    need(np.isfinite(steps).all() and (steps > 0).all(), f"{where} has steps that are not > 0")
    need(np.isfinite(bias).all(), f"{where} has an infinite bias")
    activation_bits, activation_step = record["activation_bits"], record["activation_step"]
    if is_list(activation_bits, lambda _: True, MAX_WEIGHTS):
        activation_bits = tuple(activation_bits)
        need(len(activation_bits) == n_outputs, f"{where} has not one activation for each output")
        need(any(activation_bits), f"{where} has activations without any bits")
    need(
        (activation_bits is None) == (activation_step is None)
        and (activation_step is None or (activation_step > 0 and record["relu"])),
        f"{where} has an activation that is half described",
    )
    layer = PackedLayer(
        n_inputs, n_outputs, bits, packed.tobytes(), steps, bias, record["relu"],
        activation_bits, None if activation_step is None else float(activation_step), shifts,
    )  # fmt: skip
    codes = layer.codes()  # refuses bytes that nobody packed
    need(bits != FLOAT or np.isfinite(codes).all(), f"{where} has infinite weights")
    return layer


def _n_absent(layer):
    """Weights that no byte of the file stands for."""
    return layer.n_weights - sum(len(o) * len(i) for _, _, o, i, _ in layer.blocks())


def _read_bits(bits):
    if isinstance(bits, list | tuple):
        return tuple(_read_bits(width) for width in bits)
    return TERNARY if bits == "ternary" else bits


def _read_classes(kind, values):
    allowed = {"b": bool, "i": int, "f": (int, float)}
    dtype = np.dtype(str) if kind == "text" else LABELS[kind]
    if dtype.kind in allowed:
        of_kind = all(isinstance(v, allowed[dtype.kind]) for v in values)
        of_kind &= dtype.kind == "b" or not any(isinstance(v, bool) for v in values)
    else:
        of_kind = kind == "object" or all(isinstance(v, str) for v in values)
    need(of_kind, f"the classes are not of the type {kind}")
    need(len(set(values)) == len(values), "a class is given twice")
    try:
        return np.array(values, dtype=dtype)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"the classes are not of the type {kind}.") from error


def _read_encoder(record):
    check(record, ENCODER, "the encoder")
    n_inputs = record["n_inputs"]
    base = [0.0] * n_inputs
    for column, value in _cells(record["base"], n_inputs, "the base"):
        base[column] = value
    columns, n_cells = [], 0
    for raw, each in enumerate(record["columns"]):
        where = f"column {raw}"
        kind = next((k for k in COLUMNS if isinstance(each, dict) and k in each), "number")
        check(each, COLUMNS[kind], where)
        if kind == "number":
            need(each["input"] < n_inputs, f"{where} sets an input that is not there")
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
            need(len(set(categories)) == len(categories), f"{where} has a category twice")
            cells = [_cells(row, n_inputs, where) for row in each["cells"]]
            need(len(cells) == len(categories), f"{where} has not one code for each category")
            others = [
                None if each[name] is None else _cells(each[name], n_inputs, where)
                for name in ("missing", "unknown")
            ]
            widest = max(map(len, [*cells, *(other or () for other in others)]), default=0)
            n_cells += (len(cells) + 2) * widest
            need(n_cells <= MAX_CELLS, f"{where} has too many cells")
            columns.append(
                CategoryColumn(each["category"], tuple(categories), tuple(cells), *others)
            )
    return Encoder(tuple(columns), tuple(base))


def _cells(pairs, n_inputs, where):
    """Inputs and the values that they are set to."""
    ok = is_list(pairs, lambda p: is_list(p, is_number, 2) and len(p) == 2, MAX_COLUMNS)
    need(ok and all(is_whole(p[0], 0, n_inputs - 1) for p in pairs), f"{where} has a wrong code")
    return tuple((column, float(value)) for column, value in pairs)
