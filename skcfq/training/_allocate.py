"""Widths of the layers within a budget."""

import numpy as np

from ..quantization import allocate_bits, apply_allocation, bit_preferences, quant_layers


def allocate_by_value(module, values, budget):
    """Fix the widths that are worth most within the budget. Layers that are fixed already stay.

    A wider layer is never worth less than a narrower one: bits that no layer asks for are spent
    all the same, since they only bring the weights closer to full precision.

    Parameters
    ----------
    module : QuantMLP
        Changed in place.
    values : ndarray of shape (n_layers, n_candidates)
        Worth of each width, columns in rising order of width.
    budget : float
        Average bits per weight.

    Raises
    ------
    ValueError
        If the fixed layers alone break the budget.
    """
    layers = quant_layers(module)
    apply_allocation(
        module,
        allocate_bits(
            np.maximum.accumulate(values, axis=1),
            [layer.n_weights for layer in layers],
            layers[0].candidate_bits,
            budget,
            {i: layer.bits for i, layer in enumerate(layers) if layer.bits is not None},
        ),
    )


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
