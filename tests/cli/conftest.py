import pytest
from typer.testing import CliRunner

from skcfq.cli import _demo
from skcfq.cli._commands import cli


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    monkeypatch.setattr(_demo, "SYNTHETIC_ROWS", 500)


@pytest.fixture
def skcfq_demo(monkeypatch, tmp_path):
    """Run `skcfq demo` in an empty folder with the given arguments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments):
        return CliRunner().invoke(cli, ["demo", *map(str, arguments)])

    return run


@pytest.fixture
def no_training(monkeypatch):
    """Training fails the test."""

    def train(*args):
        raise AssertionError("something was trained")

    monkeypatch.setattr(_demo, "train_models", train)
