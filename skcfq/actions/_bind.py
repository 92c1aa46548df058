"""Bind an action set to an encoding and to training rows."""

import dataclasses
import difflib
from numbers import Real

import numpy as np
import pandas as pd

from .._utils._errors import raise_problems
from ._action_set import ActionSet
from ._bind_graph import bind_graph
from ._causal_set import CausalActionSet
from ._features import AffineFeature, FixedFeature, TableFeature, numbers
from ._groups import group_features
from ._read import DROPPED
from ._scales import cost_weight, looks_encoded, spread_values
from ._space import ActionSpace, DiscreteMoves, NumericMoves, open_moves


def bind_actions(actions, encoding, frame, sample_weight=None):
    """Bind an action set to an encoding and to training rows.

    Parameters
    ----------
    actions : ActionSet or None
        ``None``: every feature that can be read back may change, within the training range.
    encoding : Encoding
    frame : DataFrame of shape (n_samples, n_raw_features)
        Training rows in raw units: bounds that are not given and cost scales come from here.
    sample_weight : ndarray of shape (n_samples,), default=None

    Returns
    -------
    ActionSpace

    Raises
    ------
    ValueError
        Lists every feature that the action set names and the rows do not have, bounds, steps
        or values that the column cannot express, and features that cannot be read back from
        the encoding and are not immutable.
    """
    strict = actions is not None
    # Made anew, so that a mapping changed since its check is checked again.
    actions = dataclasses.replace(actions) if strict else ActionSet()
    features = group_features(encoding.features, frame, actions.groups)
    names = tuple(feature.name for feature in features)
    actions, problems = _resolve_names(actions, names, features, frame)
    weight = np.ones(len(frame)) if sample_weight is None else np.asarray(sample_weight, float)
    lines, discrete = [], []
    for index, feature in enumerate(features):
        if feature.name in actions.immutable:
            continue
        feature = _as_number(actions, feature, encoding.features)
        if isinstance(feature, FixedFeature):
            if strict and feature.reason != DROPPED:
                problems.append(
                    f"{feature.name!r} cannot be moved, because {feature.reason}: add it to immutable, or "
                    "encode it with a scaler, OneHotEncoder or OrdinalEncoder."
                )
        elif isinstance(feature, AffineFeature):
            column = numbers(frame.iloc[:, feature.raw_column])
            problems += _unit_problems(actions, feature.name, column[~np.isnan(column)])
            price = cost_weight(actions.cost_weights, feature.name, column, weight)
            if feature.name in actions.transitions:
                problems.append(f"{feature.name!r} is numeric: transitions are for categories.")
            elif feature.name in actions.allowed_values:
                move, wrong = _listed_numbers(actions, index, feature, price)
                problems += wrong
                discrete += move
            else:
                limits, wrong = _limits(actions, feature.name, column[~np.isnan(column)])
                problems += wrong
                lines.append((index, feature, limits, price, spread_values(column)))
        else:
            move, wrong = _categories(actions, index, feature)
            problems += wrong
            discrete += move
    causes = None
    if isinstance(actions, CausalActionSet):
        named = [line[1].name for line in lines]
        causes, wrong = bind_graph(actions, features, encoding.features, named, frame, weight)
        problems += wrong
    raise_problems(type(actions).__name__, problems)
    return ActionSpace(
        actions, encoding, names, _numeric_moves(actions, lines), tuple(discrete), causes
    )


