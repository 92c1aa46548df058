"""The record of an audit: tidy frames, JSON and back, and what is refused."""

import contextlib
import json
import re

import numpy as np
import pandas as pd
import pytest

from skcfq import RecourseAuditor
from skcfq.audit import AuditResult


@pytest.fixture(scope="module")
def result(credit, pipelines):
    """An audit of the two pipelines by sex and housing."""
    auditor = RecourseAuditor(*pipelines, actions=credit.actions, target="granted")
    auditor.fit(credit.data, credit.target)
    return auditor.audit(credit.data, credit.target, groups=["sex", "housing"])


def test_round_trip_is_equal(result, tmp_path):
    text = result.to_json(tmp_path / "audit.json")
    for again in (AuditResult.from_json(text), AuditResult.from_json(tmp_path / "audit.json")):
        assert again == result
        assert again.to_json() == text
        pd.testing.assert_frame_equal(again.people, result.people)
        pd.testing.assert_frame_equal(again.to_frame(), result.to_frame())
        pd.testing.assert_frame_equal(again.tests_frame(), result.tests_frame())
        assert repr(again) == repr(result)
    assert "NaN" not in text


def test_people_are_optional(result):
    again = AuditResult.from_json(result.to_json(people=False))
    assert again.people is None
    assert again != result
    assert again.measures == result.measures
    assert again.gaps == result.gaps


def test_about_tells_what_was_audited(result, credit):
    about = result.about
    assert about["target"] == "granted"
    assert about["classes"] == ["granted", "refused"]
    assert about["n_rows"] == 600
    assert about["features"] == list(credit.data.columns)
    assert about["reference"].startswith("Pipeline(")
    assert about["actions"] == json.loads(credit.actions.to_json())
    assert about["groups"] == ["sex", "housing"]
    assert {"Python", "skcfq", "scikit-learn", "torch"} <= set(about["versions"])
    assert json.loads(json.dumps(about)) == about


def test_people_say_what_broke(result):
    people = result.people
    assert set(people["outcome"]) <= {"holds", "broken", "no advice", "not needed", "now refused"}
    assert (people["outcome"] == "broken").sum() == result.counts["broken"] > 5
    broken = people[people["outcome"] == "broken"]
    assert broken["needed"].all()
    assert not broken["advice_survives"].any()
    refused = people["outcome"] == "now refused"
    assert (people["deployed_decision"][refused] == "refused").all()
    assert (people["reference_decision"][refused] == "granted").all()
    np.testing.assert_allclose(people["recourse_gap"].mean(), result.measures["recourse_gap"])
    assert people["recourse_gap"].notna().sum() == result.counts["compared"] == result.gaps.n


def test_a_file_may_be_called_by_its_name(result, tmp_path):
    path = tmp_path / "audit.json"
    text = result.to_json(str(path))
    assert AuditResult.from_json(str(path)) == AuditResult.from_json(path) == result
    assert AuditResult.from_json(text) == result
    with pytest.raises(ValueError, match="it is neither a record nor the name of a file"):
        AuditResult.from_json(str(tmp_path / "other.json"))


def test_a_single_row_is_a_record_too(result, credit, pipelines):
    auditor = RecourseAuditor(*pipelines, actions=credit.actions, target="granted")
    auditor.fit(credit.data, credit.target)
    for row in (0, 1, 2, 3):
        one = auditor.audit(credit.data.iloc[[row]], groups="sex")
        assert AuditResult.from_json(one.to_json()) == one
        assert {test.method for test in one.tests} == {"none"}
        assert np.isnan([test.p_adjusted for test in one.tests]).all()


def change(path, value):
    """A function that sets one place of a record."""

    def apply(record):
        *parents, last = path
        for key in parents:
            record = record[key]
        record[last] = value

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change(["version"], 2), "it has the format 2, known is 1"),
        (change(["kind"], "other"), "it is no record of an audit"),
        (change(["extra"], 1), "it has other fields than known: ['extra']"),
        (lambda record: record.pop("tests"), "there is no 'tests'"),
        (change(["measures", "validity_drop", "n"], -1), "-1 is no count"),
        (change(["measures", "validity_drop", "value"], "0"), "'0' is no number"),
        (change(["counts", "people"], True), "True is no count"),
        (change(["gaps", "bins"], [3, 2]), "a sketch has not one count for each bin"),
        (change(["by_group"], {}), "counts_by_group is about other groups than by_group"),
        (change(["people", "index"], [1]), "the column 'age' of people cannot be read"),
    ],
)
def test_malformed_records_are_one_clear_error(result, damage, message):
    record = json.loads(result.to_json())
    damage(record)
    with pytest.raises(
        ValueError, match=f"^AuditResult.from_json cannot read the text: {re.escape(message)}\\.$"
    ):
        AuditResult.from_json(json.dumps(record))


@pytest.mark.parametrize("text", ["", "[]", "null", "5", '{"kind": "skcfq audit"', "[" * 100_000])
def test_other_text_is_one_clear_error(text):
    with pytest.raises(ValueError, match=r"^AuditResult\.from_json"):
        AuditResult.from_json(text)


def test_any_cut_or_changed_byte_gives_a_record_or_a_value_error(result):
    text, random = result.to_json(people=False), np.random.default_rng(0)
    for _ in range(100):
        place = int(random.integers(len(text)))
        for mutant in (text[:place], text[:place] + "9" + text[place + 1 :]):
            with contextlib.suppress(ValueError):
                assert isinstance(AuditResult.from_json(mutant), AuditResult)
