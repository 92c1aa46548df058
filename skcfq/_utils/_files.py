"""Files appear whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary path beside `path` that replaces it when the block succeeds.

    Parameters
    ----------
    path : path-like
        Where the finished file shall lie. Its folder must exist.

    Yields
    ------
    pathlib.Path
        The path to write to. If the block raises, it is removed and `path` is untouched.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "a.txt") as part:
    ...     _ = part.write_text("whole")
    >>> (folder / "a.txt").read_text()
    'whole'
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def writable_problems(path):
    """What keeps a file from being written, tried before the work whose result it shall hold.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    list of str
        Empty if it can be written.

    Examples
    --------
    >>> writable_problems("no/such/folder/report.html")
    ['it cannot be written: No such file or directory (no/such/folder).']
    """
    path = Path(path)
    if path.is_dir():
        return ["it is a folder: name a file, e.g. in it."]
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            return []
    except OSError as error:
        return [f"it cannot be written: {error.strerror} ({path.parent})."]
