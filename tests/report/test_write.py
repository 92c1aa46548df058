"""What the report says, and when it is not written."""

import dataclasses
import html
import json
import re
import sys

import numpy as np
import pytest

from skcfq.audit import AuditResult
from skcfq.metrics import Estimate
from skcfq.report import judge, read_limits, write_report
from skcfq.report._pictures import inline_svg

from .conftest import HOSTILE


def with_advice(result, advised, broken, **measures):
    """An audit with other counts and figures."""
    return dataclasses.replace(
        result,
        counts=result.counts | {"advised": advised, "broken": broken},
        measures=result.measures | measures,
    )


def words(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


# ----- verdict ---------------------------------------------------------------------------------


def test_the_verdict_says_whose_advice_breaks(result):
    drop = Estimate(65 / 3806, 3806, 0.0134, 0.0217)
    verdict = judge(with_advice(result, 3806, 65, validity_drop=drop), {})
    assert words(verdict.headline) == (
        "Of 3,806 people whom the reference refused and advised, the deployed model breaks the advice "
        "of 65: 1.7 % (95 % interval 1.3 to 2.2 %)."
    )
    assert (
        verdict.sentences[0] == "If they do what they were told, 65 of them will be refused again."
    )
    assert verdict.passed is None


@pytest.mark.parametrize(
    ("limit", "kept", "sentence"),
    [
        (0.02, True, "1.7 % keeps the limit of 2.0 %, but the 95 % interval reaches 2.2 %."),
        (0.05, True, "1.7 % keeps the limit of 5.0 %."),
        (0.015, False, "1.7 % exceeds the limit of 1.5 %, but the 95 % interval starts at 1.3 %."),
        (0.01, False, "1.7 % exceeds the limit of 1.0 %."),
    ],
)
def test_limits_are_judged_with_their_interval(result, limit, kept, sentence):
    drop = Estimate(65 / 3806, 3806, 0.0134, 0.0217)
    verdict = judge(with_advice(result, 3806, 65, validity_drop=drop), {"validity_drop": limit})
    assert verdict.passed is kept
    assert words(verdict.checks[0].sentence) == sentence


def test_a_figure_of_nobody_keeps_no_limit_and_is_no_success(result):
    nobody = with_advice(
        result, 0, 0, validity_drop=Estimate(np.nan, 0), recourse_gap=Estimate(np.nan, 0)
    )
    verdict = judge(nobody, {"validity_drop": 1.0})
    assert verdict.passed is False
    assert "nothing can be said about advice" in verdict.headline
    assert (
        words(verdict.checks[0].sentence)
        == "Not defined, so that the limit of 100.0 % is not kept."
    )


def test_leniency_is_told(result):
    lenient = with_advice(result, 100, 0, recourse_gap=Estimate(-0.5, 100, -0.6, -0.4))
    assert any("more lenient" in sentence for sentence in judge(lenient, {}).sentences)
    alike = with_advice(result, 100, 0, recourse_gap=Estimate(-0.01, 100, -0.02, 0.0))
    assert not any("more lenient" in sentence for sentence in judge(alike, {}).sentences)


def test_one_person_is_one_person(result):
    verdict = judge(with_advice(result, 1, 1, validity_drop=Estimate(1.0, 1)), {})
    assert words(verdict.headline) == (
        "Of 1 person whom the reference refused and advised, the deployed model breaks the advice of "
        "1: 100.0 %."
    )
    assert verdict.sentences[0].endswith("one of them will be refused again.")


def test_differences_between_groups_are_told_and_none_is_no_proof(result):
    test = dataclasses.replace(
        result.tests[0], measure="validity_drop", grouping="sex", difference=0.182, p_adjusted=0.0002,
        highest="women", lowest="men",
    )  # fmt: skip
    (told,) = [
        s for s in judge(dataclasses.replace(result, tests=(test,)), {}).sentences if "sex" in s
    ]
    assert words(told) == (
        "By sex, advice fails more often for women than for men (18.2 percentage points, adjusted "
        "p < .001)."
    )
    test = dataclasses.replace(test, p_adjusted=0.3)
    found = judge(dataclasses.replace(result, tests=(test,)), {}).sentences
    assert found[-1].startswith("No difference between groups was found")


# ----- the page --------------------------------------------------------------------------------


def test_the_page_holds_every_figure_group_and_test(report, result):
    page = report.read_text(encoding="utf-8")
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    assert f"{result.counts['advised']:,}" in text
    for group in result.by_group:
        assert group in text
    assert page.count("<svg") == 5  # gaps, three groupings, one person
    assert "✗ limit exceeded" in text


def test_the_page_needs_nothing_from_elsewhere(report):
    page = report.read_text(encoding="utf-8")
    # Names of namespaces are no addresses.
    found = re.findall(r"(?:https?:)?//[\w.]+", re.sub(r'xmlns(:\w+)?="[^"]+"', "", page))
    assert found == []
    assert re.findall(r"<(?:link|img|script|iframe)[^>]+(?:src|href)=\"(?!data:,)", page) == []


def test_the_record_in_the_page_is_the_audit_without_people(report, result):
    page = report.read_text(encoding="utf-8")
    (text,) = re.findall(r'<script type="application/json"[^>]*>(.+?)</script>', page, re.DOTALL)
    again = AuditResult.from_json(text)
    assert again == dataclasses.replace(result, people=None)
    assert json.loads(text)["people"] is None


def test_hostile_names_are_escaped_wherever_they_stand(hostile_report):
    page = hostile_report.read_text(encoding="utf-8")
    for name in HOSTILE.values():
        if "<" in name:
            assert name not in page
            assert html.escape(name, quote=False)[:20] in page.replace("&#34;", '"')
    assert page.count("<script") == 2
    assert "{{ 7 * 7 }}" in page


def test_people_are_listed_up_to_the_limit_and_worst_first(result, tmp_path):
    path = tmp_path / "a.html"
    write_report(result, path, max_people=7)
    page = path.read_text(encoding="utf-8")
    outcomes = re.findall(r'<tr data-outcome="([^"]+)"', page)
    assert len(outcomes) == 7
    n_broken = result.counts["broken"]
    assert outcomes[: min(n_broken, 7)] == ["advice broken"] * min(n_broken, 7)
    concerned = int((result.people["outcome"] != "not needed").sum())
    assert f"7 of {concerned:,} refused people" in page


@pytest.mark.parametrize("without", ["none asked for", "none kept"])
def test_people_can_be_left_out(result, tmp_path, without):
    path = tmp_path / "a.html"
    if without == "none kept":
        result = dataclasses.replace(result, people=None)
    write_report(result, path, max_people=0 if without == "none asked for" else 10)
    page = path.read_text(encoding="utf-8")
    assert "This report lists nobody" in page
    assert "people-table" not in re.sub(
        r"<script>.*</script>|<style>.*</style>", "", page, flags=re.DOTALL
    )


def test_an_audit_of_nobody_refused_has_a_report(tmp_path, result):
    nobody = dataclasses.replace(
        result,
        counts=dict.fromkeys(result.counts, 0),
        measures={name: Estimate(np.nan, 0) for name in result.measures},
        by_group={}, counts_by_group={}, gaps_by_group={}, groupings={}, tests=(),
        gaps=type(result.gaps).of(np.zeros(0)),
        people=result.people.head(0),
    )  # fmt: skip
    assert write_report(nobody, tmp_path / "a.html") is None
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "nothing can be said about advice" in page
    assert "nan" not in re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.DOTALL).split()


