"""An action set bound to training rows and an encoding: everything in arrays."""

import dataclasses
import difflib

import numpy as np
import pandas as pd

from .._utils._errors import raise_problems
from ._action_set import ActionSet
from ._encoding import AffineFeature, FixedFeature, TableFeature
from ._groups import group_features
from ._scales import cost_weight, looks_encoded


@dataclasses.dataclass(frozen=True)
class NumericMoves:
    """The numeric features that may move, one entry per feature.

    Attributes
    ----------
    feature, raw_column, column : ndarray of int, shape (n_numeric,)
        Index among the features, in the raw frame, in the encoded matrix.
    scale : ndarray of shape (n_numeric,)
        Encoded units per raw unit.
    lower, upper : ndarray of shape (n_numeric,)
        Bounds after the action, raw units.
    step : ndarray of shape (n_numeric,)
        Raw units; 0 for a continuous feature.
    rises, falls : ndarray of bool, shape (n_numeric,)
        Directions that are open.
    weight : ndarray of shape (n_numeric,)
        Cost per raw unit.
    """

    feature: np.ndarray
    raw_column: np.ndarray
    column: np.ndarray
    scale: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    step: np.ndarray
    rises: np.ndarray
    falls: np.ndarray
    weight: np.ndarray


@dataclasses.dataclass(frozen=True)
class DiscreteMoves:
    """One feature that moves between listed values.

    Attributes
    ----------
    feature : int
        Index among the features.
    table : TableFeature
        Raw values and encoded vector of each choice.
    allowed : ndarray of bool, shape (n_choices + 1, n_choices)
        ``allowed[i, j]``: a person at choice ``i`` may go to ``j``. The last row is for people
        whose value is not in the table.
    weight : float
        Cost of a change; of one raw unit if `numbers` is not None.
    numbers : ndarray of shape (n_choices,) or None
        The choices as numbers, for a numeric feature with allowed values.
    """

    feature: int
    table: TableFeature
    allowed: np.ndarray
    weight: float
    numbers: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class ActionRows:
    """What each of a batch of people may do. ``n`` rows, ``m`` numbers, ``M`` choices in all.

    Attributes
    ----------
    value : ndarray of shape (n, m)
        Raw values of the numeric features.
    low, high : ndarray of shape (n, m)
        Largest allowed change down (<= 0) and up (>= 0), raw units, whole steps.
    choice_allowed : ndarray of bool, shape (n, M)
        Which choices each person may go to, the present one left out.
    choice_cost : ndarray of shape (n, M)
        Weighted change of each choice.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    choice_allowed: np.ndarray
    choice_cost: np.ndarray


@dataclasses.dataclass(frozen=True)
class ActionSpace:
    """An :class:`ActionSet` bound to an encoding and to training rows.

    Attributes
    ----------
    actions : ActionSet
        What was asked for.
    encoding : Encoding
        Raw frame to encoded matrix.
    feature_names : tuple
        Names of the features: raw columns, or one-hot groups.
    numeric : NumericMoves
        Features that move on a line.
    discrete : tuple of DiscreteMoves
        Features that move between listed values.
    """

    actions: ActionSet
    encoding: object
    feature_names: tuple
    numeric: NumericMoves
    discrete: tuple

    @property
    def choice_feature(self):
        """Index into `discrete` of each of the M choices, in order."""
        return np.repeat(
            np.arange(len(self.discrete)), [len(d.table.categories) for d in self.discrete]
        )

    def rows(self, frame):
        """Limits and costs for each person of a raw frame.

        Parameters
        ----------
        frame : DataFrame of shape (n_samples, n_raw_features)

        Returns
        -------
        ActionRows
        """
        moves = self.numeric
        value = np.empty((len(frame), len(moves.feature)))
        for k, raw in enumerate(moves.raw_column):
            value[:, k] = frame.iloc[:, raw].to_numpy(dtype=float)
        inside = (value >= moves.lower) & (value <= moves.upper)
        high = np.where(inside & moves.rises, moves.upper - value, 0.0)
        low = np.where(inside & moves.falls, moves.lower - value, 0.0)
        # Whole steps towards zero: snapping after the search could leave the box. The small
        # slack keeps a limit that is a whole number of steps but for rounding.
        stepped = moves.step > 0
        unit = np.where(stepped, moves.step, 1.0)
        high = np.where(stepped, np.floor(high / unit + 1e-9) * unit, high)
        low = np.where(stepped, np.ceil(low / unit - 1e-9) * unit, low) + 0.0
        allowed, cost = [np.zeros((len(frame), 0), bool)], [np.zeros((len(frame), 0))]
        for move in self.discrete:
            at = move.table.locate(frame)
            reach = move.allowed[at]  # (n, n_choices); -1 takes the last row
            reach[np.arange(len(frame))[at >= 0], at[at >= 0]] = False
            price = np.full(reach.shape, move.weight)
            if move.numbers is not None:
                here = frame.iloc[:, move.table.raw_columns[0]].to_numpy(dtype=float)[:, None]
                price = move.weight * np.abs(move.numbers - here)
                name = self.feature_names[move.feature]
                if name in self.actions.increase_only:
                    reach &= move.numbers > here
                elif name in self.actions.decrease_only:
                    reach &= move.numbers < here
            allowed.append(reach)
            cost.append(price)
        return ActionRows(value, low, high, np.hstack(allowed), np.hstack(cost))

    def cost(self, rows, delta, choice):
        """Cost of actions.

        Parameters
        ----------
        rows : ActionRows
        delta : ndarray of shape (n_samples, n_numeric)
            Raw change of each numeric feature.
        choice : ndarray of int, shape (n_samples, n_discrete)
            Index among the M choices, -1 for no change.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        change = np.abs(delta) * self.numeric.weight  # (n, m)
        if self.discrete:
            picked = np.take_along_axis(rows.choice_cost, np.maximum(choice, 0), axis=1)
            change = np.hstack([change, np.where(choice >= 0, picked, 0.0)])
        return combine_cost(change, self.actions.cost, self.actions.mix)

    def apply(self, frame, rows, delta, choice):
        """Raw rows after the action; whole steps stay whole, integer columns integer.

        Parameters
        ----------
        frame : DataFrame of shape (n_samples, n_raw_features)
        rows : ActionRows
        delta : ndarray of shape (n_samples, n_numeric)
        choice : ndarray of int, shape (n_samples, n_discrete)

        Returns
        -------
        DataFrame of shape (n_samples, n_raw_features)
        """
        moved = frame.copy()
        for k, raw in enumerate(self.numeric.raw_column):
            changed = delta[:, k] != 0
            if not changed.any():
                continue
            column = frame.iloc[:, raw]
            # Clipped, since value + (limit - value) may miss the limit by one ulp.
            value = np.clip(
                rows.value[:, k] + delta[:, k], self.numeric.lower[k], self.numeric.upper[k]
            )
            value = np.where(changed, value, rows.value[:, k])
            if pd.api.types.is_integer_dtype(column.dtype) and (value == np.rint(value)).all():
                value = np.rint(value).astype(column.dtype)
            moved.isetitem(raw, pd.Series(value, index=frame.index))
        offset = 0
        for k, move in enumerate(self.discrete):
            picked = choice[:, k]
            changed = picked >= 0
            if changed.any():
                values = move.table.values[np.where(changed, picked - offset, 0)]
                for position, raw in enumerate(move.table.raw_columns):
                    column = moved.iloc[:, raw]
                    new = column.astype(object).to_numpy(copy=True)
                    new[changed] = values[changed, position]
                    moved.isetitem(raw, _like(column, new, frame.index))
            offset += len(move.table.categories)
        return moved

    def support(self, delta, choice):
        """Which features an action changes, bool of shape (n_samples, n_features)."""
        changed = np.zeros((len(delta), len(self.feature_names)), dtype=bool)
        changed[:, self.numeric.feature] = delta != 0
        if self.discrete:
            changed[:, [d.feature for d in self.discrete]] = choice >= 0
        return changed


