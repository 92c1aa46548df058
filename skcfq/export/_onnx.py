"""ONNX files that decide as the packed model, which is tried before they are written."""

import dataclasses
import json

import numpy as np

from .._utils._errors import raise_problems
from .._utils._extras import require
from .._utils._files import atomic_path
from ._encoder import CategoryColumn, IgnoredColumn, NumberColumn
from ._files import _digest
from ._manifest import write_manifest
from ._onnx_run import OnnxClassifier, seal
from ._pack import export_packed

#: ONNX Runtime's levels of optimisation; "default" is a session without any option.
LEVELS = ("default", "disable_all", "enable_basic", "enable_extended", "enable_all")

#: Rows that every export is tried on, besides those that are given.
N_PROBES = 2000


@dataclasses.dataclass(frozen=True)
class OnnxCheck:
    """What trying an exported graph in ONNX Runtime showed, at every level of optimisation.

    Attributes
    ----------
    n_rows : int
        Rows whose decisions are those of the packed model.
    n_recourse : int
        Actions whose validity is that of the packed model.
    smallest_margin : float
        Distance of the two largest logits in the row where it is smallest.
    largest_error : float
        Largest difference of a logit.
    runtime : str
        Version of ONNX Runtime.
    """

    n_rows: int
    n_recourse: int
    smallest_margin: float
    largest_error: float
    runtime: str


def export_onnx(
    clf, path, *, precision="double", form="cast", rows=None, recourse=None, audit=None
):
    """Write an ONNX file with real INT2, INT4 or INT8 weights that decides as audited.

    The graph takes what the classifier takes: for a raw frame one input per column, of shape
    (n_samples, 1), text for categories and numbers else; for encoded rows one input ``X``. It
    puts out ``label``, ``probabilities`` and ``logits``. A missing category is the empty text. A
    category, missing value or infinity that the classifier refuses is an error of the runtime's.

    Before the file is written the graph runs in ONNX Runtime, under its default options and at
    every level of optimisation, on 2,000 random rows and on what is given: each decision, and the
    validity of each action, must be the packed model's.

    Parameters
    ----------
    clf : PackedClassifier, or what :func:`export_packed` takes
    path : path-like
        The file; its folder must exist.
    precision : {"double", "single"}, default="double"
        Floats of the graph. Decisions are audited in double precision; ``"single"`` is twice as
        fast on large batches, moves logits by about 1e-6, and is refused if that changes a
        decision here. It may change one elsewhere, for people whose logits are that close.
    form : {"cast", "qdq"}, default="cast"
        How integers become floats: ``"cast"`` is folded when the file is loaded and as fast as
        float weights; ``"qdq"`` is ``DequantizeLinear``, which other compilers look for, in single
        precision only.
    rows : array-like or data frame of shape (n_samples, n_features), default=None
        Rows that decisions are compared on, e.g. those of the audit.
    recourse : RecourseResult, default=None
        Actions whose validity is compared: the recourse that people were, or will be, told.
    audit : AuditResult, RecourseScore or mapping of str to float, default=None
        Figures for the metadata.

    Returns
    -------
    OnnxCheck

    Raises
    ------
    ValueError
        For wrong parameters, or columns whose encoding cannot be exported.
    ImportError
        If onnx or onnxruntime is not installed.
    RuntimeError
        If the runtime decides otherwise in any row. No file is written then.

    See Also
    --------
    load_onnx : Runs the file on frames.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skcfq import QATClassifier
    >>> from skcfq.datasets import make_recourse_classification
    >>> from skcfq.export import export_onnx, load_onnx
    >>> data = make_recourse_classification(n_samples=400, random_state=0)
    >>> clf = QATClassifier((8,), max_epochs=2, random_state=0).fit(data.data, data.target)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "credit.onnx"
    >>> export_onnx(clf, path, rows=data.data).n_rows
    2400
    >>> bool((load_onnx(path).predict(data.data) == clf.predict(data.data)).all())
    True
    """
    require("export_onnx", "export", "onnx", "onnxruntime")
    from ._onnx_graph import OUTPUTS, PREFIX, build_model

    packed = export_packed(clf, audit=audit)
    model = packed.model
    columns = [] if model.encoder is None else model.encoder.columns
    raise_problems(
        "export_onnx",
        [
            *_not_among("precision", precision, ("double", "single")),
            *_not_among("form", form, ("cast", "qdq")),
            *(
                ['form="qdq" with precision="double": DequantizeLinear is single precision; use form="cast".']
                if form == "qdq" and precision == "double"
                else []
            ),
            *(
                f"column {column.name!r} has a name that the graph uses itself: rename it."
                for column in columns
                if column.name in OUTPUTS or column.name.startswith(PREFIX)
            ),
        ],
    )  # fmt: skip
    data = seal(build_model(model, precision, form, _metadata(model)).SerializeToString())
    check = _check(data, packed, rows, recourse)
    with atomic_path(path) as part:
        part.write_bytes(data)
    return check


