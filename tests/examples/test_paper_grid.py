"""The grid of the paper: wrong requests, interruptions, failures, and what a cell measures."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import paper_cell
import paper_data
import pytest
import run as paper_run
from paper_grid import STUDIES, Cell, Setting, make_cells
from paper_store import COLUMNS, read_cell, read_tidy, tidy, write_tidy
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch

from skcfq import ValidityCalibrator

from .conftest import PAPER

TINY = {"datasets": ["synthetic"], "seeds": [0], "max_epochs": 2}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder whose teachers are shared: a cell takes a second without, and a quarter with."""
    return tmp_path_factory.mktemp("paper")


@pytest.fixture
def folder(cache, tmp_path):
    """Results of a test's own, and the shared teachers."""
    (cache / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache").symlink_to(cache / "cache")
    return tmp_path


@pytest.fixture
def fits(monkeypatch):
    """Names of the methods that are fitted."""
    names, make_model = [], paper_cell.make_model

    def counted(cell, *args):
        names.append(cell.method)
        return make_model(cell, *args)

    monkeypatch.setattr(paper_cell, "make_model", counted)
    return names


def test_all_that_is_wrong_is_said_before_anything_is_done(tmp_path, capsys):
    out = tmp_path / "results"
    request = ["--studies", "main", "budget", "--datasets", "adlut", "--methods", "CFQ uniform"]
    request += ["--budgets", "1", "4", "--seeds", "-1"]
    with pytest.raises(SystemExit) as stopped:
        paper_run.main(["--out", str(out), *request])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.endswith(
        "The grid has 5 problems:\n"
        "  1. unknown study 'budget': did you mean 'budgets'?\n"
        "  2. unknown data set 'adlut': did you mean 'adult'?\n"
        "  3. unknown method 'CFQ uniform': did you mean 'CFQ-uniform'?\n"
        "  4. budget 1.0 is below the narrowest width, 2 bits.\n"
        "  5. seed -1: an integer >= 0 is needed.\n"
    )
    assert not out.exists()


def test_a_name_that_is_like_no_other_is_answered_with_all():
    with pytest.raises(ValueError, match="unknown data set 'xyz': known are synthetic, german, "):
        make_cells(datasets=["xyz"])


def test_every_study_is_in_the_quick_grid():
    cells = make_cells(is_quick=True)
    assert {cell.study for cell in cells} == {study.name for study in STUDIES}
    assert {cell.dataset for cell in cells} <= {"synthetic", "german"}
    assert {cell.seed for cell in cells} == {0}
    assert {cell.setting.hidden_layer_sizes for cell in cells} == {(32, 16), (32,), ()}


def test_the_main_table_has_all_data_sets_and_five_seeds_and_the_curves_three():
    for name, n_seeds in (("main", 5), ("budgets", 3)):
        cells = make_cells([name])
        assert {cell.dataset for cell in cells} == {"german", "compas", "default", "adult", "bank"}
        assert {cell.seed for cell in cells} == set(range(n_seeds))
    assert len({cell.method for cell in make_cells(["main"])}) >= 17


def test_keys_tell_all_cells_apart():
    cells = make_cells()
    assert len({cell.key for cell in cells}) == len(cells) == len(set(cells))
    cell = Cell("main", "german", "CFQ + match", 4, 0)
    assert cell.key.startswith("main_german_cfq-match_default_4_0-".replace("_", "-"))
    for change in ({"max_epochs": 3}, {"setting": Setting(hidden_layer_sizes=(3,))}):
        assert dataclasses.replace(cell, **change).key != cell.key


def test_a_budget_of_the_command_line_is_that_of_the_study():
    asked = make_cells(["budgets"], ["german"], ["CFQ"], [8.0], [0])
    assert asked[0].key in {cell.key for cell in make_cells(["budgets"])}
    assert make_cells(["budgets"], ["german"], ["CFQ"], [3.5], [0])[0].bit_budget == 3.5


def test_an_interrupted_run_goes_on_where_it_was(folder, fits, monkeypatch):
    cells = make_cells(["main"], methods=["PTQ", "PTQ-8", "CF-PTQ"], **TINY)
    calibrate = paper_cell.calibrate

    def interrupted(model, *args):
        if len(fits) == 2:
            raise KeyboardInterrupt
        return calibrate(model, *args)

    monkeypatch.setattr(paper_cell, "calibrate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        paper_run.run(cells, folder)
    assert fits == ["PTQ", "PTQ-8"]
    assert [read_cell(folder, cell) is not None for cell in cells] == [True, False, False]
    assert not list((folder / "cells").glob(".*"))  # nothing half-written
    monkeypatch.setattr(paper_cell, "calibrate", calibrate)
    fits.clear()
    assert paper_run.run(cells, folder) == []
    assert fits == ["PTQ-8", "CF-PTQ"]
    fits.clear()
    assert paper_run.run(cells, folder) == []
    assert fits == []


def test_a_failure_is_recorded_and_tried_again_and_stops_nothing(folder, fits, monkeypatch, capsys):
    def failing(model, cell):
        if cell.method == "PTQ":
            model.average_bits_ = 4.5
        return assert_budget(model, cell)

    assert_budget = paper_cell.assert_budget
    monkeypatch.setattr(paper_cell, "assert_budget", failing)
    request = [
        "--out",
        str(folder),
        "--studies",
        "budgets",
        "--datasets",
        "synthetic",
        "--seeds",
        "0",
    ]
    request += ["--budgets", "4", "--methods", "PTQ", "CF-PTQ", "--no-figures"]
    assert paper_run.main(request) == 1
    error = "AssertionError: 4.5 bits on average, above the budget 4."
    failed, done = make_cells(["budgets"], ["synthetic"], ["PTQ", "CF-PTQ"], [4.0], [0])
    assert read_cell(folder, failed)["error"] == error
    assert error in capsys.readouterr().err
    assert read_cell(folder, done)["status"] == "done"
    monkeypatch.setattr(paper_cell, "assert_budget", assert_budget)
    fits.clear()
    assert paper_run.main(request) == 0
    assert fits == ["PTQ"]


def test_figures_are_those_of_score_and_of_the_calibrator(folder):
    (cell,) = make_cells(["budgets"], methods=["CFQ"], budgets=[3], **TINY)
    assert paper_run.run([cell], folder) == []
    write_tidy(tidy(folder, [cell]), folder / "results.csv.gz")
    table = read_tidy(folder / "results.csv.gz")
    assert tuple(table.columns) == COLUMNS
    assert set(table.study) == {"budgets"}
    assert (table.average_bits <= table.bit_budget).all()
    assert table.versions.str.contains("skcfq").all()

    data, rows = paper_data.load("synthetic"), paper_data.split("synthetic", 0)
    assert not set(rows.learn) & set(rows.held)
    assert not set(rows.test) & {*rows.learn, *rows.held}
    ref = paper_data.reference("synthetic", 0, cell.setting, folder / "cache")
    model = paper_cell.make_model(cell, ref, data, folder / "cache")
    model.fit(data.data.iloc[rows.learn], data.target.iloc[rows.learn])
    calibrated = ValidityCalibrator(FrozenEstimator(model), validity_level=0.02)
    calibrated.fit(data.data.iloc[rows.held], data.target.iloc[rows.held])
    test = data.data.iloc[rows.test], data.target.iloc[rows.test]
    for each, is_calibrated in ((model, False), (calibrated, True)):
        score = each.score(*test)
        part = table[(table.calibrated == is_calibrated) & (table.people == "everyone")]
        found = part.set_index("measure").value
        for name in (
            "accuracy",
            "validity_drop",
            "recourse_gap",
            "abs_recourse_gap",
            "decision_flips",
        ):
            assert found[name] == pytest.approx(getattr(score, name), rel=1e-4, abs=1e-9), name
        changed = found["newly_accepted"] + found["newly_refused"]
        assert changed == pytest.approx(found["decision_flips"], rel=1e-4)
        assert (part.set_index("measure").n)["validity_drop"] == score.n_counted
    offset = table[table.measure == "calibration_offset"]
    assert offset.value.item() == pytest.approx(calibrated.calibration_.offset, rel=1e-4)
    assert offset.n.item() == calibrated.calibration_.n_counted


def test_too_few_people_to_calibrate_leaves_the_other_figures(folder, monkeypatch):
    monkeypatch.setattr(paper_cell, "VALIDITY_LEVEL", 1e-4)
    (cell,) = make_cells(["budgets"], methods=["PTQ"], budgets=[3], **TINY)
    assert paper_run.run([cell], folder) == []
    table = tidy(folder, [cell])
    assert table[table.calibrated].measure.tolist() == ["calibration_offset"]
    assert table[table.calibrated].value.isna().all()
    assert "validity_drop" in set(table[~table.calibrated].measure)


@pytest.mark.parametrize(
    "study",
    ["activations", "activation_budget", "shifts", "subgroups", "robust", "theory", "teachers"],
)
def test_studies_measure_what_they_say(folder, study):
    cells = [
        cell for cell in make_cells([study], methods=["CF-PTQ"], **TINY) if cell.bit_budget == 4
    ]
    assert paper_run.run(cells[:2], folder) == []
    table = tidy(folder, cells)
    people, measures = set(table.people) - {"held out"}, set(table.measure)
    if study in ("activations", "activation_budget", "teachers"):
        assert people == {"everyone"}
    elif study == "shifts":
        assert len(people) == 5
    elif study == "subgroups":
        assert people == {"female", "male"}
    elif study == "robust":
        fails = table[(table.people == "the model itself") & ~table.calibrated]
        fails = fails.set_index("measure").value
        # Advice for several models, of which the cell's is one, holds for it.
        assert fails["2_models_advice_fails"] == fails["4_models_advice_fails"] == 0
        assert table[table.measure == "2_models_extra_cost"].value.min() >= -1e-3
    else:
        rows = table[table.people.str.startswith("radius")]
        found = rows.pivot_table(index=["people", "calibrated"], columns="measure", values="value")
        assert (found["broken_though_certified"] == 0).all()
        assert (found["certified"] <= found["at_most_certifiable"]).all()
        assert (found["paper_condition"] <= found["certified"]).all()
        assert (found["median_empirical_eps"] <= found["median_eps"] + 1e-9).all()
        assert "advice_holds" in measures


def test_the_tidy_file_is_the_same_to_the_byte(folder):
    cells = make_cells(["budgets"], methods=["PTQ"], budgets=[3], **TINY)
    paper_run.run(cells, folder)
    table = tidy(folder, cells)
    for name in ("a.csv.gz", "b.csv.gz"):
        write_tidy(table, folder / name)
    assert (folder / "a.csv.gz").read_bytes() == (folder / "b.csv.gz").read_bytes()
    record = json.loads(next((folder / "cells").glob("*.json")).read_text())
    assert record["cell"]["method"] == "PTQ"


@pytest.mark.slow
def test_quick_run_of_all_studies_in_processes_of_their_own(tmp_path):
    command = [
        sys.executable,
        str(PAPER / "run.py"),
        "--out",
        str(tmp_path),
        "--quick",
        "--jobs",
        "2",
    ]
    done = subprocess.run([*command, "--datasets", "synthetic"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    table = read_tidy(tmp_path / "results.csv.gz")
    assert set(table.study) == {study.name for study in STUDIES}
    figures = {path.stem for path in (tmp_path / "figures").glob("*.svg")}
    assert figures == {
        "main", "leniency", "budgets", "activations", "activation_budget", "ablation", "backbones", "costs", "teachers",
        "constraints", "shifts", "subgroups", "runtime", "robust", "theory",
    }  # fmt: skip


def test_nobody_is_held_out_or_tested_with_a_category_that_nobody_learns_from(monkeypatch):
    frame = pd.DataFrame({"age": range(60), "country": ["A", "B"] * 29 + ["C", "D"]})
    target = pd.Series(["yes", "no"] * 30)
    data = Bunch(data=frame, target=target, train_index=None, test_index=None)
    monkeypatch.setattr(paper_data, "load", lambda name: data)
    for seed in range(12):
        rows = paper_data.split("synthetic", seed)
        known = set(frame.country.iloc[rows.learn])
        parts = np.concatenate([rows.learn, rows.held, rows.test])
        assert set(frame.country.iloc[parts]) == known
        assert len(set(parts)) == len(parts) == 60 - 2 + len(known & {"C", "D"})
