"""Hypothesis strategies for people and their recourse."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

#: Costs from free to very dear, and no recourse found.
costs = st.one_of(st.just(0.0), st.floats(1e-6, 1e6), st.just(np.nan))


def columns(elements, *, dtype=float, n_columns=2, max_rows=12):
    """Draw columns of equal length, one row per person."""
    return st.integers(0, max_rows).flatmap(
        lambda n: st.tuples(*[arrays.arrays(dtype, n, elements=elements)] * n_columns)
    )


def actions(*, dtype=float, max_rows=8, n_features=3):
    """Draw two action arrays of shape (n, n_features), zeros and missing rows included."""
    elements = st.booleans()
    if dtype is float:
        elements = st.one_of(st.just(0.0), st.floats(-1e3, 1e3, width=32), st.just(np.nan))
    return st.integers(0, max_rows).flatmap(
        lambda n: st.tuples(*[arrays.arrays(dtype, (n, n_features), elements=elements)] * 2)
    )
