"""Pictures show the figures that they are given, on axes that they are given."""

import subprocess
import sys
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from skcfq.audit import GapSketch
from skcfq.metrics import Estimate
from skcfq.plots import (
    BoundarySliceDisplay,
    BudgetCurveDisplay,
    GroupComparisonDisplay,
    LayerBitsDisplay,
    PersonDisplay,
    RecourseGapDisplay,
)


def texts(ax):
    """All words of a picture."""
    ax.figure.canvas.draw()
    found = [text.get_text() for text in ax.findobj(match=plt.Text)]
    return [text for text in found if text]


def test_pictures_are_drawn_without_loading_matplotlib_before():
    code = (
        "import sys, skcfq.plots; skcfq.plots.PersonDisplay; print('matplotlib' in sys.modules);"
        "skcfq.plots.RecourseGapDisplay(edges=[0, 1], counts=[1]).plot();"
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'needs matplotlib: pip install "skcfq\[plots\]"'):
        RecourseGapDisplay(edges=[0, 1], counts=[1]).plot()


# ----- gaps ------------------------------------------------------------------------------------


def test_gaps_bars_are_the_counts_and_shares_are_told():
    display = RecourseGapDisplay(
        edges=[-1, -0.5, 0, 0.5, 1],
        counts=[2, 10, 12, 3],
        mean=Estimate(0.05, 27),
        median=Estimate(-0.31, 27),
    ).plot()
    heights = [bar.get_height() for bar in display.ax_.patches]
    assert heights == [2, 10, 12, 3]
    words = " ".join(texts(display.ax_))
    assert "cheaper\n44.4 % of people" in words
    assert "dearer, or the same\n55.6 % of people" in words
    assert "median -31.0 %, mean +5.0 %, 27 people" in words
    assert "(accepted\nas they are)" in words


def test_gaps_of_an_audit_count_everybody_with_advice_under_both(result):
    display = RecourseGapDisplay.from_result(result)
    assert np.sum(display.counts) == result.measures["recourse_gap"].n


def test_gaps_beyond_an_end_are_in_the_bar_there():
    gaps = GapSketch.of(np.concatenate([np.full(50, 0.01), np.full(50, -0.01), [-1.0, 7.0, 9.0]]))
    measures = dict.fromkeys(("recourse_gap", "median_recourse_gap"), Estimate(0.1, 103))
    display = RecourseGapDisplay.from_result(SimpleNamespace(gaps=gaps, measures=measures))
    assert (display.edges[0], display.edges[-1]) == (-0.1, 0.1)
    assert (display.counts[0], display.counts[-1], display.counts.sum()) == (1, 2, 103)
    assert "+10 %\nor more" in texts(display.ax_)


def test_gaps_of_nobody_are_an_error():
    with pytest.raises(ValueError, match="nobody has advice under both models"):
        RecourseGapDisplay.from_result(SimpleNamespace(gaps=GapSketch.of(np.zeros(0))))


def test_gaps_from_estimator_are_those_of_its_audit(auditor, credit):
    people = credit.data.head(60)
    display = RecourseGapDisplay.from_estimator(auditor, people)
    again = RecourseGapDisplay.from_result(auditor.audit(people))
    np.testing.assert_array_equal(display.counts, again.counts)


# ----- bits ------------------------------------------------------------------------------------


def test_layer_bits_are_the_classifiers(networks):
    quantized = networks[1]
    ax = LayerBitsDisplay.from_estimator(quantized).ax_
    assert [bar.get_width() for bar in ax.patches] == list(quantized.bits_)
    assert "2 bits · 128 weights, 0.0 KiB" in texts(ax)
    assert ax.get_title(loc="left") == "average 2.00, budget 4"
    assert [t.get_text() for t in ax.get_yticklabels()][1:] == ["layer 2\n16 → 8", "layer 3\n8 → 2"]


def test_ternary_weights_are_five_to_a_byte():
    display = LayerBitsDisplay(bits=[np.log2(3)], shapes=[(640, 800)], average_bits=np.log2(3))
    assert "ternary · 512,000 weights, 100.0 KiB" in texts(display.plot().ax_)


