"""The reference lists every public name, and nothing that is not public."""

import importlib
import re
from pathlib import Path

import pytest

import skcfq

REFERENCE = Path(__file__).parents[2] / "docs" / "api.rst"
SUBPACKAGES = (
    "actions", "audit", "datasets", "estimators", "export", "metrics", "plots", "quantization", "recourse",
    "report", "training",
)  # fmt: skip


def listed_names():
    """Objects of the reference, with the full names under which they are listed."""
    module, names = None, {}
    for line in REFERENCE.read_text().splitlines():
        if match := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = match[1]
        elif match := re.match(r"(?:   |\.\. data:: )([A-Za-z_][\w.]*)$", line):
            names[f"{module}.{match[1]}"] = resolve(f"{module}.{match[1]}")
    return names


def resolve(path):
    """The object behind a dotted path that begins with modules."""
    found, *rest = importlib.import_module("skcfq"), *path.split(".")[1:]
    for name in rest:
        found = getattr(found, name)
    return found


def test_every_subpackage_is_looked_at():
    public = {name for name in skcfq.__all__ if not callable(getattr(skcfq, name))}
    assert public == set(SUBPACKAGES)


@pytest.mark.parametrize("package", ["skcfq", *(f"skcfq.{name}" for name in SUBPACKAGES)])
def test_every_public_name_is_listed(package):
    module = importlib.import_module(package)
    listed = list(listed_names().values())
    missing = [
        name
        for name in module.__all__
        if name not in SUBPACKAGES and not any(getattr(module, name) is each for each in listed)
    ]
    assert missing == [], f"add them to docs/api.rst under {package}"


def test_nothing_is_listed_twice_or_private():
    listed = listed_names()
    assert len({id(each) for each in listed.values()}) == len(listed)
    for path in listed:
        package, name = path.rsplit(".", 1)
        assert name in importlib.import_module(package).__all__, path
