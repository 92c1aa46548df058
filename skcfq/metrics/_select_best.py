"""A rule for searches: the most accurate model among those that keep recourse."""

import dataclasses
import numbers

import numpy as np

from .._utils._errors import raise_problems

#: Cells that the error of a search without winner lists.
LISTED = 20

#: Folds are averaged in floating point: a mean may pass its limit by this.
ROUNDING = 1e-12


def select_best(max_validity_drop=0.02, *, max_abs_recourse_gap=None, max_decision_flips=None):
    """Choose the most accurate cell of a search among those that keep recourse.

    For ``GridSearchCV(..., scoring=recourse_scoring(), refit=select_best())``. Of two cells with
    the same accuracy the one with the lower validity drop wins, then the first.

    Parameters
    ----------
    max_validity_drop : float or None, default=0.02
        Largest mean validity drop over the folds, in [0, 1]. None sets no limit.
    max_abs_recourse_gap : float or None, default=None
        Largest mean size of the relative change of recourse cost, >= 0. None sets no limit.
    max_decision_flips : float or None, default=None
        Largest mean share of people decided differently, in [0, 1]. None sets no limit.

    Returns
    -------
    callable
        ``rule(cv_results)``, giving the index of the chosen cell (int). It raises a `ValueError`
        that lists every cell's figures if none keeps the limits. A figure that is NaN, since a
        fold had nobody who needs recourse, keeps no limit.

    Raises
    ------
    ValueError
        Lists every limit that is out of range.

    See Also
    --------
    recourse_scoring : Gives a search the figures that this rule reads.

    Examples
    --------
    The second cell is the more accurate, but breaks every fifth promise:

    >>> from skcfq.metrics import select_best
    >>> rule = select_best(max_validity_drop=0.02)
    >>> rule({
    ...     "params": [{"bit_budget": 4}, {"bit_budget": 3}],
    ...     "mean_test_accuracy": [0.84, 0.85],
    ...     "mean_test_neg_validity_drop": [-0.01, -0.2],
    ... })
    0
    """
    return _SelectBest(max_validity_drop, max_abs_recourse_gap, max_decision_flips)


@dataclasses.dataclass(frozen=True)
class _SelectBest:
    """The rule that `select_best` gives."""

    max_validity_drop: float | None
    max_abs_recourse_gap: float | None
    max_decision_flips: float | None

    def __post_init__(self):
        problems = []
        tops = {
            "max_validity_drop": 1,
            "max_abs_recourse_gap": np.inf,
            "max_decision_flips": 1,
        }
        for name, top in tops.items():
            limit = getattr(self, name)
            if limit is None or (isinstance(limit, numbers.Real) and 0 <= limit <= top):
                continue
            allowed = "a number >= 0" if top == np.inf else "a number in [0, 1]"
            problems.append(f"{name} is {limit!r}, must be {allowed}, or None for no limit.")
        raise_problems("select_best", problems)

    def __call__(self, cv_results):
        limits = self._limits()
        columns = {name: f"mean_test_neg_{name}" for name in limits}
        needed = ["mean_test_accuracy", *columns.values()]
        missing = [column for column in needed if column not in cv_results]
        if missing:
            raise ValueError(
                f"select_best: the search has no {', '.join(missing)}: pass "
                "scoring=recourse_scoring() to it. If you did, scoring failed: error_score='raise' "
                "shows why."
            )
        accuracy = np.asarray(cv_results["mean_test_accuracy"], dtype=float)
        costs = {
            name: 0.0 - np.asarray(cv_results[column], dtype=float)
            for name, column in columns.items()
        }
        # A comparison with NaN is false: a figure that is undefined keeps no limit.
        keeps = np.isfinite(accuracy)
        for name, limit in limits.items():
            keeps &= costs[name] <= limit + ROUNDING
        if not keeps.any():
            raise ValueError(_no_winner(limits, costs, accuracy, cv_results["params"]))
        tie_break = costs.get("validity_drop", np.zeros(accuracy.size))
        order = np.lexsort((tie_break, -accuracy))
        return int(order[keeps[order]][0])

    def _limits(self):
        limits = {
            field.name.removeprefix("max_"): getattr(self, field.name)
            for field in dataclasses.fields(self)
        }
        return {name: limit for name, limit in limits.items() if limit is not None}

    def __repr__(self):
        limits = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self))
        return f"select_best({limits})"


def _no_winner(limits, costs, accuracy, params):
    """Say what each cell reached, nearest to the first limit first, and what to do."""
    asked = " and ".join(f"{name} <= {limit:g}" for name, limit in limits.items())
    asked = asked or "a finite accuracy"
    first = next(iter(costs.values()), -accuracy)
    order = np.argsort(first, kind="stable")  # NaN last
    figures = {"accuracy": accuracy, **costs}
    lines = [
        f"  {dict(params[i])}: {', '.join(f'{name} {x[i]:.4g}' for name, x in figures.items())}"
        for i in order[:LISTED]
    ]
    if len(order) > LISTED:
        lines.append(f"  and {len(order) - LISTED} more")
    listed = "\n".join(lines)
    return (
        f"select_best: none of {len(order)} cells has {asked}:\n{listed}\n"
        "Raise bit_budget or eta, set a looser limit, or look at all cells with refit=False; "
        "nan means that nobody needed recourse in some fold: use fewer, stratified folds."
    )
