"""Slopes of a margin, which a margin may know better than automatic differentiation does."""

import torch


def with_slopes(margin, z, target):
    """The margin and a way to its slopes.

    Parameters
    ----------
    margin : callable
        Differentiable, or with a method ``with_slopes(z, target)`` of its own.
    z : tensor of shape (n, d)
    target : tensor of int64, shape (n,)

    Returns
    -------
    value : tensor of shape (n,)
    slopes : callable
        Rows, or ``None`` for all, to the gradients of their margins, (n_rows, d). Often only some
        of the people still need slopes once their margins are known.
    """
    if hasattr(margin, "with_slopes"):
        return margin.with_slopes(z, target)
    z = z.detach().requires_grad_()
    with torch.enable_grad():
        value = margin(z, target)
        total = value.sum()

    def slopes(rows=None):
        (gradient,) = torch.autograd.grad(total, z)
        return gradient if rows is None else gradient.index_select(0, rows)

    return value.detach(), slopes


def slope_and_value(margin, z, target):
    """Gradient of the margin and the margin itself, (n, d) and (n,)."""
    value, slopes = with_slopes(margin, z, target)
    return slopes(), value
