"""The record of an audit as JSON, and back: nothing that is read can run code."""

import dataclasses
import itertools
import json
import math

import numpy as np

from ..metrics import Estimate
from ._differences import GroupTest
from ._people import read_table, table_fields
from ._sketch import GapSketch
from ._tally import COUNTS

#: What a file says that it is, and the format that is written.
KIND = "skcfq audit"
VERSION = 1


def result_fields(result, people):
    """A record as plain values; undefined numbers are None."""
    return {
        "kind": KIND,
        "version": VERSION,
        "measures": _estimates(result.measures),
        "by_group": {group: _estimates(found) for group, found in result.by_group.items()},
        "counts": result.counts,
        "counts_by_group": result.counts_by_group,
        "gaps": sketch_fields(result.gaps),
        "gaps_by_group": {g: sketch_fields(s) for g, s in result.gaps_by_group.items()},
        "groupings": {name: list(groups) for name, groups in result.groupings.items()},
        "tests": [_test_fields(test) for test in result.tests],
        "people": table_fields(result.people) if people and result.people is not None else None,
        "about": result.about,
    }


def result_text(result, people):
    """A record as JSON text."""
    return json.dumps(result_fields(result, people), ensure_ascii=False, allow_nan=False)


def read_result(text):
    """Fields of an AuditResult from JSON text, or one ValueError.

    Parameters
    ----------
    text : str

    Returns
    -------
    dict
    """
    try:
        need(text.lstrip()[:1] == "{", "it is neither a record nor the name of a file")
        record = json.loads(text)
        need(isinstance(record, dict) and record.get("kind") == KIND, "it is no record of an audit")
        need(
            record.get("version") == VERSION,
            f"it has the format {record.get('version')!r}, known is {VERSION}",
        )
        return _read(record)
    except RecursionError as error:
        raise ValueError("AuditResult.from_json: the text is nested too deeply.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f"AuditResult.from_json cannot read the text: {said.rstrip('.')}."
        ) from error


def _read(record):
    expected = {field.name for field in dataclasses.fields(GroupTest)}
    for test in record["tests"]:
        need(set(test) == expected, "a test has other fields than known")
    names = {"kind", "version", "measures", "by_group", "counts", "counts_by_group", "gaps",
             "gaps_by_group", "groupings", "tests", "people", "about"}  # fmt: skip
    need(set(record) == names, f"it has other fields than known: {sorted(set(record) ^ names)}")
    groups = set(record["by_group"])
    for name in ("counts_by_group", "gaps_by_group"):
        need(set(record[name]) == groups, f"{name} is about other groups than by_group")
    need(isinstance(record["about"], dict), "about is no object")
    return {
        "measures": _read_estimates(record["measures"]),
        "by_group": {g: _read_estimates(found) for g, found in record["by_group"].items()},
        "counts": read_counts(record["counts"]),
        "counts_by_group": {g: read_counts(n) for g, n in record["counts_by_group"].items()},
        "gaps": read_sketch(record["gaps"]),
        "gaps_by_group": {g: read_sketch(s) for g, s in record["gaps_by_group"].items()},
        "groupings": {name: tuple(groups) for name, groups in record["groupings"].items()},
        "tests": tuple(_read_test(test) for test in record["tests"]),
        "people": None if record["people"] is None else read_table(record["people"]),
        "about": record["about"],
    }


def need(condition, sentence):
    """Raise ValueError with a sentence unless a condition holds."""
    if not condition:
        raise ValueError(sentence)


def number(value):
    """A number that may be None, as a float; None is NaN."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    need(value is None or plain, f"{value!r} is no number")
    return math.nan if value is None else float(value)


def whole(value):
    """A count."""
    need(
        isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        f"{value!r} is no count",
    )
    return value


def finite(value):
    """A number for JSON: None where it is not finite."""
    return value if math.isfinite(value) else None


def read_counts(counts):
    """Counts of a tally."""
    need(isinstance(counts, dict) and set(counts) == set(COUNTS), "counts are incomplete")
    return {name: whole(counts[name]) for name in COUNTS}


def sketch_fields(sketch):
    """A sketch as plain values."""
    return {
        "bins": sketch.bins.tolist(),
        "counts": sketch.counts.tolist(),
        "low": finite(sketch.low),
        "high": finite(sketch.high),
    }


def read_sketch(record):
    """A sketch from plain values."""
    bins, counts = record["bins"], record["counts"]
    need(isinstance(bins, list) and isinstance(counts, list), "a sketch has no bins")
    need(len(bins) == len(counts), "a sketch has not one count for each bin")
    need(all(type(v) is int for v in [*bins, *counts]), "a sketch holds other than whole numbers")
    need(all(n > 0 for n in counts), "a sketch has an empty bin")
    need(all(a < b for a, b in itertools.pairwise(bins)), "bins of a sketch do not rise")
    arrays = (np.array(values, dtype=np.int64) for values in (bins, counts))
    return GapSketch(*arrays, number(record["low"]), number(record["high"]))


def _estimates(measures):
    return {name: figure.as_dict() for name, figure in measures.items()}


def _read_estimates(measures):
    found = {}
    for name, e in measures.items():
        low, high, level = (number(e[key]) for key in ("low", "high", "confidence_level"))
        need(0 < level < 1, f"the confidence level of {name} is {level}")
        found[name] = Estimate(number(e["value"]), whole(e["n"]), low, high, level)
    return found


def _test_fields(test):
    fields = dataclasses.asdict(test)
    fields["left_out"] = list(test.left_out)
    return {k: finite(v) if isinstance(v, float) else v for k, v in fields.items()}


def _read_test(test):
    for name in ("grouping", "measure", "method"):
        need(isinstance(test[name], str), f"{name} of a test is {test[name]!r}")
    for name in ("highest", "lowest"):
        need(test[name] is None or isinstance(test[name], str), f"{name} of a test is no group")
    numbers = ("statistic", "p_value", "p_adjusted", "difference")
    return GroupTest(
        **{
            **test,
            **{name: number(test[name]) for name in numbers},
            **{name: whole(test[name]) for name in ("n_highest", "n_lowest")},
            "left_out": tuple(test["left_out"]),
        }
    )
