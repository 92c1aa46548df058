"""Widths of all layers under a hard bit budget: an exact multiple-choice knapsack.

All arithmetic is on whole numbers (every float is a whole multiple of a power of two), so a
budget is kept to the last bit, a tie is a tie, and the answer is the same on every machine.
"""

import bisect
import functools
import itertools
import math
import operator
from fractions import Fraction

import numpy as np

from .._utils._errors import raise_problems
from ._bits import UNIT_BITS, canonical_bits, canonical_widths, listed

# Undominated pairs of bits and value that one layer may have in the exact search.
MAX_PAIRS = 100_000


def allocate_bits(values, sizes, bits, budget, pinned=None, costs=None):
    """Choose one width per layer: the most valuable allocation within the bit budget.

    Maximises ``sum_l values[l, b_l]`` subject to ``sum_l costs[l][b_l] <= budget * sum(sizes)``,
    exactly. Of equally valuable allocations, the one with the widest first layer is taken, then
    the widest second, and so on: no layer could be wider at the same value.

    Parameters
    ----------
    values : array-like of shape (n_layers, n_widths)
        Worth of each width in each layer, e.g. :func:`bit_preferences`, or a negative
        sensitivity. Finite.
    sizes : sequence of int of shape (n_layers,)
        Weights of each layer, > 0.
    bits : sequence of width of shape (n_widths,)
        Width of each column, distinct, see :func:`canonical_bits`; ternary counts as ``log2(3)``.
    budget : float
        Largest average of bits per weight.
    pinned : dict of int to width, default=None
        Layers whose width is settled. They count for the budget; negative indices count from
        the last layer.
    costs : sequence of shape (n_layers, n_widths) of fractions.Fraction or int, default=None
        Bits that all weights of a layer take at each width, more for a wider one; ``None``: ``sizes[l] * bits[b]``.

    Returns
    -------
    tuple of int or float
        Width of each layer, in canonical form.

    Raises
    ------
    ValueError
        If the budget is below the narrowest width, or does not leave it for the other layers, or
        the arguments do not fit each other.

    Notes
    -----
    Dynamic programming over layers that keeps only undominated pairs of bits and value, less
    those that the linear relaxation of the remaining layers cannot bring up to a known
    allocation. Time is in ``O(n_layers * n_widths * n_pairs)``; for tens of layers there are
    hundreds of pairs and it takes milliseconds. The problem is NP-hard all the same: where values
    are proportional to bits, over many layers of unrelated sizes, pairs grow exponentially. Past
    100,000 of them, values are rounded to 10,000 steps of their total range; the budget is kept as strictly.

    References
    ----------
    .. [1] H. Kellerer, U. Pferschy, D. Pisinger (2004). "Knapsack Problems", chapter 11.
       https://doi.org/10.1007/978-3-540-24777-7

    Examples
    --------
    >>> allocate_bits([[0, 1, 2], [0, 5, 6]], sizes=[100, 100], bits=(2, 4, 8), budget=4)
    (4, 4)
    >>> allocate_bits([[0, 1, 2], [0, 5, 6]], sizes=[100, 100], bits=(2, 4, 8), budget=1)
    Traceback (most recent call last):
    ...
    ValueError: bit_budget=1: below the narrowest width, 2 bits. Allowed: at least 2, or add a narrower width to bits.
    """
    widths = canonical_widths(bits)
    values, sizes, pinned = _checked(values, sizes, widths, pinned or {})
    narrowest = min(widths)
    if not budget >= narrowest:
        raise ValueError(
            f"bit_budget={budget!r}: below the narrowest width, {narrowest:.16g} bits. "
            f"Allowed: at least {narrowest:.16g}, or add a narrower width to bits."
        )
    order = sorted(range(len(widths)), key=widths.__getitem__)
    if costs is None:
        costs = [[size * Fraction(width) for width in widths] for size in sizes]
    bits_of = [[row[k] for k in order] for row in costs]
    costs, capacity = _whole_costs(bits_of, Fraction(min(budget, max(widths))) * sum(sizes))
    losses = _whole_losses([[row[k] for k in order] for row in values])
    choices = {layer: order.index(widths.index(width)) for layer, width in pinned.items()}
    capacity -= sum(costs[layer][choice] for layer, choice in choices.items())
    if capacity < 0:
        least = sum(row[choices.get(layer, 0)] for layer, row in enumerate(bits_of))
        raise ValueError(
            f"bit_budget={budget!r}: the pinned layers, with {narrowest:.4g} bits elsewhere, take "
            f"{float(least / sum(sizes)):.6g} bits per weight. Raise the budget, or pin less."
        )
    free = [layer for layer in range(len(sizes)) if layer not in pinned]
    costs, losses = [costs[layer] for layer in free], [losses[layer] for layer in free]
    choices |= dict(zip(free, _choose(costs, losses, capacity), strict=True))
    return tuple(widths[order[choices[layer]]] for layer in range(len(sizes)))


