"""Showing an audit on a terminal, with rich."""

import math

from rich.console import Console

from ._printing import plain_table, share

#: What a table shows of each group.
COLUMNS = {
    "validity_drop": "advice\nbroken", "recourse_gap": "CRG\nmean", "abs_recourse_gap": "|CRG|\nmean",
    "decision_flips": "changed\ndecisions", "deployed_feasible": "has advice\nnow",
}  # fmt: skip

MEANING = {
    "accuracy": "accuracy of the deployed model",
    "validity_drop": "advice that no longer works (VD)",
    "recourse_gap": "advice got dearer by, mean (CRG)",
    "abs_recourse_gap": "cost changed by, mean size (|CRG|)",
    "median_recourse_gap": "advice got dearer by, median",
    "weighted_recourse_gap": "all costs together got dearer by",
    "decision_flips": "decisions that changed",
    "reference_feasible": "refused people with advice, reference",
    "deployed_feasible": "the same people with advice, deployed",
    "direction_similarity": "similarity of what is advised (cosine)",
    "action_overlap": "overlap of what is to be changed",
}


def print_audit(outcome, options):
    """Print the verdict, the figures, the groups and where the files are.

    Parameters
    ----------
    outcome : AuditOutcome
    options : AuditOptions
    """
    console, result = Console(highlight=False), outcome.result
    console.print()
    console.print(verdict(result.counts), style="bold", markup=False)
    console.print()
    console.print(_figures(result.measures))
    if result.by_group:
        console.print()
        console.print(_groups(result))
        console.print()
        for line in _differences(result.tests):
            console.print(line, markup=False)
    console.print()
    for name, path in (("Report", options.report), ("Record", options.json)):
        if path is not None:
            console.print(f"{name}: [bold]{path}[/]")
    failed = {limit.text for limit in outcome.failed}
    for limit in outcome.limits:
        word = "[red]fails[/]" if limit.text in failed else "[green]passes[/]"
        console.print(
            f"{word}: {limit.text} ({limit.measure} is {result.measures[limit.measure]:.4g})"
        )


def verdict(counts):
    """What became of the advice, in one sentence.

    Parameters
    ----------
    counts : dict of str to int

    Returns
    -------
    str
    """
    if not counts["needed"]:
        return (
            f"The reference refuses none of the {counts['people']:,} people: no advice is needed."
        )
    people = (
        f"Of {counts['people']:,} people the reference refuses {counts['needed']:,} and has advice "
        f"for {counts['advised']:,}"
    )
    if not counts["advised"]:
        return f"{people}: none can break."
    broken = f"the deployed model breaks that of {counts['broken']:,}"
    return f"{people}; {broken} ({share(counts['broken'] / counts['advised'])})."


def _figures(measures):
    table = plain_table()
    table.add_column("", no_wrap=True)
    for heading in ("", "95 % interval", "people"):
        table.add_column(heading, justify="right")
    for name, estimate in measures.items():
        signed = "+" if "recourse_gap" in name and "abs" not in name else ""
        ends = f"{share(estimate.low, signed)} to {share(estimate.high, signed)}"
        table.add_row(
            MEANING[name], share(estimate, signed), "" if math.isnan(estimate.low) else ends,
            f"{estimate.n:,}",
        )  # fmt: skip
    return table


def _groups(result):
    table = plain_table()
    table.add_column("group", no_wrap=True)
    for heading in ("people", "with\nadvice", *COLUMNS.values()):
        table.add_column(heading, justify="right")
    for group, measures in result.by_group.items():
        counts = result.counts_by_group[group]
        cells = [share(measures[n], "+" if n == "recourse_gap" else "") for n in COLUMNS]
        table.add_row(str(group), f"{counts['people']:,}", f"{counts['advised']:,}", *cells)
    return table


def _differences(tests):
    """One sentence for each test that finds a difference, or that none does."""
    found = [test for test in tests if test.p_adjusted < 0.05]
    if not found:
        return ["No difference between groups beyond chance (adjusted p >= 0.05)."] if tests else []
    return [
        f"Groups of {test.grouping} differ in {test.measure} (adjusted p = {test.p_adjusted:.2g})."
        for test in found
    ]
