"""Figures in words: what each is called, what it means, how it is written."""

import math

#: Name and meaning of each figure, in the order of the report.
FIGURES = {
    "validity_drop": (
        "Advice that fails (validity drop)",
        "People with advice of the reference whom the deployed model refuses after they followed it.",
    ),
    "abs_recourse_gap": (
        "Mean size of the change of cost",
        "How far the cost of each person's cheapest advice moved, up or down, relative to before.",
    ),
    "recourse_gap": (
        "Mean change of cost (recourse gap)",
        "Above 0, advice of the deployed model is dearer; below 0, it asks for less than before.",
    ),
    "median_recourse_gap": (
        "Median change of cost",
        "Half of the people have a larger change, half a smaller one.",
    ),
    "weighted_recourse_gap": (
        "Change of the total cost",
        "All costs under the deployed model against all costs under the reference.",
    ),
    "decision_flips": (
        "Changed decisions",
        "People whom the two models decide differently as they are, without any advice.",
    ),
    "reference_feasible": (
        "Recourse found, reference",
        "Refused people for whom a permitted action was found that the reference accepts.",
    ),
    "deployed_feasible": (
        "Recourse found, deployed",
        "The same people, under the deployed model.",
    ),
    "accuracy": ("Accuracy, deployed", "People whose true label the deployed model predicts."),
    "direction_similarity": (
        "Similarity of direction",
        "Mean cosine of the two models' actions for a person: 1, the same direction.",
    ),
    "action_overlap": (
        "Overlap of features",
        "Mean Jaccard overlap of the features that the two models ask a person to change.",
    ),
}
#: Figures for which less is better: those that a limit can be set for.
LIMITED = (
    "validity_drop", "abs_recourse_gap", "recourse_gap", "median_recourse_gap",
    "weighted_recourse_gap", "decision_flips",
)  # fmt: skip
#: Changes: written with their sign.
SIGNED = ("recourse_gap", "median_recourse_gap", "weighted_recourse_gap")
#: On a scale of their own, not shares.
UNITLESS = ("direction_similarity", "action_overlap")

#: What became of a person's advice.
OUTCOMES = {
    "broken": "advice broken",
    "now refused": "newly refused",
    "no advice": "no advice found",
    "holds": "advice holds",
    "not needed": "needs none",
}


def figure_text(name, value):
    r"""Write a figure.

    Examples
    --------
    >>> figure_text("validity_drop", 0.0171), figure_text("recourse_gap", 0.0312)
    ('1.7\xa0%', '+3.1\xa0%')
    >>> figure_text("action_overlap", 0.913), figure_text("validity_drop", float("nan"))
    ('0.91', 'not defined')
    """
    if not math.isfinite(value):
        return "not defined"
    if name in UNITLESS:
        return f"{value:.2f}"
    shown = 100 * float(value)
    # Small shares keep their first digits: 0.04 % is not 0.0 %.
    digits = f"{shown:,.{0 if abs(shown) >= 1000 else 1}f}"
    if 0 < abs(shown) < 0.095:
        digits = f"{shown:.2g}"
    sign = "+" if name in SIGNED and shown > 0 else ""
    return f"{sign}{digits}\N{NO-BREAK SPACE}%".replace("-", "\N{MINUS SIGN}")


def interval_text(name, estimate):
    """Write the ends of an interval, or nothing where there is none.

    Examples
    --------
    >>> from skcfq.metrics import Estimate
    >>> interval_text("action_overlap", Estimate(0.88, 3806, 0.86, 0.9))
    '0.86 to 0.90'
    """
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return ""
    low, high = (figure_text(name, end) for end in (estimate.low, estimate.high))
    if name not in SIGNED and name not in UNITLESS:
        low = low.removesuffix("\N{NO-BREAK SPACE}%")
    return f"{low} to {high}"


def level_text(estimate):
    """The coverage of an interval: ``"95 %"``."""
    return f"{100 * estimate.confidence_level:g} %"


def p_text(p_value, equals=False):
    r"""Write a p-value; `equals` sets "=" before one that is not below .001.

    Examples
    --------
    >>> p_text(0.00001), p_text(0.0312), p_text(float("nan"))
    ('<\xa0.001', '.031', 'no test')
    """
    if not math.isfinite(p_value):
        return "no test"
    if p_value < 0.001:
        return "<\N{NO-BREAK SPACE}.001"
    return ("=\N{NO-BREAK SPACE}" if equals else "") + f"{p_value:.3f}".replace("0.", ".", 1)
