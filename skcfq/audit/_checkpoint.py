"""A folder that remembers the parts of an audit that are done: JSON with checksums, never a pickle."""

import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import torch

from .._utils._errors import raise_problems
from .._utils._files import atomic_path
from ..recourse import one_thread
from ._about import describe, versions
from ._json import need, read_counts, read_sketch, sketch_fields, whole
from ._part import Found
from ._people import read_table, table_fields
from ._tally import SUMS, Tally

KIND = "skcfq audit checkpoint"
VERSION = 1
MANIFEST = "manifest.json"
#: Rows on which the models' scores are part of what identifies an audit.
PROBE_ROWS = 64


class Checkpoint:
    """The folder of one audit.

    Parameters
    ----------
    folder : path-like
        Made if it is not there.
    fingerprint : dict of str to plain values
        What must be the same for parts to be used again, see :func:`fingerprint`.

    Raises
    ------
    ValueError
        If the folder belongs to another audit, or to something else.
    """

    def __init__(self, folder, fingerprint):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        manifest = self.folder / MANIFEST
        if manifest.exists():
            raise_problems("checkpoint", _differences(manifest, fingerprint))
        elif any(self.folder.iterdir()):
            raise_problems(
                "checkpoint",
                [f"the folder {str(folder)!r} holds other files: give an empty or a new one."],
            )
        else:
            record = {"kind": KIND, "version": VERSION, "fingerprint": fingerprint}
            _write(manifest, json.dumps(record, indent=1))

    def load(self, number, data):
        """What a part added, if it is known.

        Parameters
        ----------
        number : int
        data : str
            SHA-256 of the part's rows.

        Returns
        -------
        Found or None
            None also for a file that is damaged, with a warning.

        Raises
        ------
        ValueError
            If the rows are not those that the folder knows.
        """
        path = self._path(number)
        if not path.exists():
            return None
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            need(_sha256(record["part"]) == record["sha256"], "the checksum is wrong")
            part = record["part"]
            found = _read_found(part)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            warnings.warn(
                f"{str(path)!r} is damaged ({error}) and not used: its rows are audited again.",
                UserWarning,
                stacklevel=2,
            )
            return None
        if part["data"] != data:
            raise_problems(
                "checkpoint",
                [
                    f"the rows of part {number} are not those that {str(self.folder)!r} knows: the "
                    "data changed. Give an empty or a new folder."
                ],
            )
        return found

    def save(self, number, data, found):
        """Remember what a part added.

        Parameters
        ----------
        number : int
        data : str
        found : Found
        """
        part = {"data": data, **_found_fields(found)}
        _write(self._path(number), json.dumps({"sha256": _sha256(part), "part": part}))

    def _path(self, number):
        return self.folder / f"part-{number:06d}.json"


def fingerprint(auditor, rows, **settings):
    """What identifies an audit, but for its rows.

    Models are known by their parameters and by their scores and decisions on some rows, which are
    the same however a model was saved and loaded.

    Parameters
    ----------
    auditor : RecourseAuditor
        A fitted one.
    rows : array-like or DataFrame
        The first part.
    **settings : plain values

    Returns
    -------
    dict of str to plain values
    """
    about, frame, views = describe(auditor), *auditor._read(rows[:PROBE_ROWS])
    found = {name: about[name] for name in ("target", "classes", "features", "actions", "solver")}
    for role, view in zip(("reference", "deployed"), views, strict=True):
        encoded = torch.from_numpy(view.encoding.encode(frame).astype(np.float32))
        with torch.no_grad(), one_thread():
            scores = view.logits(encoded).numpy()
        said = (about[role].encode(), scores.tobytes(), np.asarray(view.predict(frame)).tobytes())
        found[role] = hashlib.sha256(b"".join(said)).hexdigest()
    return json.loads(json.dumps(found | settings | {"versions": versions()}))


def _differences(manifest, fingerprint):
    """Sentences about a manifest that is of something else, or cannot be read."""
    try:
        record = json.loads(manifest.read_text(encoding="utf-8"))
        need(record["kind"] == KIND and record["version"] == VERSION, "another format")
        known = dict(record["fingerprint"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return [f"{str(manifest)!r} is damaged or no checkpoint: give an empty or a new folder."]
    differ = [n for n in {**known, **fingerprint} if known.get(n) != fingerprint.get(n)]
    return [
        f"the folder {str(manifest.parent)!r} is of another audit, which differs in "
        f"{', '.join(differ)}: give an empty or a new one."
    ] * bool(differ)


def _found_fields(found):
    cells = [
        {"labels": list(cell), "counts": t.counts, "sums": t.sums, "gaps": sketch_fields(t.gaps)}
        for cell, t in found.cells.items()
    ]
    people = None if found.people is None else table_fields(found.people)
    return {"n_rows": found.n_rows, "cells": cells, "people": people}


def _read_found(part):
    cells = {}
    for cell in part["cells"]:
        sums = cell["sums"]
        need(set(sums) == set(SUMS), "sums are incomplete")
        need(all(isinstance(value, float) for value in sums.values()), "a sum is no number")
        counts, gaps = read_counts(cell["counts"]), read_sketch(cell["gaps"])
        cells[tuple(cell["labels"])] = Tally(counts, {name: sums[name] for name in SUMS}, gaps)
    people = None if part["people"] is None else read_table(part["people"])
    return Found(whole(part["n_rows"]), cells, people)


def _sha256(part):
    return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()


def _write(path, text):
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")
