"""How far the deployed model's recourse lies from the reference model's: cost, direction, features."""

import numbers

import numpy as np

from .._utils._errors import raise_problems
from ._checks import check_actions, check_costs, check_resampling, check_same_shape
from ._intervals import mean_estimate, median_estimate, ratio_estimate
from ._people import cosines, overlaps

AVERAGES = ("mean", "mean_absolute", "median", "weighted")
POPULATIONS = ("need", "all")

#: What the paper adds to a cost before dividing by it.
PAPER_EPS = 1e-8


def recourse_gap(
    reference_cost,
    deployed_cost,
    *,
    average="mean",
    population="need",
    eps=None,
    confidence_level=0.95,
    n_resamples=999,
    random_state=0,
):
    """How much dearer recourse is on the deployed model, relative to the reference model.

    A person's gap is ``(deployed - reference) / (reference + eps)``: 0.1 is 10 % dearer, -1
    means that the deployed model asks for nothing where the reference model asked for a change.

    Parameters
    ----------
    reference_cost, deployed_cost : array-like of shape (n,)
        Cost of each person's cheapest recourse on either model, >= 0 and in the same unit;
        0 for who already has the target, NaN (or infinity) where no recourse was found. A
        person counts if both costs are finite.
    average : {"mean", "mean_absolute", "median", "weighted"}, default="mean"
        What is said of the gaps: their mean, in which dearer and cheaper cancel out; the mean
        of their sizes; their median; or their mean weighted with the reference cost, the
        change of the total cost, which near-zero costs cannot blow up.
    population : {"need", "all"}, default="need"
        ``"need"`` counts the people whose reference cost is > 0; ``"all"`` counts every row, as
        the paper's formula does, so that people who need nothing weigh in.
    eps : float, default=None
        Added to the reference cost. None is 0 for ``"need"`` and the paper's 1e-8 for ``"all"``.
    confidence_level : float, default=0.95
        Coverage of the percentile bootstrap interval.
    n_resamples : int, default=999
        Bootstrap resamples; 0 leaves the interval out.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the resamples.

    Returns
    -------
    Estimate
        0 is best; >= -1, and >= 0 for ``"mean_absolute"``. NaN if nobody counts.

    Raises
    ------
    ValueError
        Lists every argument that cannot be read: negative costs, different shapes, ...

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". https://arxiv.org/abs/2605.17160

    Examples
    --------
    Costs of 2 and 4 become 3 and 3: half dearer, a quarter cheaper. The third person needs
    nothing, and for the fourth the deployed model offers nothing.

    >>> from skcfq.metrics import recourse_gap
    >>> costs = [2.0, 4.0, 0.0, 1.0], [3.0, 3.0, 0.0, float("nan")]
    >>> gap = recourse_gap(*costs)
    >>> float(gap), gap.n
    (0.125, 2)
    >>> float(recourse_gap(*costs, average="mean_absolute"))
    0.375
    >>> float(recourse_gap(*costs, average="weighted"))
    0.0
    """
    problems = []
    if average not in AVERAGES:
        problems.append(f"average is {average!r}, must be one of {', '.join(map(repr, AVERAGES))}.")
    if population not in POPULATIONS:
        problems.append(f"population is {population!r}, must be 'need' or 'all'.")
    if eps is None:
        eps = PAPER_EPS if population == "all" else 0.0
    if not isinstance(eps, numbers.Real) or not 0 <= eps < np.inf:
        problems.append(f"eps is {eps!r}, must be a finite number >= 0.")
    elif population == "all" and eps == 0:
        problems.append("eps is 0, must be > 0 for population='all', where costs can be 0.")
    check_resampling(confidence_level, problems, n_resamples)
    reference = check_costs("reference_cost", reference_cost, problems)
    deployed = check_costs("deployed_cost", deployed_cost, problems)
    check_same_shape({"reference_cost": reference, "deployed_cost": deployed}, problems)
    raise_problems("recourse_gap", problems)

    counted = np.isfinite(reference) & np.isfinite(deployed)
    if population == "need":
        counted &= reference > 0
    change = deployed[counted] - reference[counted]
    base = reference[counted] + eps
    resampling = {
        "confidence_level": confidence_level,
        "n_resamples": n_resamples,
        "random_state": random_state,
    }
    if average == "weighted":
        return ratio_estimate(change, base, **resampling)
    with np.errstate(over="ignore"):
        gaps = change / base
    if average == "median":
        return median_estimate(gaps, **resampling)
    return mean_estimate(gaps if average == "mean" else np.abs(gaps), **resampling)


