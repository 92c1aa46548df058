"""Widths of the layers within a budget."""

import itertools

import numpy as np

from ..quantization import (
    allocate_bits,
    apply_allocation,
    bit_preferences,
    byte_budget_bits,
    quant_layers,
)


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
    sizes, costs, settled, ends = [], [], [], [0]
    for layer, each in zip(layers, values, strict=True):
        count = np.size(each) // len(layer.candidate_bits)
        sizes += [layer.n_weights // count] * count
        n_outputs = layer.out_features // count
        costs += [[n_outputs * layer.output_bits(width) for width in layer.candidate_bits]] * count
        settled += [layer.bits] if count == 1 else layer.channel_bits or [None] * count
        ends.append(len(sizes))
    widths = allocate_bits(
        np.maximum.accumulate(np.vstack(values), axis=1),
        sizes,
        layers[0].candidate_bits,
        budget,
        {i: width for i, width in enumerate(settled) if width is not None},
        costs,
    )
    parts = [widths[start:end] for start, end in itertools.pairwise(ends)]
    apply_allocation(module, [part if len(part) > 1 else part[0] for part in parts])


def allocate_by_sensitivity(module, allocation, network, lesson, budget, byte_budget=None):
    """Fix the widths that an allocation values most, and what inputs can do without.

    Parameters
    ----------
    module : QuantMLP
        Changed in place, see :func:`allocate_by_value`.
    allocation : object
        With ``values(module, network, lesson)``, and with ``input_shifts(module, network, lesson, budget)`` if
        its ``per_input`` is true.
    network : torch.nn.Module
        What is quantized, linear layers with ReLUs between them.
    lesson : Lesson
    budget : float
        Average bits per weight, with which `byte_budget` is kept, too, if inputs have no widths of their own.
    byte_budget : int, default=None
        Largest number of bytes. Inputs have widths of their own where it has room for telling them.
    """
    room = budget if getattr(allocation, "per_input", False) else 0.0
    if room and byte_budget is not None:
        per_channel = getattr(allocation, "per_channel", False)
        room = min(room, byte_budget_bits(module, byte_budget, per_channel, per_input=True))
    if room:
        budget = room
        shifts = allocation.input_shifts(module, network, lesson, budget)
        for layer, each in zip(quant_layers(module), shifts, strict=True):
            if layer.searches:
                layer.coarsen(each)
    allocate_by_value(module, allocation.values(module, network, lesson), budget)


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
