"""Hypothesis strategies of widths, weights and allocation problems."""

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skcfq.quantization import TERNARY_BITS

WIDTHS = (TERNARY_BITS, 2, 3, 4, 5, 6, 7, 8)

widths = st.sampled_from(WIDTHS)
candidates = st.lists(widths, min_size=1, unique=True).map(tuple)
reals = st.floats(-100, 100, width=32, allow_subnormal=False)
steps = st.floats(2**-13, 100, width=32)


def tensors(max_side=6):
    """Float32 tensors of shape (out, in)."""
    shapes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=max_side)
    return hnp.arrays(np.float32, shapes, elements=reals).map(torch.from_numpy)


@st.composite
def allocation_problems(draw, max_layers=4, max_widths=4):
    """(values, sizes, bits, budget) with a budget that is feasible."""
    bits = draw(st.lists(widths, min_size=1, max_size=max_widths, unique=True))
    sizes = draw(st.lists(st.integers(1, 5000), min_size=1, max_size=max_layers))
    # Halves make ties frequent; any float makes sums inexact.
    value = st.one_of(st.integers(-6, 6).map(lambda v: v / 2), st.floats(-1e6, 1e6))
    values = draw(hnp.arrays(np.float64, (len(sizes), len(bits)), elements=value))
    budget = draw(st.one_of(st.sampled_from(bits), st.floats(min(bits), 9.0)))
    return values, sizes, bits, max(budget, min(bits))
