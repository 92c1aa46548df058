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
    if len(parts) == 1:  # small searches are many, and starting joblib takes longer than some
        return [work(parts[0])]
    n_jobs = max(1, min(len(parts), joblib.effective_n_jobs(-1)))
    return joblib.Parallel(require="sharedmem", n_jobs=n_jobs)(
        joblib.delayed(work)(part) for part in parts
    )
