"""Tables of the paper's grid: means over seeds, verdicts on the claim, and targets."""

import figures
import pandas as pd
import pytest
from paper_store import COLUMNS, read_tidy
from paper_tables import paper_claim, rst_table, summarise, targets, wide

from .conftest import PAPER

MEASURES = (
    "accuracy", "reference_accuracy", "validity_drop", "recourse_gap", "abs_recourse_gap",
    "weighted_gap", "decision_flips", "newly_accepted",
)  # fmt: skip


def table_of(cells, study="main"):
    """A tidy table: (method, budget, seed) to a value that all measures have, or one for each."""
    rows = []
    for (method, budget, seed), value in cells.items():
        for calibrated in (False, True):
            for measure in MEASURES:
                known = value.get(measure, 0.1) if isinstance(value, dict) else value
                rows.append(
                    {
                        "study": study, "dataset": "german", "setting": "default", "method": method,
                        "bit_budget": budget, "seed": seed, "calibrated": calibrated,
                        "people": "everyone", "measure": measure, "value": known, "n": 60,
                        "average_bits": budget,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def test_means_and_deviations_are_over_seeds():
    table = table_of({("CFQ", 4, 0): 0.1, ("CFQ", 4, 1): 0.3, ("PTQ", 4, 0): 0.5})
    found = summarise(table)
    cfq = found[(found.method == "CFQ") & (found.measure == "accuracy") & ~found.calibrated]
    assert cfq["mean"].item() == pytest.approx(0.2)
    assert cfq["sd"].item() == pytest.approx(0.1414, abs=1e-4)
    assert cfq["seeds"].item() == 2
    shown = wide(found, ["method"]).set_index("method")
    assert shown.loc["CFQ", "VD"] == "0.200 ± 0.141"
    assert shown.loc["PTQ", "VD, calibrated"] == "0.500"
    assert shown.loc["CFQ", "people in need"] == 60


def test_a_difference_within_the_seeds_spread_is_none():
    cells = {}
    for seed, noise in enumerate((-0.02, 0.0, 0.02)):
        values = {"validity_drop": 0.1 + noise, "abs_recourse_gap": 0.6, "decision_flips": 0.1}
        cells["CFQ", 4, seed] = values
        cells["LSQ-QAT", 4, seed] = {**values, "validity_drop": 0.3, "abs_recourse_gap": 0.2}
        cells["PACT-QAT", 4, seed] = {**values, "validity_drop": 0.4, "abs_recourse_gap": 0.3}
    (row,) = paper_claim(table_of(cells, "budgets")).to_dict("records")
    assert row["VD"] == "0.100 / 0.300 (LSQ-QAT): better"
    assert row["mean |CRG|"] == "0.600 / 0.200 (LSQ-QAT): worse"
    assert row["changed"] == "0.100 / 0.100 (LSQ-QAT): no difference"


def test_targets_compare_with_the_paper_and_with_the_best_baseline():
    gaps = {"Faithful CFQ": 0.1, "CFQ": 0.4, "PTQ": 0.25, "CF-PTQ": 0.2}
    table = table_of(
        {
            (name, 4, 0): {"abs_recourse_gap": gap, "accuracy": 0.8, "reference_accuracy": 0.81}
            for name, gap in gaps.items()
        }
    )
    (row,) = targets(table).to_dict("records")
    assert row["share of CFQ's (aim: 0.33)"] == "0.25"
    assert row["share of the best baseline's (aim: 0.5)"] == "0.50 (CF-PTQ)"
    assert row["accuracy lost (aim: 0.005)"] == "+0.0100"


def test_targets_have_weights_rounded_together_against_the_same_baselines():
    gaps = {"Faithful CFQ": 0.1, "CFQ": 0.4, "CF-PTQ": 0.2}
    main = table_of({(name, 4, 0): {"abs_recourse_gap": gap} for name, gap in gaps.items()})
    other = table_of(
        {("Faithful CFQ, rounded together", 4, 0): {"abs_recourse_gap": 0.05}}, "rounding"
    )
    found = targets(pd.concat([main, other])).set_index("method")
    assert found["share of the best baseline's (aim: 0.5)"].to_dict() == {
        "Faithful CFQ": "0.50 (CF-PTQ)", "Faithful CFQ, rounded together": "0.25 (CF-PTQ)",
    }  # fmt: skip


def test_rst_tables_have_a_row_for_each_row():
    text = rst_table(pd.DataFrame({"method": ["CFQ", "PTQ"], "mean |CRG|": [0.5, 0.25]}))
    assert text.count("   * - ") == 3
    assert "mean \\|CRG\\|" in text


@pytest.fixture(scope="module")
def results():
    """The committed results."""
    return read_tidy(PAPER / "results.csv.gz")


def test_committed_results_keep_their_budgets(results):
    assert tuple(results.columns) == COLUMNS
    kept = results.average_bits <= results.bit_budget
    assert (kept | (results.method == "PTQ-8")).all()
    assert (results.average_bits <= 8).all()


def test_committed_results_are_rendered(results, tmp_path):
    written = figures.render(results, tmp_path)
    assert {path.suffix for path in written} == {".csv", ".rst", ".svg"}
    assert all(path.stat().st_size > 0 for path in written)
