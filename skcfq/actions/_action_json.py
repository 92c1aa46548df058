"""Action sets as JSON, with a version."""

import dataclasses
import json
from collections.abc import Mapping

from .._utils._errors import raise_problems

#: Version of the form that :meth:`ActionSet.to_json` writes.
JSON_VERSION = 1


def write_fields(fields, indent=None):
    """Fields by name as JSON; mappings are lists of pairs.

    Parameters
    ----------
    fields : dict
    indent : int, default=None
        Passed to :func:`json.dumps`.

    Returns
    -------
    str
    """
    return json.dumps({k: _to_pairs(v) for k, v in fields.items()}, indent=indent, allow_nan=False)


def read_fields(cls, text):
    """The fields that a text holds.

    Parameters
    ----------
    cls : type
        ActionSet, or one that extends it.
    text : str or bytes

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If the text is not JSON, or has an unknown field or version.
    """
    try:
        record = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{cls.__name__}: the text is not JSON ({error}).") from error
    if not isinstance(record, dict):
        raise ValueError(f"{cls.__name__}: a JSON object is needed, got {type(record).__name__}.")
    version = record.pop("version", None)
    names = {field.name for field in dataclasses.fields(cls)}
    problems = [
        f"unknown field {name!r}; known fields: {', '.join(sorted(names))}."
        for name in record
        if name not in names
    ]
    if version != JSON_VERSION:
        problems.insert(
            0, f"version {version!r} is not {JSON_VERSION}, the version that this skcfq reads."
        )
    raise_problems(cls.__name__, problems)
    try:
        fields = {k: _from_pairs(v) if k in cls._MAPPINGS else v for k, v in record.items()}
        for name in cls._NESTED:
            if isinstance(fields.get(name), dict):
                fields[name] = {key: _from_pairs(value) for key, value in fields[name].items()}
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{cls.__name__}: a mapping is written as an object, or as a list of [key, value] "
            f"pairs ({error})."
        ) from error
    return fields


def _to_pairs(value):
    if isinstance(value, Mapping):
        return [[key, _to_pairs(item)] for key, item in value.items()]
    return list(value) if isinstance(value, tuple) else value


def _from_pairs(value):
    """Undo `_to_pairs`; objects, as one writes by hand, and strings stay as they are."""
    return value if isinstance(value, (str, dict)) else dict(value)
