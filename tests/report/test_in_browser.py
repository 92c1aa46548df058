"""The report as a reader's browser shows it."""

import itertools

import pytest

from .conftest import HOSTILE

WIDTHS = {"phone": 390, "desktop": 1280}

#: Cells of a column of the people whom the table shows.
CELLS = """
Array.from(document.querySelectorAll('#people-table tbody tr'))
  .filter((row) => !row.hidden).map((row) => row.cells[{column}].textContent)
"""
VALUES = """
Array.from(document.querySelectorAll('#people-table tbody tr'))
  .map((row) => parseFloat(row.cells[{column}].dataset.value ?? 'NaN'))
  .map((value) => Number.isNaN(value) ? null : value)
"""
HEADS = "Array.from(document.querySelectorAll('#people-table thead th'))"


@pytest.fixture
def page(browser, report):
    browser.prefer("light")
    browser.resize(WIDTHS["desktop"])
    browser.open(report)
    return browser


def column_of(page, name):
    return page.evaluate(f"{HEADS}.findIndex((head) => head.textContent === {name!r})")


def count(page):
    return page.evaluate("document.getElementById('people-count').textContent")


def test_the_browser_tells_of_errors_and_requests(browser, tmp_path):
    path = tmp_path / "bad.html"
    path.write_text("<script>console.error('no'); oops()</script><img src='other.png'>")
    browser.open(path)
    assert len(browser.complaints()) >= 2
    assert [url.rpartition("/")[2] for url in browser.requests()] == ["other.png"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["report", "hostile_report"])
def test_opens_without_error_or_request(browser, request, which, scheme):
    browser.prefer(scheme)
    browser.open(request.getfixturevalue(which))
    assert browser.complaints() == []
    assert browser.requests() == []


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("which", ["report", "hostile_report"])
def test_nothing_is_wider_than_the_screen(browser, request, which, width):
    browser.resize(width)
    browser.open(request.getfixturevalue(which))
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    # What sticks out of the screen lies in a box that scrolls.
    outside = browser.evaluate(
        "Array.from(document.querySelectorAll('body *')).filter((e) =>"
        " e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll, pre')"
        ").map((e) => e.outerHTML.slice(0, 80))"
    )
    assert outside == []


def test_schemes_differ_and_words_are_readable_on_both(browser, report):
    seen = {}
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        browser.open(report)
        seen[scheme] = browser.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,"
            " getComputedStyle(document.querySelector('.plot text')).fill]"
        )
    assert seen["light"][0] == "rgb(255, 255, 255)"
    for background, words, drawn in seen.values():
        assert contrast(background, words) > 7
        assert contrast(background, drawn) > 7
    assert seen["light"] != seen["dark"]


def contrast(*colours):
    """Ratio of two colours' luminances, as WCAG 2 defines it."""
    light = []
    for colour in colours:
        parts = [int(c) / 255 for c in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        light.append(0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2])
    return (max(light) + 0.05) / (min(light) + 0.05)


def test_numbers_sort_as_numbers_and_say_so(page):
    column = column_of(page, "Cost before")
    click = f"{HEADS}[{column}].querySelector('button').click()"
    before = page.evaluate(VALUES.format(column=column))
    for direction in ("ascending", "descending"):
        page.evaluate(click)
        values = page.evaluate(VALUES.format(column=column))
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=direction == "descending")
        assert sorted(known) == sorted(value for value in before if value is not None)
        # People without a number stand last, whichever way.
        assert None not in values[: len(known)]
        states = page.evaluate(f"{HEADS}.map((head) => head.getAttribute('aria-sort'))")
        assert [state for state in states if state] == [direction]
        assert states[column] == direction


def test_words_sort_as_words(page):
    column = column_of(page, "Group")
    page.evaluate(f"{HEADS}[{column}].querySelector('button').click()")
    cells = page.evaluate(CELLS.format(column=column))
    assert cells == sorted(cells)
    assert len(set(cells)) > 2


def test_sorting_works_from_the_keyboard(page):
    page.evaluate("document.querySelector('#people-table thead button').focus()")
    page.press("Tab", 9)
    assert page.evaluate("document.activeElement.textContent") == "Group"
    page.press("Enter", 13, "\r")
    assert page.evaluate("document.activeElement.closest('th').getAttribute('aria-sort')") == (
        "ascending"
    )


def test_filters_combine_and_the_count_is_announced(page, result):
    total = page.evaluate("document.querySelectorAll('#people-table tbody tr').length")
    assert count(page) == f"{total} of {total} people shown."
    assert page.evaluate(
        "[document.getElementById('people-count').getAttribute('aria-live'),"
        " document.getElementById('people-count').getAttribute('role')]"
    ) == ["polite", "status"]
    choose = (
        "(() => {{ const select = document.getElementById('people-{name}');"
        " select.value = {value!r}; select.dispatchEvent(new Event('change')); }})()"
    )
    page.evaluate(choose.format(name="group", value="=who=women & kind=c"))
    groups = page.evaluate(CELLS.format(column=column_of(page, "Group")))
    assert set(groups) == {"who=women & kind=c"}
    assert count(page) == f"{len(groups)} of {total} people shown."
    page.evaluate(choose.format(name="group", value=""))
    page.evaluate(
        "(() => { const search = document.getElementById('people-search');"
        " search.value = 'WOMEN'; search.dispatchEvent(new Event('input')); })()"
    )
    shown = page.evaluate(CELLS.format(column=column_of(page, "Group")))
    assert 0 < len(shown) < total
    assert all("women" in group for group in shown)


def test_hostile_names_are_words(browser, hostile_report, hostile_result):
    browser.open(hostile_report)
    assert browser.evaluate("document.title") == HOSTILE["title"]
    assert browser.evaluate("document.querySelector('h1').textContent") == HOSTILE["title"]
    assert browser.evaluate("document.scripts.length") == 2
    assert browser.evaluate("document.images.length") == 0
    groups = browser.evaluate(
        "Array.from(document.querySelectorAll('#people-group option')).slice(1).map((o) => o.textContent)"
    )
    assert any(HOSTILE["group"] in group for group in groups)
    words = browser.evaluate("document.querySelector('#people-table').textContent")
    assert HOSTILE["column"] in words
    record = "JSON.parse(document.getElementById('audit-record').textContent)"
    assert browser.evaluate(f"Object.keys({record}.by_group)") == list(hostile_result.by_group)


def test_screen_readers_find_their_way(page):
    assert page.evaluate("['header', 'main', 'nav', 'footer'].map((n) => document.querySelectorAll(n).length)") == [1, 1, 1, 1]  # fmt: skip
    levels = page.evaluate(
        "Array.from(document.querySelectorAll('h1, h2, h3')).map((h) => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.evaluate("Array.from(document.querySelectorAll('table')).every((t) => t.caption)")
    unnamed = (
        "Array.from(document.querySelectorAll('svg, section, [role=region], input, select')).filter("
        "(e) => !e.ariaLabel && !e.closest('label') &&"
        " !document.getElementById(e.getAttribute('aria-labelledby'))).length"
    )
    assert page.evaluate(unnamed) == 0
    ids = page.evaluate("Array.from(document.querySelectorAll('[id]')).map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_prints(page, tmp_path):
    path = tmp_path / "report.pdf"
    page.print(path)
    assert path.read_bytes().startswith(b"%PDF")
