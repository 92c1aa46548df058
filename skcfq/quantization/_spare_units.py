"""Hidden units that others can stand in for: in which order to spare them, and how."""

import torch

#: Share of the mean variance that is added to each unit's: units that hardly vary are no help.
DAMPING = 1e-6


def elimination_order(covariance, importance):
    """Units one after the other, the most dispensable first, as in the optimal brain surgeon [1]_.

    A unit that is left out is replaced by the best linear combination of those that stay, whose weights
    then grow by what they take over. What that changes in the outputs is the variance that is left of
    the unit, given the others, times the mean squared slope of the output.

    Parameters
    ----------
    covariance : torch.Tensor of shape (n_units, n_units)
        Of the activations.
    importance : torch.Tensor of shape (n_units, n_units)
        Second moments of the output's slopes in the activations.

    Returns
    -------
    order : list of int of length n_units
        The last one is never left out.
    losses : list of float of length n_units
        Mean squared change of the output after leaving out so many units: none, one, and so on.
    slopes : list of torch.Tensor of shape (n_units,)
        Mean squared slopes in the units that are left then; 0 in the others.

    References
    ----------
    .. [1] B. Hassibi, D. G. Stork (1992). "Second Order Derivatives for Network Pruning: Optimal Brain
       Surgeon". NIPS 5.

    Examples
    --------
    >>> covariance = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 4.0]])
    >>> order, losses, _ = elimination_order(covariance, torch.eye(3))  # two units are twins
    >>> order[0] in (0, 1), [round(loss, 3) for loss in losses]
    (True, [0.0, 0.0, 2.0])
    """
    covariance, importance = covariance.double(), importance.double().clone()
    damping = DAMPING * covariance.diagonal().mean().clamp(min=1e-300)
    precision = torch.linalg.inv(covariance + damping * torch.eye(len(covariance)).double())
    left, order, losses, slopes = list(range(len(covariance))), [], [0.0], []
    while True:
        slopes.append(importance.diagonal().clone())
        if len(left) == 1:
            return [*order, *left], losses, slopes
        rows = torch.tensor(left)
        found = importance.diagonal()[rows] / precision.diagonal()[rows]
        unit = left.pop(int(found.argmin()))
        order.append(unit)
        losses.append(losses[-1] + float(found.min()))
        # The others take over: h_unit is about takes @ h.
        takes = -precision[unit] / precision[unit, unit]
        takes[unit] = 0.0
        own = importance[unit].clone()
        importance += torch.outer(takes, own) + torch.outer(own, takes)
        importance += own[unit] * torch.outer(takes, takes)
        importance[unit] = importance[:, unit] = 0.0
        precision = (
            precision - torch.outer(precision[unit], precision[unit]) / precision[unit, unit]
        )
        precision[unit] = precision[:, unit] = 0.0


@torch.no_grad()
def spare_units(linear, following, units, covariance, mean):
    """Leave out hidden units: the layer that follows reads the others instead.

    Parameters
    ----------
    linear, following : torch.nn.Linear
        The units' layer, and the one that reads them. Changed in place: what computes the units, and what reads
        them, becomes 0, and the other weights and the bias of `following` take over.
    units : sequence of int
        Not all of them.
    covariance : torch.Tensor of shape (n_units, n_units)
        Of the activations.
    mean : torch.Tensor of shape (n_units,)
        Of the activations.

    Examples
    --------
    >>> linear, following = torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)
    >>> with torch.no_grad():
    ...     _ = following.weight.copy_(torch.tensor([[1.0, 1.0]]))
    >>> spare_units(linear, following, [0], torch.ones(2, 2), torch.ones(2))  # twins
    >>> following.weight.round(decimals=3)
    tensor([[0., 2.]], grad_fn=<RoundBackward1>)
    """
    units = torch.as_tensor(list(units), dtype=torch.int64)
    kept = torch.ones(len(mean), dtype=torch.bool)
    kept[units] = False
    covariance, mean = covariance.double(), mean.double()
    among = covariance[kept][:, kept]
    among = among + DAMPING * covariance.diagonal().mean() * torch.eye(len(among)).double()
    takes = torch.linalg.solve(among, covariance[kept][:, units])  # (n_kept, n_units spared)
    read = following.weight[:, units].double()
    following.weight[:, kept] += (read @ takes.T).to(following.weight)
    if following.bias is not None:
        following.bias += (read @ (mean[units] - mean[kept] @ takes)).to(following.bias)
    following.weight[:, units] = 0.0
    linear.weight[units] = 0.0
    if linear.bias is not None:
        linear.bias[units] = 0.0
