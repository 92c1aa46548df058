"""What a person may change, and what it costs: the specification, in raw units."""

import dataclasses
import numbers
from collections.abc import Hashable, Mapping

from .._utils._errors import raise_problems
from ._action_json import JSON_VERSION, read_fields, write_fields
from ._contradictions import contradictions
from ._plain import are_values, category, is_limit, is_number, is_positive, is_sequence, scalar

COSTS = ("l1", "l2", "mixed")
COST_WEIGHTS = ("std", "mad", "range")


@dataclasses.dataclass(frozen=True)
class ActionSet:
    """The actions open to a person, written by raw feature name and in raw units.

    An action set knows no model and no data. An estimator binds it to both in ``fit``, where
    bounds that are not given are taken from the training rows, and the cost scales are
    computed. Every feature that is not mentioned may change, in both directions, within the
    range (or the categories) of the training rows.

    Parameters
    ----------
    immutable : sequence of str or int, default=()
        Features that never change.
    increase_only, decrease_only : sequence of str or int, default=()
        Numeric features that move in one direction only.
    bounds : mapping of feature to (lower, upper), default={}
        Limits of a numeric feature *after* the action, in raw units; ``None`` leaves a side to
        the training range. A person who is already outside given limits keeps the value; one
        who is outside the training range may come back towards it.
    step : mapping of feature to float, default={}
        A numeric feature moves by whole multiples of its step: with ``step=1`` an integer
        stays an integer. A feature without step is continuous.
    allowed_values : mapping of feature to sequence, default={}
        The only values, numbers or categories, that a feature may be changed to. ``None`` (or
        NaN, which is turned into it) stands for the category of missing values.
    transitions : mapping of feature to {from: sequence of to}, default={}
        For a categorical feature, the categories reachable from each category. A category
        without an entry is not left. ``None`` stands for the category of missing values.
    max_changes : int, default=None
        The largest number of features changed at once. A change of category is one change.
    cost_weights : {"std", "mad", "range"} or mapping of feature to float, default="std"
        Weight of a numeric feature per raw unit: one over its standard deviation, its median
        absolute deviation (the standard deviation where that is 0), or its range, over the
        training rows; a change of category weighs 1. A mapping gives weights itself, per raw
        unit or per change of category; features that are not in it keep ``"std"``.
    cost : {"l1", "l2", "mixed"}, default="l1"
        Norm of the weighted changes: their sum, the root of the sum of their squares, or
        ``mix * l2 + (1 - mix) * l1``.
    mix : float, default=0.5
        Share of the L2 norm in the ``"mixed"`` cost, in [0, 1].
    groups : mapping of str to sequence of str or int, default={}
        Columns that together are the one-hot code of one feature, for encoded input whose
        column names do not tell. The mapping's keys are then features like any other.

    Raises
    ------
    ValueError
        Lists every contradiction: lower bound above upper, an immutable feature with bounds,
        a direction or a step, a feature that may neither rise nor fall, a weight or step <= 0.

    See Also
    --------
    skcfq.GreedySolver : Finds the cheapest action of a set.

    References
    ----------
    .. [1] B. Ustun, A. Spangher, Y. Liu (2019). "Actionable Recourse in Linear
       Classification". https://doi.org/10.1145/3287560.3287566

    Examples
    --------
    >>> from skcfq import ActionSet
    >>> actions = ActionSet(
    ...     immutable=["age", "sex"],
    ...     increase_only=["education-num"],
    ...     bounds={"hours-per-week": (1, 60)},
    ...     step={"hours-per-week": 1, "education-num": 1},
    ...     max_changes=3,
    ... )
    >>> ActionSet.from_json(actions.to_json()) == actions
    True
    >>> ActionSet(bounds={"debt": (10, 0)}, immutable=["debt"])
    Traceback (most recent call last):
    ...
    ValueError: ActionSet has 2 problems:
      1. bounds['debt']=(10, 0): lower is above upper.
      2. 'debt' is immutable and also in bounds: remove one of the two.
    """

    immutable: tuple = ()
    increase_only: tuple = ()
    decrease_only: tuple = ()
    bounds: Mapping = dataclasses.field(default_factory=dict)
    step: Mapping = dataclasses.field(default_factory=dict)
    allowed_values: Mapping = dataclasses.field(default_factory=dict)
    transitions: Mapping = dataclasses.field(default_factory=dict)
    max_changes: int | None = None
    cost_weights: str | Mapping = "std"
    cost: str = "l1"
    mix: float = 0.5
    groups: Mapping = dataclasses.field(default_factory=dict)

    # Fields that JSON writes as pairs, and those whose values are mappings as well.
    _MAPPINGS = ("bounds", "step", "allowed_values", "transitions", "groups", "cost_weights")
    _NESTED = ("transitions",)

    def __post_init__(self):
        problems = []
        for name in ("immutable", "increase_only", "decrease_only"):
            value = getattr(self, name)
            if not is_sequence(value) or not all(isinstance(v, Hashable) for v in value):
                problems.append(f"{name}={value!r}: a sequence of feature names is needed.")
                value = ()
            self._set(name, tuple(map(scalar, value)))
        for name in ("bounds", "step", "allowed_values", "transitions", "groups"):
            value = getattr(self, name)
            if not isinstance(value, Mapping):
                problems.append(f"{name}={value!r}: a mapping from feature to value is needed.")
                value = {}
            self._set(name, {scalar(feature): item for feature, item in value.items()})
        problems += self._normalise_values()
        problems += self._contradictions()
        raise_problems(type(self).__name__, problems)

    def _set(self, name, value):
        object.__setattr__(self, name, value)

    def _normalise_values(self):
        """Turn values into tuples and plain numbers; return the problems found."""
        problems = []
        bounds = {}
        for feature, pair in self.bounds.items():
            if not is_sequence(pair) or len(pair) != 2 or not all(map(is_limit, pair)):
                problems.append(
                    f"bounds[{feature!r}]={pair!r}: (lower, upper) is needed, each a number or None."
                )
                continue
            lower, upper = (None if side is None else scalar(side) for side in pair)
            bounds[feature] = (lower, upper)
            if lower is not None and upper is not None and lower > upper:
                problems.append(
                    f"bounds[{feature!r}]=({lower!r}, {upper!r}): lower is above upper."
                )
        self._set("bounds", bounds)
        self._set("step", {feature: scalar(size) for feature, size in self.step.items()})
        problems += [
            f"step[{feature!r}]={size!r}: a finite number > 0 is needed."
            for feature, size in self.step.items()
            if not is_positive(size)
        ]
        for name in ("allowed_values", "groups"):
            values = {}
            for feature, items in getattr(self, name).items():
                if not is_sequence(items) or len(items) == 0 or not are_values(items):
                    problems.append(
                        f"{name}[{feature!r}]={items!r}: a sequence with at least one value is needed."
                    )
                    continue
                values[feature] = tuple(map(category, items))
            self._set(name, values)
        transitions = {}
        for feature, table in self.transitions.items():
            if not isinstance(table, Mapping) or not all(
                is_sequence(reach) and are_values(reach) for reach in table.values()
            ):
                problems.append(
                    f"transitions[{feature!r}]={table!r}: a mapping from a category to a sequence of categories is needed."
                )
                continue
            transitions[feature] = {
                category(start): tuple(map(category, reach)) for start, reach in table.items()
            }
        self._set("transitions", transitions)
        if isinstance(self.cost_weights, Mapping):
            self._set(
                "cost_weights",
                {scalar(feature): scalar(weight) for feature, weight in self.cost_weights.items()},
            )
            problems += [
                f"cost_weights[{feature!r}]={weight!r}: a finite number > 0 is needed."
                for feature, weight in self.cost_weights.items()
                if not is_positive(weight)
            ]
        elif not isinstance(self.cost_weights, str) or self.cost_weights not in COST_WEIGHTS:
            problems.append(
                f"cost_weights={self.cost_weights!r}: one of {COST_WEIGHTS} or a mapping is needed."
            )
        if not isinstance(self.cost, str) or self.cost not in COSTS:
            problems.append(f"cost={self.cost!r}: one of {COSTS} is needed.")
        self._set("mix", scalar(self.mix))
        self._set("max_changes", scalar(self.max_changes))
        if not (is_number(self.mix) and 0 <= self.mix <= 1):
            problems.append(f"mix={self.mix!r}: a number in [0, 1] is needed.")
        if self.max_changes is not None and not (
            isinstance(self.max_changes, numbers.Integral)
            and not isinstance(self.max_changes, bool)
            and self.max_changes >= 1
        ):
            problems.append(f"max_changes={self.max_changes!r}: an integer >= 1 or None is needed.")
        return problems

    def _contradictions(self):
        return contradictions(self)

    @property
    def mentioned(self):
        """Every feature that some field names, in order of first mention."""
        fields = [
            self.immutable, self.increase_only, self.decrease_only, self.bounds, self.step,
            self.allowed_values, self.transitions,
        ]  # fmt: skip
        if isinstance(self.cost_weights, Mapping):
            fields.append(self.cost_weights)
        return tuple(dict.fromkeys(feature for field in fields for feature in field))

    def to_dict(self):
        """The fields that differ from their defaults, as plain values with a version."""
        record = {"version": JSON_VERSION}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            default = (
                field.default
                if field.default is not dataclasses.MISSING
                else field.default_factory()
            )
            if value != default:
                record[field.name] = value
        return record

    def to_json(self, indent=None):
        """Write the action set as JSON.

        Mappings become lists of pairs, so that integer feature names and categories keep
        their type.

        Parameters
        ----------
        indent : int, default=None
            Passed to :func:`json.dumps`.

        Returns
        -------
        str
        """
        return write_fields(self.to_dict(), indent)

    @classmethod
    def from_json(cls, text):
        """Read what :meth:`to_json` wrote.

        Parameters
        ----------
        text : str or bytes

        Returns
        -------
        ActionSet

        Raises
        ------
        ValueError
            If the text is not JSON, has an unknown field or version, or contradicts itself.
        """
        return cls(**read_fields(cls, text))


def rising_transitions(ordered):
    """Transitions that only go up an ordered list of categories.

    Parameters
    ----------
    ordered : sequence
        The categories, lowest first.

    Returns
    -------
    dict
        For ``ActionSet(transitions={feature: ...})``.

    Examples
    --------
    >>> rising_transitions(["school", "college", "master"])
    {'school': ('college', 'master'), 'college': ('master',), 'master': ()}
    """
    ordered = tuple(ordered)
    return {start: ordered[i + 1 :] for i, start in enumerate(ordered)}
