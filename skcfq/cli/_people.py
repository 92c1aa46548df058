"""A few people, and what each model asks of them."""

import numpy as np
import pandas as pd

from ._records import Advice, PersonAdvice


def choose_people(comparison, n_people):
    """Positions of a few people with advice, first those whose advice breaks.

    They are spread evenly over the cost of their advice, so that they are typical and not the
    worst.

    Parameters
    ----------
    comparison : Comparison
        Of full precision and plain QAT.
    n_people : int

    Returns
    -------
    list of int
        Fewer than `n_people` if fewer have advice.
    """
    advised = comparison.reference.needed & comparison.reference.success
    broken = advised & ~comparison.deployed_valid
    chosen = _spread(broken, comparison.reference.cost, n_people)
    return chosen + _spread(advised & ~broken, comparison.reference.cost, n_people - len(chosen))


def _spread(mask, cost, n):
    rows = np.flatnonzero(mask)
    rows = rows[np.argsort(cost[rows], kind="stable")]
    n = min(n, len(rows))
    return [int(rows[int((i + 0.5) / n * len(rows))]) for i in range(n)]


def describe_person(row, frame, comparisons, reference_name, sensitive_features):
    """One person's recourse under every model.

    Parameters
    ----------
    row : int
        Position of the person.
    frame : DataFrame of shape (n_samples, n_features)
        People in raw units.
    comparisons : dict of str to Comparison
        By the name of the quantized model.
    reference_name : str
        Name of the full-precision model.
    sensitive_features : sequence of str
        Say who a person is: told first.

    Returns
    -------
    PersonAdvice
    """
    before = {name: _value(column.iloc[row]) for name, column in frame.items()}
    reference = next(iter(comparisons.values())).reference
    advice = {reference_name: _advice(reference, row, before)}
    for name, comparison in comparisons.items():
        advice[name] = _advice(comparison.deployed, row, before)
    touched = [feature for feature in before if any(feature in a.changes for a in advice.values())]
    told = [feature for feature in before if feature in sensitive_features]
    order = dict.fromkeys([*told, *touched, *before])
    return PersonAdvice(
        row=row,
        person={feature: before[feature] for feature in order},
        advice=advice,
        still_works={name: bool(c.deployed_valid[row]) for name, c in comparisons.items()},
    )


def _advice(result, row, before):
    after = {name: _value(column.iloc[row]) for name, column in result.counterfactual.items()}
    return Advice(
        status=str(result.status[row]),
        changes={name: value for name, value in after.items() if value != before[name]},
        cost=float(result.cost[row]) if result.success[row] else None,
    )


def _value(value):
    """A cell as a plain value, None if it is missing."""
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
