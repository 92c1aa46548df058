"""Counterfactual-faithful quantization with the scikit-learn API."""

import lazy_loader as _lazy

__version__ = "0.1.0"

# Public names come on first use (PEP 562): importing skcfq loads neither torch nor matplotlib.
__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submodules=[
        "actions",
        "audit",
        "datasets",
        "estimators",
        "export",
        "metrics",
        "quantization",
        "recourse",
        "training",
    ],
    submod_attrs={
        "actions": ["ActionSet", "rising_transitions"],
        "audit": ["RecourseAuditor"],
        "estimators": ["CFQClassifier", "FullPrecisionClassifier", "QATClassifier"],
        "export": ["load", "save"],
        "recourse": ["GreedySolver", "PGDSolver", "RecourseResult"],
        "training": ["FaithfulObjective", "PaperObjective", "TaskObjective"],
    },
)
