"""Widths of the layers within a budget."""

import itertools

import numpy as np

from ..quantization import (
    WHOLE_BITS,
    allocate_bits,
    allocate_unit_bits,
    apply_allocation,
    bit_preferences,
    byte_budget_bits,
    equalize,
    linear_layers,
    quant_layers,
)
from ._sensitivity import FisherSensitivity


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


def settle_activations(bits, budget, allocation, network, lesson):
    """Choose widths of the hidden activations within a budget, and scale units to what they get.

    Parameters
    ----------
    bits : sequence of int, or "auto"
        Candidates, for all units of a layer alike. ``"auto"`` is 2 to 8, and 0 to 8 for each unit if the
        allocation is per channel.
    budget : float
        Average bits per unit.
    allocation : object
        With ``activation_values`` or ``unit_values``, see :class:`RecourseSensitivity`; anything else, also
        None, stands for :class:`FisherSensitivity`.
    network : torch.nn.Module
        What is quantized, linear layers with ReLUs between them. Not changed.
    lesson : Lesson

    Returns
    -------
    widths : list of int, or of tuple of int
        For each hidden layer one, or one for each unit.
    network : torch.nn.Module
        The same function; ranges of units are in proportion to their levels where these are their own.
    """
    sizes = [layer.out_features for layer in linear_layers(network)[:-1]]
    if not sizes:
        return [], network
    if not hasattr(allocation, "activation_values"):
        allocation = FisherSensitivity()
    auto = isinstance(bits, str)
    if not (auto and getattr(allocation, "per_channel", False)):
        bits = WHOLE_BITS if auto else sorted(bits)
        values = allocation.activation_values(bits, network, lesson)
        values = np.maximum.accumulate(values, axis=1)
        return list(allocate_bits(values, sizes, bits, budget)), network
    values = np.vstack(allocation.unit_values(network, lesson))
    widths = allocate_unit_bits(np.maximum.accumulate(values, axis=1), budget)
    ends = itertools.accumulate(sizes, initial=0)
    widths = [widths[start:end] for start, end in itertools.pairwise(ends)]
    return widths, equalize(network, lesson.x[lesson.weight > 0], widths)