def _like(column, values, index):
    """Values as a Series of the column's dtype where it can hold them."""
    try:
        return pd.Series(values, index=index).astype(column.dtype)
    except (TypeError, ValueError):
        return pd.Series(values, index=index).infer_objects()


def combine_cost(change, cost, mix):
    """Norm of weighted changes of shape (n_samples, n_features), NumPy or torch."""
    if cost == "l1":
        return abs(change).sum(-1)
    l2 = (change**2).sum(-1) ** 0.5
    return l2 if cost == "l2" else mix * l2 + (1 - mix) * abs(change).sum(-1)


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
    actions = actions if strict else ActionSet()
    features = group_features(encoding.features, frame, actions.groups)
    names = tuple(feature.name for feature in features)
    actions, problems = _resolve_names(actions, names, features, frame)
    weight = np.ones(len(frame)) if sample_weight is None else np.asarray(sample_weight, float)
    numbers, discrete = [], []
    for index, feature in enumerate(features):
        if feature.name in actions.immutable:
            continue
        if isinstance(feature, FixedFeature):
            if strict and feature.reason != "the preprocessor drops it":
                problems.append(
                    f"{feature.name!r} cannot be moved, because {feature.reason}: add it to immutable, or "
                    "encode it with a scaler, OneHotEncoder or OrdinalEncoder."
                )
        elif isinstance(feature, AffineFeature):
            column = frame.iloc[:, feature.raw_column].to_numpy(dtype=float)
            problems += _unit_problems(actions, feature.name, column)
            price = cost_weight(actions.cost_weights, feature.name, column, weight)
            if feature.name in actions.transitions:
                problems.append(f"{feature.name!r} is numeric: transitions are for categories.")
            elif feature.name in actions.allowed_values:
                move, wrong = _listed_numbers(actions, index, feature, price)
                problems += wrong
                discrete += move
            else:
                numbers.append((index, feature, column, price))
        else:
            move, wrong = _categories(actions, index, feature)
            problems += wrong
            discrete += move
    raise_problems("ActionSet", problems)
    return ActionSpace(actions, encoding, names, _numeric_moves(actions, numbers), tuple(discrete))


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
    return (_renamed(actions, rename) if rename and not problems else actions), problems


