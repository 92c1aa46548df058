"""Widths by sensitivity and pinned layers in training."""

import pickle
import re

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Bunch

from skcfq import (
    CFQClassifier,
    FaithfulObjective,
    FisherSensitivity,
    OutputObjective,
    PaperObjective,
    PTQClassifier,
    QATClassifier,
    RecourseSensitivity,
)
from skcfq.quantization import packed_bytes, quant_layers


def small(classifier, teacher, credit, **params):
    settings = {"actions": credit.actions, "target": "granted", "random_state": 0}
    if classifier is not PTQClassifier:
        settings |= {"hidden_layer_sizes": (16, 8), "max_epochs": 3}
    model = classifier(teacher=FrozenEstimator(teacher), **{**settings, **params})
    return model.fit(credit.data, credit.target)


@pytest.mark.parametrize("classifier", [CFQClassifier, QATClassifier])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("sensitivity", [FisherSensitivity, RecourseSensitivity])
def test_widths_are_those_of_post_training_quantization(
    credit, teacher, classifier, sensitivity, per_channel
):
    allocation = sensitivity(per_channel=per_channel)
    params = {"allocation": allocation, "bit_budget": 3.3, "bits": (2, 3, 4, 8)}
    # Of the same rows: post-training quantization knows no synthetic people.
    own = {"objective": FaithfulObjective(n_synthetic=0)} if classifier is CFQClassifier else {}
    model = small(classifier, teacher, credit, **params, **own)
    expected = PTQClassifier(
        teacher=FrozenEstimator(teacher), actions=credit.actions, target="granted", **params
    ).fit(credit.data, credit.target)
    assert model.channel_bits_ == expected.channel_bits_
    assert any(len(set(widths)) > 1 for widths in model.channel_bits_) == allocation.per_channel
    assert model.average_bits_ <= 3.3
    assert len(model.history_) == 3


@pytest.mark.parametrize("allocation", [None, FisherSensitivity()])
def test_pinned_layers_keep_their_width_through_training(credit, teacher, allocation):
    model = small(
        CFQClassifier, teacher, credit, allocation=allocation, pin={0: 3, -1: 8}, bit_budget=4
    )
    assert (model.bits_[0], model.bits_[-1]) == (3, 8)
    assert model.average_bits_ <= 4


def test_pins_that_break_the_budget_fail_before_training(credit, teacher):
    with pytest.raises(ValueError, match="the pinned layers, with 2 bits elsewhere, take"):
        small(QATClassifier, teacher, credit, pin={0: 8}, bit_budget=3)
    with pytest.raises(ValueError, match="pin: there is no layer 3; the network has 3"):
        small(QATClassifier, teacher, credit, pin={3: 8})


def test_sensitivities_need_the_teachers_layers(credit):
    model = QATClassifier(
        (4,), teacher=LogisticRegression(max_iter=5000), allocation=FisherSensitivity()
    )
    X = credit.data.select_dtypes("number")
    with pytest.raises(
        ValueError,
        match=r"allocation=FisherSensitivity\(\) goes by the teacher's layers, but the teacher has no "
        r"ReLU layers of the sizes",
    ):
        model.fit(X, credit.target)


def test_one_width_asks_nobody(credit, teacher):
    class NeverAsked:
        needs_recourse = True

        def values(self, module, network, lesson):
            raise AssertionError("asked")

    model = small(QATClassifier, teacher, credit, bits=4, allocation=NeverAsked())
    assert set(model.bits_) == {4}


def test_parameters_survive_clone_and_are_searched(credit, teacher):
    model = CFQClassifier(allocation=RecourseSensitivity(), pin={-1: 8})
    params = clone(model).get_params()
    assert isinstance(params["allocation"], RecourseSensitivity)
    assert params["pin"] == {-1: 8}
    assert np.isfinite(small(CFQClassifier, teacher, credit, pin={-1: 8}).average_bits_)


