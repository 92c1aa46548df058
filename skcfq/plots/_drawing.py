"""What all pictures share: colours, names of people's things as they are, axes to draw on."""

import numbers

import numpy as np

from .._utils._extras import require

#: The two models, from the palette of Okabe and Ito, which colour-blind readers can tell apart.
#: Line style and marker differ too, for print in one colour.
REFERENCE = {"color": "#0072b2", "marker": "o", "linestyle": "-"}
DEPLOYED = {"color": "#d55e00", "marker": "s", "linestyle": "--"}
#: Where there are more than two: the rest of the palette, darkest first, without its yellow.
SERIES = (
    REFERENCE,
    DEPLOYED,
    {"color": "#009e73", "marker": "^", "linestyle": "-."},
    {"color": "#cc79a7", "marker": "D", "linestyle": ":"},
    {"color": "#56b4e9", "marker": "v", "linestyle": (0, (5, 1))},
    {"color": "#e69f00", "marker": "P", "linestyle": (0, (1, 1))},
)
#: Guides that are no data.
GUIDE = "#8c959f"

#: What a figure is called on an axis.
MEASURE_LABELS = {
    "accuracy": "accuracy",
    "validity_drop": "advice that fails (validity drop)",
    "recourse_gap": "mean change of cost (recourse gap)",
    "abs_recourse_gap": "mean size of the change of cost (|recourse gap|)",
    "median_recourse_gap": "median change of cost",
    "weighted_recourse_gap": "change of cost, weighted by cost",
    "decision_flips": "changed decisions",
    "reference_feasible": "recourse found, reference",
    "deployed_feasible": "recourse found, deployed",
    "direction_similarity": "similarity of direction (cosine)",
    "action_overlap": "overlap of the features to change (Jaccard)",
}
#: Figures that are no shares.
PLAIN_NUMBERS = ("direction_similarity", "action_overlap")


def plain(text, limit=48):
    r"""Write somebody's text in a picture: on one line, no formula, not too long.

    Parameters
    ----------
    text : object
        A column name, a category, a label.
    limit : int, default=48
        Longest text in characters; a longer one ends in an ellipsis.

    Returns
    -------
    str

    Examples
    --------
    >>> print(plain("owes $5 or $6"))
    owes \$5 or \$6
    >>> plain("two\nlines"), plain("x" * 9, limit=5)
    ('two lines', 'xxxx…')
    """
    shown = "".join(c if c.isprintable() else " " for c in str(text))
    shown = " ".join(shown.split()) or "(empty)"
    if len(shown) > limit:
        shown = shown[: limit - 1] + "…"
    # Legends leave out labels that begin with an underscore.
    return shown.replace("$", r"\$").replace("_", " _", 1 if shown.startswith("_") else 0)


def value_text(value):
    """Write a raw value: numbers with four digits and thousands apart, words as they are."""
    if isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_)):
        value = float(value)
        if not np.isfinite(value):
            return "missing" if np.isnan(value) else str(value)
        if value == round(value) or abs(value) >= 1000:
            return f"{value:,.0f}"
        return f"{value:.3g}"
    return plain(value, 24)


def axes_of(ax, subject, figsize, shape=None, **options):
    """Axes to draw on.

    Parameters
    ----------
    ax : Axes, ndarray of Axes or None
        ``None`` makes a figure.
    subject : str
        The Display, for the error if matplotlib is not installed.
    figsize : tuple of float
        Of a new figure, in inches.
    shape : tuple of int, default=None
        Rows and columns of the axes; ``None``: one.
    **options
        Of ``Figure.subplots``.

    Returns
    -------
    Axes or ndarray of Axes
    """
    require(subject, "plots", "matplotlib")
    if ax is None:
        import matplotlib.pyplot as plt

        return plt.subplots(*(shape or ()), figsize=figsize, layout="constrained", **options)[1]
    if shape is not None:
        ax = np.asarray(ax)
        if ax.size != np.prod(shape):
            raise ValueError(f"{subject} draws on {np.prod(shape)} axes, {ax.size} were given.")
    return ax


def tidy(ax, grid=None):
    """Take away the frame's upper and right side; `grid` names the axis that gets faint lines."""
    ax.spines[["top", "right"]].set_visible(False)
    if grid is not None:
        ax.grid(axis=grid, color=GUIDE, alpha=0.25, linewidth=0.8)
        ax.set_axisbelow(True)


def percent(axis, signed=False):
    """Write an axis of shares in percent, with a sign where it is about changes."""
    sign = "+" if signed else ""

    def words(share, _):
        value = round(100 * share, 6)
        return f"{value:{sign if value else ''}g} %".replace("-", "\N{MINUS SIGN}")

    axis.set_major_formatter(words)


def share_text(share):
    """A share in percent, with as many decimals as small ones need."""
    if not np.isfinite(share):
        return "undefined"
    decimals = 0 if abs(share) >= 0.995 or share == 0 else 1 if abs(share) >= 0.001 else 2
    return f"{100 * share:.{decimals}f} %"
