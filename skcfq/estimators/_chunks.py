"""Many rows, a part at a time."""

import numbers

from tqdm.auto import tqdm


def row_chunks(X, chunk_size):
    """Yield consecutive parts of rows.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features), or iterator of such
        The parts of an iterator are taken as they come.
    chunk_size : int
        Rows of each part, if `X` is in one piece.

    Yields
    ------
    array-like or DataFrame

    Raises
    ------
    ValueError
        If `chunk_size` is no whole number >= 1.
    """
    if (
        not isinstance(chunk_size, numbers.Integral)
        or isinstance(chunk_size, bool)
        or chunk_size < 1
    ):
        raise ValueError(f"chunk_size={chunk_size!r}: a whole number >= 1 is needed.")
    if hasattr(X, "__next__"):
        yield from X
        return
    rows = getattr(X, "iloc", X)
    for start in range(0, len(X), chunk_size):
        yield rows[start : start + chunk_size]


def with_progress(parts, X, verbose):
    """The parts, with a bar of rows that are done if `verbose`."""
    total = len(X) if hasattr(X, "__len__") else None
    with tqdm(total=total, unit=" people", unit_scale=True, disable=not verbose) as bar:
        for part in parts:
            yield part
            bar.update(len(part))