def test_widths_of_outputs_are_spanned_and_counted():
    display = LayerBitsDisplay(
        bits=[4.0, 8.0], shapes=[(64, 80), (80, 2)], average_bits=4.12,
        channel_bits=[[np.log2(3)] * 20 + [4.0] * 20 + [8.0] * 40, [8.0, 8.0]],
    ).plot()  # fmt: skip
    # 1,280 weights at a fifth of a byte, 1,280 at half a byte, 2,560 at a byte.
    assert "4 bits (ternary to 8) · 5,120 weights, 3.4 KiB" in texts(display.ax_)
    assert "8 bits · 160 weights, 0.2 KiB" in texts(display.ax_)
    spans = [line.get_xdata() for line in display.ax_.lines if len(set(line.get_xdata())) > 1]
    np.testing.assert_allclose(spans, [[np.log2(3), 8.0]])
    assert display.ax_.get_xlim()[1] > 8


def test_layer_bits_of_a_float_classifier_are_an_error(networks):
    with pytest.raises(TypeError, match="FullPrecisionClassifier has no bits per layer"):
        LayerBitsDisplay.from_estimator(networks[0])


# ----- budget curve ----------------------------------------------------------------------------


def test_budget_curve_of_classifiers_shows_their_scores(networks, credit):
    X, y = credit.data, credit.target
    display = BudgetCurveDisplay.from_estimators({"plain": networks[:0:-1]}, X, y)
    scores = [model.score(X, y) for model in networks[1:]]
    assert len(display.ax_) == 3
    for axis, name in zip(
        display.ax_, ("accuracy", "validity_drop", "abs_recourse_gap"), strict=True
    ):
        (line,) = [line for line in axis.lines if line.get_label() == "plain"]
        assert line.get_xdata().tolist() == [2, 4]
        assert line.get_ydata().tolist() == [float(getattr(score, name)) for score in scores]


def cv_results():
    cells = pd.DataFrame({"param_cfq__bit_budget": [2, 4, 2, 4], "param_cfq__eta": [1, 1, 2, 2]})
    cells = cells.assign(param_cfq__bits=[(2, 4)] * 4)
    for name, values in {
        "accuracy": [0.7, 0.8, 0.6, 0.9],
        "neg_validity_drop": [-0.3, -0.1, -0.2, 0.0],
        "neg_abs_recourse_gap": [-0.5, -0.2, -0.4, -0.1],
    }.items():
        cells = cells.assign(**{f"mean_test_{name}": values, f"std_test_{name}": 0.05})
    return cells.to_dict("list")


def test_budget_curve_of_a_search_turns_signs_back_and_splits_by_what_else_varied():
    table = BudgetCurveDisplay.from_cv_results(cv_results()).table
    assert table["model"].unique().tolist() == ["eta=1", "eta=2"]
    drops = table[(table["measure"] == "validity_drop") & (table["model"] == "eta=2")]
    np.testing.assert_allclose(drops["value"], [0.2, 0.0])
    np.testing.assert_allclose(drops["low"], [0.15, -0.05])


def test_budget_curve_of_a_search_without_budget_or_figures_is_one_error():
    with pytest.raises(ValueError, match="2 problems") as error:
        BudgetCurveDisplay.from_cv_results({"param_C": [1], "mean_test_score": [0.8]})
    assert "the search varied ['param_C']: one bit_budget among them is needed." in str(error.value)
    assert "no accuracy, validity_drop, abs_recourse_gap scored" in str(error.value)


def test_budget_curve_needs_classifiers_that_know_their_bits(networks, credit):
    with pytest.raises(TypeError, match="FullPrecisionClassifier is no fitted CFQClassifier"):
        BudgetCurveDisplay.from_estimators([networks[0]], credit.data, credit.target)


def test_budget_curve_checks_the_number_of_axes():
    with pytest.raises(ValueError, match="draws on 3 axes, 1 were given"):
        BudgetCurveDisplay.from_cv_results(cv_results(), ax=plt.subplots()[1])


# ----- groups ----------------------------------------------------------------------------------

GROUPS = {
    "women": Estimate(0.08, 320, 0.06, 0.11),
    "men": Estimate(0.02, 410, 0.01, 0.04),
    "others": Estimate(float("nan"), 0),
}


