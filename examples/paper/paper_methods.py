"""Every method of the grid by its name: those of the paper, and what the ablations change."""

import math

from skcfq import (
    CFQClassifier,
    FaithfulObjective,
    OutputObjective,
    PaperObjective,
    PTQClassifier,
    RecourseSensitivity,
)
from skcfq.estimators import paper_methods

#: Terms of the faithful objective, one at a time left out or changed.
FAITHFUL = {
    "Faithful": {},
    "Faithful, no distillation": {"distil": 0.0},
    "Faithful, no boundary": {"eta": 0.0},
    "Faithful, inside only": {"outer_margin": 0.0, "distil": 0.0},
    "Faithful, no inner margin": {"inner_margin": 0.0},
    "Faithful, no final shift": {"failing": None},
    "Faithful, advice as other points": {"advice": 1.0},
    "Faithful, far people count alike": {"nearness": math.inf},
    "Faithful, labels too": {"task": 1.0},
    "Faithful, no synthetic people": {"n_synthetic": 0},
}

#: Terms of the paper's objective, likewise. Without recourse loss it is mixed precision.
PAPER = {
    "CFQ, eta 0": {"eta": 0.0},
    "CFQ, eta 0.25": {"eta": 0.25},
    "CFQ, eta 0.5": {"eta": 0.5},
    "CFQ, eta 2": {"eta": 2.0},
    "CFQ, K = 1": {"match_action": 0.1, "match_cost": 0.1, "match_steps": 1},
    "CFQ, K = 2": {"match_action": 0.1, "match_cost": 0.1, "match_steps": 2},
    "CFQ, K = 3": {"match_action": 0.1, "match_cost": 0.1, "match_steps": 3},
    "CFQ, K = 5": {"match_action": 0.1, "match_cost": 0.1, "match_steps": 5},
}

#: How the faithful method trains, one decision at a time undone: from nearest rounding with learned
#: widths, with one width per layer or per output, with all weights rounded at once.
TRAINING = {
    "Faithful CFQ, rounded start": {"start": None, "allocation": None, "lr": 3e-3},
    "Faithful CFQ, widths per layer": {"allocation": RecourseSensitivity()},
    "Faithful CFQ, widths per output": {"allocation": RecourseSensitivity(per_channel=True)},
    "Faithful CFQ, rounded together": {"rounding": "together"},
}

#: Post-training quantization with the widths of the faithful method.
BY_OUTPUT = "CF-PTQ, widths per output"


def all_methods(bit_budget, *, training=None, **common):
    """Unfitted classifiers by name; arguments are those of :func:`skcfq.estimators.paper_methods`."""
    methods = paper_methods(bit_budget, training=training, **common)

    def cfq(objective=None, **params):
        return CFQClassifier(
            bit_budget=bit_budget, objective=objective, **{**common, **params, **(training or {})}
        )

    methods |= {name: cfq(PaperObjective(**params)) for name, params in PAPER.items()}
    methods |= {name: cfq(FaithfulObjective(**params)) for name, params in FAITHFUL.items()}
    methods |= {name: cfq(**params) for name, params in TRAINING.items()}
    methods[BY_OUTPUT] = PTQClassifier(
        bit_budget=bit_budget, objective=OutputObjective(), bits=("ternary", 2, 3, 4, 5, 6, 7, 8),
        allocation=RecourseSensitivity(per_channel=True), **common,
    )  # fmt: skip
    return methods


MAIN = tuple(paper_methods())
METHODS = tuple(all_methods(4))
