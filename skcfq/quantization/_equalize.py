"""Give all hidden units of a layer the same range, so that one clip fits them."""

import copy

import torch


@torch.no_grad()
def equalize(linears, x):
    """Scale the hidden units of a ReLU network to equal ranges; what it computes stays the same.

    A ReLU commutes with a positive factor: dividing a unit's weights and bias by its largest
    activation, relative to the layer's (geometric) mean of them, and multiplying the weights that
    read it changes nothing in full precision [1]_. A quantized activation has one clip for
    the layer, though, and a unit of a small range would get few of its levels.

    Parameters
    ----------
    linears : sequence of torch.nn.Linear
        With ReLUs between them. Not changed.
    x : torch.Tensor of shape (n_samples, n_inputs)
        Rows at which ranges are measured. A unit that is never active is left alone.

    Returns
    -------
    list of torch.nn.Linear

    References
    ----------
    .. [1] M. Nagel, M. van Baalen, T. Blankevoort, M. Welling (2019). "Data-Free Quantization
       Through Weight Equalization and Bias Correction". arXiv:1906.04721

    Examples
    --------
    >>> from skcfq.quantization import linear_layers, mlp
    >>> x = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
    >>> first, last = equalize(linear_layers(mlp((5, 4, 2))), x)
    >>> ranges = first(x).relu().amax(0)
    >>> torch.allclose(ranges[ranges > 0], ranges.max())
    True
    """
    linears = [copy.deepcopy(linear) for linear in linears]
    for i, linear in enumerate(linears[:-1]):
        ranges = linear(x).relu().amax(0)
        active = ranges > 0
        if active.any():
            scale = torch.where(active, ranges / ranges[active].log().mean().exp(), 1.0)
            linear.weight /= scale[:, None]
            if linear.bias is not None:
                linear.bias /= scale
            linears[i + 1].weight *= scale
        x = linear(x).relu()
    return linears