@pytest.mark.parametrize("classifier", [CFQClassifier, QATClassifier])
def test_training_starts_from_post_training_quantization(credit, teacher, classifier):
    """At a learning rate of next to nothing it stays there; a plain start stays elsewhere."""
    settings = {"bits": 3, "activation_bits": 4, "bit_budget": 3}
    expected = PTQClassifier(
        teacher=FrozenEstimator(teacher), objective=OutputObjective(), actions=credit.actions,
        target="granted", **settings,
    ).fit(credit.data, credit.target)  # fmt: skip
    frozen = {"lr": 1e-12, "weight_decay": 0.0, **settings}
    if classifier is CFQClassifier:  # both look at the same people
        frozen["objective"] = FaithfulObjective(n_synthetic=0, failing=None)
        frozen["rounding"] = "together"
    started = small(classifier, teacher, credit, start=OutputObjective(), **frozen)
    plain = small(classifier, teacher, credit, start=None, **frozen)
    scores = expected.decision_function(credit.data)
    np.testing.assert_allclose(started.decision_function(credit.data), scores, atol=1e-4)
    assert np.abs(plain.decision_function(credit.data) - scores).max() > 0.01


def test_a_start_needs_settled_widths_and_the_teachers_layers(credit, teacher):
    with pytest.raises(
        ValueError,
        match=r"^QATClassifier: start=OutputObjective\(\) needs widths that are settled before training: "
        r"give allocation, or one width in bits\.$",
    ):
        small(QATClassifier, teacher, credit, start=OutputObjective())
    with pytest.raises(ValueError, match="recourse=-1: a number >= 0 is needed"):
        small(QATClassifier, teacher, credit, start=OutputObjective(recourse=-1), bits=4)
    model = QATClassifier((5,), teacher=FrozenEstimator(teacher), start=OutputObjective(), bits=4)
    with pytest.raises(ValueError, match=r"start=OutputObjective\(\) goes by the teacher's layers"):
        model.fit(credit.data, credit.target)


@pytest.mark.parametrize("classifier", [CFQClassifier, QATClassifier, PTQClassifier])
@pytest.mark.parametrize("byte_budget", [330, 420, 10_000])
def test_byte_budget_is_kept_beside_the_bit_budget(credit, teacher, classifier, byte_budget):
    params = {} if classifier is PTQClassifier else {"max_epochs": 2}
    model = classifier(
        (16, 8), teacher=FrozenEstimator(teacher), actions=credit.actions, target="granted",
        byte_budget=byte_budget, bit_budget=6, random_state=0, **params,
    ).fit(credit.data, credit.target)  # fmt: skip
    assert model.packed_bytes_ == packed_bytes(model.net_.module_) <= byte_budget
    assert model.average_bits_ <= 6
    if byte_budget < 10_000:
        assert model.packed_bytes_ > 0.85 * byte_budget
    else:
        assert model.average_bits_ > 5


def test_a_byte_budget_that_cannot_be_kept(credit, teacher):
    with pytest.raises(ValueError, match="byte_budget=100: with the narrowest widths"):
        small(QATClassifier, teacher, credit, byte_budget=100)
    with pytest.raises(ValueError, match="byte_budget=500: with the narrowest widths"):
        small(QATClassifier, teacher, credit, byte_budget=500, bits=8, bit_budget=8)


@pytest.mark.parametrize("classifier", [CFQClassifier, QATClassifier, PTQClassifier])
@pytest.mark.parametrize("allocation", [FisherSensitivity(), RecourseSensitivity()])
def test_activation_budget_is_kept_and_used(credit, teacher, classifier, allocation):
    params = {} if classifier is PTQClassifier else {"max_epochs": 2}
    model = classifier(
        (16, 8), teacher=FrozenEstimator(teacher), actions=credit.actions, target="granted",
        activation_bits=(8, 2, 4), activation_budget=5, allocation=allocation, random_state=0,
        **params,
    ).fit(credit.data, credit.target)  # fmt: skip
    first, second = model.activation_bits_
    assert (16 * first + 8 * second) / 24 <= 5
    # 2 or 4 bits for both leave more than enough for another step.
    assert {first, second} <= {2, 4, 8}
    assert (first, second) in [(4, 4), (2, 8)]
    assert model.activation_bits_ == tuple(a.bits for a in model.net_.module_.activations)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        loaded.predict_proba(credit.data), model.predict_proba(credit.data)
    )


