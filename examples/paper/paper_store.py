"""Finished cells on disk, one small file each, and all of them as one tidy table."""

import dataclasses
import gzip
import importlib.metadata
import io
import json
import platform

import pandas as pd

from skcfq._utils._files import atomic_path

#: Columns of the tidy table, in order. `low` and `high` bound a 95 % interval over the test rows.
COLUMNS = (
    "study", "dataset", "setting", "method", "bit_budget", "seed", "calibrated", "people", "measure",
    "value", "low", "high", "n", "average_bits", "fit_seconds", "versions",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure of a cell.

    Attributes
    ----------
    calibrated : bool
        Whether the model was calibrated before.
    people : str
        Whom it is about: "everyone", a group, a shifted sample, ...
    measure : str
    value, low, high : float
        With a 95 % interval over the people, NaN where there is none.
    n : int
        How many people count.
    """

    calibrated: bool
    people: str
    measure: str
    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, calibrated, people, measure, value, n=0):
        """From an Estimate, or from a plain number about `n` people."""
        low, high = getattr(value, "low", float("nan")), getattr(value, "high", float("nan"))
        return cls(
            calibrated, people, measure, float(value), low, high, int(getattr(value, "n", n))
        )


def versions():
    """What computed a cell."""
    names = ("skcfq", "torch", "scikit-learn", "numpy")
    found = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
            import skcfq

            found.append(f"{name} {skcfq.__version__}")
    return ", ".join([f"Python {platform.python_version()}", *found])


def cell_path(folder, cell):
    """Where the cell's record lies."""
    return folder / "cells" / f"{cell.key}.json"


def write_cell(folder, cell, record):
    """Write a record; it is there as a whole or not at all."""
    path = cell_path(folder, cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part:
        part.write_text(json.dumps({"cell": dataclasses.asdict(cell), **record}))


def read_cell(folder, cell):
    """The record of a cell, None if there is none."""
    path = cell_path(folder, cell)
    return json.loads(path.read_text()) if path.exists() else None


def tidy(folder, cells):
    """The figures of the finished cells, one a row."""
    rows = []
    for cell in cells:
        record = read_cell(folder, cell)
        if record is None or record["status"] != "done":
            continue
        known = {
            "study": cell.study, "dataset": cell.dataset, "setting": cell.setting.name,
            "method": cell.method, "bit_budget": cell.bit_budget, "seed": cell.seed,
            "average_bits": record["average_bits"], "fit_seconds": record["fit_seconds"],
            "versions": record["versions"],
        }  # fmt: skip
        rows += [{**known, **figure} for figure in record["figures"]]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_tidy(table, path):
    """Write the table as compressed CSV, the same bytes for the same table."""
    text = io.StringIO()
    table.to_csv(text, index=False, float_format="%.5g", lineterminator="\n")
    # Neither the time nor the name of a temporary file goes into the archive.
    packed = gzip.compress(text.getvalue().encode(), mtime=0)
    with atomic_path(path) as part:
        part.write_bytes(packed)
    path.chmod(0o644)


def read_tidy(path):
    """The table that `write_tidy` wrote."""
    return pd.read_csv(path, compression="gzip")
