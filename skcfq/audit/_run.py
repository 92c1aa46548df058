"""Work on parts, here or on many cores or machines, with a bounded number of them under way."""

import collections

import joblib
from joblib.parallel import get_active_backend

from .._utils._extras import require

#: Parts under way for each worker: one is computed while the next one travels.
AHEAD = 2
#: Parts travel with their task, so that it can be repeated if a worker dies.
LARGE = "distributed.admin.large-graph-warning-threshold"


def run_parts(work, parts, n_jobs):
    """Work on parts, and give what comes out in their order.

    Parameters
    ----------
    work : callable
        Takes a part.
    parts : iterable
        Read as parts are needed, never far ahead.
    n_jobs : int or None
        Processes, as in joblib; under ``joblib.parallel_config(backend="dask")`` the work is
        done by the workers of its cluster.

    Yields
    ------
    object
        What `work` returns.
    """
    backend, _ = get_active_backend()
    client = getattr(backend, "client", None)
    if client is not None:
        yield from _on_cluster(client, work, parts, delayed=False)
        return
    failed = []
    parallel = joblib.Parallel(n_jobs, return_as="generator", pre_dispatch=f"{AHEAD} * n_jobs")
    alone = joblib.effective_n_jobs(n_jobs) == 1
    task = joblib.delayed(work if alone else _OneCore(work))
    # joblib reads parts in threads of its own, in which an error would be lost.
    yield from parallel(task(part) for part in _until_error(parts, failed))
    if failed:
        raise failed[0]


def run_delayed(work, frames):
    """Work on Dask's delayed frames, where they are, and give what comes out in their order.

    Parameters
    ----------
    work : callable
        Takes a frame.
    frames : sequence of dask.delayed.Delayed

    Yields
    ------
    object
    """
    require("An audit of a Dask DataFrame", "dask", "dask", "distributed")
    import dask
    from distributed import get_client

    backend, _ = get_active_backend()
    client = getattr(backend, "client", None)
    if client is None:
        try:
            client = get_client()
        except ValueError:  # no cluster: Dask's own threads or processes
            task = dask.delayed(work, pure=False)
            n = AHEAD * joblib.cpu_count()
            for start in range(0, len(frames), n):
                yield from dask.compute(*map(task, frames[start : start + n]))
            return
    yield from _on_cluster(client, work, frames, delayed=True)


def _on_cluster(client, work, parts, *, delayed):
    """Give tasks to a cluster's workers; what a worker that dies had is done again by others."""
    import dask

    # A task of its own: whoever lost it computes it again.
    work = client.submit(_same, _OneCore(work), pure=False)
    task = dask.delayed(_call, pure=False)
    waiting = collections.deque()
    for part in parts:
        with dask.config.set({LARGE: "1GiB"}):
            if delayed:
                waiting.append(client.compute(task(work, part)))
            else:
                waiting.append(client.submit(_call, work, part, pure=False))
        if len(waiting) >= AHEAD * max(1, sum(client.nthreads().values())):
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class _OneCore:
    """Work of one process among several: its searches keep to one core."""

    def __init__(self, work):
        self.work = work

    def __call__(self, part):
        with joblib.parallel_config(backend="sequential"):
            return self.work(part)


def _same(value):
    return value


def _call(work, part):
    return work(part)


def _until_error(parts, failed):
    try:
        yield from parts
    except Exception as error:
        failed.append(error)
