"""From what the parts added up to, to the result of an audit."""

from ._differences import group_tests
from ._figures import tally_measures
from ._groups import GroupCells
from ._part import everybody
from ._result import AuditResult


def assemble(found, names, *, confidence_level, about):
    """Figures, groups and tests of everybody.

    Parameters
    ----------
    found : Found
    names : sequence of str
        What tells groups apart; empty without groups.
    confidence_level : float
    about : dict

    Returns
    -------
    AuditResult
    """
    members = GroupCells(names).members(found.cells) if names else {}
    tallies = {
        group: everybody({cell: found.cells[cell] for cell in cells})
        for groups in members.values()
        for group, cells in groups.items()
    }
    groupings = {name: tuple(groups) for name, groups in members.items()}
    total = everybody(found.cells)
    return AuditResult(
        measures=tally_measures(total, confidence_level=confidence_level),
        by_group={
            g: tally_measures(t, confidence_level=confidence_level) for g, t in tallies.items()
        },
        counts=total.counts,
        counts_by_group={g: t.counts for g, t in tallies.items()},
        gaps=total.gaps,
        gaps_by_group={g: t.gaps for g, t in tallies.items()},
        groupings=groupings,
        tests=group_tests(groupings, tallies),
        people=found.people,
        about=about,
    )
