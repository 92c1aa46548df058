"""An action set bound to training rows and an encoding: everything in arrays."""

import dataclasses

import numpy as np
import pandas as pd

from ._action_set import ActionSet
from ._features import TableFeature, numbers
from ._scales import N_VALUES
from ._structural import StructuralModel


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
    values : tuple of ndarray
        For each feature some of its training values, raw units, rising: places worth trying.
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
    values: tuple


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
    present : ndarray of int, shape (n, n_discrete)
        Index among the M choices of the value that each discrete feature has, -1 for one that is not listed.
    nodes : ndarray of shape (n, k)
        Raw values of the features in a causal graph; ``k`` is 0 without one.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    choice_allowed: np.ndarray
    choice_cost: np.ndarray
    present: np.ndarray
    nodes: np.ndarray


@dataclasses.dataclass(frozen=True)
class ActionSpace:
    """An :class:`~skcfq.ActionSet` bound to an encoding and to training rows.

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
    causes : StructuralModel or None
        What follows from a change of a number, see :class:`~skcfq.CausalActionSet`.
    """

    actions: ActionSet
    encoding: object
    feature_names: tuple
    numeric: NumericMoves
    discrete: tuple
    causes: StructuralModel | None = None

    @property
    def choice_feature(self):
        """Index into `discrete` of each of the M choices, in order."""
        return np.repeat(
            np.arange(len(self.discrete)), [len(d.table.categories) for d in self.discrete]
        )

    @property
    def number_columns(self):
        """Encoded columns of the numbers that an action can change, itself or by consequence."""
        columns = self.numeric.column
        return columns if self.causes is None else np.union1d(columns, self.causes.column)

    def without_values(self):
        """The same space, with evenly spaced values in place of those of training rows.

        What a classifier keeps, and saves, must not hold the rows that it learned from.

        Returns
        -------
        ActionSpace
        """
        moves = self.numeric
        even = tuple(
            np.linspace(*ends, N_VALUES) for ends in zip(moves.lower, moves.upper, strict=True)
        )
        return dataclasses.replace(self, numeric=dataclasses.replace(moves, values=even))

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
            value[:, k] = numbers(frame.iloc[:, raw])
        # A limit that nobody gave is the training range, and reaches out to a person beyond it.
        bounds = [
            self.actions.bounds.get(self.feature_names[f], (None, None)) for f in moves.feature
        ]
        learned = np.array([[side is None for side in pair] for pair in bounds]).reshape(-1, 2)
        lower = np.where(learned[:, 0], np.minimum(moves.lower, value), moves.lower)
        upper = np.where(learned[:, 1], np.maximum(moves.upper, value), moves.upper)
        inside = (value >= lower) & (value <= upper)
        high = np.where(inside & moves.rises, upper - value, 0.0)
        low = np.where(inside & moves.falls, lower - value, 0.0)
        # Whole steps towards zero: snapping after the search could leave the box. The small
        # slack keeps a limit that is a whole number of steps but for rounding.
        stepped = moves.step > 0
        unit = np.where(stepped, moves.step, 1.0)
        high = np.where(stepped, np.floor(high / unit + 1e-9) * unit, high)
        low = np.where(stepped, np.ceil(low / unit - 1e-9) * unit, low) + 0.0
        allowed, cost = [np.zeros((len(frame), 0), bool)], [np.zeros((len(frame), 0))]
        present, offset = np.full((len(frame), len(self.discrete)), -1, dtype=np.int64), 0
        for k, move in enumerate(self.discrete):
            at = move.table.locate(frame)
            present[:, k] = np.where(at >= 0, at + offset, -1)
            offset += len(move.table.categories)
            reach = move.allowed[at]  # (n, n_choices); -1 takes the last row
            reach[np.arange(len(frame))[at >= 0], at[at >= 0]] = False
            price = np.full(reach.shape, move.weight)
            if move.numbers is not None:
                here = numbers(frame.iloc[:, move.table.raw_columns[0]])[:, None]
                price = move.weight * np.nan_to_num(np.abs(move.numbers - here))
                name = self.feature_names[move.feature]
                reach &= open_moves(self.actions, name, here, move.numbers)
            allowed.append(reach)
            cost.append(price)
        raws = [] if self.causes is None else self.causes.raw_column
        nodes = [np.zeros((len(frame), 0)), *(numbers(frame.iloc[:, raw]) for raw in raws)]
        return ActionRows(
            value,
            low,
            high,
            np.hstack(allowed),
            np.hstack(cost),
            present,
            np.column_stack(nodes),
        )

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
            here = rows.value[:, k]
            lower = np.minimum(self.numeric.lower[k], here)
            upper = np.maximum(self.numeric.upper[k], here)
            value = np.where(changed, np.clip(here + delta[:, k], lower, upper), here)
            moved.isetitem(raw, _whole(column, pd.Series(value, index=frame.index)))
        if self.causes is not None:
            self._follow(moved, rows, delta)
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

    def _follow(self, moved, rows, delta):
        """Write what follows from the changes of numbers into the raw rows."""
        change = self.causes.changes(rows.nodes, delta)
        _, set_ = self.causes.interventions(delta)
        for k, raw in enumerate(self.causes.raw_column):
            follows = ~set_[:, k] & (change[:, k] != 0)
            if follows.any():
                column = moved.iloc[:, raw]
                value = np.where(follows, rows.nodes[:, k] + change[:, k], numbers(column))
                moved.isetitem(raw, _whole(column, pd.Series(value, index=moved.index)))

    def support(self, delta, choice):
        """Which features an action changes itself, bool of shape (n_samples, n_features)."""
        changed = np.zeros((len(delta), len(self.feature_names)), dtype=bool)
        changed[:, self.numeric.feature] = delta != 0
        if self.discrete:
            changed[:, [d.feature for d in self.discrete]] = choice >= 0
        return changed