def direction_similarity(
    reference_delta,
    deployed_delta,
    *,
    confidence_level=0.95,
    n_resamples=999,
    random_state=0,
):
    """Mean cosine of the two models' actions.

    Features weigh as their units do: give actions in the units of the cost.

    Parameters
    ----------
    reference_delta, deployed_delta : array-like of shape (n, d)
        Each person's action on either model. A person counts if both actions are finite and
        neither is zero.
    confidence_level : float, default=0.95
        Coverage of the percentile bootstrap interval.
    n_resamples : int, default=999
        Bootstrap resamples; 0 leaves the interval out.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the resamples.

    Returns
    -------
    Estimate
        In [-1, 1], 1 is best. NaN if nobody counts.

    Raises
    ------
    ValueError
        Lists every argument that cannot be read.

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". https://arxiv.org/abs/2605.17160

    Examples
    --------
    >>> from skcfq.metrics import direction_similarity
    >>> similarity = direction_similarity([[1, 0], [1, 0], [0, 0]], [[3, 0], [0, 2], [1, 1]])
    >>> float(similarity), similarity.n
    (0.5, 2)
    """
    problems = []
    check_resampling(confidence_level, problems, n_resamples)
    reference = check_actions("reference_delta", reference_delta, problems)
    deployed = check_actions("deployed_delta", deployed_delta, problems)
    check_same_shape({"reference_delta": reference, "deployed_delta": deployed}, problems)
    raise_problems("direction_similarity", problems)

    counted = np.isfinite(reference).all(axis=1) & np.isfinite(deployed).all(axis=1)
    counted &= reference.any(axis=1) & deployed.any(axis=1)
    return mean_estimate(
        cosines(reference[counted], deployed[counted]),
        confidence_level=confidence_level,
        n_resamples=n_resamples,
        random_state=random_state,
    )


def action_overlap(
    reference_delta,
    deployed_delta,
    *,
    tau=0.0,
    confidence_level=0.95,
    n_resamples=999,
    random_state=0,
):
    """Mean Jaccard overlap of the features that the two models' actions change.

    Parameters
    ----------
    reference_delta, deployed_delta : array-like of shape (n, d)
        Each person's action on either model, or its support: booleans that say which features
        change. A person counts if both actions are finite and at least one changes something.
    tau : float, default=0.0
        A feature changes if its action is larger than this, in the unit of the actions.
        Without effect on booleans.
    confidence_level : float, default=0.95
        Coverage of the percentile bootstrap interval.
    n_resamples : int, default=999
        Bootstrap resamples; 0 leaves the interval out.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the resamples.

    Returns
    -------
    Estimate
        In [0, 1], 1 is best. NaN if nobody counts.

    Raises
    ------
    ValueError
        Lists every argument that cannot be read.

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". https://arxiv.org/abs/2605.17160

    Examples
    --------
    >>> from skcfq.metrics import action_overlap
    >>> overlap = action_overlap([[1, 2], [0, 1], [0, 0]], [[3, 0], [0, 2], [0, 0]])
    >>> float(overlap), overlap.n
    (0.75, 2)
    """
    problems = []
    check_resampling(confidence_level, problems, n_resamples)
    if not isinstance(tau, numbers.Real) or not 0 <= tau < np.inf:
        problems.append(f"tau is {tau!r}, must be a finite number >= 0.")
    reference = check_actions("reference_delta", reference_delta, problems, flags=True)
    deployed = check_actions("deployed_delta", deployed_delta, problems, flags=True)
    check_same_shape({"reference_delta": reference, "deployed_delta": deployed}, problems)
    raise_problems("action_overlap", problems)

    found = np.isfinite(reference).all(axis=1) & np.isfinite(deployed).all(axis=1)
    reference, deployed = (  # (n_found, d) of bool
        actions[found] if actions.dtype == bool else np.abs(actions[found]) > tau
        for actions in (reference, deployed)
    )
    either = (reference | deployed).any(axis=1)
    return mean_estimate(
        overlaps(reference[either], deployed[either]),
        confidence_level=confidence_level,
        n_resamples=n_resamples,
        random_state=random_state,
    )
