import copy
import pickle

import joblib
import numpy as np
import pytest

from skcfq.metrics import Estimate, RecourseScore, recourse_measures
from skcfq.metrics._score import FIGURES

from .test_compare import six_people


@pytest.fixture
def score():
    return RecourseScore.from_measures(
        Estimate(0.75, 6, 0.3, 0.95), recourse_measures(*six_people())
    )


def test_is_its_accuracy(score):
    assert score == score.accuracy == 0.75
    assert max(score, 0.5) is score
    assert np.mean([score, score]) == 0.75
    assert type(np.mean([score, score])) is np.float64
    assert f"{score:.1%}" == "75.0%"


def test_counts(score):
    assert (score.n_rows, score.n_needed, score.n_counted) == (6, 4, 3)


def test_figures(score):
    measures = recourse_measures(*six_people())
    for name in FIGURES[1:]:
        assert getattr(score, name).as_dict() == measures[name].as_dict()


def test_as_dict_is_plain(score):
    numbers = score.as_dict()
    assert list(numbers) == [*FIGURES, "n_rows", "n_needed", "n_counted"]
    assert {type(numbers[name]) for name in FIGURES} == {float}
    assert numbers["deployed_feasible"] == 0.75


def test_to_frame(score):
    frame = score.to_frame()
    assert frame.index.tolist() == list(FIGURES)
    assert frame.loc["accuracy"].tolist() == [0.75, 6, 0.3, 0.95]


def test_repr_shows_all(score):
    assert repr(score).splitlines() == [
        "RecourseScore(0.75, n_rows=6, n_needed=4, n_counted=3,",
        "    accuracy=Estimate(0.75, n=6, interval=[0.3, 0.95]),",
        "    validity_drop=Estimate(0.6667, n=3, interval=[0.208, 0.939]),",
        "    recourse_gap=Estimate(-0.25, n=2, interval=[-1.0, 0.5]),",
        "    abs_recourse_gap=Estimate(0.75, n=2, interval=[0.5, 1.0]),",
        "    decision_flips=Estimate(0.3333, n=6, interval=[0.0968, 0.7]),",
        "    reference_feasible=Estimate(0.75, n=4, interval=[0.301, 0.954]),",
        "    deployed_feasible=Estimate(0.75, n=4, interval=[0.301, 0.954]))",
    ]


def test_survives_copies(score, tmp_path):
    joblib.dump(score, tmp_path / "score.joblib")
    copies = [copy.copy(score), copy.deepcopy(score), joblib.load(tmp_path / "score.joblib")]
    copies += [
        pickle.loads(pickle.dumps(score, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]
    for found in copies:
        assert type(found) is RecourseScore
        assert found == score
        assert repr(found) == repr(score)
        assert found.validity_drop.as_dict() == score.validity_drop.as_dict()


def test_survives_copies_where_undefined():
    nobody = RecourseScore.from_measures(
        0.5, {name: Estimate(float("nan"), 0) for name in FIGURES[1:]}
    )
    found = pickle.loads(pickle.dumps(nobody))
    np.testing.assert_equal(found.as_dict(), nobody.as_dict())
    assert np.isnan(found.validity_drop)
    assert found.n_counted == 0


@pytest.mark.parametrize("name", ["accuracy", "validity_drop", "n_rows", "note"])
def test_cannot_be_changed(score, name):
    with pytest.raises(AttributeError):
        setattr(score, name, 1)


def test_accuracy_as_float_has_no_interval():
    score = RecourseScore.from_measures(0.9, recourse_measures(*six_people()))
    assert (score.accuracy, score.accuracy.n) == (0.9, 6)
    assert np.isnan(score.accuracy.low)


def test_missing_figures_are_named():
    measures = recourse_measures(*six_people())
    del measures["validity_drop"], measures["decision_flips"]
    with pytest.raises(ValueError) as raised:
        RecourseScore.from_measures(0.9, measures)
    assert str(raised.value) == (
        "RecourseScore.from_measures: no validity_drop, decision_flips given."
    )


def test_figures_are_estimates():
    figure = Estimate(0.5, 2)
    with pytest.raises(TypeError) as raised:
        RecourseScore(0.9, figure, figure, figure, figure, figure, None)
    assert str(raised.value) == (
        "RecourseScore has 2 problems:\n"
        "  1. accuracy is 0.9 (float), must be an Estimate.\n"
        "  2. deployed_feasible is None (NoneType), must be an Estimate."
    )
