"""Every method of the paper fits, keeps its budget and answers."""

import pytest
from sklearn.frozen import FrozenEstimator

from skcfq import CFQClassifier, PTQClassifier, QATClassifier
from skcfq.estimators import paper_methods

NAMES = [
    "LSQ-QAT", "PACT-QAT", "Mixed precision", "PTQ", "PTQ-8", "Mixed PTQ", "CF-PTQ",
    "CF-PTQ + sensitivity", "R-Margin", "R-Consistency", "Prune + quantize", "Distil + quantize",
    "CFQ", "CFQ-uniform", "CFQ + match", "CFQ + hinge", "Faithful CFQ",
]  # fmt: skip


def test_all_are_there():
    assert list(paper_methods()) == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("activation_bits", [None, 4])
def test_every_method_runs(credit, teacher, name, activation_bits):
    model = paper_methods(
        3, activation_bits=activation_bits, training={"max_epochs": 2}, hidden_layer_sizes=(16, 8),
        teacher=FrozenEstimator(teacher), actions=credit.actions, target="granted", random_state=0,
    )[name]  # fmt: skip
    model.fit(credit.data.head(200), credit.target.head(200))
    assert model.average_bits_ <= (8 if name == "PTQ-8" else 3)
    score = model.score(credit.data.head(200), credit.target.head(200))
    assert score.n_counted > 0
    widths = {activation.bits for activation in model.net_.module_.activations}
    expected = {"PACT-QAT": 4, "PTQ-8": activation_bits and 8}.get(name, activation_bits)
    assert widths == {expected}


@pytest.mark.parametrize(
    ("budget", "uniform"), [(2, 2), (2.9, 2), (3.5, 3), (4, 4), (7.9, 4), (8, 8), (100, 8)]
)
def test_uniform_methods_take_the_widest_width_within_the_budget(budget, uniform):
    methods = paper_methods(budget)
    for name in ("LSQ-QAT", "PACT-QAT", "PTQ", "CF-PTQ", "CFQ-uniform"):
        assert methods[name].bits == uniform
    assert methods["CFQ"].bits == (2, 3, 4, 8)


def test_a_budget_below_the_narrowest_width_fails_at_once():
    with pytest.raises(ValueError, match=r"^paper_methods: bit_budget=1 is below the narrowest"):
        paper_methods(1)


def test_trap_a_mistyped_method_name_is_accepted():
    with pytest.raises(KeyError, match="CFQ_uniform"):
        paper_methods()["CFQ_uniform"]


def test_parameters_reach_the_methods():
    for name, model in paper_methods(training={"max_epochs": 7}, random_state=3).items():
        assert model.random_state == 3
        assert isinstance(model, (CFQClassifier, PTQClassifier, QATClassifier)), name
        if not isinstance(model, PTQClassifier):
            assert model.max_epochs == 7
