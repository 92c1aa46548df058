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
        "plots",
        "quantization",
        "recourse",
        "report",
        "training",
    ],
    submod_attrs={
        "actions": ["ActionSet", "CausalActionSet", "rising_transitions"],
        "audit": ["RecourseAuditor", "margin_certificate"],
        "estimators": [
            "CFQClassifier",
            "FullPrecisionClassifier",
            "PTQClassifier",
            "QATClassifier",
            "ValidityCalibrator",
        ],
        "export": ["load", "save"],
        "recourse": [
            "CoordinateSolver",
            "EnsembleSolver",
            "ExactSolver",
            "GreedySolver",
            "PGDSolver",
            "RecourseResult",
        ],
        "training": [
            "DistilObjective",
            "FaithfulObjective",
            "FisherSensitivity",
            "OutputObjective",
            "PaperObjective",
            "RecourseSensitivity",
            "TaskObjective",
            "WeightObjective",
        ],
    },
)
