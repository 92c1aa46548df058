"""Write the report of an audit."""

import base64
import datetime
import hashlib
import numbers

import numpy as np

from .. import __version__
from .._utils._errors import raise_problems
from .._utils._extras import require
from .._utils._files import atomic_path, writable_problems
from ..audit import AuditResult
from ..plots import GroupComparisonDisplay, PersonDisplay, RecourseGapDisplay
from ._pictures import picture
from ._tables import about_rows, group_rows, headline_rows, people_table, test_rows
from ._verdict import judge, limit_problems
from ._words import FIGURES, figure_text, interval_text, level_text

#: Figures that stand large at the top, after the verdict.
LARGE = ("validity_drop", "abs_recourse_gap", "decision_flips", "accuracy")
#: A picture of more groups than this says nothing; the table lists them all.
MOST_GROUPS_DRAWN = 30


def write_report(result, path, *, title="Recourse audit", limits=None, max_people=200):
    """Write an audit as one HTML file.

    The file needs nothing else, no network and no script to be read: verdict in plain words,
    figures with intervals, pictures, groups with tests, people, method and its limits, and what
    is needed to repeat the audit. Its script only sorts and filters the people. The figures are
    in it a second time as JSON, for programs.

    It lists people with their values: personal data. ``max_people=0`` leaves them out.

    Parameters
    ----------
    result : AuditResult
        From :meth:`RecourseAuditor.audit() <skcfq.RecourseAuditor.audit>`.
    path : path-like
        The file to write; its folder must exist. It appears whole or not at all.
    title : str, default="Recourse audit"
        Heading and title.
    limits : dict of str to float or sequence of Limit, default=None
        Largest allowed value of ``validity_drop``, ``abs_recourse_gap``, ``recourse_gap``,
        ``median_recourse_gap``, ``weighted_recourse_gap`` or ``decision_flips``, as shares: 0.02 is
        2 %; or conditions of any kind, see :func:`read_limits`. The verdict says for each whether it
        is kept. A figure that is not defined keeps none.
    max_people : int, default=200
        Most people in the table: first those whose advice breaks, then by the change of cost.

    Returns
    -------
    bool or None
        Whether all limits are kept; None without limits.

    Raises
    ------
    ValueError
        If the path cannot be written or an argument is wrong; lists all problems, before
        anything is drawn.
    ImportError
        If Jinja2 or matplotlib is not installed: ``pip install "skcfq[report]"``.

    See Also
    --------
    skcfq.audit.AuditResult.to_json : The same figures for programs.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.pipeline import make_pipeline
    >>> from skcfq import RecourseAuditor
    >>> from skcfq.datasets import make_recourse_classification
    >>> from skcfq.report import write_report
    >>> data = make_recourse_classification(n_samples=300, random_state=0)
    >>> X, y = data.data[["income", "debt", "savings"]], data.target
    >>> old = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    >>> new = make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(X, y)
    >>> audit = RecourseAuditor(old, new, target="granted").fit(X, y).audit(X, y)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "audit.html"
    >>> write_report(audit, path, limits={"validity_drop": 0.02})
    True
    >>> path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    True
    """
    require("write_report", "report", "jinja2", "matplotlib")
    limits = () if limits is None else limits
    raise_problems("write_report", _problems(result, path, title, limits, max_people))
    verdict = judge(result, limits)
    page = _render(result, verdict, title, max_people)
    with atomic_path(path) as part:
        part.write_text(page, encoding="utf-8")
    return verdict.passed


def _problems(result, path, title, limits, max_people):
    problems = writable_problems(path)
    if not isinstance(result, AuditResult):
        problems.append(
            f"result is {type(result).__name__}, must be an AuditResult, what audit returns."
        )
    else:
        problems += limit_problems(limits, result.measures)
    if not isinstance(title, str) or not title.strip():
        problems.append(f"title is {title!r}, must be text.")
    whole = isinstance(max_people, numbers.Integral) and not isinstance(max_people, bool)
    if not whole or max_people < 0:
        problems.append(f"max_people is {max_people!r}, must be a whole number >= 0.")
    return problems


def _render(result, verdict, title, max_people):
    """The page."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("skcfq.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = environment.loader.get_source(environment, "report.js")[0]
    people = None
    if result.people is not None and max_people > 0:
        people = people_table(result.people, max_people)
    measures = result.measures
    large = [
        (FIGURES[n][0], figure_text(n, measures[n]), interval_text(n, measures[n]))
        for n in LARGE
        if n in measures
    ]
    return environment.get_template("report.html").render(
        title=title,
        verdict=verdict,
        large=large,
        level=level_text(measures["validity_drop"]),
        figures=headline_rows(measures),
        gap_picture=_trusted(_gap_picture(result)),
        person_picture=_trusted(_person_picture(result) if people else None),
        groupings=[
            (name, _trusted(_group_picture(result, name, i)), group_rows(result, name))
            for i, name in enumerate(result.groupings)
        ],
        tests=test_rows(result.tests),
        people=people,
        counts=result.counts,
        about=about_rows(result.about),
        target=result.about.get("target", ""),
        version=__version__,
        written=datetime.datetime.now(datetime.UTC),
        style=Markup(environment.loader.get_source(environment, "report.css")[0]),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        record=Markup(script_safe(result.to_json(people=False))),
    )


def script_safe(text):
    r"""JSON that can stand inside a script element, whatever its strings hold.

    Examples
    --------
    >>> print(script_safe('["</script><!--"]'))
    ["\u003c/script\u003e\u003c!--"]
    """
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _trusted(drawn):
    """A picture whose SVG, which is escaped already, goes into the page as it is."""
    from markupsafe import Markup

    return drawn and {"svg": Markup(drawn.svg), "caption": drawn.caption}


def _gap_picture(result):
    """The distribution of gaps, if there are any."""
    if not result.gaps.n:
        return None
    measures = result.measures
    return picture(
        lambda ax: RecourseGapDisplay.from_result(result, ax=ax),
        (7, 3.2),
        f"How many people have which change of cost: mean "
        f"{figure_text('recourse_gap', measures['recourse_gap'])}, median "
        f"{figure_text('median_recourse_gap', measures['median_recourse_gap'])}, "
        f"{result.gaps.n:,} people.",
        "gaps",
    )


def _group_picture(result, grouping, number):
    """Validity drop by group, if somebody counts and there are not too many."""
    groups = result.groupings[grouping]
    counted = [result.counts_by_group[group]["advised"] for group in groups]
    if len(groups) > MOST_GROUPS_DRAWN or not any(counted):
        return None
    return picture(
        lambda ax: GroupComparisonDisplay.from_result(result, grouping=grouping, ax=ax),
        (7, 1.3 + 0.3 * len(groups)),
        f"Share of advice that fails by {grouping}, with intervals; the table below has the figures.",
        f"groups{number}",
    )


def _person_picture(result):
    """Somebody typical of those whose advice breaks: the median cost."""
    people = result.people
    broken = np.flatnonzero(people["outcome"] == "broken")
    if not len(broken):
        return None
    costs = people["reference_cost"].to_numpy()[broken]
    person = int(broken[np.argsort(costs, kind="stable")[len(broken) // 2]])
    return picture(
        lambda ax: PersonDisplay.from_result(result, person, ax=ax),
        (7, 3.4),
        f"Person {people.index[person]}, whose advice breaks and costs the median of those: what "
        "each model asks for. The table of people has it in words.",
        "person",
    )
