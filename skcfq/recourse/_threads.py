"""Same seed, same bits: tensor arithmetic that does not depend on the number of threads."""

import contextlib

import torch


@contextlib.contextmanager
def one_thread():
    """Run the calling thread's tensor arithmetic on one core.

    Sums are then added in one order, in every joblib backend. Parallelism comes from working
    on several batches at once. The setting is per thread and is restored.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
