"""What a person may change, and what it costs. Knows no model."""

from ._action_set import ActionSet, rising_transitions
from ._bind import bind_actions
from ._causal_set import CausalActionSet
from ._encoding import Encoding, auto_preprocessor, raw_preprocessor
from ._space import ActionRows, ActionSpace, combine_cost
from ._structural import StructuralModel

__all__ = [
    "ActionRows",
    "ActionSet",
    "ActionSpace",
    "CausalActionSet",
    "Encoding",
    "StructuralModel",
    "auto_preprocessor",
    "bind_actions",
    "combine_cost",
    "raw_preprocessor",
    "rising_transitions",
]
