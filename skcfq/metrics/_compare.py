"""Two recourse results side by side: every figure over the people whom it concerns."""

import functools

import numpy as np

from .._utils._errors import raise_problems
from ._checks import check_actions, check_costs, check_flags, check_labels, check_same_shape
from ._gaps import action_overlap, direction_similarity, recourse_gap
from ._shares import decision_flips, feasible_rate, validity_drop


def recourse_measures(
    reference,
    deployed,
    deployed_valid,
    reference_decision,
    deployed_decision,
    *,
    confidence_level=0.95,
    n_resamples=999,
    random_state=0,
):
    """Measure what the deployed model did to the reference model's recourse.

    All figures but `decision_flips` are over the people who need recourse under the reference
    model. Whom the deployed model already accepts has recourse there at cost 0, a gap of -1:
    leniency shows. Whose recourse the deployed model lost is no part of the gap, but of
    `deployed_feasible`.

    Parameters
    ----------
    reference, deployed : object
        Recourse of the same `n` people on either model, with the attributes ``needed``
        (n,) bool, did not have the target already; ``success`` (n,) bool, an action was found;
        ``cost`` (n,) float, NaN without success; ``delta`` (n, d), the action, in the units of
        the cost; ``support`` (n, n_features) bool, the features that it changes.
    deployed_valid : array-like of shape (n,)
        Whether the deployed model gives the target after the reference model's action (bool).
        Ignored for people without one.
    reference_decision, deployed_decision : array-like of shape (n,)
        Predicted classes before any action.
    confidence_level : float, default=0.95
        Coverage of the intervals.
    n_resamples : int, default=999
        Bootstrap resamples; 0 leaves out the intervals that need them.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the resamples.

    Returns
    -------
    dict of str to Estimate
        ``validity_drop``, ``recourse_gap`` (mean), ``abs_recourse_gap`` (mean of the sizes),
        ``decision_flips``, ``reference_feasible``, ``deployed_feasible``,
        ``direction_similarity`` and ``action_overlap``.

    Raises
    ------
    ValueError
        Lists every attribute or array that is missing or cannot be read.

    See Also
    --------
    RecourseScore.from_measures : One score of these figures and the accuracy.

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". https://arxiv.org/abs/2605.17160

    Examples
    --------
    Two people need recourse. The first pays 3 where 2 were promised; the second is accepted
    as she is, and so keeps what she was promised.

    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from skcfq.metrics import recourse_measures
    >>> def recourse(needed, delta):
    ...     delta = np.array(delta)
    ...     return SimpleNamespace(
    ...         needed=np.array(needed), success=np.ones(3, dtype=bool), delta=delta,
    ...         cost=np.abs(delta).sum(axis=1), support=delta != 0,
    ...     )
    >>> measures = recourse_measures(
    ...     recourse([True, True, False], [[2.0, 0.0], [1.0, 0.0], [0.0, 0.0]]),
    ...     recourse([True, False, False], [[3.0, 0.0], [0.0, 0.0], [0.0, 0.0]]),
    ...     deployed_valid=[False, True, True],
    ...     reference_decision=[0, 0, 1],
    ...     deployed_decision=[0, 1, 1],
    ... )
    >>> {name: round(float(figure), 3) for name, figure in measures.items()}
    {'validity_drop': 0.5, 'recourse_gap': -0.25, 'abs_recourse_gap': 0.75,
     'decision_flips': 0.333, 'reference_feasible': 1.0, 'deployed_feasible': 1.0,
     'direction_similarity': 1.0, 'action_overlap': 0.5}
    """
    problems = []
    ref = _read_recourse("reference", reference, problems)
    dep = _read_recourse("deployed", deployed, problems)
    columns = {
        "deployed_valid": check_flags("deployed_valid", deployed_valid, problems),
        "reference_decision": check_labels("reference_decision", reference_decision, problems),
        "deployed_decision": check_labels("deployed_decision", deployed_decision, problems),
    }
    columns |= {f"reference.{name}": array for name, array in ref.items()}
    columns |= {f"deployed.{name}": array for name, array in dep.items()}
    if check_same_shape(columns, problems, rows_only=True):
        for name in ("delta", "support"):
            pair = {f"reference.{name}": ref[name], f"deployed.{name}": dep[name]}
            check_same_shape(pair, problems)
    if not problems:
        ref, dep = (
            _normalise(*record, problems) for record in (("reference", ref), ("deployed", dep))
        )
    raise_problems("recourse_measures", problems)

    level = {"confidence_level": confidence_level}
    resampling = {**level, "n_resamples": n_resamples, "random_state": random_state}
    promised = ref["needed"] & ref["success"]
    both = promised & dep["success"]
    costs, deltas, supports = (
        (ref[name][both], dep[name][both]) for name in ("cost", "delta", "support")
    )
    return {
        "validity_drop": validity_drop(columns["deployed_valid"], counted=promised, **level),
        "recourse_gap": recourse_gap(*costs, **resampling),
        "abs_recourse_gap": recourse_gap(*costs, average="mean_absolute", **resampling),
        "decision_flips": decision_flips(reference_decision, deployed_decision, **level),
        "reference_feasible": feasible_rate(ref["success"], counted=ref["needed"], **level),
        "deployed_feasible": feasible_rate(dep["success"], counted=ref["needed"], **level),
        "direction_similarity": direction_similarity(*deltas, **resampling),
        "action_overlap": action_overlap(*supports, **resampling),
    }


#: How each attribute of a recourse record is read.
_READERS = {
    "needed": check_flags,
    "success": check_flags,
    "cost": check_costs,
    "delta": check_actions,
    "support": functools.partial(check_actions, flags=True),
}


def _read_recourse(subject, record, problems):
    """Read a record's attributes as arrays by name, None where one cannot be read."""
    arrays = dict.fromkeys(_READERS)
    missing = [name for name in _READERS if not hasattr(record, name)]
    if missing:
        problems.append(f"{subject} ({type(record).__name__}) has no {', '.join(missing)}.")
    for name, read in _READERS.items():
        if name not in missing:
            arrays[name] = read(f"{subject}.{name}", getattr(record, name), problems)
    return arrays


def _normalise(subject, arrays, problems):
    """Give people who need nothing the zero action at cost 0, whatever the record says of them."""
    needed = arrays["needed"]
    n_costless = int((needed & arrays["success"] & ~np.isfinite(arrays["cost"])).sum())
    if n_costless:
        problems.append(f"{subject}.cost is not finite in {n_costless} rows where success is True.")
    return {
        "needed": needed,
        "success": arrays["success"] | ~needed,
        "cost": np.where(needed, arrays["cost"], 0.0),
        "delta": np.where(needed[:, None], arrays["delta"], 0.0),
        "support": np.where(needed[:, None], arrays["support"], False),
    }
