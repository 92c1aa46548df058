"""Which weights a pruned network keeps."""

import numbers

import torch


def magnitude_masks(weights, fraction):
    """Keep the largest weights of a network: global magnitude pruning [1]_.

    Parameters
    ----------
    weights : sequence of torch.Tensor
        Of the layers. Compared over all layers together.
    fraction : float
        Share of all weights to prune, at least 0 and below 1. Of equal weights, earlier ones go first.

    Returns
    -------
    list of torch.Tensor of bool
        False where a weight is pruned: ``round(fraction * n_weights)`` of them.

    References
    ----------
    .. [1] S. Han, J. Pool, J. Tran, W. J. Dally (2015). "Learning both Weights and Connections
       for Efficient Neural Networks". arXiv:1506.02626

    Examples
    --------
    >>> import torch
    >>> magnitude_masks([torch.tensor([[3.0, -0.1]]), torch.tensor([[0.2], [-4.0]])], 0.5)
    [tensor([[ True, False]]), tensor([[False],
            [ True]])]
    """
    if not isinstance(fraction, numbers.Real) or not 0 <= fraction < 1:
        raise ValueError(f"fraction={fraction!r}: a share of at least 0 and below 1 is needed.")
    sizes = [weight.numel() for weight in weights]
    magnitudes = torch.cat([weight.detach().abs().flatten() for weight in weights])
    kept = torch.ones_like(magnitudes, dtype=torch.bool)
    kept[magnitudes.argsort(stable=True)[: round(fraction * sum(sizes))]] = False
    return [part.view_as(w) for part, w in zip(kept.split(sizes), weights, strict=True)]
