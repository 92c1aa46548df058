"""Files appear whole or not at all."""

import contextlib
import os
import tempfile
import uuid
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
    # Not by mkstemp, whose files nobody else may read.
    part = path.parent / f".{path.name}.{uuid.uuid4().hex}.part"
    part.touch(exist_ok=False)
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def writable_problems(path):
    """Why a file cannot be written, tried before the work whose result it shall hold.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    list of str
        One sentence; empty if the path can be written.

    Examples
    --------
    >>> writable_problems("no such folder/audit.html")
    ["'no such folder/audit.html' cannot be written: the folder 'no such folder' does not exist."]
    """
    if not isinstance(path, (str, os.PathLike)):
        return [f"path is {path!r}, must be the path of the file to write."]
    path = Path(path)
    if path.is_dir():
        return [f"{str(path)!r} cannot be written: it is a folder."]
    if not path.parent.is_dir():
        return [f"{str(path)!r} cannot be written: the folder {str(path.parent)!r} does not exist."]
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            return []
    except OSError as error:
        return [f"{str(path)!r} cannot be written: {error.strerror or error}."]
