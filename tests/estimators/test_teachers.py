"""Every kind of teacher that is backed by a network teaches, and is left alone."""

import copy

import joblib
import numpy as np
import pandas as pd
import pytest
import skorch
import torch
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq import CFQClassifier, FullPrecisionClassifier, QATClassifier
from skcfq.estimators import network_view

from .nets import Probabilities, Scores

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 5, "lr": 0.01, "random_state": 0}


@pytest.fixture(scope="module")
def numbers():
    """Two standard normal columns, and a class that most of the rows do not have."""
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 2)), columns=["a", "b"])
    y = (X["a"] - X["b"] > 0.7).astype(int)
    return X, y


def skorch_net(module=Scores, criterion=torch.nn.CrossEntropyLoss, **params):
    torch.manual_seed(0)
    return skorch.NeuralNetClassifier(
        module, criterion=criterion, lr=0.3, max_epochs=15, verbose=0, train_split=None, **params
    )


def encode_credit():
    return ColumnTransformer(
        [
            ("numbers", StandardScaler(), make_column_selector(dtype_include="number")),
            ("words", OneHotEncoder(sparse_output=False), make_column_selector(dtype_exclude="number")),
        ]
    )  # fmt: skip


NUMERIC_TEACHERS = {
    "full precision": FullPrecisionClassifier((8,), max_epochs=20, lr=0.02, random_state=0),
    "no hidden layers": FullPrecisionClassifier((), max_epochs=20, lr=0.05, random_state=0),
    "logistic regression": LogisticRegression(),
    "relu": MLPClassifier((8,), solver="lbfgs", alpha=1.0, max_iter=300, random_state=0),
    "tanh": MLPClassifier((8,), activation="tanh", solver="lbfgs", alpha=1.0, max_iter=300, random_state=0),
    "logistic": MLPClassifier(
        (8,), activation="logistic", solver="lbfgs", alpha=1.0, max_iter=300, random_state=0
    ),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "quantized": QATClassifier((8,), bits=8, bit_budget=8, teacher=LogisticRegression(), max_epochs=9,
                               random_state=0),
    "search": GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
    "skorch": skorch_net(),
    "skorch probabilities": skorch_net(Probabilities, torch.nn.NLLLoss),
    "skorch two layers more": skorch_net(module__n_outputs=2),
}  # fmt: skip

WITHOUT_LAYERS = {"no hidden layers", "logistic regression", "pipeline", "search"}


def check_teaches(classifier, X, y):
    """The student follows: better than chance, advice that it honours, the teacher's own advice."""
    score = classifier.score(X, y)
    assert score > 0.7
    assert score.n_counted > 50, "the teacher found no recourse"
    assert score.validity_drop < 0.5
    advice = classifier.recourse(X)
    after = advice.loc[advice["recourse_status"] == "found", list(X.columns)]
    assert len(after) > 50
    assert (classifier.predict(after) == classifier.target_).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("fitted", [False, True], ids=["unfitted", "fitted"])
