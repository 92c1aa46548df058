import numpy as np
import pytest

from skcfq import CFQClassifier
from skcfq.datasets import make_recourse_classification


@pytest.fixture(scope="module")
def data():
    return make_recourse_classification(n_samples=3000, random_state=0)


@pytest.mark.slow
def test_validity_drop_of_new_people_is_near_the_level_that_was_asked_for(data):
    learn, new = np.arange(2000), np.arange(2000, 3000)
    clf = CFQClassifier(
        (16,),
        actions=data.actions,
        validity_level=0.05,
        bits=2,
        bit_budget=2,
        max_epochs=8,
        random_state=0,
    ).fit(data.data.iloc[learn], data.target.iloc[learn])
    calibration = clf.calibration_
    assert calibration.level == 0.05
    assert calibration.bound <= 0.05
    assert calibration.attained <= 0.05
    score = clf.score(data.data.iloc[new], data.target.iloc[new])
    spread = np.sqrt(0.05 * 0.95 * (1 / score.n_counted + 1 / calibration.n_counted))
    assert abs(score.validity_drop - calibration.bound) < 4 * spread


@pytest.mark.slow
def test_offset_is_in_the_bias_of_the_target_alone(data):
    X, y = data.data.head(1200), data.target.head(1200)
    settings = {"actions": data.actions, "max_epochs": 3, "random_state": 0, "target": "granted"}
    loose = CFQClassifier((16,), validity_level=0.5, **settings).fit(X, y)
    strict = CFQClassifier((16,), validity_level=0.02, **settings).fit(X, y)
    # "granted" is the first class: its logit counts against the decision function.
    difference = loose.decision_function(X) - strict.decision_function(X)
    np.testing.assert_allclose(
        difference, strict.calibration_.offset - loose.calibration_.offset, atol=1e-6
    )
    assert strict.calibration_.offset > loose.calibration_.offset


def test_too_few_rows_for_the_level_is_a_clear_error(data):
    clf = CFQClassifier(
        (16,), actions=data.actions, validity_level=0.02, max_epochs=1, random_state=0
    )
    with pytest.raises(
        ValueError,
        match=r"validity_level=0\.02 needs at least 49 held-out people who need recourse",
    ):
        clf.fit(data.data.head(200), data.target.head(200))


def test_weights_cannot_be_calibrated(data):
    X, y = data.data.head(200), data.target.head(200)
    clf = CFQClassifier(validity_level=0.02, class_weight="balanced", max_epochs=1)
    with pytest.raises(
        ValueError, match="validity_level cannot be guaranteed with sample or class weights"
    ):
        clf.fit(X, y)


def test_without_a_level_nothing_is_held_back(data):
    clf = CFQClassifier((16,), max_epochs=1, random_state=0).fit(
        data.data.head(200), data.target.head(200)
    )
    assert not hasattr(clf, "calibration_")
