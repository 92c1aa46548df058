"""A guaranteed validity: shift the target logit by a split-conformal quantile."""

import dataclasses
import math
import numbers

import numpy as np
from scipy.stats import beta

#: Added to the offset, so that the row that sets it is valid in spite of rounding.
NUDGE = 1e-6


@dataclasses.dataclass(frozen=True)
class Calibration:
    """How the validity of recourse was calibrated.

    Attributes
    ----------
    offset : float
        Added to the target's logit; negative where the network was lenient without need.
    n_counted : int
        Held-out people who need recourse and have advice: the quantile was taken over them.
    level : float
        Validity drop that was asked for.
    bound : float
        Bound on the expected validity drop, ``k / (n_counted + 1)``, at most `level`.
    attained : float
        Validity drop of the held-out people after the shift.
    """

    offset: float
    n_counted: int
    level: float
    bound: float
    attained: float

    def upper_bound(self, confidence=0.95):
        """What the population's validity drop exceeds for few sets of held-out people.

        Parameters
        ----------
        confidence : float, default=0.95
            Share of the sets for which the bound holds, between 0 and 1.

        Returns
        -------
        float
            Quantile of Beta(k, n + 1 - k), with ``k / (n + 1) = bound``.
        """
        k = round(self.bound * (self.n_counted + 1))
        return float(beta.ppf(confidence, k, self.n_counted + 1 - k))


def conformal_offset(margin, level):
    """Offset of the target logit at which at most a share `level` of advice fails.

    With the ``n`` held-out margins in ascending order, the offset is minus the ``k``-th,
    ``k = floor(level * (n + 1))``. If held-out people and a new person are exchangeable, and
    neither the teacher nor the quantized network has seen them, the new person's advice fails
    with probability at most ``k / (n + 1) <= level`` [1]_. That is a statement about the average
    over calibration sets: for one set, the validity drop in the population has the distribution
    Beta(k, n + 1 - k) if margins have no ties, with mean ``k / (n + 1)`` and a standard
    deviation below ``sqrt(level / n)``.

    Parameters
    ----------
    margin : ndarray of shape (n,)
        Target logit minus the strongest other, of the deployed network at the teacher's advice.
    level : float
        Wanted bound, between 0 and 1.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        If there are fewer than ``1 / level - 1`` margins.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer (2005). "Algorithmic Learning in a Random World".
       https://doi.org/10.1007/b106715

    Examples
    --------
    >>> import numpy as np
    >>> conformal_offset(np.linspace(-1, 1, 99), level=0.05).offset < 0.95
    True
    """
    if not isinstance(level, numbers.Real) or not 0 < level < 1:
        raise ValueError(f"level={level!r}: a number between 0 and 1 is needed.")
    margin = np.sort(np.asarray(margin, dtype=float))
    n = len(margin)
    k = math.floor(level * (n + 1) + 1e-9)
    if k < 1:
        raise ValueError(
            f"validity_level={level:g} needs at least {math.ceil(1 / level - 1 - 1e-9)} held-out people who need recourse "
            f"and have advice; there are {n}. Give more rows, a larger calibration_fraction or a larger "
            "validity_level."
        )
    # The k smallest may fail: the k-th sets the offset and passes, thanks to the nudge.
    offset = -margin[k - 1] + NUDGE * max(1.0, abs(margin[k - 1]))
    return Calibration(
        float(offset), n, float(level), k / (n + 1), float(np.mean(margin + offset <= 0))
    )
