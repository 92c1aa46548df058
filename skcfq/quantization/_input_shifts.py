"""Which inputs can do with fewer bits than the outputs of their layer ask for."""

import torch

from ._bits import MAX_SHIFT, coarse_bits, levels
from ._functional import coarse_limits, dequantize, quantize_codes

#: Price of a bit: at most the error of weights that are all 0, at least 2**-64 of it.
PRICE_RANGE = 64.0
N_HALVINGS = 30

#: Turns of choosing widths of outputs and shifts of inputs, at most; a few settle it.
N_TURNS = 50


@torch.no_grad()
def choose_input_shifts(layers, importances, budget):
    """Lowest bits that the inputs of each layer do without, within a bit budget.

    Minimises ``sum_oi importance_oi * (quantized_oi - weight_oi)**2`` over widths of outputs and
    shifts of inputs, with a price per bit at which the budget is kept. Widths and shifts are chosen in
    turn, each exactly for the others, until nothing changes. The widths are only a means: once
    shifts are known, :func:`allocate_bits` chooses them.

    Where importance is one factor per output times one per input, this is reverse water-filling [1]_: all
    weights get the error at which a further bit is worth its price, and half the logarithm of an
    input's factor is what it needs more than another.

    Parameters
    ----------
    layers : sequence of QuantLinear
        Without shifts. Layers whose width is fixed keep all bits.
    importances : sequence of torch.Tensor of shape (out_features, in_features)
        Factor on the squared error of each weight, at least 0.
    budget : float
        Average bits per weight of all layers.

    Returns
    -------
    list of list of int
        For each layer one shift per input, see :meth:`QuantLinear.coarsen`; the smallest of a layer is 0.

    References
    ----------
    .. [1] T. M. Cover, J. A. Thomas (2006). "Elements of Information Theory", section 10.3.3.
       https://doi.org/10.1002/047174882X

    Examples
    --------
    >>> from skcfq.quantization import QuantLinear
    >>> random = torch.Generator().manual_seed(0)
    >>> layer = QuantLinear(4, 8, bits=range(2, 9), generator=random)
    >>> importance = torch.tensor([1.0, 1.0, 1.0, 0.0]).expand(8, 4)
    >>> choose_input_shifts([layer], [importance], budget=5)
    [[0, 0, 0, 8]]
    """
    settled = [layer.total_bits() for layer in layers]
    room = budget * sum(layer.n_weights for layer in layers)
    room -= sum(float(total) for total in settled if total is not None)
    free = [i for i, total in enumerate(settled) if total is None]
    starts = {i: _starts(importances[i]) for i in free}
    losses = {i: _losses(layers[i], importances[i]) for i in free}
    bits = {i: _bits(layers[i].candidate_bits) for i in free}
    highest = sum(float(each[0, -1].sum()) for each in losses.values()) or 1.0
    shifts = [torch.zeros(layer.in_features, dtype=torch.int64) for layer in layers]
    low, high = 0.0, PRICE_RANGE  # halvings of the highest price: too few, and too many
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        price = highest * 2.0**-middle
        found = {i: _settle(losses[i], bits[i], price, starts[i]) for i in free}
        if sum(spent for _, spent in found.values()) > room:
            high = middle
            continue
        low = middle
        for i, (each, _) in found.items():
            shifts[i] = each
    return [(each - each.min()).tolist() for each in shifts]


def _losses(layer, importance):
    """Weighted squared errors at each width and shift: (n_widths, n_shifts, out_features, in_features)."""
    weight = layer.weight * layer.kept
    grains = weight.new_tensor([2**shift for shift in range(1 + MAX_SHIFT)])[:, None, None]
    losses = []
    for width, step in zip(layer.candidate_bits, layer.log_step.exp(), strict=True):
        codes = quantize_codes(weight, step * grains, *coarse_limits(*levels(width), grains))
        losses.append(dequantize(codes, step * grains).sub_(weight).square_().mul_(importance))
    return torch.stack(losses)


def _bits(widths):
    """Bits of a weight at each width and shift: (n_widths, n_shifts)."""
    return torch.tensor([[coarse_bits(b, j) for j in range(1 + MAX_SHIFT)] for b in widths])


def _starts(importance):
    """Shifts to start from: none, and those of equal errors if every input had one factor.

    In turns, the widest inputs alone never get a bit more, since all the others would have to give one up
    at the same time.
    """
    factor = importance.double().sum(0).clamp(min=1e-300)
    equal = (0.5 * (factor.max() / factor).log2()).round().clamp(max=MAX_SHIFT)
    return torch.zeros(len(factor), dtype=torch.int64), equal.long()


def _settle(losses, bits, price, starts):
    """Shifts of a layer's inputs at a price per bit, the better of what starts lead to, and the bits spent."""
    found = [_take_turns(losses, bits, price, shifts) for shifts in starts]
    _, shifts, spent = min(found, key=lambda each: each[0])
    return shifts, spent


def _take_turns(losses, bits, price, shifts):
    """Loss and bits at their price, shifts of the inputs, and the bits."""
    n_outputs, n_inputs = losses.shape[2:]
    outputs, inputs = torch.arange(n_outputs), torch.arange(n_inputs)
    for _ in range(N_TURNS):
        before = shifts
        # Indexed by two lists, what they index comes first: (n_inputs, n_widths, n_outputs), and so on.
        # More bits are never worse, though with another step some errors happen to be larger. Levels of a
        # larger shift are among those of a smaller one.
        of_widths = losses[:, shifts, :, inputs].sum(0).flip(0).cummax(0).values.flip(0)
        of_widths += price * bits[:, shifts].sum(1)[:, None]
        widths = of_widths.argmin(0)
        of_shifts = losses[widths, :, outputs].sum(0)
        of_shifts += price * bits[widths].sum(0)[:, None]
        shifts = of_shifts.argmin(0)
        if torch.equal(shifts, before):
            break
    return float(of_shifts.amin(0).sum()), shifts, float(bits[widths][:, shifts].sum())
