"""Spare the weights of one column of each one-hot group: what they say is said by the bias."""

import copy

import torch

from ._float import linear_layers


@torch.no_grad()
def drop_reference_columns(network, x, groups, weight=None):
    """Give the commonest column of each one-hot group weights of 0; what is computed stays the same.

    Where the columns of a group add up to 1 in every row, a constant can be taken from the weights of all
    of them and given to the bias. Taking those of the commonest column leaves it without any, as with the
    reference level of dummy coding: an input that needs no bits, and is exact for most people. A row
    that has none of the categories is then treated as one that has the commonest.

    Parameters
    ----------
    network : torch.nn.Module
        Linear layers with ReLUs between them. Not changed.
    x : torch.Tensor of shape (n_samples, n_inputs)
        Rows at which groups are looked at. A group that does not add up to 1 in all of them is left alone.
    groups : sequence of sequence of int
        Columns of each group.
    weight : torch.Tensor of shape (n_samples,), default=None
        Weights of the rows; ``None``: all count alike.

    Returns
    -------
    torch.nn.Module
        A copy.

    Examples
    --------
    >>> from skcfq.quantization import mlp
    >>> network = mlp((4, 5, 2))
    >>> x = torch.tensor([[1.0, 0.0, 0.3, 1.0], [0.0, 1.0, 0.7, 1.0], [0.0, 1.0, -0.2, 0.0]])
    >>> changed = drop_reference_columns(network, x, [[0, 1]])
    >>> torch.allclose(changed(x), network(x), atol=1e-6)
    True
    >>> changed[0].weight[:, 1].any().item()
    False
    """
    network = copy.deepcopy(network)
    first = linear_layers(network)[0]
    weight = x.new_ones(len(x)) if weight is None else weight
    for group in groups:
        columns = torch.as_tensor(group)
        codes = x[:, columns]
        if len(columns) > 1 and (codes.sum(1) == 1).all():
            common = first.weight[:, columns[(weight @ codes).argmax()], None].clone()
            first.weight[:, columns] -= common
            first.bias += common[:, 0]
    return network