def _resolve_names(actions, names, features, frame):
    """The action set in terms of the features' own names, and the problems found."""
    alias = {}
    for name in names:
        if isinstance(name, str) and "__" in name:
            alias.setdefault(name.split("__", 1)[1], []).append(name)
    members = {
        frame.columns[raw]: feature.name
        for feature in features
        for raw in getattr(feature, "raw_columns", ())
        if frame.columns[raw] != feature.name
    }
    chosen, problems = {}, []
    for name in actions.mentioned:
        if name in names:
            chosen[name] = name
        elif isinstance(name, int) and not isinstance(name, bool) and 0 <= name < frame.shape[1]:
            column = frame.columns[name]
            chosen[name] = members.get(column, column)
        elif len(alias.get(name, ())) == 1:
            chosen[name] = alias[name][0]
        elif len(alias.get(name, ())) > 1:
            problems.append(
                f"{name!r} may be {' or '.join(map(repr, alias[name]))}: give the full name."
            )
        elif name in members:
            problems.append(
                f"{name!r} is one column of the one-hot group {members[name]!r}: name the group, so that "
                "exactly one of its categories stays active."
            )
        else:
            close = difflib.get_close_matches(str(name), [*map(str, names), *alias], n=2)
            hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
            problems.append(f"unknown feature {name!r}.{hint} Features are {_listing(names)}.")
    rename = {name: target for name, target in chosen.items() if name != target}
    for field in (*_FIELDS, "graph"):
        given = {}
        for name in getattr(actions, field, ()):
            other = given.setdefault(chosen.get(name, name), name)
            if other != name and isinstance(getattr(actions, field), dict):
                problems.append(f"{field}: {other!r} and {name!r} are the same feature.")
    return (_renamed(actions, rename) if rename else actions), problems


def _listing(names):
    shown = ", ".join(repr(name) for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")


#: Fields of an ActionSet that name features.
_FIELDS = (
    "immutable",
    "increase_only",
    "decrease_only",
    "bounds",
    "step",
    "allowed_values",
    "transitions",
)


def _renamed(actions, rename):
    def new(value):
        if isinstance(value, tuple):
            return tuple(rename.get(name, name) for name in value)
        return {rename.get(name, name): item for name, item in value.items()}

    fields = _FIELDS if isinstance(actions.cost_weights, str) else (*_FIELDS, "cost_weights")
    renamed = {field: new(getattr(actions, field)) for field in fields}
    if isinstance(actions, CausalActionSet):
        renamed |= actions._renamed(rename)
    return dataclasses.replace(actions, **renamed)


def _unit_problems(actions, name, column):
    """Bounds, steps and values in raw units, given to a column that holds encoded ones."""
    fields = [f for f in ("bounds", "step", "allowed_values") if name in getattr(actions, f)]
    if not fields or not looks_encoded(column):
        return []
    lower, upper = actions.bounds.get(name, (None, None))
    inside = (column >= (-np.inf if lower is None else lower)) & (
        column <= (np.inf if upper is None else upper)
    )
    step = actions.step.get(name)
    on_grid = step is None or np.isclose(column / step, np.rint(column / step)).all()
    if (
        "__" not in str(name)
        and inside.mean() >= 0.5
        and on_grid
        and "allowed_values" not in fields
    ):
        return []
    return [
        f"{' and '.join(fields)} of {name!r} cannot be expressed in this column, which holds scaled values "
        f"from {column.min():.3g} to {column.max():.3g}: give the ColumnTransformer as preprocessor=... and "
        "fit on the raw frame, or leave them out."
    ]


def _listed_numbers(actions, index, feature, price):
    """A numeric feature with allowed values, as a table."""
    listed = actions.allowed_values[feature.name]
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in listed):
        return [], [
            f"allowed_values[{feature.name!r}]={listed!r}: the feature is numeric, numbers are needed."
        ]
    lower, upper = actions.bounds.get(feature.name, (None, None))
    kept = [
        v for v in sorted(set(listed))
        if (lower is None or v >= lower) and (upper is None or v <= upper)
    ]  # fmt: skip
    if not kept:
        return [], [
            f"allowed_values[{feature.name!r}]={listed!r} has no value within bounds {(lower, upper)}."
        ]
    there = np.array(kept, dtype=float)
    values = np.empty((len(kept), 1), dtype=object)
    values[:, 0] = kept
    table = TableFeature(
        feature.name, (feature.raw_column,), np.array([feature.column]), tuple(kept), values,
        (there * feature.scale + feature.offset)[:, None],
    )  # fmt: skip
    return [
        DiscreteMoves(index, table, np.ones((len(kept) + 1, len(kept)), bool), price, there)
    ], []


