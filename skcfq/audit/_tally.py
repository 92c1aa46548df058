"""What an audit remembers of people: counts, sums and a sketch, which add up over parts."""

import dataclasses

import numpy as np

from ..metrics import person_figures
from ._sketch import GapSketch

#: Counts of people.
COUNTS = (
    "people",  # everybody
    "labelled",  # with a true label
    "correct",  # of those, whom the deployed model classifies correctly
    "flipped",  # whom the models decide differently
    "needed",  # whom the reference refuses
    "advised",  # of those, for whom the reference has advice
    "broken",  # of those, whom the deployed model refuses after it
    "served",  # of the needed, for whom the deployed model has advice, or accepts them
    "compared",  # with advice of both models: those whom the gaps are about
    "directed",  # of those, whose two actions both move something, in encoded units
    "overlapping",  # of those, whose actions change some feature
)
#: Sums over people. Likeness enters as its distance from 1, so that sums stay small and exact
#: where nothing changes.
SUMS = (
    "gap", "abs_gap", "gap_gap",
    "change", "base", "change_change", "change_base", "base_base",
    "turn", "turn_turn",  # 1 - cosine
    "strange", "strange_strange",  # 1 - Jaccard overlap
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Tally:
    """Counts and sums over some people, from which all figures follow.

    Attributes
    ----------
    counts : dict of str to int
        See `COUNTS`.
    sums : dict of str to float
        See `SUMS`.
    gaps : GapSketch
        Recourse gaps of the people compared.
    """

    counts: dict
    sums: dict
    gaps: GapSketch

    @classmethod
    def empty(cls):
        """The tally of nobody."""
        return cls(dict.fromkeys(COUNTS, 0), dict.fromkeys(SUMS, 0.0), GapSketch.of(np.zeros(0)))

    def merge(self, other):
        """The tally of the people of both.

        Counts and the sketch add up exactly, sums but for the rounding of an addition.

        Parameters
        ----------
        other : Tally

        Returns
        -------
        Tally
        """
        return Tally(
            {name: n + other.counts[name] for name, n in self.counts.items()},
            {name: total + other.sums[name] for name, total in self.sums.items()},
            self.gaps.merge(other.gaps),
        )


class PersonFigures:
    """What every person of a comparison adds to a tally.

    Parameters
    ----------
    comparison : Comparison
    y : ndarray of shape (n_samples,) or None
        True labels.

    Attributes
    ----------
    gap : ndarray of shape (n_samples,)
        Change of cost relative to the reference; NaN where it is not defined.
    broken : ndarray of bool, shape (n_samples,)
        Whether the reference has advice that the deployed model does not honour.
    """

    def __init__(self, comparison, y=None):
        reference, deployed = comparison.reference, comparison.deployed
        n = len(reference)
        advised = reference.needed & reference.success
        self.broken = advised & ~comparison.deployed_valid
        self.flags = {
            "people": np.ones(n, bool),
            "labelled": np.full(n, y is not None),
            "correct": np.zeros(n, bool) if y is None else y == comparison.deployed_decision,
            "flipped": comparison.reference_decision != comparison.deployed_decision,
            "needed": reference.needed,
            "advised": advised,
            "broken": self.broken,
            "served": reference.needed & deployed.success,
        }
        figures = person_figures(reference, deployed)
        self.gap = figures["gap"]
        self.flags["compared"] = ~np.isnan(self.gap)
        turn, strange = 1 - figures["cosine"], 1 - figures["overlap"]
        self.flags |= {"directed": ~np.isnan(turn), "overlapping": ~np.isnan(strange)}
        change, base = figures["change"], figures["base"]
        self.values = {
            "gap": self.gap, "abs_gap": np.abs(self.gap), "gap_gap": self.gap**2,
            "change": change, "base": base, "change_change": change**2,
            "change_base": change * base, "base_base": base**2,
            "turn": turn, "turn_turn": turn**2, "strange": strange, "strange_strange": strange**2,
        }  # fmt: skip

    def tally(self, rows=slice(None)):
        """The tally of some of the people.

        Parameters
        ----------
        rows : ndarray of int or slice

        Returns
        -------
        Tally
        """
        return Tally(
            {name: int(flags[rows].sum()) for name, flags in self.flags.items()},
            {name: float(np.nansum(values[rows])) for name, values in self.values.items()},
            GapSketch.of(self.gap[rows][self.flags["compared"][rows]]),
        )
