"""How near to a decision boundary rows are: where a quantized network's errors count."""

import math
import numbers


def nearness(logits, scale):
    """Weight of rows that falls with their distance from the decision boundary.

    ``1 / (1 + (gap / scale)**2)`` with the gap between the two largest logits: an error of the logits
    changes a decision only where it is as large as the gap.

    Parameters
    ----------
    logits : torch.Tensor of shape (..., n_classes)
        In full precision.
    scale : float
        Gap at which a row counts half, > 0; infinite: all rows count alike.

    Returns
    -------
    torch.Tensor of shape (...)
        In (0, 1].

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[2.0, 2.0, -7.0], [0.0, 1.0, 0.0], [3.0, 0.0, 0.0]])
    >>> [round(weight, 3) for weight in nearness(logits, 1.0).tolist()]
    [1.0, 0.5, 0.1]
    """
    largest = logits.topk(2, dim=-1).values
    return 1 / (1 + ((largest[..., 0] - largest[..., 1]) / scale) ** 2)


def is_scale(value):
    """Whether a value is a scale of :func:`nearness`."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and not math.isnan(value) and value > 0