def _categories(actions, index, feature):
    """Moves of a categorical feature, by its allowed values or transitions."""
    name, problems = feature.name, []
    categories = [None if pd.isna(category) else category for category in feature.categories]
    size = len(categories)
    allowed = np.ones((size + 1, size), dtype=bool)
    fields = [
        f
        for f in ("increase_only", "decrease_only", "bounds", "step")
        if name in getattr(actions, f)
    ]
    if fields and all(isinstance(category, (Real, np.bool_)) for category in categories):
        values = np.array(categories, dtype=float)
        allowed[:size] = open_moves(actions, name, values[:, None], values)
        allowed[size] = False
    else:
        problems += [
            f"{name!r} is categorical: {field} is for numbers. Use transitions." for field in fields
        ]
    if name in actions.allowed_values:
        allowed &= [category in actions.allowed_values[name] for category in categories]
        problems += _unknown(f"allowed_values[{name!r}]", actions.allowed_values[name], categories)
    if name in actions.transitions:
        table = actions.transitions[name]
        named = [*table, *(to for reach in table.values() for to in reach)]
        problems += _unknown(f"transitions[{name!r}]", named, categories)
        allowed[:] = False
        for at, start in enumerate(categories):
            allowed[at] = [category in table.get(start, ()) for category in categories]
    weights = actions.cost_weights
    price = float(weights.get(name, 1.0)) if not isinstance(weights, str) else 1.0
    return [DiscreteMoves(index, feature, allowed, price)], problems


def _unknown(where, named, categories):
    """A training split may lack a rare category, but not all that is named."""
    unknown = [value for value in dict.fromkeys(named) if value not in categories]
    if len(unknown) < len(set(named)):
        return []
    return [
        f"{where} names {_listing(tuple(unknown))}; the categories are {_listing(tuple(categories))}."
    ]


def _as_number(actions, feature, raw_features):
    """A 0/1 column to which the user gives a step or bounds beyond 0 and 1: it is a number."""
    if getattr(feature, "categories", None) != (0, 1) or not isinstance(
        raw_features[feature.raw_columns[0]], AffineFeature
    ):
        return feature
    lower, upper = actions.bounds.get(feature.name, (None, None))
    beyond = (lower is not None and lower < 0) or (upper is not None and upper > 1)
    if not beyond and feature.name not in actions.step:
        return feature
    return raw_features[feature.raw_columns[0]]


def _limits(actions, name, column):
    """Bounds of a numeric feature; what is not given comes from the training values."""
    lower, upper = actions.bounds.get(name, (None, None))
    low, high = (column.min(), column.max()) if len(column) else (0.0, 0.0)
    limits = (low if lower is None else lower, high if upper is None else upper)
    if limits[0] <= limits[1]:
        return limits, []
    return limits, [
        f"bounds[{name!r}]={(lower, upper)!r}: training values are from {low:.6g} to {high:.6g}, all "
        f"{'above' if lower is None else 'below'}. Give both sides."
    ]


def _numeric_moves(actions, lines):
    """Arrays over the numeric features that may move."""
    features = [feature for _, feature, _, _, _ in lines]
    names = [feature.name for feature in features]
    return NumericMoves(
        feature=np.array([index for index, *_ in lines], dtype=int),
        raw_column=np.array([f.raw_column for f in features], dtype=int),
        column=np.array([f.column for f in features], dtype=int),
        scale=np.array([f.scale for f in features], dtype=float),
        lower=np.array([limits[0] for _, _, limits, _, _ in lines], dtype=float),
        upper=np.array([limits[1] for _, _, limits, _, _ in lines], dtype=float),
        step=np.array([actions.step.get(name, 0.0) for name in names], dtype=float),
        rises=np.array([name not in actions.decrease_only for name in names], dtype=bool),
        falls=np.array([name not in actions.increase_only for name in names], dtype=bool),
        weight=np.array([price for _, _, _, price, _ in lines], dtype=float),
        values=tuple(values for *_, values in lines),
    )
