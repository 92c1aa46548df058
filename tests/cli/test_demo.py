"""The demo's records, without a terminal."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from skcfq.cli._demo import CFQ, FULL_PRECISION, QAT, DemoOptions, load_data, run_demo, split_rows
from skcfq.cli._people import choose_people, describe_person
from skcfq.cli._printing import models_table, person_table, print_result
from skcfq.cli._progress import SilentProgress
from skcfq.cli._records import DemoResult, ModelRow
from skcfq.metrics import Estimate


class Recorded(SilentProgress):
    """Keeps what it is told."""

    def __init__(self):
        self.stages = []

    def begin(self, name, total=None):
        self.stages.append([name, total, 0])

    def advance(self):
        self.stages[-1][2] += 1


def test_stages_and_records(tmp_path):
    progress = Recorded()
    options = DemoOptions(epochs=4, output=tmp_path / "model.joblib", people=4)
    result = run_demo(options, progress)
    assert progress.stages == [
        ["synthetic data", None, 0],
        [FULL_PRECISION, 4, 4],
        [QAT, 4, 4],
        ["recourse of the training rows", None, 0],
        [CFQ, 4, 4],
        ["audit on the test rows", 2, 2],
    ]
    assert (result.n_train, result.n_test) == (350, 150)
    assert len(result.people) == 4
    assert result.n_broken <= result.n_advised <= result.n_refused <= result.n_test
    for person in result.people:
        asked = person.advice[FULL_PRECISION]
        assert asked.status == "found"
        assert asked.cost > 0
        assert asked.changes.keys() <= person.person.keys()
        assert list(person.person)[:2] == ["age", "sex"]  # who they are comes first
        assert not {"age", "sex"} & asked.changes.keys()
    assert result.output_bytes == (tmp_path / "model.joblib").stat().st_size


@pytest.mark.parametrize("budget", [math.nan, math.inf, 1.0])
def test_budget_is_checked_first(tmp_path, no_training, budget):
    with pytest.raises(ValueError, match="bits per weight: a finite number of at least 2"):
        run_demo(DemoOptions(bit_budget=budget, output=tmp_path / "model.joblib"))
    assert not list(tmp_path.iterdir())


def test_split_is_stratified_and_complete():
    data = load_data(DemoOptions())
    train, test = split_rows(data, 0)
    assert sorted([*train, *test]) == list(range(500))
    granted = data.target == "granted"
    assert granted.iloc[train].mean() == pytest.approx(granted.iloc[test].mean(), abs=0.01)


def test_published_split_is_taken():
    data = load_data(DemoOptions())
    data.train_index, data.test_index = np.array([0, 1]), np.array([2])
    assert split_rows(data, 0) == (data.train_index, data.test_index)


@dataclasses.dataclass
class Found:
    """Stands in for RecourseResult."""

    counterfactual: pd.DataFrame
    cost: np.ndarray
    success: np.ndarray
    needed: np.ndarray
    status: np.ndarray


@dataclasses.dataclass
class Pair:
    """Stands in for Comparison."""

    reference: Found
    deployed: Found
    deployed_valid: np.ndarray


def found(frame, cost, status):
    status = np.array(status)
    return Found(
        frame, np.array(cost), status != "not found", status != "not needed", status
    )  # fmt: skip


def test_broken_advice_is_shown_first_and_spread_over_cost():
    frame = pd.DataFrame({"debt": np.arange(8.0)})
    reference = found(
        frame, [5, 4, 3, 2, 1, 0, np.nan, 9], ["found"] * 5 + ["not needed", "not found", "found"]
    )
    valid = np.array([False, False, False, False, False, False, False, True])
    pair = Pair(reference, reference, valid)
    assert choose_people(pair, 1) == [2]
    assert choose_people(pair, 5) == [4, 3, 2, 1, 0]
    assert choose_people(pair, 9) == [4, 3, 2, 1, 0, 7]  # then those whose advice holds
    assert choose_people(pair, 0) == []


def test_person_in_raw_units():
    frame = pd.DataFrame({"debt": [100, 200], "job": ["none", None], "sex": ["f", "m"]})
    after = pd.DataFrame({"debt": [100.0, 50.5], "job": ["none", "cook"], "sex": ["f", "m"]})
    reference = found(after, [0.0, 2.0], ["not needed", "found"])
    nothing = found(frame, [0.0, np.nan], ["not needed", "not found"])
    pair = Pair(reference, nothing, np.array([True, False]))
    person = describe_person(1, frame, {QAT: pair}, FULL_PRECISION, ("sex",))
    assert person.person == {"sex": "m", "debt": 200, "job": None}
    assert list(person.person) == ["sex", "debt", "job"]
    assert person.advice[FULL_PRECISION].changes == {"debt": 50.5, "job": "cook"}
    assert person.advice[QAT].changes == {}
    assert person.advice[QAT].cost is None
    assert person.still_works == {QAT: False}
    cells = [list(column.cells) for column in person_table(person).columns]
    assert cells[0] == ["debt", "job", "cost", "accepts advice"]
    assert cells[1][:2] == ["200", "missing"]
    assert cells[2] == ["50", "cook", "2.00", "yes"]
    assert cells[3] == ["·", "·", "none found", "[red]no[/]"]


def empty_result():
    nobody = Estimate(math.nan, n=0)
    share = Estimate(0.7, n=10)
    rows = (
        ModelRow(FULL_PRECISION, share, 32.0, (32,), 400),
        ModelRow(QAT, share, 3.987, (4,), 50, nobody, nobody, nobody, share),
    )
    return DemoResult("german", "good", False, 20, 10, 0, 0, 0, rows, (), "m.joblib", 2048, 1.0)


def test_figures_of_nobody_are_undefined_and_never_perfect(capsys):
    table = models_table(empty_result())
    cells = [list(column.cells) for column in table.columns]
    assert cells[2] == ["32", "3.99"]
    assert cells[3] == ["–", "undefined"]
    assert cells[6] == ["–", "70.0%"]
    print_result(empty_result())
    assert "No test row has advice to show." in capsys.readouterr().out
    assert '"value": null' in empty_result().to_json()
