"""Interrupted audits go on; what is damaged or of another audit is not used."""

import json
import pickle
import re
import shutil
import warnings

import pytest
from sklearn.base import clone

from skcfq import PGDSolver, RecourseAuditor

SIZE = 100


@pytest.fixture(scope="module")
def auditor(credit, pipelines):
    """An auditor of the two pipelines. Not to be changed."""
    solver = PGDSolver(n_steps=10)  # quick
    auditor = RecourseAuditor(*pipelines, actions=credit.actions, solver=solver, target="granted")
    return auditor.fit(credit.data, credit.target)


@pytest.fixture(scope="module")
def path(credit, tmp_path_factory):
    """Features and the label as a Parquet file. Not to be changed."""
    path = tmp_path_factory.mktemp("data") / "people.parquet"
    credit.data.assign(credit=credit.target).to_parquet(path)
    return path


def audit(auditor, path, folder, **options):
    options = {"groups": "sex", "chunk_size": SIZE, "max_people": 50, **options}
    return auditor.audit(path, "credit", checkpoint=folder, **options)


def counted(auditor, monkeypatch, *, stop_after=None):
    """A list that grows by the rows of every part that is computed."""
    done, work = [], auditor._comparison

    def comparison(X):
        if stop_after is not None and len(done) == stop_after:
            raise KeyboardInterrupt
        done.append(len(X))
        return work(X)

    monkeypatch.setattr(auditor, "_comparison", comparison)
    return done


def equal(result, expected):
    for each in (result, expected):
        each.about["seconds"] = 0
    assert result == expected


@pytest.fixture(scope="module")
def stopped(auditor, path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped") / "checkpoint"
    with pytest.MonkeyPatch.context() as patch:
        counted(auditor, patch, stop_after=3)
        with pytest.raises(KeyboardInterrupt):
            audit(auditor, path, folder)
    return folder


@pytest.fixture
def interrupted(stopped, tmp_path):
    """The folder of an audit that stopped after three of six parts."""
    return shutil.copytree(stopped, tmp_path / "checkpoint")


@pytest.fixture(scope="module")
def expected(auditor, path):
    """The audit that nothing interrupted."""
    return audit(auditor, path, None)


def test_an_interrupted_audit_goes_on_where_it_stopped(
    auditor, path, interrupted, expected, monkeypatch
):
    assert sorted(p.name for p in interrupted.iterdir()) == [
        "manifest.json", "part-000000.json", "part-000001.json", "part-000002.json",
    ]  # fmt: skip
    done = counted(auditor, monkeypatch)
    result = audit(auditor, path, interrupted)
    assert done == [SIZE] * 3
    equal(result, expected)
    equal(audit(auditor, path, interrupted), expected)
    assert done == [SIZE] * 3


def test_several_processes_go_on_as_well(auditor, path, interrupted, expected):
    equal(audit(auditor, path, interrupted, n_jobs=2), expected)


def test_models_that_were_saved_and_loaded_are_the_same(auditor, path, interrupted, expected):
    again = pickle.loads(pickle.dumps(auditor))
    equal(audit(again, path, interrupted), expected)


DAMAGES = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "other figure": lambda text: re.sub(r'"broken": \d+', '"broken": 0', text),
    "other kind": lambda text: "[1, 2]",
    "not text": lambda text: "\udcff",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_parts_are_said_and_not_used(auditor, path, interrupted, expected, damage):
    part = interrupted / "part-000001.json"
    damaged = damage(part.read_text())
    assert damaged != part.read_text()
    part.write_bytes(damaged.encode(errors="surrogateescape"))
    with pytest.warns(UserWarning, match=r"part-000001\.json' is damaged \(.+\) and not used"):
        result = audit(auditor, path, interrupted)
    equal(result, expected)
    with warnings.catch_warnings():  # it was written anew
        warnings.simplefilter("error")
        audit(auditor, path, interrupted)


def refused(message):
    return pytest.raises(ValueError, match=f"^checkpoint: {re.escape(message)}$")


def test_folders_of_other_audits_are_refused(auditor, credit, pipelines, path, interrupted):
    other = clone(pipelines[1]).set_params(logisticregression__C=0.29)
    other.fit(credit.data, credit.target)
    swapped = clone(auditor).set_params(reference=pipelines[0], deployed=other)
    swapped.fit(credit.data, credit.target)
    before = {p.name: p.read_bytes() for p in interrupted.iterdir()}
    said = f"the folder {str(interrupted)!r} is of another audit, which differs in "
    for each, options, names in (
        (swapped, {}, "deployed"),
        (auditor, {"groups": None}, "groups"),
        (auditor, {"chunk_size": 90, "max_people": 5}, "chunk_size, people"),
    ):
        with refused(f"{said}{names}: give an empty or a new one."):
            audit(each, path, interrupted, **options)
    assert {p.name: p.read_bytes() for p in interrupted.iterdir()} == before


def test_other_rows_are_refused(auditor, credit, path, interrupted):
    table = credit.data.assign(credit=credit.target)
    table.loc[150, "debt"] += 1
    other = path.with_name("other.parquet")
    table.to_parquet(other)
    with refused(
        f"the rows of part 1 are not those that {str(interrupted)!r} knows: the data changed. "
        "Give an empty or a new folder."
    ):
        audit(auditor, other, interrupted)


def test_other_folders_are_refused(auditor, path, interrupted, tmp_path):
    with refused(f"the folder {str(tmp_path)!r} holds other files: give an empty or a new one."):
        audit(auditor, path, tmp_path)
    manifest = interrupted / "manifest.json"
    record = json.loads(manifest.read_text())
    for text in ("{", "[]", "null", json.dumps({**record, "version": 2}), '{"kind": 1}'):
        manifest.write_text(text)
        with refused(
            f"{str(manifest)!r} is damaged or no checkpoint: give an empty or a new folder."
        ):
            audit(auditor, path, interrupted)
