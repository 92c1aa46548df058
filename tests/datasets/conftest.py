import functools
import http.server
import os
import tempfile
import threading
from pathlib import Path

import pytest

from skcfq.datasets._files import ENVIRONMENT_VARIABLE


@pytest.fixture(scope="session")
def real_data():
    """Folder of the published files; without it a test is skipped."""
    folder = os.environ.get(ENVIRONMENT_VARIABLE)
    if not folder:
        pytest.skip(f"needs the published data files: set {ENVIRONMENT_VARIABLE} to their folder")
    return Path(folder)


@pytest.fixture
def no_environment(monkeypatch):
    """The loaders find no folder in the environment."""
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where temporary files go, so that a test can see what is left of them."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    """A web server on this machine: its folder and its address."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "published"
    folder.mkdir()
    handler = functools.partial(_QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
