"""One audit from rows to result: the parts are audited, added up, and turned into figures."""

import collections
import copy
import functools
import itertools
import numbers
import time

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from .._utils._errors import raise_problems
from ..estimators import check_table, read_labels
from ._about import describe, versions
from ._assemble import assemble
from ._checkpoint import Checkpoint, fingerprint
from ._groups import check_labelled, column_names, read_groups
from ._part import Found, Totals, audit_part
from ._people import PEOPLE_COLUMNS
from ._rows import Columns, DataHash, Source, chunk_parts, recut, table_parts
from ._run import run_delayed, run_parts

#: Lines of the table of people for rows that come in parts, unless asked for otherwise.
WORST = 1000


def run_audit(
    auditor,
    X,
    y,
    groups,
    *,
    chunk_size,
    max_people,
    confidence_level,
    n_jobs,
    verbose,
    checkpoint,
):
    """Audit rows from anywhere, see :meth:`RecourseAuditor.audit`."""
    began = time.perf_counter()
    source = open_source(auditor, X, y, groups, chunk_size)
    numbered = source.kind != "memory"
    keep = WORST if max_people is None and numbered else max_people
    if checkpoint is not None and source.kind == "dask":
        raise ValueError(
            "RecourseAuditor.audit: a Dask DataFrame has no checkpoint; give Parquet files."
        )
    work = functools.partial(_audit_any, _slim(auditor), source.columns, keep)
    data, settings = DataHash(), {"groups": list(source.names), "chunk_size": chunk_size}
    if source.kind == "dask":
        results = run_delayed(work, source.parts)
    else:
        saved = _Saved(auditor, checkpoint, data, {**settings, "people": keep})
        results = saved.saving(run_parts(work, saved.known(source.parts), n_jobs))
    totals = Totals(_features(auditor), keep, numbered=numbered)
    with tqdm(total=source.n_rows, unit=" people", unit_scale=True, disable=not verbose) as bar:
        for each in results:
            totals.add(each)
            bar.update(each.n_rows)
    if not totals.n_rows:
        raise ValueError("RecourseAuditor.audit: X holds no rows.")
    about = describe(auditor) | {
        "n_rows": totals.n_rows,
        "groups": list(source.names),
        "confidence_level": confidence_level,
        "source": source.kind,
        "n_parts": totals.n_parts,
        "people": {None: "everybody", 0: "nobody"}.get(keep, f"the worst {keep} at most"),
        "data_sha256": None if source.kind == "dask" else data.hexdigest(),
        "versions": versions(),
        "seconds": round(time.perf_counter() - began, 3),
    }
    return assemble(totals, source.names, confidence_level=confidence_level, about=about)


def check_audit(chunk_size, max_people, confidence_level):
    """Raise ValueError, with all problems, for settings that make no sense."""

    def whole(value, least):
        plain = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        return plain and value >= least

    problems = []
    if not whole(chunk_size, 1):
        problems.append(f"chunk_size={chunk_size!r}: a whole number >= 1 is needed.")
    if max_people is not None and not whole(max_people, 0):
        problems.append(f"max_people={max_people!r}: a whole number >= 0, or None, is needed.")
    if not isinstance(confidence_level, numbers.Real) or not 0 < confidence_level < 1:
        problems.append(f"confidence_level={confidence_level!r}: a number in (0, 1) is needed.")
    raise_problems("RecourseAuditor.audit", problems)


def open_source(auditor, X, y, groups, size):
    """Where rows come from, with all that can be checked before any work.

    Parameters
    ----------
    auditor : RecourseAuditor
        A fitted one.
    X, y, groups : object
        As of :meth:`RecourseAuditor.audit`.
    size : int
        Rows of a part.

    Returns
    -------
    Source
    """
    on_disk = isinstance(X, str) or hasattr(X, "__fspath__")
    in_dask = type(X).__module__.split(".")[0] in ("dask", "dask_expr", "dask_cudf")
    if not (on_disk or in_dask or hasattr(X, "__next__")):
        return _in_memory(auditor, X, y, groups, size)
    columns = _columns(auditor, y, groups, needs_names=on_disk or in_dask)
    names = tuple(columns.groups)
    if in_dask:
        problems = columns.problems("the Dask DataFrame", list(X.columns), others_allowed=True)
        raise_problems("RecourseAuditor.audit", problems)
        return Source("dask", X[columns.needed].to_delayed(), names, None, columns)
    if on_disk:
        from ._parquet import open_parquet

        frames, n_rows = open_parquet(X, columns, size)
        return Source("parquet", recut(map(columns.part, frames), size), names, n_rows)
    return Source("iterator", recut(chunk_parts(X, columns), size), names)