@pytest.mark.parametrize(
    ("classifier", "params"),
    [
        (CFQClassifier, {}),
        (PTQClassifier, {"allocation": RecourseSensitivity(per_channel=True)}),
        (QATClassifier, {"allocation": FisherSensitivity(per_channel=True)}),
        (PTQClassifier, {"allocation": FisherSensitivity(per_channel=True), "objective": OutputObjective()}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("budget", [2.5, 4, 8])
def test_every_unit_has_a_width_of_its_own_within_the_budget(
    credit, teacher, classifier, params, budget
):
    model = small(
        classifier, teacher, credit, activation_bits="auto", activation_budget=budget, **params
    )
    sizes = [layer.out_features for layer in quant_layers(model.net_.module_)[:-1]]
    assert [len(each) for each in model.unit_bits_] == sizes
    widths = [width for each in model.unit_bits_ for width in each]
    assert len(set(widths)) > 1 or budget == 8
    assert set(widths) <= set(range(9))
    assert budget - 0.5 < model.average_activation_bits_ <= budget
    assert model.average_activation_bits_ == sum(widths) / sum(sizes)
    assert model.activation_bits_ == tuple(np.mean(each) for each in model.unit_bits_)
    agree = model.predict(credit.data) == teacher.predict(credit.data)
    assert agree.mean() > (0.8 if budget < 4 else 0.9)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        again.predict_proba(credit.data), model.predict_proba(credit.data)
    )


def test_clips_learn_from_rounding_errors_for_the_faithful_objective_alone(credit, teacher):
    def rules(classifier, **params):
        model = small(classifier, teacher, credit, activation_bits=4, **params)
        return {activation.rule for activation in model.net_.module_.activations}

    assert rules(CFQClassifier) == {"lsq"}
    assert rules(CFQClassifier, objective=PaperObjective()) == rules(QATClassifier) == {"pact"}


def test_layers_have_widths_where_units_cannot(credit, teacher):
    """Without an allocation per channel, "auto" is every width, for a layer as a whole."""
    model = small(QATClassifier, teacher, credit, activation_bits="auto", activation_budget=5)
    assert all(isinstance(width, int) for width in model.activation_bits_)
    assert all(len(set(each)) == 1 for each in model.unit_bits_)
    assert model.average_activation_bits_ <= 5
    assert small(QATClassifier, teacher, credit).unit_bits_ == (None, None)
    assert small(QATClassifier, teacher, credit).average_activation_bits_ is None


def test_a_generous_activation_budget_takes_the_widest(credit, teacher):
    model = small(QATClassifier, teacher, credit, activation_bits=[4, 6], activation_budget=6)
    assert model.activation_bits_ == (6, 6)
    assert small(QATClassifier, teacher, credit).activation_bits_ == (None, None)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"activation_bits": (2, 4)},
            r"activation_bits=\(2, 4\): several widths need an activation_budget",
        ),
        (
            {"activation_bits": 4, "activation_budget": 4},
            'activation_budget=4 chooses among several widths: give them as activation_bits, e.g. .2, 4, 8., or "auto"',
        ),
        (
            {"activation_bits": "auto"},
            'activation_bits="auto" needs an activation_budget, e.g. 4',
        ),
        ({"activation_bits": (4, 4), "activation_budget": 4}, "different widths are needed"),
        ({"activation_bits": (), "activation_budget": 4}, "at least one"),
        ({"activation_bits": (4, 1.58), "activation_budget": 4}, "1.58 is none"),
        (
            {"activation_bits": (4, 8), "activation_budget": 3},
            "activation_budget=3 is below the narrowest",
        ),
    ],
)
def test_activation_widths_that_cannot_be(credit, teacher, params, message):
    with pytest.raises(ValueError, match=message):
        small(QATClassifier, teacher, credit, **params)


