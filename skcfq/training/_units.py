"""Widths of the hidden activations within a budget: of layers, or of every unit."""

import copy
import itertools

import numpy as np
import torch

from ..quantization import (
    UNIT_BITS,
    WHOLE_BITS,
    allocate_bits,
    allocate_unit_bits,
    elimination_order,
    equalize,
    linear_layers,
    spare_units,
)
from ._sensitivity import (
    ELSEWHERE,
    FisherSensitivity,
    column_moments,
    layer_inputs,
    variance,
)

#: A unit's largest level stands for this quantile of its activations where recourse is looked at.
RANGE_QUANTILE = 0.999


def settle_activations(bits, budget, allocation, network, lesson):
    """Choose widths of the hidden activations within a budget, and prepare the network for them.

    Parameters
    ----------
    bits : sequence of int, or "auto"
        Candidates, for all units of a layer alike. ``"auto"`` is 2 to 8, and 0 to 8 for each unit if the
        allocation is per channel.
    budget : float
        Average bits per unit.
    allocation : object
        With ``activation_values`` and ``unit_slopes``, see :class:`~skcfq.RecourseSensitivity`; anything else, also
        None, stands for :class:`~skcfq.FisherSensitivity`.
    network : torch.nn.Module
        What is quantized, linear layers with ReLUs between them. Not changed.
    lesson : Lesson

    Returns
    -------
    widths : list of int, or of tuple of int
        For each hidden layer one, or one for each unit.
    network : torch.nn.Module
        The given one; or where units have widths of their own one in which their ranges are in proportion to
        their levels, and others stand in for those that get no bits.

    Notes
    -----
    A unit that others can stand in for costs its bits for little, and one bit more for all the others halves
    what rounding does. So many units are spared that both together do least at the budget.
    """
    sizes = [layer.out_features for layer in linear_layers(network)[:-1]]
    if not sizes:
        return [], network
    if not hasattr(allocation, "activation_values"):
        allocation = FisherSensitivity()
    auto = isinstance(bits, str)
    per_unit = getattr(allocation, "per_channel", False) and hasattr(allocation, "unit_slopes")
    if not (auto and per_unit):
        bits = WHOLE_BITS if auto else sorted(bits)
        values = allocation.activation_values(bits, network, lesson)
        values = np.maximum.accumulate(values, axis=1)
        return list(allocate_bits(values, sizes, bits, budget)), network
    slim = without_spare_units(allocation, network, lesson, budget)
    values = np.vstack(unit_values(allocation, slim, lesson))
    widths = allocate_unit_bits(np.maximum.accumulate(values, axis=1), budget)
    widths = _parts(widths, sizes)
    if not all(map(any, widths)):  # a layer on which nothing depends: no unit is worth a bit
        return [min(int(budget), max(WHOLE_BITS))] * len(sizes), network
    points, _ = allocation.unit_slopes(slim, lesson)
    return widths, equalize(slim, [_ranges(x) for x in points], widths)


@torch.no_grad()
def unit_values(allocation, network, lesson):
    """Worth of each width of each hidden unit's activation, to first order.

    Parameters
    ----------
    allocation : LayerSensitivity
    network : torch.nn.Module
        Linear layers with ReLUs between them.
    lesson : Lesson

    Returns
    -------
    list of ndarray of float64, shape (n_units, 9)
        For each hidden layer, a column for each of 0, 1, ..., 8 bits: minus the mean squared change of the output.
    """
    points, slopes = allocation.unit_slopes(network, lesson)
    rows = layer_inputs(linear_layers(network), lesson.x)[1:]
    values = []
    for i, x in enumerate(points):
        ranges, losses = _ranges(x), []
        for width in UNIT_BITS:
            elsewhere = variance(_rounding(rows[i], ranges, width), lesson.weight)
            change, loss = _rounding(x, ranges, width), 0.0
            for share, each in slopes:
                # The bias makes up for what is the same everywhere.
                moved = change - share @ change / share.sum()
                loss = loss + share @ (each[i] * moved).square_()
                loss += ELSEWHERE * (share @ each[i].square()) * elsewhere
            losses.append(loss)
        values.append(-torch.stack(losses, dim=1).double().numpy())
    return values


