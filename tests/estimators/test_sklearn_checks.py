"""scikit-learn's own checks, in full: none is expected to fail."""

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import (
    check_param_validation,
    parametrize_with_checks,
)

from skcfq import (
    CFQClassifier,
    FaithfulObjective,
    FullPrecisionClassifier,
    OutputObjective,
    PTQClassifier,
    QATClassifier,
    RecourseAuditor,
    ValidityCalibrator,
)

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 20, "lr": 2e-2, "random_state": 0}
TEACHER = FullPrecisionClassifier(**SMALL)
ESTIMATORS = [
    TEACHER,
    QATClassifier(teacher=TEACHER, **SMALL),
    # By default, the few rows of a check would be filled up with many times as many people. An epoch is of
    # many points, however few the rows.
    CFQClassifier(
        teacher=TEACHER,
        objective=FaithfulObjective(n_synthetic=100),
        **{**SMALL, "max_epochs": 3},
    ),
    PTQClassifier(teacher=TEACHER),
    PTQClassifier(teacher=TEACHER, objective=OutputObjective(), activation_bits=8),
    ValidityCalibrator(
        LogisticRegression(),
        LogisticRegression(C=100),
        validity_level=0.5,
        calibration_fraction=0.6,
        random_state=0,
    ),
    RecourseAuditor(LogisticRegression(), LogisticRegression(C=0.1)),
]


@parametrize_with_checks(ESTIMATORS)
def test_sklearn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_every_parameter_is_validated(estimator):
    """A check that scikit-learn keeps for its own estimators."""
    check_param_validation(type(estimator).__name__, estimator)