def open_moves(actions, name, here, there):
    """Which numbers a feature may be set to, by its direction, bounds and step.

    Parameters
    ----------
    actions : ActionSet
    name : str or int
    here : ndarray of shape (n, 1)
        Where people are. Nothing is open from a missing value or from outside the bounds.
    there : ndarray of shape (n_choices,)

    Returns
    -------
    ndarray of bool, shape (n, n_choices)
    """
    lower, upper = actions.bounds.get(name, (None, None))
    lower, upper = (-np.inf if lower is None else lower), (np.inf if upper is None else upper)
    open_ = (here >= lower) & (here <= upper) & (there >= lower) & (there <= upper)
    if name in actions.increase_only:
        open_ &= there > here
    if name in actions.decrease_only:
        open_ &= there < here
    if name in actions.step:
        n_steps = (there - here) / actions.step[name]
        open_ &= np.isclose(n_steps, np.rint(n_steps), rtol=0, atol=1e-6)
    return open_


def _whole(column, values):
    """Whole numbers in the integer dtype of a column, or in a wider one; others as they are."""
    if not pd.api.types.is_integer_dtype(column.dtype) or (values.dropna() % 1 != 0).any():
        return values
    extension = pd.api.types.is_extension_array_dtype(column.dtype)
    if values.isna().any() and not extension:
        return values
    narrow = column.dtype.numpy_dtype if extension else column.dtype
    for dtype, limits in (
        (column.dtype, np.iinfo(narrow)),
        ("Int64" if extension else "int64", np.iinfo("int64")),
    ):
        if (values.min() >= limits.min) and (values.max() < limits.max + 1.0):
            return values.astype(dtype)
    return values


def _like(column, values, index):
    """Values as a Series of the column's dtype where that changes none of them."""
    plain = pd.Series(values, index=index, dtype=object)
    kinds = getattr(column.dtype, "categories", None)
    if kinds is not None and not plain.dropna().isin(kinds).all():
        return plain.infer_objects()
    if pd.api.types.is_bool_dtype(column.dtype) and plain.dropna().isin((0, 1)).all():
        plain = plain.map(bool, na_action="ignore")  # encoders know booleans as 0.0 and 1.0
    try:
        cast = plain.astype(column.dtype)
    except (TypeError, ValueError):
        return plain.infer_objects()
    same = (cast.astype(object) == plain) | (cast.isna() & plain.isna())
    return cast if same.all() else plain.infer_objects()


def combine_cost(change, cost, mix):
    """Norm of weighted changes of shape (n_samples, n_features), NumPy or torch."""
    if cost == "l1":
        return abs(change).sum(-1)
    squares = (change**2).sum(-1)
    # The root has no slope at 0: whoever does not move is given one of 0.
    l2 = (squares + (squares == 0)) ** 0.5 * (squares > 0)
    return l2 if cost == "l2" else mix * l2 + (1 - mix) * abs(change).sum(-1)