def test_groups_stand_at_their_shares_with_their_intervals():
    display = GroupComparisonDisplay(
        estimates=GROUPS, overall=Estimate(0.046, 730, 0.033, 0.064), measure="validity_drop",
        p_value=0.0004,
    ).plot()  # fmt: skip
    (container,) = display.ax_.containers
    np.testing.assert_array_equal(container[0].get_xdata(), [0.08, 0.02, np.nan])
    segments = container[2][0].get_segments()
    np.testing.assert_allclose(segments[0][:, 0], [0.06, 0.11])
    words = texts(display.ax_)
    assert {"8.0 % of 320", "2.0 % of 410", "nobody counts"} <= set(words)
    assert "groups differ (adjusted p < .001)" in words


@pytest.mark.parametrize(
    ("p_value", "words"),
    [
        (0.03, "groups differ (adjusted p = .030)"),
        (0.4, "no difference found (adjusted p = .400)"),
        (1.0, "no difference found (adjusted p = 1.000)"),
        (float("nan"), "too few people to test for a difference"),
    ],
)
def test_a_p_value_says_no_more_than_it_can(p_value, words):
    display = GroupComparisonDisplay(
        estimates=GROUPS, overall=Estimate(0.04, 730), measure="validity_drop", p_value=p_value
    )
    assert display.plot().ax_.get_title(loc="left") == words


def test_groups_of_an_audit(result):
    display = GroupComparisonDisplay.from_result(result, "decision_flips")
    assert list(display.estimates) == list(result.by_group)
    assert float(display.overall) == float(result.measures["decision_flips"])
    (test,) = [t for t in result.tests if t.measure == "decision_flips"]
    assert (display.p_value, display.test) == (test.p_adjusted, test.method)


def test_each_grouping_has_its_own_picture(auditor, credit):
    audit = auditor.audit(credit.data.head(60), groups=["sex", "housing"])
    for grouping, groups in audit.groupings.items():
        display = GroupComparisonDisplay.from_result(audit, grouping=grouping)
        assert tuple(display.estimates) == groups
    with pytest.raises(ValueError, match="must be one of sex, housing, sex & housing"):
        GroupComparisonDisplay.from_result(audit, grouping="age")


def test_groups_from_estimator_are_those_of_its_audit(auditor, credit):
    people = credit.data.head(60)
    display = GroupComparisonDisplay.from_estimator(auditor, people, groups="sex")
    assert sorted(display.estimates) == ["female", "male"]


def test_groups_of_an_audit_without_groups_and_an_unknown_figure_are_one_error(auditor, credit):
    audit = auditor.audit(credit.data.head(20))
    with pytest.raises(ValueError, match="2 problems") as error:
        GroupComparisonDisplay.from_result(audit, "fairness")
    assert "measure is 'fairness', must be one of validity_drop" in str(error.value)


# ----- one person ------------------------------------------------------------------------------


def test_a_persons_picture_holds_the_values_of_the_table(result):
    people = result.people
    broken = np.flatnonzero(people["needed"] & ~people["advice_survives"])[0]
    display = PersonDisplay.from_result(result, int(broken))
    row = people.iloc[broken]
    for name, values in display.changes.iterrows():
        assert values["now"] == row[name]
        assert values["reference"] == row[f"{name} (reference)"]
        assert values["deployed"] == row[f"{name} (deployed)"]
    assert (
        f"cost {row['reference_cost']:.3g}; the advice no longer works" in display.reference_words
    )
    assert len(display.changes) > 0


def test_a_persons_arrows_lead_from_now_to_each_value():
    changes = pd.DataFrame(
        {"now": [1500, "rent"], "reference": [1000, "own"], "deployed": [2000, "rent"]},
        index=["income", "housing"],
        dtype=object,
    )
    ax = PersonDisplay(changes=changes, reference_words="a", deployed_words="b").plot().ax_
    arrows = [t for t in ax.texts if getattr(t, "arrow_patch", None) is not None]
    assert [(arrow.xyann[0], arrow.xy[0]) for arrow in arrows] == [
        (0.5, 0.0),
        (0.5, 1.0),
        (0.0, 1.0),
    ]
    assert {"1,500", "1,000", "2,000", "rent", "own"} <= set(texts(ax))


def test_who_needs_nothing_has_an_empty_picture(result):
    accepted = np.flatnonzero(
        ~result.people["needed"] & (result.people["deployed_status"] == "not needed")
    )[0]
    display = PersonDisplay.from_result(result, int(accepted))
    assert "nothing to change" in texts(display.ax_)
    assert display.reference_words == "reference: needs nothing"


def test_a_person_who_is_not_there_is_an_error(result):
    with pytest.raises(ValueError, match="person is 600, but the audit has 600 people"):
        PersonDisplay.from_result(result, 600)


