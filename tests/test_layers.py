"""The shape of the package: layers, module sizes, thin __init__, light import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.api import read_configuration
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import skcfq

ROOT = Path(skcfq.__file__).parent
CONTRACTS = ROOT.parent / "setup.cfg"
MODULES = sorted(ROOT.rglob("*.py"))
MAX_LINES = 500
LAZY_IMPORT = "import lazy_loader as _lazy"
LAZY_NAMES = "__getattr__, __dir__, __all__ = _lazy.attach("


def relative(path):
    return str(path.relative_to(ROOT))


def test_contracts_are_not_empty():
    contracts = read_configuration(str(CONTRACTS))["contracts_options"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    packages = {p.parent.name for p in ROOT.glob("*/__init__.py")}
    named = {name.strip().removeprefix("skcfq.") for line in layers for name in line.split("|")}
    assert packages <= named, "a package stands in no layer"


def test_no_import_goes_upward(capsys):
    status = lint_imports(config_filename=str(CONTRACTS), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_the_contracts_can_fail(tmp_path, monkeypatch, capsys):
    package = tmp_path / "upside"
    for name, text in {"": "", "low": "from .. import high\n", "high": ""}.items():
        folder = package / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text(text)
    config = tmp_path / "setup.cfg"
    config.write_text(
        "[importlinter]\nroot_package = upside\n"
        "[importlinter:contract:layers]\nname = layers\ntype = layers\n"
        "layers =\n    upside.high\n    upside.low\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert lint_imports(config_filename=str(config), no_cache=True) != EXIT_STATUS_SUCCESS
    assert "upside.low is not allowed to import upside.high" in capsys.readouterr().out


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module_is_short(path):
    assert len(path.read_text().splitlines()) < MAX_LINES


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/**/__init__.py")), ids=relative)
def test_init_holds_imports_and_names_only(path):
    for node in ast.parse(path.read_text()).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        names = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        lazy = ast.unparse(node).startswith(LAZY_NAMES) or ast.unparse(node) == LAZY_IMPORT
        assert docstring or names or lazy or isinstance(node, ast.ImportFrom), ast.unparse(node)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_private_names_of_scikit_learn_are_in_one_file(path):
    found = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn")
        for alias in node.names
        if any(part.startswith("_") for part in f"{node.module}.{alias.name}".split("."))
    ]
    assert bool(found) == (relative(path) == "_utils/_sklearn.py"), found


def run(code):
    """Run code in a fresh process and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


HEAVY = ("torch", "skorch", "matplotlib", "onnx", "onnxruntime", "dask", "distributed")


def test_importing_skcfq_is_light():
    code = f"import sys, skcfq; print([name for name in {HEAVY} if name in sys.modules])"
    assert run(code) == "[]"


def test_audits_load_what_reads_parts_when_parts_are_read():
    # pandas itself imports pyarrow, where there is one.
    names = ("dask", "distributed", "pyarrow.dataset", "pyarrow.parquet", "matplotlib")
    code = f"import sys, skcfq.audit; print([name for name in {names} if name in sys.modules])"
    assert run(code) == "[]"


def test_public_names_come_on_first_use():
    code = "import sys, skcfq; skcfq.CFQClassifier; print('torch' in sys.modules, 'dask' in sys.modules)"
    assert run(code) == "True False"


def test_every_public_name_exists():
    missing = [name for name in skcfq.__all__ if not hasattr(skcfq, name)]
    assert skcfq.__all__
    assert missing == []


def test_metrics_and_data_sets_compute_without_torch():
    code = (
        "import sys; from skcfq.datasets import make_recourse_classification; "
        "from skcfq import metrics, actions; make_recourse_classification(n_samples=20); "
        "print('torch' in sys.modules)"
    )
    assert run(code) == "False"
