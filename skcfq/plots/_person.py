"""One person: what each model asks for."""

import numpy as np
import pandas as pd

from .._utils._errors import raise_problems
from ._drawing import DEPLOYED, GUIDE, REFERENCE, axes_of, plain, value_text


class PersonDisplay:
    """What a reference and a deployed model ask of one person, in raw units.

    Each feature that either model wants changed has a line; arrows lead from the person's value
    to what is asked for. Lengths compare within a feature, not between features.

    It is recommended to use :meth:`from_result` or :meth:`from_estimator`.

    Parameters
    ----------
    changes : DataFrame
        One row per feature, which is the index, with the columns ``now``, ``reference`` and
        ``deployed``, raw units. A model that has no advice repeats ``now``.
    reference_words, deployed_words : str
        What became of each model's advice, for the legend.
    title : str, default=None

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from skcfq.plots import PersonDisplay
    >>> changes = pd.DataFrame(
    ...     {"now": [1500, "rent"], "reference": [1700, "own"], "deployed": [1900, "own"]},
    ...     index=["income", "housing"],
    ... )
    >>> display = PersonDisplay(
    ...     changes=changes, reference_words="reference", deployed_words="deployed"
    ... )
    >>> [tick.get_text() for tick in display.plot().ax_.get_yticklabels()]
    ['income', 'housing']
    """

    def __init__(self, *, changes, reference_words, deployed_words, title=None):
        self.changes = changes
        self.reference_words = reference_words
        self.deployed_words = deployed_words
        self.title = title

    @classmethod
    def from_result(cls, result, person, *, ax=None):
        """Draw a person of an audit.

        Parameters
        ----------
        result : AuditResult
            With its table of people.
        person : int
            Position of the person in ``result.people``.
        ax : matplotlib Axes, default=None
            ``None`` makes a figure.

        Returns
        -------
        PersonDisplay

        Raises
        ------
        ValueError
            If the audit kept no people, or has no such person.
        """
        people = result.people
        problems = []
        if people is None:
            problems.append("the audit kept no table of people.")
        elif not -len(people) <= person < len(people):
            problems.append(f"person is {person!r}, but the audit has {len(people)} people.")
        raise_problems(cls.__name__, problems)
        row = people.iloc[person]
        return cls(
            changes=changed_values(row),
            reference_words=reference_words(row),
            deployed_words=deployed_words(row),
            title=f"person {plain(people.index[person])}: {decision_words(row)}",
        ).plot(ax)

    @classmethod
    def from_estimator(cls, auditor, X, *, ax=None):
        """Search one person's recourse under both models, and draw it.

        Parameters
        ----------
        auditor : fitted RecourseAuditor
        X : DataFrame of shape (1, n_features)
            The person, in the units of ``fit``.
        ax : matplotlib Axes, default=None
            ``None`` makes a figure.

        Returns
        -------
        PersonDisplay

        Raises
        ------
        ValueError
            If `X` has not one row.
        """
        if len(X) != 1:
            raise ValueError(f"{cls.__name__} draws one person, but X has {len(X)} rows.")
        return cls.from_result(auditor.audit(X), 0, ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            ``None`` makes a figure.

        Returns
        -------
        PersonDisplay
        """
        n_rows = max(len(self.changes), 1)
        ax = axes_of(ax, type(self).__name__, (7, 1.5 + 0.85 * n_rows))
        looks = ((REFERENCE, -0.16), (DEPLOYED, 0.16))
        for row, (_, values) in enumerate(self.changes.iterrows()):
            places = _places(values)
            ax.axhline(row, color=GUIDE, alpha=0.25, linewidth=0.8, zorder=0)
            ax.plot(places["now"], row, "D", color=GUIDE, markersize=7, zorder=3)
            _word(ax, places["now"], row, value_text(values["now"]), places)
            for model, (look, offset) in zip(("reference", "deployed"), looks, strict=True):
                _arrow(ax, places, row + offset, values, model, look)
        for (look, _), words in zip(
            looks, (self.reference_words, self.deployed_words), strict=True
        ):
            ax.plot([], [], label=words, markersize=6, **look)
        ax.plot([], [], "D", color=GUIDE, label="now", markersize=6)
        if not len(self.changes):
            ax.text(0.5, 0.5, "nothing to change", ha="center", transform=ax.transAxes)
        ax.set_yticks(range(len(self.changes)), [plain(name, 28) for name in self.changes.index])
        ax.set_xticks([])
        ax.tick_params(axis="y", length=0)
        ax.set(xlim=_room(self.changes), ylim=(n_rows - 0.45, -0.55))
        ax.spines[:].set_visible(False)
        ax.legend(
            frameon=False,
            loc="upper left",
            bbox_to_anchor=(0, 0),
            borderaxespad=0.2,
            fontsize="small",
        )
        if self.title is not None:
            ax.set_title(self.title, loc="left", fontsize="medium")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _places(values):
    """Where the values of a feature stand on its line, from 0 to 1."""
    if all(isinstance(v, (int, float, np.number)) and np.isfinite(v) for v in values):
        low, high = min(values), max(values)
        return {name: (float(v) - low) / ((high - low) or 1) for name, v in values.items()}
    # Categories have no distance: the person's stands left, others right.
    return {name: float(v != values["now"]) for name, v in values.items()}


def _room(changes):
    """Ends of the axis: values are written to the left and right of where they stand, 0 to 1."""
    longest = [0, 0]
    for _, values in changes.iterrows():
        for name, place in _places(values).items():
            # The person's own value lies on the side that no arrow goes to.
            right = int(place > 0.5)
            longest[right] = max(longest[right], len(value_text(values[name])))
    left, right = (min(0.05 + 0.0135 * n, 0.36) for n in longest)
    whole = 1 / (1 - left - right)
    return -left * whole, 1 + right * whole


def _arrow(ax, places, row, values, model, look):
    """From the person's value to what a model asks for."""
    start, end = places["now"], places[model]
    if values[model] == values["now"]:
        return
    ax.annotate(
        "", (end, row), (start, row),
        arrowprops={
            "arrowstyle": "-|>", "color": look["color"], "lw": 1.8, "linestyle": look["linestyle"],
            "shrinkA": 4, "shrinkB": 0, "mutation_scale": 13,
        },
    )  # fmt: skip
    outward = "left" if end > start else "right"
    gap = 5 if outward == "left" else -5
    ax.annotate(
        value_text(values[model]), (end, row), (gap, 0), textcoords="offset points", ha=outward,
        va="center", color=look["color"], fontsize="small",
    )  # fmt: skip


def _word(ax, x, row, text, places):
    """The person's own value, on the side where no arrow goes."""
    right = max(places.values()) > x
    ax.annotate(
        text, (x, row), (-8 if right else 8, 0), textcoords="offset points",
        ha="right" if right else "left", va="center", fontsize="small",
    )  # fmt: skip


def changed_values(row):
    """What changes for a person: a row of ``AuditResult.people`` as a table of features.

    Parameters
    ----------
    row : Series

    Returns
    -------
    DataFrame
        As :class:`PersonDisplay` takes it.
    """
    found = {}
    for name in row.index:
        if f"{name} (reference)" in row.index and f"{name} (deployed)" in row.index:
            values = [row[name], row[f"{name} (reference)"], row[f"{name} (deployed)"]]
            # A missing value that stays is no change.
            if any(not _same(values[0], value) for value in values[1:]):
                found[name] = values
    columns = ["now", "reference", "deployed"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns, dtype=object)


def _same(a, b):
    return bool(a == b) or (pd.isna(a) and pd.isna(b))


def decision_words(row):
    """The decisions about a person before any action."""
    reference, deployed = (
        plain(row[f"{model}_decision"], 24) for model in ("reference", "deployed")
    )
    if reference == deployed:
        return f"both models decide {reference}"
    return f"the reference decides {reference}, the deployed model {deployed}"


def reference_words(row):
    """What became of the reference's advice."""
    if not row["needed"]:
        return "reference: needs nothing"
    if not np.isfinite(row["reference_cost"]):
        return f"reference: no advice ({row['reference_status']})"
    fate = "still works" if row["advice_survives"] else "no longer works"
    return f"reference asks for this, cost {row['reference_cost']:.3g}; the advice {fate}"


def deployed_words(row):
    """What the deployed model asks for."""
    if row["deployed_status"] == "not needed":
        return "deployed: accepts the person as they are"
    if not np.isfinite(row["deployed_cost"]):
        return f"deployed: no advice ({row['deployed_status']})"
    return f"deployed asks for this, cost {row['deployed_cost']:.3g}"
