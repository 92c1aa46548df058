"""Whom an audit tells apart."""

import numpy as np
import pandas as pd


def group_labels(groups, frame):
    """One label per person.

    Parameters
    ----------
    groups : str, sequence of str, array-like of shape (n_samples,) or None
        A column of `frame`, several of them, or labels.
    frame : DataFrame of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples,), dtype object, or None
        Labels of several columns are joined by ``" & "``; a missing one reads ``"missing"``.
    """
    if groups is None:
        return None
    if isinstance(groups, str):
        groups = [groups]
    if (
        isinstance(groups, (list, tuple))
        and len(groups)
        and all(isinstance(g, str) for g in groups)
    ):
        unknown = [name for name in groups if name not in frame.columns]
        if not unknown:
            parts = [
                frame[name].astype(object).where(frame[name].notna(), "missing").astype(str)
                for name in groups
            ]
            joined = parts[0].astype(object)
            for part in parts[1:]:
                joined = joined + " & " + part
            return joined.to_numpy(dtype=object)
        if len(groups) != len(frame):
            raise ValueError(
                f"groups names {unknown}, not a column of X; columns are {list(frame.columns)}."
            )
    labels = pd.Series(np.asarray(groups, dtype=object).ravel())
    if len(labels) != len(frame):
        raise ValueError(f"groups has {len(labels)} labels for {len(frame)} rows of X.")
    return labels.where(labels.notna(), "missing").to_numpy(dtype=object)