def automatic(**settings):
    """What ``"auto"`` stands for, given by hand."""
    given = {
        "allocation": RecourseSensitivity(per_channel=True, per_input=True),
        "start": OutputObjective(nearness=1.0), "rounding": "in turn", "lr": 0.02,
        "settle_fraction": 0.0, "bits": ("ternary", 2, 3, 4, 5, 6, 7, 8),
    }  # fmt: skip
    return {**given, **settings}


def same_model(a, b):
    return all(
        torch.equal(x, y)
        for x, y in zip(
            a.net_.module_.state_dict().values(), b.net_.module_.state_dict().values(), strict=True
        )
        if torch.is_tensor(x)
    )


def test_the_faithful_objective_trains_on_from_post_training_quantization(credit, teacher):
    default = small(CFQClassifier, teacher, credit)
    assert same_model(default, small(CFQClassifier, teacher, credit, **automatic()))
    assert any(len(set(widths)) > 1 for widths in default.channel_bits_)
    assert any(any(shifts) for shifts in default.input_shifts_)
    assert default.average_bits_ <= default.bit_budget
    for other in ({"allocation": None, "start": None}, {"rounding": "together"}, {"lr": 3e-3}):
        assert not same_model(default, small(CFQClassifier, teacher, credit, **other))


def test_weights_that_are_rounded_together_settle(credit, teacher):
    """Small steps that follow the distance of the levels, and integers that stay in the second half."""
    together = small(CFQClassifier, teacher, credit, rounding="together")
    given = automatic(rounding="together", lr=3e-4, settle_fraction=0.5)
    assert same_model(together, small(CFQClassifier, teacher, credit, **given))
    for other in ({"settle_fraction": 0.0}, {"lr": 3e-3}):
        model = small(CFQClassifier, teacher, credit, rounding="together", **other)
        assert not same_model(together, model)


def test_weights_that_are_rounded_in_turn(credit, teacher):
    """Within the budget, the same twice, and nearer to the teacher than rounded together."""
    model = small(CFQClassifier, teacher, credit)
    assert model.average_bits_ <= model.bit_budget
    assert same_model(model, small(CFQClassifier, teacher, credit))
    assert len(model.history_) == 3
    assert "valid_loss" not in model.history_[0]
    for layer in model.net_.module_.layers:
        assert layer.held is None
        assert torch.equal(layer.weight, layer.codes() * layer.steps())
    together = small(CFQClassifier, teacher, credit, max_epochs=20, rounding="together")
    in_turn = small(CFQClassifier, teacher, credit, max_epochs=20)
    advised = teacher.solve_recourse(credit.data)
    advised = advised.counterfactual[advised.needed & advised.success]
    exact = teacher.decision_function(advised)
    errors = [np.std(each.decision_function(advised) - exact) for each in (in_turn, together)]
    assert errors[0] < 0.8 * errors[1]


@pytest.mark.parametrize(
    "params",
    [
        {"activation_bits": 4},
        {"activation_bits": "auto", "activation_budget": 4},
        {"prune_fraction": 0.3},
        {"per_channel": False},
        {"bit_budget": 2},
        {"objective": PaperObjective(), "start": OutputObjective(), "bits": 4},
    ],
)
def test_rounded_in_turn_with_everything_else(credit, teacher, params):
    model = small(CFQClassifier, teacher, credit, rounding="in turn", **params)
    assert model.average_bits_ <= model.bit_budget
    score = model.score(credit.data, credit.target)
    assert score.accuracy > 0.6
    for layer in model.net_.module_.layers:
        assert not layer.codes()[~layer.kept].any()


