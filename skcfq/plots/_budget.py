"""What a bit budget does to accuracy and to advice."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .._utils._errors import raise_problems
from ..metrics import RecourseScore
from ._drawing import GUIDE, MEASURE_LABELS, SERIES, axes_of, percent, plain, tidy

#: From top to bottom.
MEASURES = ("accuracy", "validity_drop", "abs_recourse_gap")


class BudgetCurveDisplay:
    """Accuracy, validity drop and mean size of the recourse gap against bits per weight.

    It is recommended to use :meth:`from_cv_results` for a search over bit budgets, or
    :meth:`from_estimators` for classifiers that are fitted.

    Parameters
    ----------
    table : DataFrame
        One row per point: ``model`` (the curve), ``bits``, ``measure``, ``value`` and the ends
        ``low`` and ``high`` of its interval, NaN where there is none. Shares, not percent.
    xlabel : str, default="average bits per weight"
        What ``bits`` are.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes, shape (n_measures,)
    figure_ : matplotlib Figure

    See Also
    --------
    skcfq.metrics.recourse_scoring : Gives a search these figures.
    skcfq.metrics.select_best : Chooses among them.
    """

    def __init__(self, *, table, xlabel="average bits per weight"):
        self.table = table
        self.xlabel = xlabel

    @classmethod
    def from_cv_results(cls, search, *, measures=MEASURES, ax=None):
        """Draw a search over bit budgets.

        Each point is the mean over the folds, its band one standard deviation of the folds to
        either side. Further parameters that the search varied make a curve each.

        Parameters
        ----------
        search : fitted search or dict
            For instance a :class:`~sklearn.model_selection.GridSearchCV` over ``bit_budget``
            with ``scoring=recourse_scoring()``, or its ``cv_results_``.
        measures : sequence of str, default=("accuracy", "validity_drop", "abs_recourse_gap")
            Figures of :func:`~skcfq.metrics.recourse_scoring`, one axis each.
        ax : sequence of matplotlib Axes, default=None
            One per measure; ``None`` makes a figure.

        Returns
        -------
        BudgetCurveDisplay

        Raises
        ------
        ValueError
            If the search varied no bit budget or did not score a measure; lists both.
        """
        cells = pd.DataFrame(getattr(search, "cv_results_", search))
        parameters = [name for name in cells if name.startswith("param_")]
        budgets = [name for name in parameters if name.split("__")[-1].endswith("bit_budget")]
        # What is lower when better comes with its sign turned, for searches take the largest.
        turned = {m: 1 if m == "accuracy" else -1 for m in measures}
        columns = {m: f"test_{'' if turned[m] > 0 else 'neg_'}{m}" for m in measures}
        problems = []
        if len(budgets) != 1:
            problems.append(
                f"the search varied {parameters or 'nothing'}: one bit_budget among them is needed."
            )
        lacking = [m for m in measures if f"mean_{columns[m]}" not in cells]
        if lacking:
            problems.append(f"no {', '.join(lacking)} scored: search with recourse_scoring().")
        raise_problems(cls.__name__, problems)
        others = [name for name in parameters if name not in budgets]
        others = [name for name in others if cells[name].map(repr).nunique() > 1]
        names = [
            ", ".join(f"{other.split('__')[-1].removeprefix('param_')}={cell[other]}"
                      for other in others)
            for cell in cells.to_dict("records")
        ]  # fmt: skip
        parts = []
        for measure, column in columns.items():
            mean = turned[measure] * cells[f"mean_{column}"]
            spread = cells[f"std_{column}"]
            parts.append(
                pd.DataFrame(
                    {
                        "model": names, "bits": cells[budgets[0]].astype(float), "measure": measure,
                        "value": mean, "low": mean - spread, "high": mean + spread,
                    }
                )
            )  # fmt: skip
        display = cls(table=pd.concat(parts), xlabel="bit budget (average bits per weight)")
        return display.plot(ax)

    @classmethod
    def from_estimators(cls, estimators, X, y, *, measures=MEASURES, ax=None):
        """Draw fitted classifiers.

        Parameters
        ----------
        estimators : sequence of fitted classifiers, or dict of str to such a sequence
            Quantized classifiers of skcfq; each sequence is a curve, and its key the name.
        X : array-like or DataFrame of shape (n_samples, n_features)
            People, in the units of ``fit``.
        y : array-like of shape (n_samples,)
            True labels.
        measures : sequence of str, default=("accuracy", "validity_drop", "abs_recourse_gap")
            Figures of :class:`~skcfq.metrics.RecourseScore`, one axis each. Bands are their
            intervals.
        ax : sequence of matplotlib Axes, default=None
            One per measure; ``None`` makes a figure.

        Returns
        -------
        BudgetCurveDisplay

        Raises
        ------
        TypeError
            If a classifier has no ``average_bits_`` or its score says nothing of recourse.
        """
        curves = estimators if isinstance(estimators, Mapping) else {"": estimators}
        rows = []
        for name, models in curves.items():
            for model in models:
                score = model.score(X, y) if hasattr(model, "average_bits_") else None
                if not isinstance(score, RecourseScore):
                    raise TypeError(
                        f"{type(model).__name__} is no fitted CFQClassifier, QATClassifier or "
                        "PTQClassifier: only these know their bits and what became of advice."
                    )
                for measure in measures:
                    e = getattr(score, measure)
                    rows.append((name, model.average_bits_, measure, float(e), e.low, e.high))
        columns = ["model", "bits", "measure", "value", "low", "high"]
        return cls(table=pd.DataFrame(rows, columns=columns)).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, default=None
            One per measure; ``None`` makes a figure.

        Returns
        -------
        BudgetCurveDisplay
        """
        measures = list(dict.fromkeys(self.table["measure"]))
        size = (6.4, 0.9 + 1.9 * len(measures))
        shape = (len(measures), 1)
        axes = np.ravel(axes_of(ax, type(self).__name__, size, shape, sharex=True))
        models = list(dict.fromkeys(self.table["model"]))
        for axis, measure in zip(axes, measures, strict=True):
            for model, look in zip(models, (SERIES * len(models))[: len(models)], strict=True):
                rows = (self.table["measure"] == measure) & (self.table["model"] == model)
                curve = self.table[rows].sort_values("bits")
                axis.plot(curve["bits"], curve["value"], label=plain(model), markersize=5, **look)
                axis.fill_between(
                    curve["bits"], curve["low"], curve["high"],
                    color=look["color"], alpha=0.15, linewidth=0,
                )  # fmt: skip
            axis.set_title(MEASURE_LABELS.get(measure, measure), loc="left", fontsize="medium")
            percent(axis.yaxis)
            if measure != "accuracy":
                axis.set_ylim(bottom=0)
                axis.axhline(0, color=GUIDE, linewidth=0.8, zorder=0)
            tidy(axis, "y")
        axes[-1].set_xlabel(self.xlabel)
        bits = np.unique(self.table["bits"])
        if len(bits) <= 8 and np.all(bits == bits.round()):
            axes[-1].set_xticks(bits, [f"{b:g}" for b in bits])
        if len(models) > 1:
            axes[0].legend(
                frameon=False, ncols=min(len(models), 3), loc="lower left",
                bbox_to_anchor=(0, 1.12), borderaxespad=0,
            )  # fmt: skip
        self.ax_, self.figure_ = axes, axes[0].figure
        return self
