"""Plain values, whatever array library or hand they come from."""

import math
import numbers
from collections.abc import Mapping

import pandas as pd


def is_sequence(value):
    """Whether a value has items, in an order, and is no text."""
    return (
        hasattr(value, "__len__")
        and hasattr(value, "__iter__")
        and not isinstance(value, (str, bytes, Mapping))
    )


def is_number(value):
    """Whether a value is a finite number."""
    try:
        return (
            isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
        )
    except OverflowError:  # an integer that no float can hold
        return False


def is_limit(value):
    """Whether a value is a finite number or None."""
    return value is None or is_number(value)


def is_positive(value):
    """Whether a value is a finite number above 0."""
    return is_number(value) and value > 0


def are_values(items):
    """Numbers, categories or None: nothing that has parts."""
    return all(pd.api.types.is_scalar(item) for item in items)


def scalar(value):
    """NumPy scalars as Python values."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value


def category(value):
    """A listed value; every kind of missing value is None."""
    return None if pd.isna(value) else scalar(value)
