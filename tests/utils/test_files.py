"""Files appear whole or not at all, and for whom the folder's owner wants."""

import os
import stat

import pytest

from skcfq._utils._files import atomic_path, writable_problems


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with atomic_path(path) as part:
            part.write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_file_is_as_readable_as_any_other(tmp_path, mask):
    before = os.umask(mask)
    try:
        with atomic_path(tmp_path / "a.txt") as part:
            part.write_text("new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask


def test_paths_that_cannot_be_written(tmp_path):
    assert writable_problems(tmp_path / "a.html") == []
    assert list(tmp_path.iterdir()) == []
    assert writable_problems(tmp_path) == [f"{str(tmp_path)!r} cannot be written: it is a folder."]
    assert writable_problems(3) == ["path is 3, must be the path of the file to write."]
    (problem,) = writable_problems("/proc/a.html")
    assert problem.startswith("'/proc/a.html' cannot be written: ")