def test_rounding_in_turn_needs_a_start(credit, teacher):
    with pytest.raises(ValueError, match=re.escape(
        'rounding="in turn" starts from post-training quantization: give start=OutputObjective(), and '
        "allocation or one width in bits."
    )):  # fmt: skip
        small(CFQClassifier, teacher, credit, rounding="in turn", start=None)
    with pytest.raises(ValueError, match=re.escape(
        'settle_fraction=0.5 is about weights that are rounded together: give rounding="together" too, or leave it out.'
    )):  # fmt: skip
        small(CFQClassifier, teacher, credit, settle_fraction=0.5)


def test_inputs_have_no_widths_of_their_own_where_widths_are_listed(credit, teacher):
    """Whoever lists what the hardware can do gets nothing else."""
    model = small(CFQClassifier, teacher, credit, bits=(2, 4, 8))
    assert not any(any(shifts) for shifts in model.input_shifts_)
    given = automatic(allocation=RecourseSensitivity(per_channel=True), bits=(2, 4, 8))
    assert same_model(model, small(CFQClassifier, teacher, credit, **given))


def test_the_commonest_category_takes_no_bits(credit, teacher):
    """Its column says nothing that the bias and the other columns of the feature do not say."""
    model = small(CFQClassifier, teacher, credit, bit_budget=8)
    groups = model.encoding_.one_hot_groups
    assert groups
    x = model.encoding_.encode(credit.data)
    commonest = [group[x[:, group].sum(axis=0).argmax()] for group in groups]
    codes = model.net_.module_.layers[0].codes()
    assert {model.input_shifts_[0][column] for column in commonest} == {8}
    assert not codes[:, commonest].any()
    assert codes[:, [c for group in groups for c in group]].any()
    teaches = teacher.predict_proba(credit.data)
    np.testing.assert_allclose(model.predict_proba(credit.data), teaches, atol=0.02)


def test_objectives_ask_for_synthetic_people(credit, teacher):
    """They change what is learned, and follow from the rows, whatever their order."""
    given = {"objective": FaithfulObjective(n_synthetic=50)}
    with_some = small(CFQClassifier, teacher, credit, **given)
    assert not same_model(with_some, small(CFQClassifier, teacher, credit))
    order = np.random.default_rng(0).permutation(len(credit.data))
    shuffled = {**credit, "data": credit.data.iloc[order], "target": credit.target.iloc[order]}
    assert same_model(with_some, small(CFQClassifier, teacher, Bunch(**shuffled), **given))
    with pytest.raises(ValueError, match='n_synthetic=-1: a whole number >= 0 or "auto" is needed'):
        small(CFQClassifier, teacher, credit, objective=FaithfulObjective(n_synthetic=-1))


def test_steps_per_layer_have_widths_per_layer(credit, teacher):
    model = small(CFQClassifier, teacher, credit, per_channel=False)
    given = automatic(allocation=RecourseSensitivity(), per_channel=False)
    assert same_model(model, small(CFQClassifier, teacher, credit, **given))
    assert all(len(set(widths)) == 1 for widths in model.channel_bits_)
    with pytest.raises(
        ValueError,
        match=r"allocation=RecourseSensitivity\(per_channel=True\) gives each output a width of its own, "
        r"which needs a step of its own: give per_channel=True, or an allocation per layer\.",
    ):
        small(
            QATClassifier, teacher, credit,
            allocation=RecourseSensitivity(per_channel=True), per_channel=False,
        )  # fmt: skip


def test_learning_rate_with_rounded_activations(credit, teacher):
    params = {"activation_bits": 4, "bit_budget": 3}
    auto = small(CFQClassifier, teacher, credit, rounding="together", **params)
    given = small(CFQClassifier, teacher, credit, rounding="together", **params, lr=2e-3)
    assert same_model(auto, given)


