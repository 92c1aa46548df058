"""The published files: found in a folder, or fetched from the publisher, and always verified."""

import dataclasses
import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pooch

from .._utils._errors import raise_problems
from .._utils._files import atomic_path

#: Environment variable that names the folder of the data files.
ENVIRONMENT_VARIABLE = "SKCFQ_DATA"


@dataclasses.dataclass(frozen=True)
class PublishedFile:
    """One data file as published: what it is called, how it is recognised, where it comes from.

    Parameters
    ----------
    name : str
        File name in the data folder.
    sha256 : str
        Checksum of that file, as hexadecimal digits. Only a file with this checksum is read.
    url : str
        Where the publisher offers it.
    members : tuple of str, default=()
        Where `url` is a zip archive, the path through it: each name is a member of the archive
        before it, the last one is the file.
    convert : callable from bytes to bytes, default=None
        Turns the published bytes into those of `name`, where the two differ in format.
    """

    name: str
    sha256: str
    url: str
    members: tuple[str, ...] = ()
    convert: Callable[[bytes], bytes] | None = None

    @property
    def source(self):
        """The URL, with the path through the archive behind it."""
        return f"{self.url} ({', in it '.join(self.members)})" if self.members else self.url


def data_folder(data_home=None):
    """Folder of the data files.

    Parameters
    ----------
    data_home : path-like, default=None
        The folder, if the caller names one.

    Returns
    -------
    pathlib.Path
        `data_home`; without it the environment variable ``SKCFQ_DATA``; without that the
        user's cache folder. It need not exist yet.
    """
    named = data_home or os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(named).expanduser() if named else Path(pooch.os_cache("skcfq"))


def locate(subject, files, *, data_home=None, download_if_missing=True):
    """Paths of verified data files, fetched first where they are missing.

    Parameters
    ----------
    subject : str
        The loader that asks: opens the error message.
    files : sequence of PublishedFile
    data_home : path-like, default=None
        See :func:`data_folder`.
    download_if_missing : bool, default=True
        Whether to fetch a file that is not in the folder.

    Returns
    -------
    list of pathlib.Path
        In the order of `files`.

    Raises
    ------
    OSError
        If a file is missing and may not or cannot be fetched, or does not have its published
        checksum, whether it lay in the folder or came from the publisher. All such files are
        named. A file that is in the folder is never overwritten, and one that fails the check
        is never stored.
    """
    folder = data_folder(data_home)
    problems = []
    for file in files:
        if (folder / file.name).exists():
            problems += _check_stored(file, folder)
        elif download_if_missing:
            problems += _fetch(file, folder)
        else:
            problems.append(
                f"{file.name} (SHA-256 {file.sha256}) is not in {folder}. Allow "
                f"download_if_missing to fetch it from {file.source}, or {_elsewhere()}."
            )
    raise_problems(subject, problems, error=OSError)
    return [folder / file.name for file in files]


def _check_stored(file, folder):
    """Problems of a file that lies in the folder."""
    path = folder / file.name
    found = pooch.file_hash(str(path), alg="sha256")
    if found == file.sha256:
        return []
    return [
        f"{path} is not the published file: its SHA-256 is {found}, expected was {file.sha256}. "
        f"Delete it to fetch it again from {file.source}, or {_elsewhere()}."
    ]


def _fetch(file, folder):
    """Store the published file in the folder; return the problems that prevented it."""
    try:
        with tempfile.TemporaryDirectory(prefix="skcfq-") as scratch:
            download = Path(scratch) / "download"
            pooch.HTTPDownloader(chunk_size=1 << 16)(file.url, str(download), None)
            content = _unpack(file, download.read_bytes())
        found = hashlib.sha256(content).hexdigest()
        if found != file.sha256:
            return [
                f"{file.source} sent a {file.name} that is not the published file: its SHA-256 "
                f"is {found}, expected was {file.sha256}. Nothing was stored; try again later, "
                f"or {_elsewhere()}."
            ]
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / file.name) as part:
            part.write_bytes(content)
    # A missing member is a KeyError of zipfile; every failure of requests is an OSError.
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        return [
            f"{file.name} (SHA-256 {file.sha256}) could not be fetched from {file.source} into "
            f"{folder}: {error}. Nothing was stored; try again later, or {_elsewhere()}."
        ]
    return []


def _unpack(file, content):
    """From the bytes that the publisher sent to those of the data file."""
    for member in file.members:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read(member)
    return content if file.convert is None else file.convert(content)


def _elsewhere():
    return (
        "name the folder that holds it in data_home or in the environment variable "
        f"{ENVIRONMENT_VARIABLE}"
    )
