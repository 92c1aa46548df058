"""Showing an audit on a terminal, with rich."""

from rich.console import Console
from rich.text import Text

from ..report import group_rows, headline_rows
from ._printing import plain_table

#: Figures of `group_rows`.
HEADINGS = ("advice\nbroken", "|CRG|\nmean", "CRG\nmean", "changed\ndecisions", "has advice\nnow")


def print_audit(outcome, options):
    """Print the verdict, the figures, the groups and where the files are.

    Parameters
    ----------
    outcome : AuditOutcome
    options : AuditOptions
    """
    console, result, verdict = Console(highlight=False), outcome.result, outcome.verdict
    console.print()
    console.print(verdict.headline, style="bold", markup=False)
    for sentence in verdict.sentences:
        console.print(sentence, markup=False)
    console.print()
    console.print(_figures(result.measures))
    for grouping in result.groupings:
        console.print()
        console.print(_groups(result, grouping))
    console.print()
    for name, path in (("Report", options.report), ("Record", options.json)):
        if path is not None:
            console.print(f"{name}: {path}", markup=False)
    for check in verdict.checks:
        word = "[green]passes[/]" if check.kept else "[red]fails[/]"
        console.print(f"{word}: {check.name}: {check.sentence}")


def _figures(measures):
    table = plain_table()
    table.add_column("figure", no_wrap=True)
    for heading in ("", "interval", "people"):
        table.add_column(heading, justify="right")
    for name, _, *cells in headline_rows(measures):
        table.add_row(name, *cells)
    return table


def _groups(result, grouping):
    table = plain_table()
    table.add_column(Text(grouping), no_wrap=True)
    for heading in ("people", "with\nadvice", *HEADINGS):
        table.add_column(heading, justify="right")
    for label, people, advised, figures in group_rows(result, grouping):
        table.add_row(Text(label), people, advised, *(value for value, _ in figures))
    return table
