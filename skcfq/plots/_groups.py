"""One figure, group by group."""

import numpy as np

from .._utils._errors import raise_problems
from ._drawing import (
    DEPLOYED,
    GUIDE,
    MEASURE_LABELS,
    PLAIN_NUMBERS,
    axes_of,
    percent,
    plain,
    share_text,
    tidy,
)


class GroupComparisonDisplay:
    """A figure of an audit for each group, with its interval, and the test for a difference.

    It is recommended to use :meth:`from_result` or :meth:`from_estimator`.

    Parameters
    ----------
    estimates : dict of label to Estimate
        One per group, drawn from top to bottom.
    overall : Estimate
        Over everybody: the line that groups are compared with.
    measure : str
        Which figure it is, e.g. ``"validity_drop"``.
    p_value : float, default=None
        Of the test that all groups are alike, adjusted for the number of tests.
    test : str, default=None
        The test's name.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from skcfq.metrics import Estimate
    >>> from skcfq.plots import GroupComparisonDisplay
    >>> display = GroupComparisonDisplay(
    ...     estimates={
    ...         "women": Estimate(0.08, 320, 0.06, 0.11), "men": Estimate(0.02, 410, 0.01, 0.04)
    ...     },
    ...     overall=Estimate(0.046, 730, 0.033, 0.064),
    ...     measure="validity_drop",
    ...     p_value=0.0004,
    ... )
    >>> [tick.get_text() for tick in display.plot().ax_.get_yticklabels()]
    ['women', 'men']
    """

    def __init__(self, *, estimates, overall, measure, p_value=None, test=None):
        self.estimates = estimates
        self.overall = overall
        self.measure = measure
        self.p_value = p_value
        self.test = test

    @classmethod
    def from_result(cls, result, measure="validity_drop", *, grouping=None, ax=None):
        """Draw a figure of an audit.

        Parameters
        ----------
        result : AuditResult
            Of an audit with groups.
        measure : str, default="validity_drop"
            A key of ``result.measures``.
        grouping : str, default=None
            Which of ``result.groupings``, e.g. ``"sex"`` or ``"sex & race"``; ``None``: the first.
        ax : matplotlib Axes, default=None
            ``None`` makes a figure.

        Returns
        -------
        GroupComparisonDisplay

        Raises
        ------
        ValueError
            If there are no groups, or no such figure or grouping; lists all.
        """
        problems = []
        if measure not in result.measures:
            problems.append(f"measure is {measure!r}, must be one of {', '.join(result.measures)}.")
        if not result.by_group:
            problems.append("the audit has no groups: call audit(X, groups=...).")
        elif grouping is not None and grouping not in result.groupings:
            problems.append(
                f"grouping is {grouping!r}, must be one of {', '.join(result.groupings)}."
            )
        raise_problems(cls.__name__, problems)
        grouping = next(iter(result.groupings)) if grouping is None else grouping
        tests = [t for t in result.tests if (t.grouping, t.measure) == (grouping, measure)]
        return cls(
            estimates={
                group: result.by_group[group][measure] for group in result.groupings[grouping]
            },
            overall=result.measures[measure],
            measure=measure,
            p_value=tests[0].p_adjusted if tests else None,
            test=tests[0].method if tests else None,
        ).plot(ax)

    @classmethod
    def from_estimator(
        cls, auditor, X, y=None, *, groups, measure="validity_drop", grouping=None, ax=None
    ):
        """Audit people and draw a figure by group.

        Parameters
        ----------
        auditor : fitted RecourseAuditor
        X : array-like or DataFrame of shape (n_samples, n_features)
            People, in the units of ``fit``.
        y : array-like of shape (n_samples,), default=None
            True labels, for ``measure="accuracy"``.
        groups : str, sequence of str or array-like of shape (n_samples,)
            As for :meth:`skcfq.RecourseAuditor.audit`.
        measure : str, default="validity_drop"
        grouping : str, default=None
        ax : matplotlib Axes, default=None
            ``None`` makes a figure.

        Returns
        -------
        GroupComparisonDisplay
        """
        result = auditor.audit(X, y, groups)
        return cls.from_result(result, measure, grouping=grouping, ax=ax)

    def plot(self, ax=None, **kwargs):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            ``None`` makes a figure.
        **kwargs
            Of ``Axes.errorbar``.

        Returns
        -------
        GroupComparisonDisplay
        """
        rows = np.arange(len(self.estimates))
        ax = axes_of(ax, type(self).__name__, (7, 1.5 + 0.34 * len(rows)))
        values = np.array([float(e) for e in self.estimates.values()])
        ends = np.array([(e.low, e.high) for e in self.estimates.values()]).T
        # Without an interval (nobody counts, or it was not wanted) a point stands alone.
        bars = np.nan_to_num(np.abs(ends - values))
        style = {
            "color": DEPLOYED["color"],
            "fmt": DEPLOYED["marker"],
            "capsize": 3,
            "markersize": 6,
        }
        ax.errorbar(values, rows, xerr=bars, **{**style, **kwargs})
        overall = self.overall
        ax.axvline(float(overall), color=GUIDE, linestyle="--", linewidth=1.2, zorder=0)
        if np.isfinite(overall.low):
            ax.axvspan(overall.low, overall.high, color=GUIDE, alpha=0.15, linewidth=0, zorder=0)
        shares = self.measure not in PLAIN_NUMBERS
        write = share_text if shares else "{:.2f}".format
        for row, e in zip(rows, self.estimates.values(), strict=True):
            said = f"{write(float(e))} of {e.n:,}" if np.isfinite(e) else "nobody counts"
            ax.text(
                1.01, row, said, va="center", fontsize="small", transform=ax.get_yaxis_transform()
            )
        ax.set_yticks(rows, [plain(label) for label in self.estimates])
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(len(rows) - 0.4, -0.6)
        if shares:
            percent(ax.xaxis)
        if np.nanmin([*values, *ends.ravel(), float(overall), 0], initial=0) >= 0:
            # A little less than 0, where marks would be cut in half.
            ax.set_xlim(left=-0.015 * ax.get_xlim()[1])
        ax.set_xlabel(f"{MEASURE_LABELS.get(self.measure, self.measure)}; dashed: everybody")
        if self.p_value is not None:
            ax.set_title(p_words(self.p_value, self.test), loc="left", fontsize="medium")
        tidy(ax, "x")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def p_words(p_value, test=None):
    """What a test says, in words that do not claim more.

    Examples
    --------
    >>> p_words(0.0002)
    'groups differ (adjusted p < .001)'
    >>> p_words(0.3)
    'no difference found (adjusted p = .300)'
    """
    if test == "none" or not np.isfinite(p_value):
        return "too few people to test for a difference"
    size = "< .001" if p_value < 0.001 else f"= {p_value:.3f}".replace("0.", ".", 1)
    verdict = "groups differ" if p_value < 0.05 else "no difference found"
    return f"{verdict} (adjusted p {size})"
