"""The table of people: before, advised after, costs and what broke."""

import numpy as np
import pandas as pd

#: What the table of people adds to the columns of `X`.
PEOPLE_COLUMNS = (
    "reference_decision", "deployed_decision", "needed", "advice_survives", "reference_cost",
    "deployed_cost", "recourse_gap", "reference_status", "deployed_status", "outcome", "group",
)  # fmt: skip
#: Dtypes of a table in JSON.
DTYPES = {"float": np.dtype(float), "int": np.dtype("int64"), "bool": np.dtype(bool)}


def people_table(frame, comparison, figures, labels, keep=None):
    """One row per person.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_features)
        Raw rows.
    comparison : Comparison
    figures : PersonFigures
    labels : ndarray of str, shape (n_samples,), or None
        Everybody's group.
    keep : int, default=None
        Only the worst so many, see `worst_people`; ``None`` is everybody, in order.

    Returns
    -------
    DataFrame
        See :class:`AuditResult`. Words are Python objects, so that parts and files agree.
    """
    reference, deployed = comparison.reference, comparison.deployed
    survives = comparison.deployed_valid | ~reference.success
    outcome = np.select(
        [figures.broken, ~survives, ~reference.needed, ~reference.success],
        ["broken", "now refused", "not needed", "no advice"],
        "holds",
    )
    rows = slice(None)
    if keep is not None:
        rows = _worst(outcome, deployed.cost, figures.gap)[:keep]
    columns = (
        comparison.reference_decision, comparison.deployed_decision, reference.needed, survives,
        reference.cost, deployed.cost, figures.gap, reference.status, deployed.status, outcome,
        labels,
    )  # fmt: skip
    people = frame.iloc[rows].copy()
    for name in frame.columns:
        # NaN equals NaN here: a missing category that stays is no change.
        advised = [model.counterfactual[name].iloc[rows] for model in (reference, deployed)]
        if not all(after.equals(people[name]) for after in advised):
            people[f"{name} (reference)"], people[f"{name} (deployed)"] = advised
    pairs = zip(PEOPLE_COLUMNS, columns, strict=True)
    added = {name: np.asarray(values)[rows] for name, values in pairs if values is not None}
    plain = {name: _plain_column(column) for name, column in people.assign(**added).items()}
    return pd.DataFrame(plain).set_axis(_plain_index(people.index))


def join_tables(tables, columns):
    """Tables of several parts under one another.

    Parameters
    ----------
    tables : sequence of DataFrame
    columns : sequence of str
        Columns of `X`.

    Returns
    -------
    DataFrame
        With the advised values of every feature that changes in some part.
    """
    moved = [c for c in columns if any(f"{c} (reference)" in table for table in tables)]
    filled = []
    for table in tables:
        still = [c for c in moved if f"{c} (reference)" not in table]
        roles = ("reference", "deployed")
        filled.append(table.assign(**{f"{c} ({role})": table[c] for c in still for role in roles}))
    added = [f"{c} ({role})" for c in moved for role in ("reference", "deployed")]
    order = [*columns, *added, *(c for c in PEOPLE_COLUMNS if c in tables[0])]
    return pd.concat([table[order] for table in filled])


def worst_people(table, n):
    """The people whom the deployed model harms most.

    Parameters
    ----------
    table : DataFrame
        As of `people_table`, in order of the rows.
    n : int
        How many at most.

    Returns
    -------
    DataFrame
        Broken advice first, then people whom only the deployed model refuses, then those whose
        recourse is lost, then by the recourse gap; who is alike stays in order.
    """
    order = _worst(*(table[c].to_numpy() for c in ("outcome", "deployed_cost", "recourse_gap")))
    return table.iloc[order[:n]]


def table_fields(table):
    """A table as plain values."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    return {
        "index": table.index.tolist(),
        "columns": [
            {
                "name": name,
                "dtype": names.get(column.dtype, "object"),
                "values": column.astype(object).where(column.notna(), None).tolist(),
            }
            for name, column in table.items()
        ],
    }


def read_table(record):
    """A table from plain values; raises ValueError, KeyError or TypeError for others."""
    index, columns = record["index"], {}
    for column in record["columns"]:
        name, dtype, values = column["name"], column["dtype"], column["values"]
        if dtype not in (*DTYPES, "object") or len(values) != len(index):
            raise ValueError(f"the column {name!r} of people cannot be read")
        plain = (str, bool, int, float, type(None))
        if not all(isinstance(value, plain) for value in values):
            raise ValueError(f"the column {name!r} of people holds other than plain values")
        if dtype != "object":
            kind = {"float": (int, float, type(None)), "int": int, "bool": bool}[dtype]
            if not all(isinstance(value, kind) for value in values):
                raise ValueError(f"the column {name!r} of people is not of the type {dtype}")
        values = [np.nan if value is None else value for value in values]
        columns[name] = pd.Series(values, dtype=DTYPES.get(dtype, object))
    return pd.DataFrame(columns).set_axis(_plain_index(pd.Index(index)))


def _worst(outcome, deployed_cost, gap):
    """Positions, worst first."""
    lost = (outcome == "holds") & np.isnan(deployed_cost)
    rank = np.select([outcome == "broken", outcome == "now refused", lost], [0, 1, 2], 3)
    size = np.where(np.isnan(gap), -np.inf, gap)
    return np.lexsort((np.arange(len(gap)), -size, rank))


def _plain_column(column):
    if column.dtype.kind in "iufb":
        dtype = {"f": float, "b": bool}.get(column.dtype.kind, np.int64)
        return pd.Series(column.to_numpy(dtype=dtype))
    values = [np.nan if pd.isna(value) else _plain(value) for value in column]
    return pd.Series(values, dtype=object)


def _plain(value):
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def _plain_index(index):
    if index.dtype.kind in "iu":
        return pd.Index(index.to_numpy(dtype=np.int64))
    return pd.Index([_plain(value) for value in index], dtype=object)
