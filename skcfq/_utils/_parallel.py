"""Batches on all cores."""

import joblib


def in_threads(work, parts):
    """What ``work`` returns for each part, in order; parts run side by side in threads.

    Parameters
    ----------
    work : callable
    parts : sequence

    Returns
    -------
    list
    """
    n_jobs = max(1, min(len(parts), joblib.effective_n_jobs(-1)))
    return joblib.Parallel(require="sharedmem", n_jobs=n_jobs)(
        joblib.delayed(work)(part) for part in parts
    )
