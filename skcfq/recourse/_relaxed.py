"""Projected gradient steps in the encoded space, with categories relaxed.

The relaxed action ``delta`` has shape (n, d). A numeric column moves within the person's
limits; the columns of a categorical feature move within the hull of its codes, and are read
back as the nearest open category. PGDSolver and the match term of the paper's objective take
the same steps.
"""

import torch

from ..actions import combine_cost


class RelaxedBox:
    """Limits and costs of relaxed actions of a problem's people.

    Attributes
    ----------
    low, high : tensors of shape (n, d)
        Limits of the relaxed action in encoded units.
    weight : tensor of shape (d,)
        Cost per encoded unit, so that ``(weight * delta.abs()).sum(1)`` is the L1 cost of a
        whole change.
    """

    def __init__(self, problem):
        n, d = problem.x.shape
        self.low = torch.zeros((n, d), dtype=problem.x.dtype)
        self.high = torch.zeros((n, d), dtype=problem.x.dtype)
        self.weight = torch.zeros(d, dtype=problem.x.dtype)
        self.feature = torch.full((d,), -1, dtype=torch.int64)
        ends = torch.stack([problem.low * problem.rate, problem.high * problem.rate])
        self.low[:, problem.columns] = ends.min(dim=0).values
        self.high[:, problem.columns] = ends.max(dim=0).values
        self.weight[problem.columns] = 1.0 / problem.rate.abs()
        m = len(problem.columns)
        self.feature[problem.columns] = torch.arange(m)
        for k in range(problem.q):
            columns = problem.block[k].nonzero().squeeze(1)
            choices = (problem.owner == k).nonzero().squeeze(1)
            codes = problem.table[choices][:, columns]  # (n_choices, n_columns)
            open_ = problem.allowed[:, choices]  # (n, n_choices)
            here = problem.x[:, columns]
            reach_up = torch.where(open_[:, :, None], codes[None], here[:, None]).amax(dim=1)
            reach_down = torch.where(open_[:, :, None], codes[None], here[:, None]).amin(dim=1)
            self.low[:, columns] = torch.minimum(reach_down - here, torch.zeros_like(here))
            self.high[:, columns] = torch.maximum(reach_up - here, torch.zeros_like(here))
            self.weight[columns] = _cost_per_unit(problem.space.discrete[k], codes)
            self.feature[columns] = m + k
        self.n_features = m + problem.q
        self.max_changes = problem.max_changes
        self.norm, self.mix = problem.norm, problem.mix

    def with_limits(self, low, high):
        """The same features and costs with the limits of other people."""
        part = object.__new__(RelaxedBox)
        part.__dict__.update(self.__dict__)
        part.low, part.high = low, high
        return part

    def without_limits(self):
        """The features and costs alone, which hold no person's data."""
        return self.with_limits(None, None)

    def cost(self, delta):
        """Cost of relaxed actions, shape (n,)."""
        return combine_cost(self.change(delta), self.norm, self.mix)

    def change(self, delta):
        """Weighted change of each feature, shape (n, n_features)."""
        moved = (self.feature >= 0).nonzero().squeeze(1)
        total = torch.zeros((len(delta), self.n_features), dtype=delta.dtype)
        return total.index_add(1, self.feature[moved], (delta.abs() * self.weight)[:, moved])

    def project(self, delta):
        """Clip to the limits and keep the `max_changes` dearest features."""
        delta = torch.minimum(torch.maximum(delta, self.low), self.high)
        if self.max_changes >= self.n_features:
            return delta
        change = self.change(delta.detach())
        rank = change.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        kept = torch.cat(
            [rank < self.max_changes, torch.zeros((len(delta), 1), dtype=torch.bool)], dim=1
        )
        return delta * kept[:, self.feature]


def _cost_per_unit(move, codes):
    """Cost of a mean change of a discrete feature over its length in encoded units."""
    distance = (codes[:, None] - codes[None]).abs().sum(dim=2)
    apart = distance > 0
    price = torch.full_like(distance, move.weight)
    if move.numbers is not None:
        numbers = torch.as_tensor(move.numbers, dtype=codes.dtype)
        price = price * (numbers[:, None] - numbers[None]).abs()
    return (price * apart).sum() / distance.sum().clamp(min=1e-12)


def relaxed_steps(loss, x, box, delta, n_steps, step_size, *, normalise=False, create_graph=False):
    """Take projected gradient steps on ``loss(x + delta)`` and yield each new ``delta``.

    Parameters
    ----------
    loss : callable
        Encoded rows (n, d) to a loss per row (n,).
    x : tensor of shape (n, d)
    box : RelaxedBox
    delta : tensor of shape (n, d)
        Where to start.
    n_steps : int
    step_size : float
        Times the gradient; with ``normalise``, the L-infinity length of a step in cost units.
    normalise : bool, default=False
        Scale each row's gradient to the same length, so that a flat loss does not stop it.
    create_graph : bool, default=False
        Keep the graph, to differentiate through the steps.

    Yields
    ------
    tensor of shape (n, d)
    """
    mobile = box.weight > 0
    per_unit = torch.where(mobile, 1.0 / box.weight.clamp(min=1e-12), torch.zeros_like(box.weight))
    for _ in range(n_steps):
        if not create_graph:
            delta = delta.detach()
        if not delta.requires_grad:
            delta = delta.clone().requires_grad_()
        with torch.enable_grad():
            total = loss(x + delta).sum()
            (gradient,) = torch.autograd.grad(total, delta, create_graph=create_graph)
        if normalise:
            slope = gradient * per_unit
            slope = slope / slope.abs().amax(dim=1, keepdim=True).clamp(min=1e-12)
            move = slope * per_unit
        else:
            move = gradient * mobile
        delta = box.project(delta - step_size * move)
        yield delta
