"""From what the parts added up to, to the result of an audit."""

from ._differences import group_tests
from ._figures import tally_measures
from ._groups import GroupCells
from ._part import everybody
from ._result import AuditResult


def assemble(totals, names, *, confidence_level, about):
    """Figures, groups and tests of everybody.

    Parameters
    ----------
    totals : Totals
    names : sequence of str
        What tells groups apart; empty without groups.
    confidence_level : float
    about : dict

    Returns
    -------
    AuditResult
    """
    members = GroupCells(names).members(totals.cells) if names else {}
    tallies = {
        group: everybody({cell: totals.cells[cell] for cell in cells})
        for groups in members.values()
        for group, cells in groups.items()
    }
    groupings = {name: tuple(groups) for name, groups in members.items()}
    whole = everybody(totals.cells)
    return AuditResult(
        measures=tally_measures(whole, confidence_level=confidence_level),
        by_group={
            g: tally_measures(t, confidence_level=confidence_level) for g, t in tallies.items()
        },
        counts=whole.counts,
        counts_by_group={g: t.counts for g, t in tallies.items()},
        gaps=whole.gaps,
        gaps_by_group={g: t.gaps for g, t in tallies.items()},
        groupings=groupings,
        tests=group_tests(groupings, tallies),
        people=totals.people(),
        about=about,
    )