@pytest.mark.parametrize(("budget", "lr"), [(2, 1.2e-3), (4, 3e-4), (8, 1.875e-5), (32, 1.875e-5)])
def test_learning_rate_follows_the_distance_of_levels(credit, teacher, budget, lr):
    params = {"bit_budget": budget, "rounding": "together"}
    auto = small(CFQClassifier, teacher, credit, **params)
    assert same_model(auto, small(CFQClassifier, teacher, credit, **params, lr=lr))


def test_weights_settle_after_the_search_for_widths(credit, teacher):
    model = small(QATClassifier, teacher, credit, search_fraction=0.34, settle_fraction=0.34)
    assert model.average_bits_ <= model.bit_budget
    assert all(layer.held_codes is None for layer in model.net_.module_.layers)
    with pytest.raises(
        ValueError,
        match=r"search_fraction=0.5 and settle_fraction=0.6 are more than all epochs together: weights "
        r"settle after the search for widths\.",
    ):
        small(QATClassifier, teacher, credit, search_fraction=0.5, settle_fraction=0.6)


@pytest.mark.parametrize("bits", [4, (2, 4, 8)])
def test_other_objectives_start_from_rounded_weights(credit, teacher, bits):
    given = {"objective": PaperObjective(), "bits": bits}
    plain = {"allocation": None, "start": None, "lr": 3e-3}
    found = small(CFQClassifier, teacher, credit, **given)
    assert same_model(found, small(CFQClassifier, teacher, credit, **given, **plain))


def test_each_automatic_setting_follows_the_others(credit, teacher):
    """Learned widths leave nothing to start from, and one width nothing to allocate."""
    learned = small(CFQClassifier, teacher, credit, allocation=None)
    plain = {"allocation": None, "start": None, "lr": 3e-3}
    assert same_model(learned, small(CFQClassifier, teacher, credit, **plain))
    uniform = small(CFQClassifier, teacher, credit, allocation=None, bits=4)
    started = automatic(allocation=None, bits=4)
    assert same_model(uniform, small(CFQClassifier, teacher, credit, **started))


def test_without_a_teacher_of_the_same_layers_widths_are_learned(credit, teacher):
    """A network of other sizes is nothing that could start from the teacher's."""
    params = {
        "hidden_layer_sizes": (5,), "teacher": FrozenEstimator(teacher), "actions": credit.actions,
        "target": "granted", "max_epochs": 3, "random_state": 0,
    }  # fmt: skip
    auto = CFQClassifier(**params).fit(credit.data, credit.target)
    plain = CFQClassifier(**params, allocation=None, start=None, lr=3e-3)
    assert same_model(auto, plain.fit(credit.data, credit.target))


def test_where_nobody_needs_recourse_widths_follow_the_outputs(credit, teacher):
    """RecourseSensitivity has nothing to measure there, and says so if it was asked for."""
    accepted = teacher.predict(credit.data) == "granted"
    X, y = credit.data[accepted].copy(), credit.target[accepted].copy()
    y.iloc[0] = "refused"  # two classes, but no decision that needs recourse
    params = {
        "hidden_layer_sizes": (16, 8), "teacher": FrozenEstimator(teacher), "actions": credit.actions,
        "target": "granted", "max_epochs": 2, "random_state": 0, "bits": (2, 4, 8),
        "objective": FaithfulObjective(n_synthetic=0),  # of whom some may need it
    }  # fmt: skip
    auto = CFQClassifier(**params).fit(X, y)
    fisher = CFQClassifier(**params, allocation=FisherSensitivity(per_channel=True)).fit(X, y)
    assert same_model(auto, fisher)
    with pytest.raises(ValueError, match="nobody among the training rows needs recourse"):
        CFQClassifier(**params, allocation=RecourseSensitivity()).fit(X, y)