@pytest.mark.parametrize("kind", NUMERIC_TEACHERS)
def test_numeric_teacher(numbers, kind, fitted):
    X, y = numbers
    torch.manual_seed(0)  # skorch's own nets draw from it
    teacher = copy.deepcopy(NUMERIC_TEACHERS[kind])
    if fitted:
        # skorch takes arrays of single precision.
        as_array = isinstance(teacher, skorch.NeuralNet)
        teacher.fit(X.to_numpy(dtype="float32", copy=True) if as_array else X, y.to_numpy())
        teacher = FrozenEstimator(teacher)
    classifier = CFQClassifier(teacher=teacher, **SMALL)
    if kind in WITHOUT_LAYERS:  # nothing to start from: it takes longer
        classifier.set_params(max_epochs=20)
    check_teaches(classifier.fit(X, y), X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("fitted", [False, True], ids=["unfitted", "fitted"])
@pytest.mark.parametrize(
    "last", [MLPClassifier((8,), max_iter=40, random_state=0), FullPrecisionClassifier((8,), preprocessor=None, max_epochs=20, random_state=0)],
    ids=["sklearn", "skcfq"],
)  # fmt: skip
def test_pipeline_on_a_raw_frame(credit, last, fitted):
    X, y = credit.data, credit.target
    teacher = make_pipeline(encode_credit(), last)
    if fitted:
        teacher = FrozenEstimator(teacher.fit(X, y))
    classifier = CFQClassifier(teacher=teacher, actions=credit.actions, target="granted", **SMALL)
    classifier.fit(X, y)
    check_teaches(classifier, X, y)
    changed = [name for name in credit.actions.immutable if name in X]
    assert changed, "the action set holds nothing fixed"
    pd.testing.assert_frame_equal(classifier.recourse(X)[changed], X[changed])


def test_default_teacher_has_the_students_layers(credit):
    classifier = CFQClassifier((4, 3), max_epochs=2, random_state=0, target="granted")
    classifier.fit(credit.data.head(150), credit.target.head(150))
    assert isinstance(classifier.teacher_, FullPrecisionClassifier)
    assert classifier.teacher_.hidden_layer_sizes == (4, 3)
    assert classifier.teacher_.target == "granted"


def weights(module):
    return [p.detach().numpy().copy() for p in module.parameters()]


def test_fitted_teacher_is_used_as_it_is(credit, teacher):
    before, state = joblib.hash(weights(teacher.net_.module_)), joblib.hash(teacher.__getstate__())
    for given in (teacher, FrozenEstimator(teacher)):
        classifier = CFQClassifier(
            (16, 8), teacher=given, target="granted", max_epochs=3, random_state=0
        )
        classifier.fit(credit.data, credit.target)
        assert classifier.teacher_ is teacher
    assert joblib.hash(weights(teacher.net_.module_)) == before
    assert joblib.hash(teacher.__getstate__()) == state


def test_unfitted_teacher_is_cloned(numbers):
    X, y = numbers
    teacher = LogisticRegression()
    classifier = CFQClassifier(teacher=teacher, **SMALL).fit(X, y)
    assert not hasattr(teacher, "coef_")
    assert classifier.teacher_ is not teacher
    assert classifier.teacher_.score(X, y) > 0.9


def test_trap_the_teacher_is_registered_in_the_trained_module(numbers):
    """A registered teacher would be trained along, and put into train mode."""
    X, y = numbers
    net = skorch_net().fit(X.to_numpy(dtype="float32", copy=True), y.to_numpy())
    before = weights(net.module_)
    classifier = CFQClassifier(teacher=FrozenEstimator(net), **SMALL).fit(X, y)
    classifier.score(X, y)
    for a, b in zip(before, weights(net.module_), strict=True):
        np.testing.assert_array_equal(a, b)
    n_weights = sum(p.numel() for name, p in classifier.net_.module_.named_parameters() if name.endswith(".weight"))  # fmt: skip
    assert n_weights == 2 * 8 + 8 * 2, "the module holds more than the student"


def test_trap_post_training_methods_crash_asking_gradients_of_a_frozen_teacher(numbers):
    X, y = numbers
    net = skorch_net().fit(X.to_numpy(dtype="float32", copy=True), y.to_numpy())
    for parameter in net.module_.parameters():
        parameter.requires_grad_(False)
    check_teaches(CFQClassifier(teacher=FrozenEstimator(net), **SMALL).fit(X, y), X, y)
    assert not any(p.requires_grad for p in net.module_.parameters())


@pytest.mark.parametrize("module", [Scores, Probabilities])
def test_view_of_a_skorch_net_has_its_probabilities(numbers, module):
    X, y = numbers
    rows = X.to_numpy(dtype="float32", copy=True)
    criterion = torch.nn.CrossEntropyLoss if module is Scores else torch.nn.NLLLoss
    net = skorch_net(module, criterion).fit(rows, y.to_numpy())
    logits = network_view(net, X.columns).logits(torch.from_numpy(rows))
    np.testing.assert_allclose(logits.softmax(dim=1), net.predict_proba(rows), atol=1e-6)


@pytest.mark.parametrize("threshold", [0.5, 0.2])
def test_view_of_a_binary_skorch_net_keeps_its_threshold(numbers, threshold):
    X, y = numbers
    rows = X.to_numpy(dtype="float32", copy=True)
    torch.manual_seed(0)
    net = skorch.NeuralNetBinaryClassifier(
        Scores, module__n_outputs=1, lr=0.5, max_epochs=60, verbose=0, threshold=threshold
    ).fit(rows, y.to_numpy(dtype="float32"))
    logits = network_view(net, X.columns).logits(torch.from_numpy(rows))
    np.testing.assert_array_equal(logits.argmax(dim=1), net.predict(rows))
    assert 0 < net.predict(rows).mean() < 1


@pytest.mark.parametrize("kind", ["logistic regression", "relu", "tanh", "logistic"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_classes", [2, 3])
def test_view_of_a_scikit_learn_model_has_its_probabilities(numbers, kind, n_classes):
    X, y = numbers
    y = y if n_classes == 2 else y + (X["a"] + X["b"] > 0)
    model = copy.deepcopy(NUMERIC_TEACHERS[kind]).fit(X, y)
    rows = torch.from_numpy(X.to_numpy(dtype="float32", copy=True))
    probabilities = network_view(model, X.columns).logits(rows).softmax(dim=1)
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-4)


def test_student_starts_from_a_teacher_of_the_same_layers(numbers):
    """One epoch at a tiny learning rate leaves what the teacher knows, in 8 bits."""
    X, y = numbers
    model = MLPClassifier((8,), solver="lbfgs", alpha=1.0, max_iter=300, random_state=0).fit(X, y)
    params = {"bits": 8, "bit_budget": 8, "max_epochs": 1, "lr": 1e-9, "random_state": 0}
    same = QATClassifier((8,), teacher=model, **params).fit(X, y)
    other = QATClassifier((7,), teacher=model, **params).fit(X, y)
    assert same.score(X, y).decision_flips < 0.02
    assert other.score(X, y).decision_flips > 0.1


@pytest.mark.parametrize("module", [Scores, Probabilities])
def test_student_starts_from_a_skorch_teacher_of_the_same_layers(numbers, module):
    X, y = numbers
    criterion = torch.nn.CrossEntropyLoss if module is Scores else torch.nn.NLLLoss
    net = skorch_net(module, criterion).fit(X.to_numpy(dtype="float32", copy=True), y.to_numpy())
    params = {"bits": 8, "bit_budget": 8, "max_epochs": 1, "lr": 1e-9, "random_state": 0}
    student = QATClassifier((8,), teacher=FrozenEstimator(net), **params).fit(X, y)
    assert student.score(X, y).decision_flips < 0.02


def test_student_may_have_layers_of_other_sizes(credit, teacher):
    classifier = CFQClassifier(
        (8,), teacher=teacher, actions=credit.actions, target="granted", max_epochs=60, lr=0.01,
        batch_size=32, random_state=0,
    )  # fmt: skip
    classifier.fit(credit.data, credit.target)
    sizes = [layer.out_features for layer in classifier.net_.module_.layers]
    assert sizes == [8, 2]
    check_teaches(classifier, credit.data, credit.target)