def _not_among(name, value, allowed):
    return [] if value in allowed else [f"{name}={value!r}: one of {allowed} is needed."]


def _metadata(model):
    """Facts about the model as text: what it is, what it was audited for, what its columns are."""
    manifest, arrays = write_manifest(model)
    text = json.dumps(manifest, allow_nan=False, separators=(",", ":"))
    facts = {
        "bits": [layer.average_bits for layer in model.layers],
        "average_bits": model.average_bits,
        "activation_bits": [layer.activation_bits for layer in model.layers[:-1]],
        "bit_budget": model.info.get("bit_budget"),
        "classes": model.classes.tolist(),
        "target": model.target,
        "feature_names": model.feature_names,
        "audit": model.info.get("audit"),
        "sha256": _digest(text, arrays).tobytes().hex(),  # that of the file of skcfq.save
        "skcfq": model.info.get("skcfq"),
        "columns": _kinds(model.encoder),
        "n_features": model.n_features,
    }
    return {f"skcfq.{name}": json.dumps(value) for name, value in facts.items()}


def _kinds(encoder):
    """Kind and name of every raw column, None where there is no encoder."""
    if encoder is None:
        return None
    kinds = {NumberColumn: "number", CategoryColumn: "category", IgnoredColumn: "ignored"}
    return [[kinds[type(column)], column.name] for column in encoder.columns]


# ----- trying the graph --------------------------------------------------------------------------


def _check(data, packed, rows, recourse):
    """Run the graph at every level; raise unless it decides as the packed model."""
    import onnxruntime

    parts = {"random rows": _probes(packed.model)}
    if rows is not None:
        parts["rows"] = rows
    if recourse is not None:
        parts["recourse"] = recourse.counterfactual
    expected = {name: packed.logits(part) for name, part in parts.items()}
    problems, error, feeds = [], 0.0, None
    for level in LEVELS:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if level != "default":
            name = f"ORT_{level.upper()}"
            options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, name)
        try:
            session = OnnxClassifier(data, options)
            feeds = feeds or {name: session.feeds(part) for name, part in parts.items()}
            run = session.session.run
            found = {name: run(["logits"], feed)[0] for name, feed in feeds.items()}
        except Exception as failure:  # the runtime's own kinds
            problems.append(f"level {level!r}: {str(failure).splitlines()[0]}")
            continue
        for name, logits in expected.items():
            flips = int((logits.argmax(axis=1) != found[name].argmax(axis=1)).sum())
            error = max(error, float(np.abs(logits - found[name]).max()))
            if flips:
                problems.append(
                    f"level {level!r}: {flips} of {len(logits)} {name} are decided otherwise; use "
                    'precision="double".'
                )
    raise_problems(f"ONNX Runtime {onnxruntime.__version__}", problems, RuntimeError)
    everybody = np.sort(np.concatenate(list(expected.values())), axis=1)
    n_recourse = 0 if recourse is None else len(expected["recourse"])
    return OnnxCheck(
        len(everybody) - n_recourse,
        n_recourse,
        float((everybody[:, -1] - everybody[:, -2]).min()),
        error,
        onnxruntime.__version__,
    )


def _probes(model):
    """Random raw rows: numbers that spread over a few encoded units, every category."""
    random = np.random.default_rng(0)
    if model.encoder is None:
        spread = random.normal(0, 2, (N_PROBES, model.n_features))
        return np.where(random.random(spread.shape) < 0.5, spread, np.rint(spread).clip(0, 1))
    rows = {}
    for record in model.encoder.columns:
        if isinstance(record, NumberColumn):
            encoded = random.normal(0, 2, N_PROBES)
            rows[record.name] = (encoded - record.offset) / record.scale
        elif isinstance(record, CategoryColumn):
            values = np.empty(len(record.categories), dtype=object)
            values[:] = record.categories
            rows[record.name] = values[random.integers(len(values), size=N_PROBES)]
        else:
            rows[record.name] = np.zeros(N_PROBES)
    if model.feature_names is None:  # by position
        return np.array(list(rows.values()), dtype=object).T
    return rows
