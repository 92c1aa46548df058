"""Does advice of one network hold in another, also when it is carried out with some error?"""

import dataclasses

import numpy as np
import pandas as pd

from ._bounds import lower_form, lowest, preactivation_bounds
from ._pair_bounds import bounded_difference
from ._worst import worst_found


@dataclasses.dataclass(frozen=True)
class MarginCertificate:
    """Bounds on two networks around the recourse point of each person.

    A margin is the target logit minus the strongest other logit. All arrays have shape
    (n_samples,), in logits; NaN where a person has no recourse.

    Attributes
    ----------
    eps : ndarray
        Sound: over the box, no logit of the deployed network is further from the reference's.
    empirical_eps : ndarray
        The largest distance that a search of the box found. The truth is between both.
    margin_eps : ndarray
        Sound: over the box, the deployed margin is at most so much below the reference's; at
        most ``2 * eps``. Advice with a larger reference margin holds.
    empirical_margin_eps : ndarray
        The largest such drop that the search found.
    reference_margin : ndarray
        Of the reference, at the recourse point itself.
    deployed_margin : ndarray
        Of the deployed network, there.
    deployed_low : ndarray
        Sound: the deployed margin is nowhere lower in the box.
    empirical_deployed_low : ndarray
        The lowest deployed margin that the search found.
    """

    eps: np.ndarray
    empirical_eps: np.ndarray
    margin_eps: np.ndarray
    empirical_margin_eps: np.ndarray
    reference_margin: np.ndarray
    deployed_margin: np.ndarray
    deployed_low: np.ndarray
    empirical_deployed_low: np.ndarray

    @property
    def certified(self):
        """Whether the reference's margin proves that the advice holds in the deployed network.

        bool of shape (n_samples,): ``reference_margin > margin_eps``. That is so wherever the
        condition of the paper holds, ``reference_margin > 2 * eps``, and for more people.
        """
        return self.reference_margin > self.margin_eps

    @property
    def robust(self):
        """Whether the deployed network grants the target everywhere in the box, proven.

        bool of shape (n_samples,): the advice holds however it is carried out within the radius.
        """
        return self.deployed_low > 0

    def __len__(self):
        return len(self.eps)

    def take(self, rows):
        """The certificate of some of the people, by position."""
        fields = dataclasses.fields(self)
        return MarginCertificate(**{f.name: getattr(self, f.name)[rows] for f in fields})

    def to_frame(self):
        """All arrays as columns, and ``certified`` and ``robust``.

        Returns
        -------
        DataFrame of shape (n_samples, 10)
        """
        columns = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return pd.DataFrame({**columns, "certified": self.certified, "robust": self.robust})

    def __repr__(self):
        known = ~np.isnan(self.eps)
        if not known.any():
            return f"MarginCertificate({len(self)} people, none with recourse)"
        return (
            f"MarginCertificate({len(self)} people, {int(known.sum())} with recourse: "
            f"{int(self.certified.sum())} certified, {int(self.robust.sum())} robust, "
            f"median eps {np.median(self.eps[known]):.3g})"
        )


