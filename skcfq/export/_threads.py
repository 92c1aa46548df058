"""Rows in parallel, without threads that wait for each other inside every product."""

import functools
from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import ThreadpoolController


@functools.cache
def _blas():
    return ThreadpoolController().select(user_api="blas")


def map_parts(function, parts):
    """Apply a function to every part, in as many threads as BLAS may use.

    Each thread computes its products alone. When BLAS shares out one product, its threads wait for
    the slowest, and on a machine with other work that takes many times as long.

    Parameters
    ----------
    function : callable
    parts : list

    Returns
    -------
    list
        Results, in the order of `parts`.
    """
    blas = _blas()
    n_threads = min((library["num_threads"] for library in blas.info()), default=1)
    if n_threads == 1:
        return [function(part) for part in parts]
    with blas.limit(limits=1), ThreadPoolExecutor(min(n_threads, len(parts))) as pool:
        return list(pool.map(function, parts))
