"""Shares of people: whose recourse fails, whose was found, whose decision changed."""

from .._utils._errors import raise_problems
from ._checks import (
    check_flags,
    check_labels,
    check_resampling,
    check_same_labels,
    check_same_shape,
    check_weights,
)
from ._intervals import ratio_estimate, share_estimate


def validity_drop(deployed_valid, *, counted=None, confidence_level=0.95):
    """Share of people whose reference recourse fails on the deployed model.

    Parameters
    ----------
    deployed_valid : array-like of shape (n,)
        Whether the deployed model gives the target after the reference model's recourse
        (bool). Ignored for people who are not counted.
    counted : array-like of shape (n,), default=None
        Mask of the people who count (bool): those who need recourse, and for whom the
        reference model's was found. None counts everyone.
    confidence_level : float, default=0.95
        Coverage of the Wilson interval.

    Returns
    -------
    Estimate
        In [0, 1], 0 is best. NaN if nobody counts: that is no success.

    Raises
    ------
    ValueError
        Lists every argument that cannot be read.

    See Also
    --------
    recourse_gap : A model that accepts everyone has no validity drop; this tells it apart.

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". https://arxiv.org/abs/2605.17160

    Examples
    --------
    >>> from skcfq.metrics import validity_drop
    >>> validity_drop([True, False, True, True])
    Estimate(0.25, n=4, interval=[0.0456, 0.699])
    """
    valid = _counted_flags(
        "validity_drop", "deployed_valid", deployed_valid, counted, confidence_level
    )
    return share_estimate((~valid).sum(), valid.size, confidence_level=confidence_level)


def feasible_rate(success, *, counted=None, confidence_level=0.95):
    """Share of people for whom recourse was found.

    Parameters
    ----------
    success : array-like of shape (n,)
        Whether an action was found that gets the target (bool).
    counted : array-like of shape (n,), default=None
        Mask of the people who count (bool), as a rule those who need recourse. None counts
        everyone.
    confidence_level : float, default=0.95
        Coverage of the Wilson interval.

    Returns
    -------
    Estimate
        In [0, 1]. NaN if nobody counts.

    Raises
    ------
    ValueError
        Lists every argument that cannot be read.

    Examples
    --------
    >>> from skcfq.metrics import feasible_rate
    >>> feasible_rate([True, False, True, True], counted=[True, True, False, False])
    Estimate(0.5, n=2, interval=[0.0945, 0.905])
    """
    success = _counted_flags("feasible_rate", "success", success, counted, confidence_level)
    return share_estimate(success.sum(), success.size, confidence_level=confidence_level)


def decision_flips(reference_decision, deployed_decision, *, confidence_level=0.95):
    """Share of people whom the two models decide differently.

    Parameters
    ----------
    reference_decision, deployed_decision : array-like of shape (n,)
        Predicted classes, of any type that can be compared.
    confidence_level : float, default=0.95
        Coverage of the Wilson interval.

    Returns
    -------
    Estimate
        In [0, 1], 0 is best. NaN if there is no row.

    Raises
    ------
    ValueError
        Lists every argument that cannot be read; also if one holds text and one numbers.

    Examples
    --------
    >>> from skcfq.metrics import decision_flips
    >>> decision_flips(["no", "yes", "no", "no"], ["no", "yes", "yes", "no"])
    Estimate(0.25, n=4, interval=[0.0456, 0.699])
    """
    problems = []
    check_resampling(confidence_level, problems)
    pair = _read_pair(
        "reference_decision", reference_decision, "deployed_decision", deployed_decision, problems
    )
    raise_problems("decision_flips", problems)
    flipped = pair[0] != pair[1]
    return share_estimate(flipped.sum(), flipped.size, confidence_level=confidence_level)


def accuracy(
    y_true,
    y_pred,
    *,
    sample_weight=None,
    confidence_level=0.95,
    n_resamples=999,
    random_state=0,
):
    """Share of people who are classified correctly.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,)
        True and predicted classes.
    sample_weight : array-like of shape (n,), default=None
        Weights >= 0. People of weight 0 are not counted.
    confidence_level : float, default=0.95
        Coverage of the interval: Wilson without weights, percentile bootstrap with them.
    n_resamples : int, default=999
        Bootstrap resamples where there are weights; 0 leaves the interval out.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the resamples.

    Returns
    -------
    Estimate
        In [0, 1]. NaN if nobody counts.

    Raises
    ------
    ValueError
        Lists every argument that cannot be read.

    See Also
    --------
    sklearn.metrics.accuracy_score : The same figure, as a float.

    Examples
    --------
    >>> from skcfq.metrics import accuracy
    >>> accuracy([0, 1, 1, 1], [0, 1, 1, 0])
    Estimate(0.75, n=4, interval=[0.301, 0.954])
    """
    problems = []
    check_resampling(confidence_level, problems, n_resamples)
    pair = _read_pair("y_true", y_true, "y_pred", y_pred, problems)
    weight = None
    if sample_weight is not None:
        weight = check_weights("sample_weight", sample_weight, problems)
        check_same_shape({"y_true": pair[0], "sample_weight": weight}, problems)
    raise_problems("accuracy", problems)
    correct = pair[0] == pair[1]
    if weight is None:
        return share_estimate(correct.sum(), correct.size, confidence_level=confidence_level)
    counted = weight > 0
    return ratio_estimate(
        (weight * correct)[counted],
        weight[counted],
        confidence_level=confidence_level,
        n_resamples=n_resamples,
        random_state=random_state,
    )


def _counted_flags(subject, name, value, counted, confidence_level):
    """Read flags and keep those of the people who count, shape (n_counted,)."""
    problems = []
    check_resampling(confidence_level, problems)
    flags = check_flags(name, value, problems)
    mask = None
    if counted is not None:
        mask = check_flags("counted", counted, problems)
        check_same_shape({name: flags, "counted": mask}, problems)
    raise_problems(subject, problems)
    return flags if mask is None else flags[mask]


def _read_pair(first_name, first, second_name, second, problems):
    """Read two columns of labels, each of shape (n,), that can be compared."""
    pair = {
        first_name: check_labels(first_name, first, problems),
        second_name: check_labels(second_name, second, problems),
    }
    check_same_shape(pair, problems)
    check_same_labels(pair, problems)
    return tuple(pair.values())
