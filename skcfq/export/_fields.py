"""What a manifest may hold, field by field: an allow-list."""

import math

import numpy as np

from ._codes import FLOAT

#: The format that is written; every older one is read.
VERSION = 4

#: Lowest bits that codes can do without: with the widest width, none is left.
MAX_SHIFT = 8

#: Limits of what is read: no deployed network of a table comes near them.
MAX_WEIGHTS = 2**24
MAX_ABSENT = 2**22
MAX_LAYERS = 64
MAX_COLUMNS = 2**16
MAX_CELLS = 2**20
MAX_TEXT = 2**20

#: Types of labels, by the name that the manifest gives them.
LABELS = {
    name: np.dtype(name) for name in ("object", "bool", "int64", "int32", "float64", "float32")
}


def is_whole(value, low, high):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def is_text(value):
    return isinstance(value, str) and len(value) <= MAX_TEXT


def is_plain(value):
    return isinstance(value, bool) or is_number(value) or is_text(value)


def is_list(value, of, longest):
    return isinstance(value, list | tuple) and len(value) <= longest and all(map(of, value))


def is_info(value):
    """Plain values, and one level of them."""
    if not isinstance(value, dict) or len(value) > 64:
        return False
    inner = [
        v for each in value.values() for v in (each.values() if isinstance(each, dict) else [each])
    ]
    return len(inner) < 1024 and all(v is None or is_plain(v) for v in inner)


def whole(low, high):
    return lambda value: is_whole(value, low, high)


def is_width(value):
    return value == "ternary" or is_whole(value, 2, 8)


def optional(check):
    return lambda value: value is None or check(value)


FIELDS = {
    "format": whole(1, VERSION),
    "layers": lambda v: is_list(v, lambda each: isinstance(each, dict), MAX_LAYERS) and len(v) > 0,
    "labels": lambda v: isinstance(v, str) and v in ("text", *LABELS),
    "classes": lambda v: is_list(v, is_plain, MAX_COLUMNS) and len(v) > 1,
    "target": is_plain,
    "n_features": whole(1, MAX_COLUMNS),
    "feature_names": optional(lambda v: is_list(v, is_text, MAX_COLUMNS)),
    "encoder": optional(lambda v: isinstance(v, dict)),
    "actions": optional(is_text),
    "info": is_info,
}
#: A layer before format 3.
OLD_LAYER = {
    "n_inputs": whole(1, MAX_WEIGHTS),
    "n_outputs": whole(1, MAX_WEIGHTS),
    "bits": lambda v: is_width(v) or is_whole(v, FLOAT, FLOAT) or is_list(v, is_width, MAX_WEIGHTS),
    "relu": lambda v: isinstance(v, bool),
    "activation_bits": optional(
        lambda v: is_whole(v, 2, 8) or is_list(v, whole(0, 8), MAX_WEIGHTS)
    ),
    "activation_step": optional(lambda v: is_number(v) and math.isfinite(v)),
}
LAYER = {
    **OLD_LAYER,
    "shifts": optional(lambda v: is_list(v, whole(0, MAX_SHIFT), MAX_WEIGHTS)),
}
ENCODER = {
    "n_inputs": whole(1, MAX_COLUMNS),
    "base": lambda v: isinstance(v, list),
    "columns": lambda v: is_list(v, lambda each: isinstance(each, dict), MAX_COLUMNS),
}
CATEGORIES = {
    "category": is_text,
    "categories": lambda v: is_list(v, lambda c: c is None or is_plain(c), MAX_COLUMNS),
    "cells": lambda v: is_list(v, lambda row: isinstance(row, list), MAX_COLUMNS),
    "missing": optional(lambda v: isinstance(v, list)),
    "unknown": optional(lambda v: isinstance(v, list)),
}
NUMBERS = {
    "number": is_text,
    "input": whole(0, MAX_COLUMNS),
    "scale": is_number,
    "offset": is_number,
    "missing": optional(is_number),
}
COLUMNS = {"number": NUMBERS, "category": CATEGORIES, "ignored": {"ignored": is_text}}


def check(record, fields, where):
    """Raise unless an object has exactly these fields, each with a value that is allowed."""
    names = set(record)
    unknown, missing = sorted(names - set(fields)), sorted(set(fields) - names)
    need(not unknown, f"{where} has fields that are not known: {unknown[:4]}")
    need(not missing, f"{where} lacks the fields {missing[:4]}")
    wrong = [name for name, allowed in fields.items() if not allowed(record[name])]
    need(not wrong, f"{where} has wrong values of {wrong}")


def need(condition, sentence):
    if not condition:
        raise ValueError(f"{sentence}.")
