"""Showing records on a terminal, with rich."""

import math

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from ._progress import SilentProgress

#: Features told of a person, beside those that some advice changes.
TOLD = 9

READING = (
    "How to read it: VD (validity drop) is the share of refused people whose advice from the "
    "full-precision model no longer works. It alone can look perfect when a model has become "
    "lenient; then advice gets cheaper (CRG, the recourse gap, below 0), |CRG| is large and "
    "decisions change. Advice is kept where VD, |CRG| and changed decisions are all near 0."
)

FREE = (
    "Features that are not fixed move by any amount here, even where nobody could or should; "
    "--realistic keeps to whole steps and to what a person could do."
)


class RichProgress(SilentProgress):
    """Stages as bars on the error stream, so that what is printed can be piped on."""

    shown = True

    def __init__(self):
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[steps]}", justify="right"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._task = None
        self._done = 0
        self._total = None

    def __enter__(self):
        self._bars.start()
        return self

    def __exit__(self, *exception):
        self._bars.stop()

    def close(self):
        """Fill the present bar, and stop."""
        self.end()
        self._bars.stop()

    def begin(self, name, total=None):
        """Add a bar; without a total it runs to and fro."""
        self.end()
        self._done, self._total = 0, total
        self._task = self._bars.add_task(name, total=total, steps="")

    def advance(self):
        """Move the present bar."""
        self._done += 1
        steps = f"{self._done}/{self._total}"
        self._bars.update(self._task, completed=self._done, steps=steps)

    def end(self):
        """Fill the present bar: a training that stopped early is done."""
        if self._task is not None:
            done = max(self._done, 1)
            self._bars.update(self._task, total=done, completed=done)
        self._task = None


def print_result(result):
    """Print the table of models, the people, and where the model is.

    Parameters
    ----------
    result : DemoResult
    """
    console = Console(highlight=False)
    console.print()
    console.print(
        f"[bold]{result.dataset}[/]: {result.n_train:,} people to learn from, {result.n_test:,} to "
        f"test on; the full-precision model refuses {result.n_refused:,} of these and has advice "
        f"for {result.n_advised:,}"
    )
    console.print()
    console.print(models_table(result))
    console.print()
    console.print(READING, style="italic")
    console.print()
    console.print(_heading(result), style="bold")
    if result.people and not result.realistic:
        console.print(FREE, style="italic")
    for number, person in enumerate(result.people, start=1):
        console.print()
        console.print(f"{number}. {_who(person)}", markup=False)
        console.print()
        console.print(person_table(person))
    console.print()
    console.print(
        f"Saved the CFQ model to [bold]{result.output}[/] ({result.output_bytes / 1024:,.0f} KiB, "
        f"with its full-precision teacher); {result.seconds:.0f} s in all. To use it:"
    )
    console.print(f"    model = joblib.load({result.output!r})", markup=False)
    console.print("    model.predict(people); model.recourse(people)", markup=False)


def models_table(result):
    """The three models side by side.

    Parameters
    ----------
    result : DemoResult

    Returns
    -------
    rich.table.Table
    """
    table = plain_table()
    table.add_column("model", style="bold", no_wrap=True)
    for heading in (
        "accuracy", "average\nbits", "VD", "CRG\nmean", "|CRG|\nmean", "changed\ndecisions", "bytes",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for row in result.models:
        table.add_row(
            row.name,
            share(row.accuracy),
            f"{row.average_bits:.2f}".rstrip("0").rstrip("."),
            share(row.validity_drop),
            share(row.recourse_gap, sign="+"),
            share(row.abs_recourse_gap),
            share(row.decision_flips),
            f"{row.n_bytes:,}",
        )
    return table


def _heading(result):
    if not result.people:
        return "No test row has advice to show." if not result.n_advised else ""
    if result.n_broken:
        return (
            f"{len(result.people)} of the {result.n_broken:,} people whose advice plain QAT breaks: "
            "what each model asks of them, and whether it accepts the full-precision advice"
        )
    return (
        f"{len(result.people)} of the {result.n_advised:,} people with advice, none of which plain "
        "QAT breaks: what each model asks of them"
    )


def _who(person):
    """A person in words: who they are, then what can be changed about it."""
    told = list(person.person)[: max(TOLD, len(_touched(person)))]
    more = len(person.person) - len(told)
    words = ", ".join(f"{name} {show(person.person[name])}" for name in told)
    return f"{words} and {more} more" if more else words


def _touched(person):
    return [f for f in person.person if any(f in a.changes for a in person.advice.values())]


def person_table(person):
    """What each model asks of one person.

    Parameters
    ----------
    person : PersonAdvice

    Returns
    -------
    rich.table.Table
    """
    table = plain_table()
    table.add_column("change", min_width=15)
    table.add_column("now", justify="right", min_width=8)
    for name in person.advice:
        table.add_column(name, justify="right", min_width=14)
    for feature in _touched(person):
        before = person.person[feature]
        cells = [
            show(a.changes[feature], since=before) if feature in a.changes else "·"
            for a in person.advice.values()
        ]
        table.add_row(feature, show(before), *cells)
    table.add_row("cost", "", *(_cost(a) for a in person.advice.values()), style="dim")
    verdicts = ["[green]yes[/]" if ok else "[red]no[/]" for ok in person.still_works.values()]
    table.add_row("accepts advice", "", "yes", *verdicts)
    return table


def plain_table():
    """A table without frame."""
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)


def _cost(advice):
    if advice.status == "not needed":
        return "accepted as is"
    return "none found" if advice.cost is None else f"{advice.cost:.2f}"


def show(value, since=None):
    """A raw value for people.

    Parameters
    ----------
    value : number, str or None
        None is a missing value.
    since : number, default=None
        What it was: enough digits are shown to tell the change, to two significant ones.

    Returns
    -------
    str

    Examples
    --------
    >>> show(2412.68, since=2000), show(1.2642, since=2), show("rent"), show(None), show(31)
    ('2,413', '1.26', 'rent', 'missing', '31')
    """
    if value is None:
        return "missing"
    if isinstance(value, str | bool):
        return str(value)
    decimals = 2
    if isinstance(since, int | float) and since != value:
        decimals = max(0, 1 - math.floor(math.log10(abs(value - since))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def share(value, sign=""):
    """A share for people, in percent.

    Parameters
    ----------
    value : float or None
        NaN is undefined, None is nothing to tell.
    sign : str, default=""
        "+" shows the sign of what is positive, too.

    Returns
    -------
    str
    """
    if value is None:
        return "–"
    return "undefined" if math.isnan(value) else f"{100 * value:{sign}.1f}%"
