"""What a person may change, and what it costs. Knows no model."""

from ._action_set import ActionSet, rising_transitions

__all__ = ["ActionSet", "rising_transitions"]
