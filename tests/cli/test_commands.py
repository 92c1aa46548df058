"""The command as a user meets it: what is printed, saved and refused."""

import json
import subprocess
import sys

import joblib
import pytest
from typer.testing import CliRunner

import skcfq
from skcfq import CFQClassifier
from skcfq.cli import _demo, app
from skcfq.cli._commands import cli
from skcfq.datasets import make_recourse_classification


def test_prints_the_table_and_people_and_saves_the_model(skcfq_demo, tmp_path):
    result = skcfq_demo("--epochs", 2)
    assert result.exit_code == 0, result.output
    for name in ("full precision", "plain QAT", "CFQ", "VD", "|CRG|", "decisions", "bytes"):
        assert name in result.stdout
    assert "How to read it: VD (validity drop)" in result.stdout
    assert result.stdout.count("accepts advice") == 3
    assert "--realistic" in result.stdout
    assert "recourse of the training rows" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["skcfq-demo.joblib"]
    model = joblib.load("skcfq-demo.joblib")
    assert isinstance(model, CFQClassifier)
    data = make_recourse_classification(20, random_state=1)
    assert set(model.predict(data.data)) <= set(data.target_names)
    assert len(model.recourse(data.data)) == 20
    assert model.callbacks is None
    assert model.teacher_.callbacks is None


def test_json_is_one_object(skcfq_demo):
    result = skcfq_demo("--epochs", 2, "--json", "--people", 2, "--output", "m.joblib")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [row["name"] for row in found["models"]] == ["full precision", "plain QAT", "CFQ"]
    teacher, _, cfq = found["models"]
    assert teacher["validity_drop"] is None
    assert teacher["average_bits"] == 32
    assert cfq["average_bits"] <= 4
    assert set(cfq["validity_drop"]) == {"value", "n", "low", "high", "confidence_level"}
    assert cfq["validity_drop"]["n"] == found["n_advised"]
    assert len(found["people"]) == 2
    assert set(found["people"][0]["still_works"]) == {"plain QAT", "CFQ"}
    assert found["output"] == "m.joblib"


def test_options_reach_the_models(skcfq_demo):
    result = skcfq_demo(
        "--epochs", 2, "--bit-budget", 2, "--activation-bits", 4, "--realistic", "--people", 1
    )
    assert result.exit_code == 0, result.output
    assert "--realistic" not in result.stdout
    model = joblib.load("skcfq-demo.joblib")
    assert 1.9 < model.average_bits_ <= 2
    assert model.activation_bits == 4
    assert model.actions.step["income"] == 50
    assert model.max_epochs == 2


def test_the_same_seed_gives_the_same_result(skcfq_demo):
    runs = [json.loads(skcfq_demo("--epochs", 2, "--json").stdout) for _ in range(2)]
    for run in runs:
        del run["seconds"]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dataset", "iris"], "'compas'"),
        (["--bit-budget", "1.5"], "2"),
        (["--bit-budget", "many"], "--bit-budget"),
        (["--activation-bits", "9"], "8"),
        (["--epochs", "0"], "--epochs"),
        (["--people", "-1"], "--people"),
    ],
)
def test_wrong_options_exit_with_2(skcfq_demo, no_training, arguments, words):
    result = skcfq_demo(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_infinite_budget_is_refused(skcfq_demo, no_training):
    result = skcfq_demo("--bit-budget", "inf")
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.output


@pytest.mark.parametrize("output", ["missing/model.joblib", "file/model.joblib", "folder"])
def test_output_that_cannot_be_written_fails_before_training(
    skcfq_demo, no_training, tmp_path, output
):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder").mkdir()
    result = skcfq_demo("--output", output)
    assert result.exit_code == 1
    assert f"nothing was trained: --output: {output!r} cannot be written: " in result.stderr
    assert "Traceback" not in result.output


def test_failing_run_leaves_the_old_model(skcfq_demo, monkeypatch, tmp_path):
    (tmp_path / "skcfq-demo.joblib").write_text("old")

    def fail(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(_demo.joblib, "dump", fail)
    result = skcfq_demo("--epochs", 2)
    assert result.exit_code == 1
    assert "skcfq demo: No space left on device" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["skcfq-demo.joblib"]
    assert (tmp_path / "skcfq-demo.joblib").read_text() == "old"


def test_corrupted_data_file_is_one_clear_message(skcfq_demo, no_training, tmp_path):
    (tmp_path / "german.data").write_text("A11 6 A34\n")
    result = skcfq_demo("--dataset", "german", "--data-home", tmp_path)
    assert result.exit_code == 1
    assert "german.data is not the published file" in result.stderr
    assert "Traceback" not in result.output


def test_version():
    result = CliRunner().invoke(cli, ["--version"])
    assert result.exit_code == 0
    assert result.stdout == f"skcfq {skcfq.__version__}\n"


def test_without_command_the_help_is_shown():
    result = CliRunner().invoke(cli, [])
    assert "demo" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("missing", [["typer"], ["typer", "rich"]])
def test_missing_extra_is_one_sentence(monkeypatch, missing):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SystemExit) as stop:
        app()
    assert stop.value.code == (
        f"skcfq: the command line needs {' and '.join(missing)}, which the extra 'cli' installs: "
        'pip install "skcfq[cli]"'
    )


def test_help_and_version_need_no_torch():
    code = "import sys; from skcfq.cli import _commands; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_runs_as_the_command():
    run = [sys.executable, "-m", "skcfq", "--version"]
    printed = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    assert skcfq.__version__ in printed
