"""Every method of the source paper, each as an estimator of this package."""

from ..training import DistilObjective, OutputObjective, PaperObjective, RecourseSensitivity
from ._cfq import CFQClassifier
from ._checks import read_widths
from ._ptq import PTQClassifier
from ._qat import QATClassifier


def paper_methods(
    bit_budget=4.0, *, bits=(2, 3, 4, 8), activation_bits=None, training=None, **common
):
    """The methods that the paper compares, unfitted, at one bit budget.

    Parameters
    ----------
    bit_budget : float, default=4.0
        Largest average number of bits per weight. Uniform methods take the widest of `bits` within
        it; ``"PTQ-8"`` always has 8.
    bits : sequence of width, default=(2, 3, 4, 8)
        Candidate widths.
    activation_bits : {2, ..., 8} or None, default=None
        Width of the hidden activations. ``"PACT-QAT"`` has 4 instead of ``None``, ``"PTQ-8"`` has 8
        instead of any other number.
    training : dict, default=None
        Parameters of the methods that are trained, e.g. ``{"max_epochs": 10}``.
    **common
        Parameters of all methods: ``teacher``, ``actions``, ``target``, ``solver``,
        ``preprocessor``, ``hidden_layer_sizes``, ``memory``, ``random_state``, ...

    Returns
    -------
    dict of str to classifier
        ``"Faithful CFQ"`` is the default of this package, ``"CFQ"`` the paper's own objective.

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160

    Examples
    --------
    >>> from skcfq.estimators import paper_methods
    >>> methods = paper_methods(bit_budget=4, random_state=0)
    >>> methods["R-Margin"].objective
    PaperObjective(eta=0.0, hinge=1.0)
    >>> methods["PTQ-8"].bits, methods["LSQ-QAT"].bits
    (8, 4)
    """
    widths, budget, problems = read_widths(bits, bit_budget)
    if problems:
        raise ValueError(f"paper_methods: {' '.join(problems)}")
    uniform = {"bits": max(width for width in widths if width <= budget)}
    mixed = {"bits": bits}
    shared = {"bit_budget": bit_budget, "activation_bits": activation_bits, **common}

    def qat(**params):
        return QATClassifier(**{**shared, **(training or {}), **params})

    def cfq(objective=None, **params):
        return CFQClassifier(objective=objective, **{**shared, **(training or {}), **params})

    def ptq(**params):
        return PTQClassifier(**{**shared, **params})

    eight = {"bits": 8, "bit_budget": 8, "activation_bits": activation_bits and 8}
    return {
        "LSQ-QAT": qat(**uniform),
        "PACT-QAT": qat(**uniform, activation_bits=activation_bits or 4),
        "Mixed precision": qat(**mixed),
        "PTQ": ptq(**uniform),
        "PTQ-8": ptq(**eight),
        "Mixed PTQ": ptq(**mixed),
        "CF-PTQ": ptq(objective=OutputObjective(), **uniform),
        "CF-PTQ + sensitivity": ptq(
            objective=OutputObjective(), allocation=RecourseSensitivity(), **mixed
        ),
        "R-Margin": cfq(PaperObjective(eta=0.0, hinge=1.0), **mixed),
        "R-Consistency": cfq(DistilObjective(at_recourse=True), **mixed),
        "Prune + quantize": qat(**mixed, prune_fraction=0.3),
        "Distil + quantize": cfq(DistilObjective(), **mixed),
        "CFQ": cfq(PaperObjective(), **mixed),
        "CFQ-uniform": cfq(PaperObjective(), **uniform),
        "CFQ + match": cfq(PaperObjective(match_action=0.1, match_cost=0.1), **mixed),
        "CFQ + hinge": cfq(PaperObjective(hinge=0.1), **mixed),
        "Faithful CFQ": cfq(),
    }