def allocate_unit_bits(values, budget):
    """Choose one width per hidden unit: the most valuable allocation within a budget of activation bits.

    As :func:`allocate_bits`, for units of one number each, that may also do with a bit or without any.

    Parameters
    ----------
    values : array-like of shape (n_units, 9)
        Worth of 0, 1, ..., 8 bits in each unit. Finite.
    budget : float
        Largest average of bits per unit, at least 0.

    Returns
    -------
    tuple of int
        Width of each unit.

    Examples
    --------
    >>> allocate_unit_bits([[0, 0, 5, *[6] * 6], [0, 1, *[2] * 7]], budget=2)
    (3, 1)
    """
    values = np.asarray(values, dtype=np.float64).tolist()
    capacity = Fraction(min(budget, max(UNIT_BITS))) * len(values)
    costs, capacity = _whole_costs([UNIT_BITS] * len(values), capacity)
    return tuple(UNIT_BITS[i] for i in _choose(costs, _whole_losses(values), capacity))


def _checked(values, sizes, widths, pinned):
    values = np.asarray(values, dtype=np.float64)
    sizes = [operator.index(size) for size in sizes]
    problems = []
    if values.shape != (len(sizes), len(widths)):
        problems.append(
            f"values has shape {values.shape}: {(len(sizes), len(widths))}, one row per layer and "
            "one column per width, is needed."
        )
    if not np.isfinite(values).all():
        problems.append("values holds NaN or infinity: finite numbers are needed.")
    if not sizes or min(sizes) < 1:
        problems.append(f"sizes={sizes!r}: at least one layer, of at least one weight, is needed.")
    settled = {}
    for layer, width in pinned.items():
        if not -len(sizes) <= layer < len(sizes) or layer % len(sizes) in settled:
            problems.append(f"pinned layer {layer}: each of {len(sizes)} layers once is allowed.")
        elif canonical_bits(width) not in widths:
            problems.append(
                f"pinned layer {layer}: {width!r} is no candidate width. Allowed: {listed(widths)}."
            )
        else:
            settled[layer % len(sizes)] = canonical_bits(width)
    raise_problems("allocate_bits", problems)
    return values.tolist(), sizes, settled