@torch.no_grad()
def without_spare_units(allocation, network, lesson, budget):
    """The network without the hidden units whose bits do more elsewhere, see `settle_activations`.

    Parameters
    ----------
    allocation : LayerSensitivity
    network : torch.nn.Module
        Linear layers with ReLUs between them.
    lesson : Lesson
    budget : float
        Average bits per unit.

    Returns
    -------
    torch.nn.Module
        A copy of the same sizes; what computes spared units is 0.
    """
    points, slopes = allocation.unit_slopes(network, lesson)
    share = sum(share for share, _ in slopes)
    moments = _unit_moments(points, share, network, lesson)
    paths = [
        elimination_order(covariance, _second_moments(slopes, i))
        for i, (covariance, _) in enumerate(moments)
    ]
    counts = _best_counts(paths, [_ranges(x) for x in points], budget)
    network = copy.deepcopy(network)
    linears = linear_layers(network)
    for i, (count, (order, *_)) in enumerate(zip(counts, paths, strict=True)):
        if count:
            spare_units(linears[i], linears[i + 1], order[:count], *moments[i])
            points, _ = allocation.unit_slopes(network, lesson)  # layers behind see others now
            moments = _unit_moments(points, share, network, lesson)
    return network


def _best_counts(paths, ranges, budget):
    """How many units of each layer to spare: units of all layers go by what sparing them changes."""
    total_bits = budget * sum(len(order) for order, *_ in paths)
    counts, best, chosen = [0] * len(paths), np.inf, None
    while True:
        spared = sum(losses[k] for (_, losses, _), k in zip(paths, counts, strict=True))
        errors = [
            slopes[k] * each.double().square() / 12
            for (_, _, slopes), k, each in zip(paths, counts, ranges, strict=True)
        ]
        total = spared + water_filled(torch.cat(errors).numpy(), total_bits)
        if total < best:
            best, chosen = total, list(counts)
        steps = [
            (losses[k + 1], i)
            for i, ((_, losses, _), k) in enumerate(zip(paths, counts, strict=True))
            if k + 1 < len(losses)
        ]
        if not steps:
            return chosen
        counts[min(steps)[1]] += 1


def water_filled(errors, total_bits):
    """Least sum of the errors of numbers whose error each of so many bits divides by 4.

    Reverse water-filling [1]_: numbers with larger errors get as many bits, fractions of them, too, as make
    all of these equal; the others none.

    Parameters
    ----------
    errors : ndarray of shape (n,)
        At 0 bits, at least 0.
    total_bits : float

    Returns
    -------
    float

    References
    ----------
    .. [1] T. M. Cover, J. A. Thomas (2006). "Elements of Information Theory", section 10.3.3.
       https://doi.org/10.1002/047174882X

    Examples
    --------
    >>> water_filled(np.array([16.0, 1.0]), 2), water_filled(np.array([16.0, 1.0]), 4)
    (2.0, 0.5)
    """
    errors = np.sort(errors[errors > 0])[::-1]
    if len(errors) == 0:
        return 0.0
    counts = np.arange(1, len(errors) + 1)
    # With bits for the largest so many alone: what is left of each of them, at least that of the next one.
    level = np.exp2(np.cumsum(np.log2(errors)) / counts - 2 * total_bits / counts)
    n = counts[level <= errors * (1 + 1e-9)][-1]
    return float(n * level[n - 1] + errors[n:].sum())


def _unit_moments(points, share, network, lesson):
    """Covariance and mean of each hidden layer's activations, at the points and, for a tenth, at the rows.

    With a ridge: of few points, some units would seem to be combinations of the others by chance.
    """
    found = []
    rows = layer_inputs(linear_layers(network), lesson.x)[1:]
    for x, elsewhere in zip(points, rows, strict=True):
        covariance, mean = column_moments(x, share)
        covariance += ELSEWHERE * column_moments(elsewhere, lesson.weight)[0]
        ridge = covariance.diagonal().mean() / len(x)
        found.append((covariance + ridge * torch.eye(len(mean)).double(), mean))
    return found


def _second_moments(slopes, i):
    """Second moments of the output's slopes in the units of a layer."""
    return sum((each[i] * share[:, None]).T @ each[i] for share, each in slopes)


def _ranges(x):
    """What each unit's largest level stands for."""
    return x.kthvalue(max(1, round(RANGE_QUANTILE * len(x))), dim=0).values


def _rounding(x, ranges, bits):
    """What rounding to ``2**bits`` levels from 0 to `ranges`, (n_units,), changes in activations (n, n_units)."""
    if bits == 0:
        return -x
    top = 2**bits - 1
    step = (ranges / top).clamp(min=torch.finfo(x.dtype).tiny)
    return (x / step).round_().clamp_(max=top).mul_(step).sub_(x)


def _parts(values, sizes):
    return [
        values[end - size : end]
        for size, end in zip(sizes, itertools.accumulate(sizes), strict=True)
    ]