def test_the_same_audit_gives_the_same_page_but_for_the_time(result, tmp_path):
    pages = []
    for name in ("a.html", "b.html"):
        write_report(result, tmp_path / name)
        page = (tmp_path / name).read_text(encoding="utf-8")
        pages.append(re.sub(r"<time.*?</time>", "", page))
    assert pages[0] == pages[1]


# ----- errors ----------------------------------------------------------------------------------


def test_all_problems_are_told_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="write_report has 4 problems") as error:
        write_report("figures", tmp_path / "no" / "a.html", title=" ", max_people=-1)
    for sentence in (
        "cannot be written: the folder",
        "result is str, must be an AuditResult, what audit returns.",
        "title is ' ', must be text.",
        "max_people is -1, must be a whole number >= 0.",
    ):
        assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("text", "kept", "sentence"),
    [
        ("vd>2%", True, "1.7 % keeps the limit of 2.0 %, but the 95 % interval reaches 2.2 %."),
        ("vd>1.5%", False, "1.7 % exceeds the limit of 1.5 %, but the 95 % interval starts at 1.3 %."),
        ("vd>1%", False, "1.7 % exceeds the limit of 1.0 %."),
        ("vd.high>2%", False, "2.2 % exceeds the limit of 2.0 %."),
        ("vd.low>2%", True, "1.3 % keeps the limit of 2.0 %."),
        ("vd<1%", True, "1.7 % keeps the limit of 1.0 %."),
        ("vd<1.5%", True, "1.7 % keeps the limit of 1.5 %, but the 95 % interval starts at 1.3 %."),
        ("vd<2%", False, "1.7 % falls below the limit of 2.0 %, but the 95 % interval reaches 2.2 %."),
    ],
)  # fmt: skip
def test_conditions_of_any_kind_are_judged(result, text, kept, sentence):
    drop = Estimate(0.017, 3806, 0.013, 0.022)
    judged = judge(
        with_advice(result, 3806, 65, validity_drop=drop), read_limits([text], result.measures)
    )
    assert judged.passed is kept
    (check,) = judged.checks
    assert check.sentence.replace("\N{NO-BREAK SPACE}", " ") == sentence


def test_limits_that_are_none_are_told(result, tmp_path):
    with pytest.raises(ValueError, match="2 problems") as error:
        write_report(result, tmp_path / "a.html", limits={"accuracy": 0.9, "validity_drop": "2 %"})
    assert "limits names 'accuracy', must be one of validity_drop, " in str(error.value)
    assert "limits['validity_drop'] is '2 %', must be a finite number." in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_fails_half_way_leaves_the_old_file(result, tmp_path, monkeypatch):
    path = tmp_path / "a.html"
    path.write_text("old")
    monkeypatch.setattr("skcfq.report._write.judge", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(result, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_without_jinja_the_extra_is_named(result, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r'needs jinja2: pip install "skcfq\[report\]"'):
        write_report(result, tmp_path / "a.html")


# ----- pictures --------------------------------------------------------------------------------


def test_a_picture_keeps_words_and_gives_up_ids_and_styles_of_its_own():
    svg = (
        b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        b' width="100pt" height="50pt" viewBox="0 0 100 50"><defs><style>*{color: red}</style>'
        b'<clipPath id="c"/><path id="m"/></defs><g clip-path="url(#c)" style="fill: #0072b2">'
        b'<use xlink:href="#m"/><text>id="m" &lt;b> #0072b2</text></g></svg>'
    )
    found = inline_svg(svg, 'a "caption"', "p")
    assert "<style" not in found
    for part in ('id="p-c"', 'url(#p-c)', 'href="#p-m"', "fill: var(--reference)",
                 'id="m" &lt;b&gt; #0072b2', 'aria-label="a &quot;caption&quot;"', "133px"):  # fmt: skip
        assert part in found
