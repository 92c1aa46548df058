"""Post-training quantization of whatever is fitted and backed by ReLU layers."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcfq import (
    CFQClassifier,
    FisherSensitivity,
    FullPrecisionClassifier,
    OutputObjective,
    PTQClassifier,
    QATClassifier,
    RecourseSensitivity,
    WeightObjective,
)
from skcfq.quantization import linear_layers
from skcfq.training import deployed

from .nets import Probabilities, Scores
from .test_teachers import numbers, skorch_net  # noqa: F401


def ptq(teacher, credit, **params):
    settings = {"actions": credit.actions, "target": "granted", "random_state": 0}
    model = PTQClassifier(teacher=FrozenEstimator(teacher), **{**settings, **params})
    return model.fit(credit.data, credit.target)


def test_eight_bits_decide_as_the_teacher(credit, teacher):
    model = ptq(teacher, credit, bits=8, bit_budget=8)
    assert model.bits_ == (8, 8, 8)
    assert model.average_bits_ == 8
    assert (model.predict(credit.data) == teacher.predict(credit.data)).mean() > 0.99
    score = model.score(credit.data, credit.target)
    assert score.n_counted > 50
    assert score.abs_recourse_gap < 0.1


def test_trap_8_bit_ptq_with_4_bit_activations(credit, teacher):
    for bits in (8, 4):
        model = ptq(teacher, credit, bits=bits, bit_budget=bits, activation_bits=bits)
        assert set(model.bits_) == {bits}
        assert {activation.bits for activation in model.net_.module_.activations} == {bits}


def test_the_teacher_is_left_alone(credit, teacher):
    before = copy.deepcopy(teacher.net_.module_.state_dict())
    model = ptq(teacher, credit, objective=OutputObjective(), activation_bits=4)
    assert model.teacher_ is teacher
    after = teacher.net_.module_.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("budget", [2.0, 2.7, 4.0, 8.0])
@pytest.mark.parametrize(
    "allocation", [None, FisherSensitivity(), RecourseSensitivity()], ids=["", "fisher", "recourse"]
)
def test_mixed_widths_keep_the_budget_and_use_it(credit, teacher, budget, allocation):
    model = ptq(teacher, credit, bit_budget=budget, allocation=allocation)
    assert model.average_bits_ <= budget
    assert model.average_bits_ > budget - 0.7
    if budget == 2.7:
        assert len(set(model.bits_)) > 1


def test_fisher_is_the_default(credit, teacher):
    a = ptq(teacher, credit, bit_budget=3.3)
    b = ptq(teacher, credit, bit_budget=3.3, allocation=FisherSensitivity())
    assert a.bits_ == b.bits_
    np.testing.assert_array_equal(a.predict_proba(credit.data), b.predict_proba(credit.data))


def test_an_object_of_ones_own_is_asked(credit, teacher):
    class FirstLayerFirst:
        needs_recourse = False

        def values(self, module, network, lesson):
            values = np.zeros((len(module.layers), len(module.layers[0].candidate_bits)))
            values[0, -1] = 1.0
            return values

    assert ptq(teacher, credit, bit_budget=6.5, allocation=FirstLayerFirst()).bits_[0] == 8
    assert (
        ptq(teacher, credit, bit_budget=6.5, allocation=FirstLayerFirst(), pin={0: 2}).bits_[0] == 2
    )


@pytest.mark.parametrize("objective", [WeightObjective(), OutputObjective()])
def test_pinned_layers(credit, teacher, objective):
    model = ptq(teacher, credit, pin={0: 3, -1: 8}, objective=objective, bit_budget=4)
    assert model.bits_[0] == 3
    assert model.bits_[-1] == 8
    assert model.average_bits_ <= 4


@pytest.mark.parametrize("way", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("activation_bits", [None, 4])
def test_trap_reloading_changes_the_outputs(credit, teacher, way, activation_bits):
    model = ptq(teacher, credit, objective=OutputObjective(), activation_bits=activation_bits)
    loaded = way(model)
    np.testing.assert_array_equal(
        loaded.decision_function(credit.data), model.decision_function(credit.data)
    )
    assert loaded.bits_ == model.bits_
    assert loaded.history_ == []


def test_order_of_rows_and_seed_do_not_matter(credit, teacher):
    one = ptq(teacher, credit, objective=OutputObjective(), activation_bits=4)
    order = np.random.default_rng(0).permutation(len(credit.data))
    two = clone(one).set_params(random_state=5)
    two.fit(credit.data.iloc[order], credit.target.iloc[order])
    np.testing.assert_array_equal(one.predict_proba(credit.data), two.predict_proba(credit.data))


def test_pruned_weights_are_zero(credit, teacher):
    model = ptq(teacher, credit, prune_fraction=0.5, objective=OutputObjective())
    zero = [
        (linear.weight == 0)[~layer.kept].all()
        for linear, layer in zip(
            linear_layers(deployed(model.net_.module_)), model.net_.module_.layers, strict=True
        )
    ]
    assert all(zero)


NUMERIC = {
    "relu": MLPClassifier((8,), solver="lbfgs", alpha=1.0, max_iter=300, random_state=0),
    "logistic regression": LogisticRegression(),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "search": GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
    "skorch": skorch_net(),
    "skorch probabilities": skorch_net(Probabilities, torch.nn.NLLLoss),
    "quantized": QATClassifier((8,), bits=8, bit_budget=8, max_epochs=9, random_state=0),
    "cfq": CFQClassifier((8,), bits=8, bit_budget=8, max_epochs=9, random_state=0),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", NUMERIC)
def test_trap_post_training_methods_crash_asking_gradients_of_a_frozen_teacher(numbers, kind):  # noqa: F811
    X, y = numbers
    teacher = copy.deepcopy(NUMERIC[kind])
    as_array = kind.startswith("skorch")
    teacher.fit(X.to_numpy(dtype="float32", copy=True) if as_array else X, y.to_numpy())
    for parameter in teacher.module_.parameters() if as_array else ():
        parameter.requires_grad_(False)
    model = PTQClassifier(
        teacher=FrozenEstimator(teacher), bits=8, bit_budget=8, objective=OutputObjective()
    )
    model.fit(X, y)
    assert model.score(X, y).decision_flips < 0.02
    advice = model.recourse(X)
    after = advice.loc[advice["recourse_status"] == "found", list(X.columns)]
    assert len(after) > 50
    assert (model.predict(after) == model.target_).all()


def test_binary_skorch_net_with_one_output_and_a_threshold(numbers):  # noqa: F811
    import skorch

    X, y = numbers
    torch.manual_seed(0)
    net = skorch.NeuralNetBinaryClassifier(
        Scores, module__n_outputs=1, lr=0.5, max_epochs=60, verbose=0, threshold=0.2
    ).fit(X.to_numpy(dtype="float32", copy=True), y.to_numpy(dtype="float32"))
    model = PTQClassifier(teacher=FrozenEstimator(net), bits=8, bit_budget=8).fit(X, y)
    same = model.predict(X) == net.predict(X.to_numpy(dtype="float32", copy=True))
    assert same.mean() > 0.98


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("activation", ["tanh", "identity"])
def test_another_network_is_refused_by_name(numbers, activation):  # noqa: F811
    X, y = numbers
    teacher = MLPClassifier(
        (8,), activation=activation, solver="lbfgs", max_iter=50, random_state=0
    )
    message = "the network of the teacher MLPClassifier is not one of linear layers with ReLUs"
    with pytest.raises(ValueError, match=message):
        PTQClassifier(teacher=teacher).fit(X, y)
    teacher.fit(X, y)
    with pytest.raises(ValueError, match=rf"^PTQClassifier: {message}"):
        PTQClassifier(teacher=FrozenEstimator(teacher)).fit(X, y)


def test_pins_are_checked_before_work_begins(credit, teacher):
    with pytest.raises(
        ValueError,
        match=r"(?s)^PTQClassifier has 3 problems:.*pin of layer 0: 5 is none of the candidate widths "
        r"2, 3, 4, 8: add it to bits\..*pin: 'last' is no layer.*pin of layer 1: bits=1: not a width",
    ):
        ptq(teacher, credit, pin={0: 5, "last": 8, 1: 1})
    with pytest.raises(ValueError, match="pin: there is no layer 7; the network has 3"):
        ptq(teacher, credit, pin={7: 8})
    with pytest.raises(ValueError, match="pin: layer -1 is given twice"):
        ptq(teacher, credit, pin={2: 8, -1: 4})
    with pytest.raises(ValueError, match="the pinned layers, with 2 bits elsewhere, take"):
        ptq(teacher, credit, pin={0: 8}, bit_budget=2.5)


def test_default_teacher(credit):
    model = PTQClassifier((5,), actions=credit.actions, target="granted", random_state=0)
    model.fit(credit.data, credit.target)
    assert isinstance(model.teacher_, FullPrecisionClassifier)
    assert model.teacher_.hidden_layer_sizes == (5,)
    assert len(model.bits_) == 2


def test_grid_over_budgets_trains_one_teacher_per_fold(credit, tmp_path):
    from .counting import CountingTeacher

    log = tmp_path / "log"
    grid = GridSearchCV(
        PTQClassifier(
            teacher=CountingTeacher(log=str(log), random_state=0), memory=str(tmp_path / "cache")
        ),
        {"bit_budget": [2, 4, 8]},
        cv=2,
        refit=False,
    )
    grid.fit(credit.data, credit.target)
    assert len(log.read_text().splitlines()) == 2