def certify_margins(reference, deployed, points, low, high, target):
    """Bound two networks over boxes around points.

    Parameters
    ----------
    reference, deployed : sequence of Layer
        See :func:`read_layers`; the same inputs and classes.
    points : ndarray of shape (n, n_inputs)
        Encoded rows.
    low, high : ndarray of shape (n, n_inputs)
        Corners of the boxes, in encoded units; a point lies in its box.
    target : ndarray of int, shape (n,)
        Wanted class of each point.

    Returns
    -------
    MarginCertificate

    See Also
    --------
    difference_bounds : How the networks are bounded together.
    """
    widths = [len(layer.bias) for layers in (reference, deployed) for layer in layers]
    # Some dozen arrays of (n, 2 width, width): about a quarter of a gigabyte.
    at_once = max(1, int(1e6 // max(widths) ** 2))
    parts = [
        _certify(
            reference, deployed, *(array[i : i + at_once] for array in (points, low, high, target))
        )
        for i in range(0, len(points), at_once)
    ]
    names = [field.name for field in dataclasses.fields(MarginCertificate)]
    return MarginCertificate(
        **{name: np.concatenate([np.zeros(0), *(part[name] for part in parts)]) for name in names}
    )


def _certify(reference, deployed, points, low, high, target):
    n, n_classes = len(points), len(reference[-1].bias)
    logit = np.broadcast_to(np.eye(n_classes), (n, n_classes, n_classes))
    margin = _margin_rows(target, n_classes)  # (n, n_classes - 1, n_classes)
    bounds = [preactivation_bounds(layers, low, high) for layers in (reference, deployed)]
    rows = np.concatenate([logit, -logit, margin], axis=1)
    gap = bounded_difference(reference, deployed, *bounds, low, high, rows)
    eps = np.maximum(-gap[:, : 2 * n_classes].min(axis=1), 0.0)
    by_class = gap[:, 2 * n_classes :]  # least change of the lead over each other class
    lead, deployed_lead = (
        lowest(*lower_form(layers, bound, margin), low, high)
        for layers, bound in zip((reference, deployed), bounds, strict=True)
    )
    at, deployed_at = _logits(reference, points), _logits(deployed, points)

    def drop(logits, other):
        return _drop(logits, other, target)

    def shortfall(logits, other):
        return _shortfall(logits, other, target)

    search = (reference, deployed)
    return {
        "eps": eps,
        "empirical_eps": worst_found(*search, _distance, low, high),
        "margin_eps": np.minimum(np.maximum(-by_class.min(axis=1), 0.0), 2 * eps),
        "empirical_margin_eps": np.maximum(worst_found(*search, drop, low, high), 0.0),
        "reference_margin": -_shortfall(at, at, target)[0],
        "deployed_margin": -_shortfall(at, deployed_at, target)[0],
        "deployed_low": np.maximum(deployed_lead, lead + by_class).min(axis=1),
        "empirical_deployed_low": -worst_found(*search, shortfall, low, high),
    }


def _logits(layers, x):
    for layer in layers:
        x = layer.activate(layer.linear(x))
    return x


def _margin_rows(target, n_classes):
    """The target's lead over each other class as functions of logits, (n, n_classes - 1, n_classes)."""
    others = np.array(
        [[k for k in range(n_classes) if k != t] for t in range(n_classes)], dtype=int
    )
    unit = np.eye(n_classes)
    return unit[target][:, None] - unit[others[target]]


# What is searched for: values of logits (n, n_classes) of both networks, and their gradients.


def _distance(logits, other):
    """Largest distance of two logits of the same class."""
    gap = other - logits
    k = np.abs(gap).argmax(axis=1)[:, None]
    slope = np.zeros_like(gap)
    np.put_along_axis(slope, k, np.sign(np.take_along_axis(gap, k, axis=1)), axis=1)
    return np.abs(gap).max(axis=1), -slope, slope


def _drop(logits, other, target):
    """By how much the target's lead over some class falls from the first network to the second."""
    gap = other - logits
    lead = np.take_along_axis(gap, target[:, None], axis=1) - gap  # (n, n_classes)
    value, slope = _least(lead, target)
    return -value, slope, -slope


def _shortfall(logits, other, target):
    """Minus the second network's target margin."""
    lead = np.take_along_axis(other, target[:, None], axis=1) - other
    value, slope = _least(lead, target)
    return -value, np.zeros_like(slope), -slope


def _least(lead, target):
    """The least lead over another class, and its gradient in the logits."""
    lead, rows = lead.copy(), np.arange(len(lead))
    lead[rows, target] = np.inf
    k = lead.argmin(axis=1)
    slope = np.zeros_like(lead)
    slope[rows, target], slope[rows, k] = 1.0, -1.0
    return lead[rows, k], slope
