"""Rows of Parquet files, a part at a time."""

from pathlib import Path

from .._utils._errors import raise_problems
from .._utils._extras import require


def open_parquet(path, columns, size):
    """A file or a folder of files, as frames of some of its columns.

    Parameters
    ----------
    path : path-like
        A file, or a folder; ``column=value`` in names of folders is a column.
    columns : Columns
    size : int
        Rows of a frame at most.

    Returns
    -------
    frames : iterator of DataFrame
        In the order of the files' names.
    n_rows : int

    Raises
    ------
    ValueError
        If there is no such file, it cannot be read, or it lacks columns.
    ImportError
        Without pyarrow.
    """
    require("An audit of Parquet files", "parquet", "pyarrow")
    import pyarrow.dataset
    from pyarrow.lib import ArrowException

    path = Path(path)
    if not path.exists():
        raise_problems("RecourseAuditor.audit", [f"there is no file or folder {str(path)!r}."])
    try:
        dataset = pyarrow.dataset.dataset(path, format="parquet", partitioning="hive")
        n_rows = dataset.count_rows()
    except ArrowException as error:
        raise ValueError(
            f"RecourseAuditor.audit: {str(path)!r} cannot be read as Parquet."
        ) from error
    raise_problems(
        "RecourseAuditor.audit",
        [f"{str(path)!r} holds no rows."]
        if n_rows == 0
        else columns.problems(repr(str(path)), dataset.schema.names, others_allowed=True),
    )
    # One batch ahead and whole columns never: memory does not grow with the row groups.
    options = pyarrow.dataset.ParquetFragmentScanOptions(
        use_buffered_stream=True, buffer_size=2**20, pre_buffer=False
    )
    batches = dataset.to_batches(
        columns=columns.needed,
        batch_size=size,
        batch_readahead=1,
        fragment_readahead=1,
        use_threads=False,
        fragment_scan_options=options,
    )
    return (batch.to_pandas() for batch in batches if batch.num_rows), n_rows