def test_a_person_from_estimator_is_one_row(auditor, credit):
    with pytest.raises(ValueError, match="draws one person, but X has 2 rows"):
        PersonDisplay.from_estimator(auditor, credit.data.head(2))
    display = PersonDisplay.from_estimator(auditor, credit.data.head(1))
    assert display.ax_.figure is display.figure_


# ----- slice -----------------------------------------------------------------------------------


def someone_with_two_numbers(result):
    people = result.people
    for i in np.flatnonzero(people["needed"] & (people["reference_cost"] > 0)):
        row = people.iloc[i]
        moved = [n for n in ("income", "debt") if row[n] != row.get(f"{n} (reference)", row[n])]
        if moved and np.isfinite(row["deployed_cost"]) and row["deployed_cost"] > 0:
            return i
    raise AssertionError("nobody's advice moves income or debt")


def test_the_slice_is_what_the_models_decide(auditor, credit, result):
    i = someone_with_two_numbers(result)
    person = credit.data.iloc[[i]]
    display = BoundarySliceDisplay.from_estimator(
        auditor, person, features=["debt", "income"], grid_resolution=15
    )
    rows = pd.concat([person] * 15 * 15, ignore_index=True)
    right, up = np.meshgrid(display.x, display.y)
    rows = rows.assign(debt=right.ravel(), income=up.ravel())
    for model, margin in (
        (auditor.reference_, display.reference_margin),
        (auditor.deployed_, display.deployed_margin),
    ):
        granted = model.predict(rows) == "granted"
        np.testing.assert_array_equal(margin.ravel() > 0, granted)
    row = result.people.iloc[i]
    assert display.person == (row["debt"], row["income"])
    # Logits of one row and of many differ in their last digits.
    after = [row.get(f"{name} (reference)", row[name]) for name in ("debt", "income")]
    assert display.reference_end == pytest.approx(after, rel=1e-5)


def test_an_end_that_lies_off_the_plane_is_hollow():
    x = y = np.linspace(0, 1, 20)
    margin = np.add.outer(y, x) - 1
    display = BoundarySliceDisplay(
        features=("a", "b"), x=x, y=y, reference_margin=margin, deployed_margin=margin - 0.2,
        person=(0.2, 0.2), reference_end=(0.5, 0.5), deployed_end=(0.6, 0.6),
        on_slice=(True, False), target="granted",
    ).plot()  # fmt: skip
    marks = {
        line.get_marker(): to_hex(line.get_markerfacecolor())
        for line in display.ax_.lines
        if len(line.get_xdata()) == 1
    }
    assert marks["s"] == "#ffffff"
    assert marks["o"] != "#ffffff"
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert "deployed; further features change" in legend
    assert "decided differently" in legend
    assert {"granted", "not granted"} <= set(texts(display.ax_))


def test_a_slice_of_words_or_of_two_people_is_an_error(auditor, credit):
    with pytest.raises(ValueError, match=r"must be two of the numeric columns \['age', "):
        BoundarySliceDisplay.from_estimator(auditor, credit.data.head(1), ["sex", "income"])
    with pytest.raises(ValueError, match="X must be a DataFrame of one row"):
        BoundarySliceDisplay.from_estimator(auditor, credit.data.head(2))


# ----- somebody's words ------------------------------------------------------------------------

HOSTILE = ("$\\frac{", "_hidden", "a\nb\tc", "<b>&amp;", "x" * 500, "", "50 $ to 60 $")


def test_names_are_drawn_as_they_are():
    estimates = {name: Estimate(0.1, 10, 0.05, 0.2) for name in HOSTILE}
    display = GroupComparisonDisplay(
        estimates=estimates, overall=Estimate(0.1, 70), measure="validity_drop"
    ).plot()
    display.figure_.canvas.draw()
    shown = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert shown == [
        "\\$\\frac{", " _hidden", "a b c", "<b>&amp;", "x" * 47 + "…", "(empty)", "50 \\$ to 60 \\$",
    ]  # fmt: skip


def test_every_display_draws_on_axes_that_are_given():
    ax = plt.subplots()[1]
    n_figures = len(plt.get_fignums())
    display = RecourseGapDisplay(edges=[-1, 0, 1], counts=[1, 2]).plot(ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert len(plt.get_fignums()) == n_figures
