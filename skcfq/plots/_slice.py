"""Both decision boundaries around one person."""

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import distance_transform_edt
from sklearn.utils.validation import check_is_fitted

from .._utils._errors import raise_problems
from ..recourse import one_thread, target_margin
from ._drawing import DEPLOYED, GUIDE, REFERENCE, axes_of, plain, tidy
from ._person import changed_values


class BoundarySliceDisplay:
    """The decision boundaries of a reference and a deployed model in two features of one person.

    All other features are as the person has them. Where a model's advice changes a further
    feature as well, its end lies off this plane and is drawn hollow.

    It is recommended to use :meth:`from_estimator`.

    Parameters
    ----------
    features : tuple of str
        The features to the right and upwards.
    x, y : ndarray of shape (n_x,) and (n_y,)
        Their values, raw units.
    reference_margin, deployed_margin : ndarray of shape (n_y, n_x)
        How far each model is from refusing: above 0 it gives the target.
    person : tuple of float
        The person's two values.
    reference_end, deployed_end : tuple of float or None
        Where each model's advice leads; None where there is none, or none is needed.
    reference_words, deployed_words : str, default="reference" and "deployed"
        What the legend calls the models.
    on_slice : tuple of bool, default=(True, True)
        Whether the two ends lie on the plane.
    target : object, default=None
        The favourable class, as a word for the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(
        self,
        *,
        features,
        x,
        y,
        reference_margin,
        deployed_margin,
        person,
        reference_end=None,
        deployed_end=None,
        reference_words="reference",
        deployed_words="deployed",
        on_slice=(True, True),
        target=None,
    ):
        self.features = features
        self.x = x
        self.y = y
        self.reference_margin = reference_margin
        self.deployed_margin = deployed_margin
        self.person = person
        self.reference_end = reference_end
        self.deployed_end = deployed_end
        self.reference_words = reference_words
        self.deployed_words = deployed_words
        self.on_slice = on_slice
        self.target = target

    @classmethod
    def from_estimator(cls, auditor, X, features=None, *, grid_resolution=120, reach=0.6, ax=None):
        """Search one person's recourse under both models, and draw the boundaries around it.

        Parameters
        ----------
        auditor : fitted RecourseAuditor
        X : DataFrame of shape (1, n_features)
            The person, in the units of ``fit``.
        features : sequence of two str, default=None
            Numeric columns to the right and upwards. ``None``: those that the advice moves
            most, for its cost.
        grid_resolution : int, default=120
            Points to either side of the grid, >= 2.
        reach : float, default=0.6
            How far the picture goes beyond the person and the ends, as a share of their spread.
        ax : matplotlib Axes, default=None
            ``None`` makes a figure.

        Returns
        -------
        BoundarySliceDisplay

        Raises
        ------
        ValueError
            If `X` has not one row, or `features` are not two numeric columns; without
            `features`, if the advice of both models together changes no two numbers.
        """
        check_is_fitted(auditor, "actions_")
        if not isinstance(X, pd.DataFrame) or len(X) != 1:
            raise ValueError(f"{cls.__name__} draws one person: X must be a DataFrame of one row.")
        row = auditor.audit(X).people.iloc[0]
        changes = changed_values(row)
        numeric = [n for n in X.columns if pd.api.types.is_numeric_dtype(X[n].dtype)]
        if features is None:
            features = _moved_most(changes.loc[changes.index.isin(numeric)], auditor.actions_)
        problems = []
        if len(features) != 2 or len(set(features)) != 2 or not set(features) <= set(numeric):
            problems.append(
                f"features is {list(features)!r}, must be two of the numeric columns {numeric}."
            )
        if grid_resolution < 2 or not reach > 0:
            problems.append("grid_resolution must be >= 2, and reach > 0.")
        raise_problems(cls.__name__, problems)

        person = X[list(features)].iloc[0].to_numpy(dtype=float)
        ends, on_slice = _ends(row, changes, features)
        low, high = _limits(np.array([person, *(e for e in ends if e is not None)]), reach)
        x, y = (np.linspace(a, b, grid_resolution) for a, b in zip(low, high, strict=True))
        margins = _margins(auditor, X, features, x, y)
        words = [
            f"{model}: boundary" + ("" if end is None else f" and advice (cost {cost:.3g})")
            for model, end, cost in zip(
                ("reference", "deployed"),
                ends,
                row[["reference_cost", "deployed_cost"]],
                strict=True,
            )
        ]
        return cls(
            features=tuple(features),
            x=x,
            y=y,
            reference_margin=margins[0],
            deployed_margin=margins[1],
            person=tuple(person),
            reference_end=ends[0],
            deployed_end=ends[1],
            reference_words=words[0],
            deployed_words=words[1],
            on_slice=on_slice,
            target=auditor.target_,
        ).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            ``None`` makes a figure.

        Returns
        -------
        BoundarySliceDisplay
        """
        ax = axes_of(ax, type(self).__name__, (7, 5.4))
        differ = (self.reference_margin > 0) != (self.deployed_margin > 0)
        if differ.any():
            ax.contourf(
                self.x, self.y, differ.astype(float), levels=[0.5, 1.5], colors=[GUIDE], alpha=0.25
            )
            ax.fill([], [], color=GUIDE, alpha=0.25, label="decided differently")
        models = (
            (self.reference_margin, self.reference_end, self.reference_words, REFERENCE),
            (self.deployed_margin, self.deployed_end, self.deployed_words, DEPLOYED),
        )
        for (margin, end, words, look), flat in zip(models, self.on_slice, strict=True):
            if (margin > 0).any() and (margin <= 0).any():
                ax.contour(
                    self.x, self.y, margin, levels=[0], colors=look["color"],
                    linestyles=[look["linestyle"]], linewidths=2,
                )  # fmt: skip
            if end is None:
                ax.plot([], [], color=look["color"], linestyle=look["linestyle"], label=words)
                continue
            arrow = {"arrowstyle": "-", "color": look["color"], "lw": 1.3}
            ax.annotate("", end, self.person, arrowprops=arrow)
            ax.plot(
                *end, look["marker"], color=look["color"], markersize=8, zorder=4,
                markerfacecolor=look["color"] if flat else "white",
            )  # fmt: skip
            further = "" if flat else "; further features change"
            ax.plot([], [], label=words + further, **look)
        ax.plot(*self.person, "D", color="black", markersize=7, zorder=4, linestyle="none",
                label="the person")  # fmt: skip
        self._name_the_sides(ax)
        ax.set(xlim=(self.x[0], self.x[-1]), ylim=(self.y[0], self.y[-1]))
        ax.set(xlabel=plain(self.features[0]), ylabel=plain(self.features[1]))
        ax.ticklabel_format(style="plain", useOffset=False)
        _thousands(ax)
        # Below: every corner of the plane may hold a boundary.
        ax.legend(
            frameon=False, loc="upper left", bbox_to_anchor=(0, -0.13), ncols=2, fontsize="small",
            borderaxespad=0,
        )  # fmt: skip
        tidy(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _name_the_sides(self, ax):
        """Write where both models give the target, and where neither does, well inside of each."""
        if self.target is None:
            return
        both = (self.reference_margin > 0) & (self.deployed_margin > 0)
        neither = (self.reference_margin <= 0) & (self.deployed_margin <= 0)
        word = plain(self.target, 24)
        for region, words in ((both, word), (neither, f"not {word}")):
            # Lines and marks are no place for words.
            free = region.copy()
            for point in (self.person, self.reference_end, self.deployed_end):
                if point is not None:
                    free[np.abs(self.y - point[1]).argmin(), np.abs(self.x - point[0]).argmin()] = 0
            depth = distance_transform_edt(np.pad(free, 1))[1:-1, 1:-1]
            if depth.max() > 0.04 * min(free.shape):
                i, j = np.unravel_index(depth.argmax(), depth.shape)
                ax.text(self.x[j], self.y[i], words, style="italic", ha="center", va="center")


def _thousands(ax):
    """Thousands apart on axes of large numbers."""
    from matplotlib.ticker import StrMethodFormatter

    for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
        if np.ptp(limits) >= 1000:
            axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _moved_most(changes, actions):
    """The two numbers that both models' advice moves most, in units of cost."""
    names = (actions.feature_names[i] for i in actions.numeric.feature)
    weights = dict(zip(names, actions.numeric.weight, strict=True))
    moves = {
        name: weights.get(name, 1.0) * sum(abs(float(v[m]) - float(v["now"])) for m in v.index[1:])
        for name, v in changes.iterrows()
    }
    chosen = sorted(moves, key=moves.get, reverse=True)[:2]
    if len(chosen) < 2:
        raise ValueError(
            f"the advice changes {chosen or 'no number'}: name two numeric columns in features."
        )
    return tuple(chosen)


def _ends(row, changes, features):
    """Where each model's advice leads on the plane, or None, and whether it stays on it."""
    ends, on_slice = [], []
    for model in ("reference", "deployed"):
        moved = [n for n, v in changes.iterrows() if v[model] != v["now"]]
        found = np.isfinite(row[f"{model}_cost"]) and row[f"{model}_cost"] > 0
        after = [row.get(f"{name} ({model})", row[name]) for name in features]
        ends.append(tuple(float(v) for v in after) if found else None)
        on_slice.append(set(moved) <= set(features))
    return ends, tuple(on_slice)


def _limits(points, reach):
    """Corners of the picture: around the points, and never of no width."""
    low, high = points.min(axis=0), points.max(axis=0)
    spread = high - low
    # A feature that nobody moves is shown over a tenth of its value.
    spread = np.where(spread > 0, spread, np.maximum(np.abs(high) / 10, 1.0))
    start = low - reach * spread
    # Quantities that are not negative here do not become so in the picture.
    return np.where((low >= 0) & (start < 0), 0.0, start), high + reach * spread


@one_thread()
@torch.no_grad()
def _margins(auditor, X, features, x, y):
    """Margin of the target over the grid for both models, two arrays of shape (n_y, n_x)."""
    right, up = np.meshgrid(x, y)
    rows = X.iloc[np.zeros(right.size, dtype=int)].reset_index(drop=True)
    rows = rows.assign(**{features[0]: right.ravel(), features[1]: up.ravel()})
    found = []
    for view in auditor.views(rows):
        logits = view.logits(torch.as_tensor(view.encoding.encode(rows), dtype=torch.float32))
        target = view.classes.tolist().index(auditor.target_)
        margin = target_margin(logits, torch.full((len(rows),), target))
        found.append(margin.numpy().reshape(right.shape))
    return found