def _in_memory(auditor, X, y, groups, size):
    X = X.to_pandas() if hasattr(X, "to_pandas") and not isinstance(X, pd.DataFrame) else X
    frame = check_table(auditor, X, reset=False, allow_missing=True)
    labels = read_groups(groups, frame)
    if labels is not None:
        check_labelled(labels)
    if taken := _taken(frame.columns):
        raise ValueError(*taken)
    y = None if y is None else read_labels(y, frame)
    rows = X if isinstance(X, pd.DataFrame) else np.asarray(X)
    names = () if labels is None else tuple(labels)
    return Source("memory", table_parts(rows, y, labels, size), names, len(frame))


def _columns(auditor, y, groups, *, needs_names):
    """What columns of parts are; complains about all that is wrong with the arguments."""
    named, problems = hasattr(auditor, "feature_names_in_"), []
    if y is not None and not isinstance(y, str):
        problems.append("y must name a column if X comes in parts, or come with them as (X, y).")
    names = [] if groups is None else column_names(groups)
    if names is None:
        problems.append("groups must name columns if X comes in parts.")
    if not named and (needs_names or y is not None or names):
        problems.append("the auditor was fitted on an array: fit it on a DataFrame, with names.")
    raise_problems("RecourseAuditor.audit", problems + _taken(_features(auditor)))
    return Columns(_features(auditor) if named else None, y, list(dict.fromkeys(names)))


def _taken(columns):
    taken = [name for name in columns if name in PEOPLE_COLUMNS]
    return [f"X has columns {taken}, which the table of people adds: rename them."] * bool(taken)


def _features(auditor):
    return list(auditor.actions_.encoding.feature_names)


def _slim(auditor):
    """The auditor without what an audit does not need, for it may travel with every part."""
    slim = copy.copy(auditor)
    del slim.recourse_
    return slim


def _audit_any(auditor, columns, keep, part):
    """Audit a part, or one of Dask's frames; give back what is known already."""
    if isinstance(part, Found):
        return part
    if columns is not None:
        part = columns.part(part)
        if not len(part):
            return Found(0, {}, None)
    return audit_part(auditor, part, keep)


class _Saved:
    """Parts of an audit that a checkpoint knows, in place of those to be done.

    Parameters
    ----------
    auditor : RecourseAuditor
    folder : path-like or None
        None: nothing is known, and nothing saved.
    data : DataHash
        Gets all rows.
    settings : dict
    """

    def __init__(self, auditor, folder, data, settings):
        self._auditor, self._folder, self._data = auditor, folder, data
        self._settings, self._checkpoint = settings, None
        # Hash of every part that is under way, and whether it was known.
        self._under_way = collections.deque()

    def known(self, parts):
        """The parts; of those that are known, what they add."""
        for number, part in enumerate(parts):
            digest, found = self._data.add(part), None
            if self._folder is not None:
                if self._checkpoint is None:
                    identity = fingerprint(self._auditor, part.rows, **self._settings)
                    self._checkpoint = Checkpoint(self._folder, identity)
                found = self._checkpoint.load(number, digest)
            self._under_way.append((digest, found is not None))
            yield part if found is None else found

    def saving(self, results):
        """The results; those that were not known are saved."""
        for number, found in zip(itertools.count(), results):
            digest, known = self._under_way.popleft()
            if self._checkpoint is not None and not known:
                self._checkpoint.save(number, digest, found)
            yield found
