"""What the README promises: commands, code, links and tested versions."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def pinned_versions():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


def declared_requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    found = [Requirement(line) for group in (project["dependencies"], *extras) for line in group]
    return [requirement for requirement in found if requirement.name != "skcfq"]


@pytest.mark.parametrize("name", ["demo", "test"])
def test_commands_are_where_ci_looks_for_them(name):
    block = re.search(rf"^<!-- command: {name} -->\n```bash\n(.+)\n```$", README, re.MULTILINE)
    assert block, "see readme_command in .ci/run"
    assert block[1].startswith("pip install -c constraints.txt ")
    assert "\n" not in block[1]


def test_python_block_runs(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"^```python\n(.+?)^```$", README, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "RecourseScore(0." in printed
    assert "recourse_cost" in printed
    assert (tmp_path / "credit.joblib").exists()


def test_links_inside_the_checkout_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", README)
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert links
    assert missing == []


def test_constraints_pin_every_requirement_exactly():
    pins = pinned_versions()
    for requirement in declared_requirements():
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"constraints.txt lacks {requirement.name}"
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        assert "+" not in specifier.version, f"{pin}: a local version cannot be had elsewhere"
        assert requirement.specifier.contains(specifier.version), f"{pin} against {requirement}"


def test_requirements_have_no_upper_limit():
    for requirement in declared_requirements():
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators == {">="}, requirement