def _listing(names):
    shown = ", ".join(repr(name) for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _renamed(actions, rename):
    def new(value):
        if isinstance(value, tuple):
            return tuple(rename.get(name, name) for name in value)
        return {rename.get(name, name): item for name, item in value.items()}

    fields = [
        "immutable",
        "increase_only",
        "decrease_only",
        "bounds",
        "step",
        "allowed_values",
        "transitions",
    ]
    if not isinstance(actions.cost_weights, str):
        fields.append("cost_weights")
    return dataclasses.replace(actions, **{field: new(getattr(actions, field)) for field in fields})


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
    numbers = np.array(kept, dtype=float)
    values = np.empty((len(kept), 1), dtype=object)
    values[:, 0] = kept
    table = TableFeature(
        feature.name, (feature.raw_column,), np.array([feature.column]), tuple(kept), values,
        (numbers * feature.scale + feature.offset)[:, None],
    )  # fmt: skip
    return [
        DiscreteMoves(index, table, np.ones((len(kept) + 1, len(kept)), bool), price, numbers)
    ], []


def _categories(actions, index, feature):
    """Moves of a categorical feature, by its allowed values or transitions."""
    name, categories, problems = feature.name, list(feature.categories), []
    for field in ("increase_only", "decrease_only", "bounds", "step"):
        if name in getattr(actions, field):
            problems.append(f"{name!r} is categorical: {field} is for numbers. Use transitions.")
    size = len(categories)
    allowed = np.ones((size + 1, size), dtype=bool)
    if name in actions.allowed_values:
        allowed[:] = [category in actions.allowed_values[name] for category in categories]
        problems += _unknown(f"allowed_values[{name!r}]", actions.allowed_values[name], categories)
    if name in actions.transitions:
        table = actions.transitions[name]
        named = [*table, *(to for reach in table.values() for to in reach)]
        problems += _unknown(f"transitions[{name!r}]", named, categories)
        allowed[:] = False
        for start, reach in table.items():
            if start in categories:
                allowed[categories.index(start)] = [category in reach for category in categories]
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


def _numeric_moves(actions, numbers):
    """Arrays over the numeric features that may move."""
    features = [feature for _, feature, _, _ in numbers]
    lower, upper = [], []
    for feature, column in ((feature, column) for _, feature, column, _ in numbers):
        low, high = actions.bounds.get(feature.name, (None, None))
        lower.append(np.nanmin(column) if low is None else low)
        upper.append(np.nanmax(column) if high is None else high)
    names = [feature.name for feature in features]
    return NumericMoves(
        feature=np.array([index for index, _, _, _ in numbers], dtype=int),
        raw_column=np.array([f.raw_column for f in features], dtype=int),
        column=np.array([f.column for f in features], dtype=int),
        scale=np.array([f.scale for f in features], dtype=float),
        lower=np.array(lower, dtype=float),
        upper=np.array(upper, dtype=float),
        step=np.array([actions.step.get(name, 0.0) for name in names], dtype=float),
        rises=np.array([name not in actions.decrease_only for name in names], dtype=bool),
        falls=np.array([name not in actions.increase_only for name in names], dtype=bool),
        weight=np.array([price for _, _, _, price in numbers], dtype=float),
    )
