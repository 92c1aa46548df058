"""Training rows as a weighted empirical distribution."""

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split


def merge_rows(frame, y, sample_weight):
    """Join equal rows and put the rest into an order of their own.

    A fit then depends on the weighted distribution of the rows alone: not on their order, and
    not on whether a row is repeated or weighted. Rows of weight 0 are gone, and equal rows
    never stand on both sides of a validation split.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_features)
    y : ndarray of int, shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,)

    Returns
    -------
    index : ndarray of int, shape (n_unique,)
        A representative of each group of equal rows, in sorted order.
    weight : ndarray of shape (n_unique,)
        Summed weights.
    """
    present = np.flatnonzero(sample_weight > 0)
    codes = [pd.factorize(frame.iloc[present, i], sort=True)[0] for i in range(frame.shape[1])]
    keys = np.stack([*codes, np.asarray(y)[present]])  # (n_features + 1, n_present)
    order = np.lexsort(keys[::-1])
    keys = keys[:, order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    group = np.cumsum(first) - 1
    weight = np.bincount(group, weights=sample_weight[present][order])
    return present[order][first], weight


def validation_split(y, fraction, random_state):
    """Positions for training and for early stopping, stratified; none where rows are few.

    Parameters
    ----------
    y : ndarray of int, shape (n_samples,)
    fraction : float
    random_state : int

    Returns
    -------
    train, valid : ndarrays of int; `valid` may be None
    """
    counts = np.bincount(y)
    n_valid = int(len(y) * fraction)
    everyone = np.arange(len(y))
    if len(y) < 100 or counts[counts > 0].min() < 2 or n_valid < (counts > 0).sum():
        return everyone, None
    train, valid = train_test_split(
        everyone, test_size=fraction, stratify=y, random_state=random_state
    )
    return np.sort(train), np.sort(valid)


def held_out_split(frame, codes, fraction, random_state):
    """Positions to learn from and to hold out, stratified by class.

    Follows from what the rows hold: who is held out does not depend on their order. The only
    member of a class is not held out.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_features)
    codes : ndarray of int, shape (n_samples,)
        Class indices.
    fraction : float
        Share held out.
    random_state : int

    Returns
    -------
    learn, held : ndarrays of int
    """
    fingerprint = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    everyone = np.lexsort([codes, fingerprint])
    alone = np.bincount(codes)[codes[everyone]] < 2
    rest = everyone[~alone]
    if len(rest) < 2:
        raise ValueError(
            f"n_samples={len(frame)}: too few rows to learn from some and hold out others."
        )
    learn, held = train_test_split(
        rest, test_size=fraction, stratify=codes[rest], random_state=random_state
    )
    return np.concatenate([learn, everyone[alone]]), held
