"""How much dearer or cheaper recourse has become, person by person."""

import numpy as np

from .._utils._errors import raise_problems
from ._drawing import DEPLOYED, GUIDE, REFERENCE, axes_of, percent, share_text, tidy


class RecourseGapDisplay:
    """Distribution of the relative change of cost from the reference to the deployed model.

    A gap of -100 % is a person whom the deployed model accepts as they are; 0 is advice of the
    same cost. Gaps beyond the right end are drawn in the last bar.

    It is recommended to use :meth:`from_result` or :meth:`from_estimator`.

    Parameters
    ----------
    edges : array-like of shape (n_bins + 1,)
        Relative changes of cost, rising; 0.1 is 10 % dearer.
    counts : array-like of shape (n_bins,)
        People in each bin.
    mean : Estimate, default=None
        The recourse gap, for the title.
    median : Estimate, default=None
        The median gap, which costs near 0 do not blow up, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from skcfq.plots import RecourseGapDisplay
    >>> display = RecourseGapDisplay(edges=[-1, -0.5, 0, 0.5, 1], counts=[2, 10, 12, 3])
    >>> display.plot().ax_.get_ylabel()
    'people'
    """

    def __init__(self, *, edges, counts, mean=None, median=None):
        self.edges = edges
        self.counts = counts
        self.mean = mean
        self.median = median

    @classmethod
    def from_result(cls, result, *, ax=None):
        """Draw the gaps of an audit.

        Parameters
        ----------
        result : AuditResult
        ax : matplotlib Axes, default=None
            ``None`` makes a figure.

        Returns
        -------
        RecourseGapDisplay

        Raises
        ------
        ValueError
            If nobody has advice under both models.
        """
        gaps = result.gaps
        raise_problems(cls.__name__, [] if gaps.n else ["nobody has advice under both models."])
        edges = _edges(gaps)
        counts = gaps.histogram(edges)
        values, people = gaps.values, gaps.counts
        # Who lies beyond an end is counted in the bar there.
        counts[0] += people[values < edges[0]].sum()
        counts[-1] += people[values > edges[-1]].sum()
        return cls(
            edges=edges,
            counts=counts,
            mean=result.measures["recourse_gap"],
            median=result.measures["median_recourse_gap"],
        ).plot(ax)

    @classmethod
    def from_estimator(cls, auditor, X, *, ax=None):
        """Audit people and draw their gaps.

        Parameters
        ----------
        auditor : fitted RecourseAuditor
        X : array-like or DataFrame of shape (n_samples, n_features)
            People, in the units of ``fit``.
        ax : matplotlib Axes, default=None
            ``None`` makes a figure.

        Returns
        -------
        RecourseGapDisplay
        """
        return cls.from_result(auditor.audit(X), ax=ax)

    def plot(self, ax=None, **kwargs):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            ``None`` makes a figure.
        **kwargs
            Of ``Axes.bar``.

        Returns
        -------
        RecourseGapDisplay
        """
        ax = axes_of(ax, type(self).__name__, (7, 3.6))
        edges, counts = np.asarray(self.edges, dtype=float), np.asarray(self.counts)
        middle = (edges[:-1] + edges[1:]) / 2
        # Cheaper and dearer in two colours, which hatching tells apart in print too.
        for side, look, hatch, words in (
            (middle < 0, REFERENCE, None, "cheaper"),
            (middle >= 0, DEPLOYED, "////", "dearer, or the same"),
        ):
            style = {"color": look["color"], "edgecolor": "white", "linewidth": 0.4, "hatch": hatch}
            ax.bar(middle[side], counts[side], np.diff(edges)[side], **{**style, **kwargs})
            share = share_text(counts[side].sum() / max(counts.sum(), 1))
            end, anchor = (0.02, "left") if look is REFERENCE else (0.98, "right")
            ax.text(
                end, 0.98, f"{words}\n{share} of people", color=look["color"], ha=anchor, va="top",
                transform=ax.transAxes,
            )  # fmt: skip
        ax.axvline(0, color=GUIDE, linewidth=1)
        _name_ends(ax, edges)
        ax.set(xlabel="change of cost from the reference to the deployed model", ylabel="people")
        if self.mean is not None and self.median is not None:
            ax.set_title(
                f"median {100 * self.median:+,.1f} %, mean {100 * self.mean:+,.1f} %, "
                f"{self.mean.n:,} people",
                loc="left", fontsize="medium",
            )  # fmt: skip
        # Room for the words above the bars.
        ax.set_ylim(0, 1.18 * max(counts.max(), 1))
        tidy(ax, "y")
        self.ax_, self.figure_ = ax, ax.figure
        return self


#: How far a picture may reach to either side.
REACHES = (0.1, 0.25, 0.5, 1.0)


def _edges(gaps):
    """Forty bins around 0, the narrowest that hold 95 % of people between their ends."""
    widest = max(abs(gaps.quantile(0.025)), abs(gaps.quantile(0.975)))
    reach = next((reach for reach in REACHES if widest <= reach), REACHES[-1])
    return np.linspace(-reach, reach, 41)


def _name_ends(ax, edges):
    """Ticks in percent; the ends say who lies there."""
    percent(ax.xaxis, signed=True)
    ticks = np.linspace(edges[0], edges[-1], 9)
    names = [ax.xaxis.get_major_formatter()(tick, None) for tick in ticks]
    names[0] += "\n(accepted\nas they are)" if edges[0] == -1 else "\nor less"
    names[-1] += "\nor more"
    ax.set_xticks(ticks, names)
