"""`skcfq audit` as a user, or a pipeline, meets it."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from typer.testing import CliRunner

from skcfq import QATClassifier, RecourseAuditor
from skcfq.audit import AuditResult
from skcfq.cli._commands import cli
from skcfq.estimators import OnnxModel
from skcfq.export import export_onnx
from skcfq.report import judge


@pytest.fixture(scope="module")
def files(tmp_path_factory, credit):
    """Two models, people with labels and a column that is no feature, and actions."""
    folder = tmp_path_factory.mktemp("audit")
    X, y = credit.data.head(400), credit.target.head(400)
    encoder = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(), make_column_selector(dtype_exclude="number")),
    )
    reference = make_pipeline(encoder, LogisticRegression()).fit(X, y)
    deployed = QATClassifier((8,), bits=2, bit_budget=2, max_epochs=4, random_state=0).fit(X, y)
    skops.io.dump(reference, folder / "a.skops")
    export_onnx(deployed, folder / "b.onnx")
    branch = np.where(np.arange(len(X)) % 3, "north", "south")
    people = X.assign(branch=branch, credit=y)
    people.to_csv(folder / "people.csv", index=False)
    people.to_parquet(folder / "people.parquet")
    (folder / "actions.json").write_text(credit.actions.to_json())
    graph = OnnxModel(folder / "b.onnx")
    auditor = RecourseAuditor(reference, graph, actions=credit.actions, target="granted")
    expected = auditor.fit(X, y).audit(X, y, groups=branch)
    return folder, expected


@pytest.fixture
def audit(files, monkeypatch):
    monkeypatch.chdir(files[0])
    monkeypatch.setenv("COLUMNS", "110")

    def run(*arguments, data="people.csv", deployed="b.onnx"):
        command = ["audit", "--reference", "a.skops", "--deployed", deployed, "--data", data]
        return CliRunner().invoke(cli, [*command, *map(str, arguments)])

    return run


COMMON = ("--actions", "actions.json", "--label", "credit", "--target", "granted")


@pytest.mark.parametrize("data", ["people.csv", "people.parquet"])
def test_figures_are_those_of_the_auditor(audit, files, data):
    done = audit(*COMMON, "--groups", "branch", "--json", data=data)
    assert done.exit_code == 0, done.output
    found = AuditResult.from_json(done.stdout)
    _, expected = files
    assert found.people is None
    assert found.counts == expected.counts
    assert found.counts["broken"] > 5
    assert set(found.by_group) == {"north", "south"}
    for name, estimate in expected.measures.items():
        assert found.measures[name] == pytest.approx(estimate, abs=1e-9), name
    for test, same in zip(found.tests, expected.tests, strict=True):
        assert test.p_value == pytest.approx(same.p_value)


def test_prints_the_verdict_the_figures_and_the_groups(audit, files):
    done = audit(*COMMON, "--groups", "branch", "--groups", "sex")
    assert done.exit_code == 0, done.output
    text = " ".join(done.stdout.split())
    verdict = judge(files[1])
    for sentence in (verdict.headline, verdict.sentences[0]):
        assert " ".join(sentence.split()) in text
    for line in ("Advice that fails (validity drop)", "branch=north", "branch=north & sex=female"):
        assert line in text


def test_limits_decide_how_it_exits(audit, tmp_path):
    done = audit(*COMMON, "--fail-if", "vd>99.9%", "--fail-if", "accuracy<10%")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("passes: ") == 2
    record = tmp_path / "record.json"
    done = audit(*COMMON, "--fail-if", "vd>0", "--fail-if", "flips>=100%", "--json-file", record)
    assert done.exit_code == 1
    text = " ".join(done.stdout.split())
    assert "fails: Advice that fails (validity drop): " in text
    assert "exceeds the limit of 0.0 %" in text
    assert "passes: Changed decisions: " in text
    result = AuditResult.from_json(record)
    assert (result.people["outcome"] == "broken").iloc[0]


def test_writes_the_report(audit, tmp_path):
    report = tmp_path / "report.html"
    done = audit(*COMMON, "--groups", "sex", "--report", report, "--title", "Spring <audit>")
    assert done.exit_code == 0, done.output
    text = report.read_text()
    assert "Spring &lt;audit&gt;" in text
    assert "<audit>" not in text
    assert "all limits kept" not in text


@pytest.mark.parametrize(("limit", "code"), [("accuracy<99.9%", 1), ("accuracy<1%", 0)])
def test_the_report_says_what_the_exit_code_says(audit, tmp_path, limit, code):
    """Of every kind of limit, and lists nobody if nobody is to be listed."""
    report, record = tmp_path / "report.html", tmp_path / "record.json"
    done = audit(
        *COMMON, "--report", report, "--json-file", record, "--people", 0, "--fail-if", "vd>100%",
        "--fail-if", limit,
    )  # fmt: skip
    assert done.exit_code == code, done.output
    text = report.read_text()
    assert ("all limits kept" in text) == (code == 0)
    assert ("limit exceeded" in text) == (code == 1)
    assert AuditResult.from_json(record).people is None


def test_an_interrupted_audit_goes_on(audit, tmp_path):
    first = audit(*COMMON, "--checkpoint", tmp_path / "parts", "--json", data="people.parquet")
    again = audit(*COMMON, "--checkpoint", tmp_path / "parts", "--json", data="people.parquet")
    assert first.exit_code == again.exit_code == 0, again.output
    results = [json.loads(done.stdout) for done in (first, again)]
    assert results[0]["measures"] == results[1]["measures"]
    done = audit(*COMMON, "--checkpoint", tmp_path / "parts")
    assert done.exit_code == 2
    assert "--checkpoint: parts can be kept of Parquet only." in done.stderr


def test_labels_are_not_needed_where_classes_are_known(audit):
    done = audit("--actions", "actions.json", "--target", "granted", "--json")
    assert done.exit_code == 0, done.output
    assert "accuracy" not in json.loads(done.stdout)["measures"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fail-if", "vd"], "--fail-if: 'vd' is no condition"),
        (["--fail-if", "accuracy<0.9"], "'accuracy' is none of"),
        (["--label", "loan"], "--label 'loan' is no column of the data"),
        (["--groups", "region"], "--groups 'region' is no column of the data"),
        (["--target", "maybe"], "--target 'maybe' is none of the classes ['granted', 'refused']."),
        (["--actions", "none.json"], "--actions none.json: there is no such file."),
        (["--actions", "people.csv"], "people.csv holds no action set: ActionSet: the text is not JSON"),
        (["--report", "no/such/folder/r.html"], "--report: 'no/such/folder/r.html' cannot be written: the folder"),
    ],
)  # fmt: skip
def test_bad_input_is_told_before_the_audit(audit, monkeypatch, arguments, message):
    def never(*args, **kwargs):
        raise AssertionError("the audit has begun")

    monkeypatch.setattr(RecourseAuditor, "fit", never)
    done = audit(*arguments)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert done.stderr.count("skcfq audit") == 1
    assert done.stdout == ""


def test_all_missing_files_at_once(audit):
    done = audit("--actions", "x.json", data="y.csv", deployed="z.onnx")
    assert done.exit_code == 2
    assert done.stderr.count("skcfq audit") == 1
    assert re.findall(r"--\w+ \w\.\w+: there is no such file", done.stderr) == [
        "--deployed z.onnx: there is no such file",
        "--data y.csv: there is no such file",
        "--actions x.json: there is no such file",
    ]


def test_columns_that_the_models_take_must_be_there(audit, files, tmp_path):
    people = pd.read_csv(files[0] / "people.csv").drop(columns="debt")
    people.to_csv(tmp_path / "less.csv", index=False)
    done = audit(*COMMON, data=tmp_path / "less.csv")
    assert done.exit_code == 2
    assert "the models take the columns ['debt'], which the data do not have." in done.stderr


def test_pickles_are_refused(audit, tmp_path):
    path = tmp_path / "m.joblib"
    path.write_bytes(b"cos\nsystem\n.")
    done = audit(deployed=path)
    assert done.exit_code == 2
    assert "loading a pickle runs whatever is in it" in done.stderr
