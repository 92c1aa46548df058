"""An audit of two model files on a table of people. Returns records and prints nothing."""

import dataclasses
import time
from pathlib import Path

import numpy as np
import pandas as pd

from .._utils._errors import raise_problems
from .._utils._extras import require
from .._utils._files import writable_problems
from ..actions import ActionSet, CausalActionSet
from ..audit import AuditResult, RecourseAuditor
from ..estimators import OnnxModel
from ..report import Verdict, judge, read_limits, write_report
from ._models import load_model
from ._progress import SilentProgress

#: People of the data that bounds and cost scales are learned from, unless a file is given.
FIT_ROWS = 20_000

#: People of a CSV file that are audited at once.
PART_ROWS = 20_000

#: Measures of an audit without labels.
MEASURES = (
    "validity_drop", "recourse_gap", "abs_recourse_gap", "median_recourse_gap",
    "weighted_recourse_gap", "decision_flips", "reference_feasible", "deployed_feasible",
    "direction_similarity", "action_overlap",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class AuditOptions:
    """What to audit.

    Attributes
    ----------
    reference, deployed : path-like
        Model files, see :func:`load_model`.
    data : path-like
        People: Parquet (a file or a folder) or CSV.
    actions : path-like or None
        JSON of an :class:`~skcfq.ActionSet`.
    label : str or None
        Column of true labels.
    target : str or None
        The favourable class, as text.
    groups : tuple of str
        Columns that tell groups apart.
    fit_data : path-like or None
        People whom bounds and cost scales are learned from; None: the first of `data`.
    trusted : tuple of str
        Types that model files may hold.
    report, json : path-like or None
        Where the HTML report and the record go.
    checkpoint : path-like or None
        Folder of the parts that are done, for Parquet.
    fail_if : tuple of str
        Conditions, see :func:`read_limits`.
    title : str or None
        Of the report.
    max_people : int
        Lines of the table of people, the worst ones.
    """

    reference: Path
    deployed: Path
    data: Path
    actions: Path | None = None
    label: str | None = None
    target: str | None = None
    groups: tuple = ()
    fit_data: Path | None = None
    trusted: tuple = ()
    report: Path | None = None
    json: Path | None = None
    checkpoint: Path | None = None
    fail_if: tuple = ()
    title: str | None = None
    max_people: int = 200


@dataclasses.dataclass(frozen=True)
class AuditOutcome:
    """What an audit found, and whether it keeps its limits.

    Attributes
    ----------
    result : AuditResult
    verdict : Verdict
    seconds : float
    """

    result: AuditResult
    verdict: Verdict
    seconds: float


def run_audit(options, progress=None):
    """Audit as the options say, and write what they ask for.

    Parameters
    ----------
    options : AuditOptions
    progress : SilentProgress, default=None
        Is told of every stage.

    Returns
    -------
    AuditOutcome

    Raises
    ------
    ValueError
        If options, files or rows make no sense; before any search where that can be told.
    OSError
        If a file cannot be read or written; the latter before any work.
    """
    started = time.perf_counter()
    progress = SilentProgress() if progress is None else progress
    measures = MEASURES if options.label is None else ("accuracy", *MEASURES)
    limits = read_limits(options.fail_if, measures)
    raise_problems("skcfq audit", _file_problems(options), OSError)
    if options.report is not None:
        require("the report", "report", "jinja2", "matplotlib")

    progress.begin("models")
    reference = load_model(options.reference, options.trusted)
    deployed = load_model(options.deployed, options.trusted)
    actions = None if options.actions is None else read_actions(options.actions)
    progress.begin("rows to learn bounds and cost scales from")
    rows = read_table(options.fit_data or options.data, FIT_ROWS)
    features, target = _read_columns(options, reference, deployed, rows)
    auditor = RecourseAuditor(reference, deployed, actions=actions, target=target)
    auditor.fit(rows[features], rows[options.label] if options.label else None)
    columns = list(dict.fromkeys([*features, *options.groups, *filter(None, [options.label])]))
    progress.close()  # the audit shows a bar of its own
    result = auditor.audit(
        people_in_parts(options.data, columns), options.label, groups=list(options.groups) or None,
        checkpoint=options.checkpoint, max_people=options.max_people, verbose=progress.shown,
    )  # fmt: skip
    if options.json is not None:
        result.to_json(options.json)
    if options.report is not None:
        title = {} if options.title is None else {"title": options.title}
        write_report(result, options.report, limits=limits, max_people=options.max_people, **title)
    return AuditOutcome(result, judge(result, limits), time.perf_counter() - started)


def is_parquet(path):
    """Whether a path is a file or folder of Parquet."""
    path = Path(path)
    return path.is_dir() or path.suffix.lower() in (".parquet", ".pq")


def people_in_parts(path, columns):
    """What :meth:`RecourseAuditor.audit` takes of a table of any size.

    Parameters
    ----------
    path : path-like
    columns : sequence of str
        Those that the audit needs.

    Returns
    -------
    path-like or iterator of DataFrame
    """
    return path if is_parquet(path) else _csv_parts(path, columns)


def _csv_parts(path, columns):
    with pd.read_csv(path, chunksize=PART_ROWS) as parts:
        for part in parts:
            yield part[columns]


def read_table(path, n_rows):
    """The first rows of a table.

    Parameters
    ----------
    path : path-like
        Parquet (a file or a folder) or CSV.
    n_rows : int

    Returns
    -------
    DataFrame
    """
    if not is_parquet(path):
        return pd.read_csv(path, nrows=n_rows)
    require("a Parquet file", "parquet", "pyarrow")
    import pyarrow.dataset

    return pyarrow.dataset.dataset(path).head(n_rows).to_pandas()


def read_actions(path):
    """An action set from its JSON, with or without a causal graph.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    ActionSet
    """
    text = Path(path).read_text(encoding="utf-8")
    try:
        kind = CausalActionSet if '"graph"' in text else ActionSet
        return kind.from_json(text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} holds no action set: {error}") from error


def _file_problems(options):
    """Files that are not there or cannot be written."""
    given = {
        "--reference": options.reference, "--deployed": options.deployed, "--data": options.data,
        "--fit-data": options.fit_data, "--actions": options.actions,
    }  # fmt: skip
    problems = [
        f"{name} {path}: there is no such file."
        for name, path in given.items()
        if path is not None and not Path(path).exists()
    ]
    for name, path in (("--report", options.report), ("--json-file", options.json)):
        if path is not None:
            problems += [f"{name}: {problem}" for problem in writable_problems(path)]
    if options.checkpoint is not None and not is_parquet(options.data):
        problems.append("--checkpoint: parts can be kept of Parquet only.")
    return problems


def _read_columns(options, reference, deployed, rows):
    """Columns that the models take, and the favourable class."""
    problems = [
        f"{option} {name!r} is no column of the data, which are {rows.columns.tolist()}."
        for option, names in (
            ("--label", [options.label] if options.label else []), ("--groups", options.groups),
        )
        for name in names
        if name not in rows.columns
    ]  # fmt: skip
    models = {"reference": reference, "deployed": deployed}
    known = [_classes(model) for model in models.values()]
    if options.label is None and any(classes is None for classes in known):
        problems.append("an ONNX file does not tell its classes: give --label, the column of them.")
    names = [found for found in map(_features, models.values()) if found is not None]
    features = names[0] if names else [n for n in rows.columns if n != options.label]
    missing = [name for name in features if name not in rows.columns]
    if missing:
        problems.append(f"the models take the columns {missing}, which the data do not have.")
    raise_problems("skcfq audit", problems)
    classes = np.unique(rows[options.label]) if options.label else known[0]
    return features, _target(options.target, classes)


def _classes(model):
    classes = model.classes if isinstance(model, OnnxModel) else model.classes_
    return None if classes is None else np.asarray(classes)


def _features(model):
    if isinstance(model, OnnxModel):
        return model.columns
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else list(names)


def _target(text, classes):
    """The class that a text names."""
    if text is None:
        return None
    classes = classes.tolist()
    found = [label for label in classes if str(label) == text]
    if not found:
        raise ValueError(f"--target {text!r} is none of the classes {classes}.")
    return found[0]
