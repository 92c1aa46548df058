"""The cheapest action under an affine score, in closed form."""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from .._utils._errors import raise_problems

#: Score that an action aims at, so that rounding cannot leave it short of 0.
MARGIN = 1e-9


def affine_score(X, coefficients, intercept):
    """Score of each row: intercept, plus coefficient times value, plus category effects.

    Parameters
    ----------
    X : pandas.DataFrame of shape (n_samples, n_features)
        Raw units.
    coefficients : mapping of str to float or to {category: float}
        Score per raw unit of a numeric feature, or the effect of each category. Features
        that are not in it do not count.
    intercept : float

    Returns
    -------
    pandas.Series of shape (n_samples,)
    """
    score = np.full(len(X), float(intercept))
    for feature, coefficient in coefficients.items():
        if isinstance(coefficient, Mapping):
            score += X[feature].map(coefficient).to_numpy(dtype=float)
        else:
            score += coefficient * X[feature].to_numpy(dtype=float)
    return pd.Series(score, index=X.index, name="score")


def cheapest_affine_action(X, coefficients, intercept, actions):
    """Cheapest way to a score of at least 0, for every row.

    Once it is settled which categories change to what, and which numeric features may change
    at all, the rest is a fractional knapsack: fill the missing score with the feature that
    gives most score per cost, up to its bound, then with the next [1]_. That is exact, because
    cost and score are linear in each change and a feature never moves against its own
    coefficient. All choices of categories, and all sets of numeric features that
    ``max_changes`` leaves room for, are tried, so the result is the global optimum.

    Parameters
    ----------
    X : pandas.DataFrame of shape (n_samples, n_features)
        Raw units; no missing values.
    coefficients, intercept
        See :func:`affine_score`.
    actions : ActionSet
        With the L1 cost, a weight for every feature that may change, finite bounds for every
        numeric one, ``allowed_values`` or ``transitions`` for every categorical one, and
        neither steps nor one-hot groups.

    Returns
    -------
    pandas.DataFrame of shape (n_samples, n_features + 1)
        The columns of `X` with the values after the action, and ``cost``: 0 for a row that
        has the score already, which keeps its values, and infinite for a row without any
        action, which keeps them too. Numbers are float64.

    Raises
    ------
    ValueError
        If `actions` is not of the form above; lists everything that is missing.

    References
    ----------
    .. [1] G. B. Dantzig (1957). "Discrete-Variable Extremum Problems". Operations Research
       5(2). https://doi.org/10.1287/opre.5.2.266
    """
    movable = {f: c for f, c in coefficients.items() if f not in actions.immutable and c != 0}
    numeric = {f: c for f, c in movable.items() if not isinstance(c, Mapping)}
    categorical = {f: c for f, c in movable.items() if isinstance(c, Mapping)}
    raise_problems("cheapest_affine_action", _unsupported(actions, numeric, categorical))

    weights = actions.cost_weights
    needed = MARGIN - affine_score(X, coefficients, intercept).to_numpy()
    # A score of 0 is enough for whoever has it; only those below are moved, to the margin.
    needed = np.where(needed > MARGIN, needed, 0.0)
    # Best rate first: the order in which the knapsack is filled.
    ordered = sorted(numeric, key=lambda f: abs(numeric[f]) / weights[f], reverse=True)
    capacity = {f: abs(numeric[f]) * _room(X[f], numeric[f], f, actions) for f in ordered}
    limit = len(movable) if actions.max_changes is None else actions.max_changes

    start = {f: X[f].to_numpy(dtype=float if f in numeric else object) for f in movable}
    values = {f: start[f].copy() for f in movable}
    best_cost = np.where(needed > 0, np.inf, 0.0)
    for choice in itertools.product(*([None, *categorical[f]] for f in categorical)):
        changed = {f: to for f, to in zip(categorical, choice, strict=True) if to is not None}
        if len(changed) > limit:
            continue
        open_to = needed > 0
        gain, cost = np.zeros(len(X)), 0.0
        for feature, to in changed.items():
            open_to &= _may_become(X[feature], to, feature, actions)
            effects = categorical[feature]
            gain += effects[to] - X[feature].map(effects).to_numpy(dtype=float)
            cost += weights[feature]
        # Larger sets contain smaller ones, so only the largest are tried.
        size = min(limit - len(changed), len(ordered))
        for chosen in itertools.combinations(ordered, size):
            missing = np.maximum(needed - gain, 0.0)  # (n_samples,)
            total = np.full(len(X), cost)
            filled = {}
            for feature in chosen:
                filled[feature] = np.minimum(missing, capacity[feature])
                total += filled[feature] * weights[feature] / abs(numeric[feature])
                missing -= filled[feature]
            better = open_to & (missing <= 0) & (total < best_cost)
            best_cost[better] = total[better]
            for feature in movable:
                if feature in changed:
                    after = np.full(len(X), changed[feature], dtype=object)
                elif feature in filled:
                    after = start[feature] + filled[feature] / numeric[feature]
                    # Rounding must not carry a value past the bound that it was filled up to.
                    after = np.where(
                        filled[feature] > 0, np.clip(after, *actions.bounds[feature]), after
                    )
                else:
                    after = start[feature]
                values[feature][better] = after[better]
    after = X.astype(dict.fromkeys(X.select_dtypes("number").columns, float))
    for feature in movable:
        after[feature] = pd.Series(values[feature], index=X.index, dtype=after[feature].dtype)
    return after.assign(cost=best_cost)


def _unsupported(actions, numeric, categorical):
    """What stands between these actions and the closed form."""
    problems = []
    if actions.cost != "l1":
        problems.append(f"cost={actions.cost!r}: only 'l1' has this closed form.")
    if actions.step:
        problems.append(f"step={actions.step!r}: only continuous changes have this closed form.")
    if actions.groups:
        problems.append(f"groups={actions.groups!r}: raw features are needed, not one-hot columns.")
    weights = actions.cost_weights if isinstance(actions.cost_weights, Mapping) else {}
    for feature in (*numeric, *categorical):
        if feature not in weights:
            problems.append(f"cost_weights has no entry for {feature!r}: give its weight.")
    for feature in numeric:
        if None in actions.bounds.get(feature, (None, None)):
            problems.append(f"bounds of {feature!r} are not given on both sides: give two numbers.")
        if feature in actions.allowed_values:
            problems.append(f"allowed_values of {feature!r}: only for categories here.")
    for feature in categorical:
        if feature not in actions.allowed_values and feature not in actions.transitions:
            problems.append(f"{feature!r} has neither allowed_values nor transitions: give one.")
    return problems


def _room(column, coefficient, feature, actions):
    """How far a numeric feature can move in the direction that raises the score."""
    start = column.to_numpy(dtype=float)
    lower, upper = actions.bounds[feature]
    blocked = actions.decrease_only if coefficient > 0 else actions.increase_only
    if feature in blocked:
        return np.zeros(len(start))
    room = upper - start if coefficient > 0 else start - lower
    # A person outside the bounds keeps the value.
    return np.where((start < lower) | (start > upper), 0.0, room)


def _may_become(column, to, feature, actions):
    """Which rows may change the category of a feature to `to`."""
    if feature in actions.transitions:
        reach = actions.transitions[feature]
        return column.map(lambda start: to in reach.get(start, ())).to_numpy(dtype=bool)
    if to not in actions.allowed_values[feature]:
        return np.zeros(len(column), dtype=bool)
    return (column != to).to_numpy(dtype=bool)
