"""Certificates of fitted classifiers, in raw units."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcfq import (
    FullPrecisionClassifier,
    QATClassifier,
    RecourseAuditor,
    ValidityCalibrator,
    margin_certificate,
)

NUMBERS = ["income", "debt", "savings", "years_employed", "open_loans"]


@pytest.fixture(scope="module")
def teacher(credit):
    clf = FullPrecisionClassifier((24, 12), actions=credit.actions, max_epochs=40, random_state=0)
    return clf.fit(credit.data, credit.target)


@pytest.fixture(scope="module", params=[8, 4])
def student(request, credit, teacher):
    clf = QATClassifier(
        (24, 12), bits=request.param, bit_budget=request.param, max_epochs=15, random_state=0,
        actions=credit.actions, teacher=teacher,
    )  # fmt: skip
    return clf.fit(credit.data, credit.target)


@pytest.fixture(scope="module")
def people(credit):
    return credit.data.head(80)


def lead(model, rows):
    """Margin of the target, the last class."""
    decision = model.decision_function(rows)
    return -decision if model.target_ == model.classes_[0] else decision


def shaken(rows, random, widths):
    """Rows with the numbers off by up to their widths in raw units."""
    moved = rows.copy()
    for name, width in widths.items():
        moved[name] = rows[name] + width * random.uniform(-1, 1, len(rows))
    return moved


@pytest.mark.parametrize("radius", [0.0, 0.02, 0.2])
def test_what_is_promised_holds_in_raw_units(teacher, student, people, radius):
    result = teacher.solve_recourse(people)
    proof = margin_certificate(teacher, student, people, result, radius)
    rows = result.counterfactual
    np.testing.assert_allclose(proof.reference_margin, lead(teacher, rows), atol=1e-9)
    np.testing.assert_allclose(proof.deployed_margin, lead(student, rows), atol=1e-9)
    assert proof.certified.any()
    assert (student.predict(rows)[proof.certified] == student.target_).all()
    moves, random = teacher.actions_.numeric, np.random.default_rng(0)
    widths = dict(zip(NUMBERS, radius / moves.weight, strict=True))
    for _ in range(30):
        there = shaken(rows, random, widths)
        drop = lead(teacher, there) - lead(student, there)
        assert (drop <= proof.margin_eps).all()
        assert (lead(student, there) >= proof.deployed_low).all()
        assert (student.predict(there)[proof.robust] == student.target_).all()
    ratio = np.median(proof.eps / proof.empirical_eps)
    print(f"radius {radius}: median bound over the worst found {ratio:.3f}")
    assert ratio <= (1.0001 if radius == 0 else 1.1 if radius == 0.02 else 2.0)


def test_without_a_result_the_reference_is_asked(teacher, student, people):
    result = teacher.solve_recourse(people)
    asked = margin_certificate(teacher, student, people, None, 0.1)
    assert asked.to_frame().equals(
        margin_certificate(teacher, student, people, result, 0.1).to_frame()
    )


def test_a_shift_of_the_decision_shifts_the_bounds(credit, teacher, student, people):
    shifted = ValidityCalibrator(
        FrozenEstimator(student),
        FrozenEstimator(teacher),
        actions=credit.actions,
        validity_level=0.2,
    ).fit(credit.data, credit.target)
    before = margin_certificate(teacher, student, people, None, 0.05)
    after = margin_certificate(teacher, shifted, people, None, 0.05)
    offset = shifted.calibration_.offset
    assert offset != 0
    np.testing.assert_allclose(after.deployed_low, before.deployed_low + offset, atol=1e-9)
    np.testing.assert_allclose(after.reference_margin, before.reference_margin)


def test_a_mapping_gives_raw_units(teacher, student, people):
    result = teacher.solve_recourse(people)
    weight = dict(zip(NUMBERS, teacher.actions_.numeric.weight, strict=True))
    by_cost = margin_certificate(teacher, student, people, result, 0.1)
    by_name = margin_certificate(
        teacher, student, people, result, {name: 0.1 / weight[name] for name in NUMBERS}
    )
    assert by_cost.to_frame().equals(by_name.to_frame())
    # Features that nobody may move can be measured with an error as well.
    wider = margin_certificate(teacher, student, people, result, {"age": 5, "income": 100})
    narrower = margin_certificate(teacher, student, people, result, {"income": 100})
    assert (wider.deployed_low <= narrower.deployed_low).all()
    assert (wider.deployed_low < narrower.deployed_low).any()


def test_equal_models_differ_by_nothing(teacher, people):
    proof = margin_certificate(teacher, teacher, people, None, 0.5)
    assert proof.eps.max() < 1e-8


def test_people_without_recourse_have_no_certificate(credit, teacher, student, people):
    refused = people[teacher.predict(people) != teacher.target_]
    space = teacher.actions_
    result = teacher.solve_recourse(refused)
    lost = result.success.copy()
    lost[:3] = False
    result = type(result)(**{**vars(result), "success": lost})
    proof = margin_certificate(teacher, student, refused, result, 0.1, actions=space)
    assert np.isnan(proof.eps).tolist() == (~lost).tolist()
    assert not proof.certified[:3].any()
    assert not proof.robust[:3].any()


def test_models_of_scikit_learn(credit):
    X = credit.data[["age", *NUMBERS]].astype(float)
    reference = make_pipeline(StandardScaler(), MLPClassifier((8,), random_state=0, max_iter=3000))
    deployed = make_pipeline(StandardScaler(), LogisticRegression())
    reference.fit(X, credit.target)
    deployed.fit(X, credit.target)
    auditor = RecourseAuditor(reference, deployed, target="granted").fit(X, credit.target)
    proof = margin_certificate(
        reference, deployed, X, auditor.recourse_, 0.05, actions=auditor.actions_, target="granted"
    )
    rows = auditor.recourse_.counterfactual
    sign = 1 if deployed.classes_[1] == "granted" else -1
    np.testing.assert_allclose(proof.deployed_margin, sign * deployed.decision_function(rows))
    assert (deployed.predict(rows)[proof.certified] == "granted").all()
    assert 0 < proof.certified.sum() < len(X)
    # From now on scaled otherwise: no inputs in common.
    other = make_pipeline(StandardScaler(), LogisticRegression()).fit(
        X.head(300), credit.target.head(300)
    )
    with pytest.raises(ValueError, match="the models encode rows differently"):
        margin_certificate(
            reference, other, X, auditor.recourse_, 0.05, actions=auditor.actions_, target="granted"
        )


def test_all_problems_in_one_error(credit, teacher, student, people):
    result = teacher.solve_recourse(people)
    with pytest.raises(ValueError) as error:
        margin_certificate(teacher, student, people.head(3), result, {"income": -1})
    assert str(error.value) == (
        "margin_certificate has 2 problems:\n"
        "  1. result is about 80 people, X has 3 rows.\n"
        "  2. radius['income']=-1: a finite number >= 0 is needed."
    )
    with pytest.raises(ValueError) as error:
        margin_certificate(teacher, student, people, result, {"sex": 1, "height": 2}, target="no")
    assert str(error.value) == (
        "margin_certificate has 3 problems:\n"
        "  1. radius['sex']: not a numeric feature of the model; these are 'age', 'income', 'debt', "
        "'savings', 'years_employed', 'open_loans'.\n"
        "  2. radius['height']: not a numeric feature of the model; these are 'age', 'income', "
        "'debt', 'savings', 'years_employed', 'open_loans'.\n"
        "  3. target='no' is not one of the classes ['granted', 'refused']."
    )
    X = StandardScaler().fit_transform(credit.data[NUMBERS].astype(float))
    model = LogisticRegression().fit(X, credit.target)
    with pytest.raises(ValueError) as error:
        margin_certificate(model, model, X, None, 0.1)
    assert str(error.value) == (
        "margin_certificate has 2 problems:\n"
        "  1. LogisticRegression gives no recourse itself: give result, for example of "
        "RecourseAuditor.recourse_.\n"
        "  2. radius=0.1 is in units of cost, and LogisticRegression has no actions_ that tell "
        "costs: give actions, for example of RecourseAuditor.actions_, or a mapping from feature to "
        "raw units."
    )


def test_a_network_that_cannot_be_read(credit, people):
    X = credit.data[NUMBERS].astype(float)
    model = MLPClassifier(
        (4,), activation="tanh", solver="lbfgs", max_iter=5000, random_state=0
    ).fit(X, credit.target)
    auditor = RecourseAuditor(model, model).fit(X, credit.target)
    with pytest.raises(TypeError, match="Tanh cannot be read"):
        margin_certificate(model, model, X, auditor.recourse_, {"income": 1})
