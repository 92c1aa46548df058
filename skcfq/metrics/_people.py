"""What each person adds to the figures of a comparison."""

import numpy as np


def person_figures(reference, deployed):
    """Gap, cosine and overlap of every person, before anything is averaged.

    The means of these arrays are the figures of :func:`skcfq.metrics.recourse_measures`.

    Parameters
    ----------
    reference, deployed : object
        Recourse of the same `n` people on either model, as for
        :func:`skcfq.metrics.recourse_measures`.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        ``gap``, the change of cost relative to the reference; ``change`` and ``base``, the change
        and the reference's cost; ``cosine`` of the two actions; ``overlap``, the Jaccard overlap of the
        features that they change. NaN for people to whom a figure does not apply.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> def recourse(delta):
    ...     delta = np.array(delta)
    ...     yes = np.ones(len(delta), dtype=bool)
    ...     cost, support = np.abs(delta).sum(axis=1), delta != 0
    ...     return SimpleNamespace(needed=yes, success=yes, cost=cost, delta=delta, support=support)
    >>> figures = person_figures(recourse([[2.0, 0.0]]), recourse([[0.0, 3.0]]))
    >>> {name: values.tolist() for name, values in figures.items()}
    {'gap': [0.5], 'change': [1.0], 'base': [2.0], 'cosine': [0.0], 'overlap': [0.0]}
    """
    both = reference.needed & reference.success & deployed.success
    asked = both & deployed.needed  # the deployed model accepts the others as they are, at cost 0
    base = np.where(both & (reference.cost > 0), reference.cost, np.nan)
    change = np.where(asked, deployed.cost, 0.0) - base
    with np.errstate(over="ignore"):
        gap = change / base
    cosine, overlap = np.full((2, len(both)), np.nan)
    deltas = reference.delta, np.where(asked[:, None], deployed.delta, 0.0)
    moved = both & deltas[0].any(axis=1) & deltas[1].any(axis=1)
    cosine[moved] = cosines(*(delta[moved].astype(float) for delta in deltas))
    supports = reference.support, asked[:, None] & deployed.support
    changing = both & (supports[0] | supports[1]).any(axis=1)
    overlap[changing] = overlaps(*(support[changing] for support in supports))
    return {"gap": gap, "change": change, "base": base, "cosine": cosine, "overlap": overlap}


def cosines(first, second):
    """Cosine of each row with the same row of another array; no row may be zero.

    Parameters
    ----------
    first, second : ndarray of shape (n, d)

    Returns
    -------
    ndarray of shape (n,)
        In [-1, 1].
    """
    return np.clip((_unit_rows(first) * _unit_rows(second)).sum(axis=1), -1.0, 1.0)


def overlaps(first, second):
    """Jaccard overlap of each row with the same row of another array; one must hold something.

    Parameters
    ----------
    first, second : ndarray of bool, shape (n, d)

    Returns
    -------
    ndarray of shape (n,)
        In [0, 1].
    """
    return (first & second).sum(axis=1) / (first | second).sum(axis=1)


def _unit_rows(actions):
    """Scale rows to length 1: first by their largest entry, so that no square over- or underflows."""
    if actions.size == 0:
        return actions
    actions = actions / np.abs(actions).max(axis=1, keepdims=True)
    return actions / np.linalg.norm(actions, axis=1, keepdims=True)
