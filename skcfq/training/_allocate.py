"""Widths of the layers within a budget."""

import itertools

import numpy as np

from ..quantization import allocate_bits, apply_allocation, bit_preferences, quant_layers


def allocate_by_value(module, values, budget):
    """Fix the widths that are worth most within the budget. Layers that are fixed already stay.

    A wider layer, or output, is never worth less than a narrower one: bits that no layer asks for
    are spent all the same, since they only bring the weights closer to full precision.

    Parameters
    ----------
    module : QuantMLP
        Changed in place.
    values : sequence of ndarray of shape (n_candidates,), or of (out_features, n_candidates)
        Worth of each width in each layer, or for each output of each layer. Columns are in rising
        order of width.
    budget : float
        Average bits per weight.

    Raises
    ------
    ValueError
        If the fixed layers alone break the budget.
    """
    layers = quant_layers(module)
    sizes, settled, ends = [], [], [0]
    for layer, each in zip(layers, values, strict=True):
        count = np.size(each) // len(layer.candidate_bits)
        sizes += [layer.n_weights // count] * count
        settled += [layer.bits] if count == 1 else layer.channel_bits or [None] * count
        ends.append(len(sizes))
    widths = allocate_bits(
        np.maximum.accumulate(np.vstack(values), axis=1),
        sizes,
        layers[0].candidate_bits,
        budget,
        {i: width for i, width in enumerate(settled) if width is not None},
    )
    parts = [widths[start:end] for start, end in itertools.pairwise(ends)]
    apply_allocation(module, [part if len(part) > 1 else part[0] for part in parts])


def allocate_by_preference(module, budget):
    """Fix the widths that the learned preferences like best within the budget.

    Parameters
    ----------
    module : QuantMLP
        Changed in place, see :func:`allocate_by_value`.
    budget : float
        Average bits per weight.
    """
    allocate_by_value(module, bit_preferences(module), budget)