def _whole_costs(costs, capacity):
    """Bits above the narrowest width, of each layer and width, and how many there is room for.

    Both in the largest unit in which all costs are whole.
    """
    room = capacity - sum(row[0] for row in costs)
    unit = math.lcm(*(cost.denominator for row in costs for cost in row))
    costs = [[int((cost - row[0]) * unit) for cost in row] for row in costs]
    divisor = math.gcd(*(cost for row in costs for cost in row)) or 1
    return [[cost // divisor for cost in row] for row in costs], math.floor(room * unit / divisor)


def _whole_losses(values):
    """Value below the best of each layer, as whole multiples of one power of two."""
    pairs = [[value.as_integer_ratio() for value in row] for row in values]
    unit = max(below for row in pairs for _, below in row)  # all are powers of two
    rows = [[above * (unit // below) for above, below in row] for row in pairs]
    return [[max(row) - value for value in row] for row in rows]


def _coarsened(losses):
    """Losses rounded to 10,000 steps of the largest total: a frontier holds no more than that."""
    grain = sum(map(max, losses)) // 10_000
    return [[loss // grain for loss in row] for row in losses]


def _choose(costs, losses, capacity):
    """Index per layer of least total loss, exactly or to one part in 10,000, see `_solve`."""
    found = _solve(costs, losses, capacity)
    return _solve(costs, _coarsened(losses), capacity) if found is None else found


def _solve(costs, losses, capacity):
    """Index per layer of least total loss, with total cost at most `capacity`.

    The first cost of each layer is 0 and costs rise. None if that takes more than `MAX_PAIRS`.
    """
    n_layers = len(costs)
    segments = _hull_segments(costs, losses)
    incumbent = _greedy_loss(losses, segments, capacity)
    # frontiers[l]: undominated (cost, loss) of layers l and later; cost rises and loss falls.
    frontiers = [[] for _ in range(n_layers)] + [[(0, 0)]]
    owners, edge_costs, edge_savings = zip(*segments, strict=True) if segments else ((), (), ())
    earlier = np.array(owners)
    narrowest = [0, *itertools.accumulate(row[0] for row in losses)]
    for layer in reversed(range(n_layers)):
        options = list(zip(costs[layer], losses[layer], strict=True))
        states = sorted(
            (cost + more, loss + lost)
            for more, lost in options
            for cost, loss in frontiers[layer + 1]
            if cost + more <= capacity
        )
        left = (earlier < layer).tolist()
        edges = [tuple(itertools.compress(each, left)) for each in (edge_costs, edge_savings)]
        hopeless = _bound(narrowest[layer], *edges, capacity, incumbent)
        frontier, least = frontiers[layer], math.inf
        for cost, loss in states:
            if loss < least:
                least = loss
                if not hopeless(cost, loss):
                    frontier.append((cost, loss))
        if len(frontier) > MAX_PAIRS:
            return None
    return _trace(costs, losses, frontiers, capacity)


def _trace(costs, losses, frontiers, capacity):
    """The optimal choices, the widest first layer before the widest second."""
    target = frontiers[0][-1][1]
    choices = []
    for row_costs, row_losses, later in zip(costs, losses, frontiers[1:], strict=True):
        for choice in reversed(range(len(row_costs))):
            room, allowed = capacity - row_costs[choice], target - row_losses[choice]
            fitting = bisect.bisect_right(later, room, key=operator.itemgetter(0))
            if fitting and later[fitting - 1][1] <= allowed:
                break
        choices.append(choice)
        capacity, target = room, allowed
    return choices


def _hull_segments(costs, losses):
    """Edges of each layer's lower convex hull, (layer, cost, loss saved), the best rate first."""
    segments = []
    for layer, points in enumerate(zip(costs, losses, strict=True)):
        hull = []
        for cost, loss in zip(*points, strict=True):
            if hull and loss >= hull[-1][1]:
                continue
            while len(hull) > 1 and not _steeper(hull[-2], hull[-1], (cost, loss)):
                hull.pop()
            hull.append((cost, loss))
        segments += [(layer, b[0] - a[0], a[1] - b[1]) for a, b in itertools.pairwise(hull)]
    return sorted(segments, key=functools.cmp_to_key(_better_rate))


def _steeper(a, b, c):
    """Whether loss falls faster from a to b than from b to c, points (cost, loss)."""
    return (a[1] - b[1]) * (c[0] - b[0]) > (b[1] - c[1]) * (b[0] - a[0])


def _better_rate(a, b):
    """Negative if edge a saves more per cost; fractions would take ten times as long."""
    return b[2] * a[1] - a[2] * b[1]


def _greedy_loss(losses, segments, capacity):
    """Loss of a good allocation: take hull edges by their rate while they fit."""
    loss, full = sum(row[0] for row in losses), set()
    for layer, cost, saved in segments:
        if layer in full or cost > capacity:
            full.add(layer)
        else:
            capacity, loss = capacity - cost, loss - saved
    return loss


def _bound(narrowest, costs, savings, capacity, incumbent):
    """A test of (cost, loss): can earlier layers, even in fractions, not bring it to `incumbent`?

    At their narrowest those lose `narrowest`; `costs` and `savings` are their edges, the best rate first.
    """
    spent = [0, *itertools.accumulate(costs)]
    saved = [0, *itertools.accumulate(savings)]

    def hopeless(cost, loss):
        room = capacity - cost
        index = bisect.bisect_right(spent, room) - 1
        excess = loss + narrowest - saved[index] - incumbent
        if index == len(costs):
            return excess > 0
        return excess * costs[index] > (room - spent[index]) * savings[index]

    return hopeless
