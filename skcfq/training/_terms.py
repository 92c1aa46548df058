"""The terms of training objectives: each a frozen object, called with one training step."""

import dataclasses
import functools

import torch
import torch.nn.functional as F

from ..quantization import bit_cost, quant_layers
from ..recourse import relaxed_steps, target_margin


class Step:
    """One training step as the terms see it.

    Parameters
    ----------
    network : callable
        Encoded rows to logits.
    module : torch.nn.Module
        What `network` computes with, for terms about widths.
    batch : Batch
    target : int
        Index of the wanted class.

    Attributes
    ----------
    logits : tensor of shape (n, n_classes)
        Of the rows.
    """

    def __init__(self, network, module, batch, target):
        self.network = network
        self.module = module
        self.batch = batch
        self.target = target

    @functools.cached_property
    def _all(self):
        """Logits of the rows and of all points, in one pass: (1 + n_points, n, n_classes)."""
        rows = [self.batch.x, *self.batch.points.values()]
        logits = self.network(torch.cat(rows) if len(rows) > 1 else rows[0])
        return logits.view(len(rows), len(self.batch.x), -1)

    @property
    def logits(self):
        return self._all[0]

    def logits_at(self, *points):
        """Logits of one of the batch's points, shape (n, n_classes); of several, stacked in front."""
        names = list(self.batch.points)
        places = [1 + names.index(point) for point in points]
        if len(places) == 1:
            return self._all[places[0]]
        return self._all[1:] if list(points) == names else self._all[places]

    @property
    def targets(self):
        """The wanted class for each row, shape (n,)."""
        return torch.full_like(self.batch.y, self.target)

    @functools.cached_property
    def _recourse_share(self):
        weight = self.batch.weight * self.batch.extra["counted"]
        return weight / weight.sum().clamp(min=1e-12)

    def recourse_mean(self, values):
        """Weighted mean over the rows whose recourse counts; 0 if there are none."""
        return values @ self._recourse_share


@dataclasses.dataclass(frozen=True)
class TaskTerm:
    """Cross-entropy of the labels: ``E[L_task(f_q(x), y)]``."""

    def __call__(self, step):
        loss = F.cross_entropy(step.logits, step.batch.y, reduction="none")
        return (loss * step.batch.weight).mean()


@dataclasses.dataclass(frozen=True)
class ValidityTerm:
    """Cross-entropy to the target after the teacher's recourse: ``eta * E[L_valid]``."""

    eta: float

    def __call__(self, step):
        loss = F.cross_entropy(step.logits_at("recourse"), step.targets, reduction="none")
        return self.eta * step.recourse_mean(loss)


@dataclasses.dataclass(frozen=True)
class HingeTerm:
    """``beta * max(0, gamma - margin)`` of the target after the teacher's recourse."""

    beta: float
    gamma: float

    def __call__(self, step):
        margin = target_margin(step.logits_at("recourse"), step.targets)
        return self.beta * step.recourse_mean((self.gamma - margin).clamp(min=0))


@dataclasses.dataclass(frozen=True)
class MatchTerm:
    """The student's short action against the teacher's, in direction and in cost.

    ``alpha_action * ||delta_q - delta_fp||_1 + alpha_cost * |c(delta_q) - c(delta_fp)|``, where
    both actions come from the same `n_steps` projected gradient steps from the row itself, and
    gradients flow through the student's.
    """

    alpha_action: float
    alpha_cost: float
    n_steps: int
    step_size: float
    box: object

    def __call__(self, step):
        batch = step.batch
        box = self.box.with_limits(batch.extra["low"], batch.extra["high"])
        action = short_action(
            step.network, batch.x, box, step.target, self.n_steps, self.step_size, True
        )
        teacher = batch.extra["short_action"]
        distance = (action - teacher).abs().sum(1)
        dearer = (box.cost(action) - box.cost(teacher)).abs()
        loss = self.alpha_action * distance + self.alpha_cost * dearer
        return (loss * batch.weight).mean()


@dataclasses.dataclass(frozen=True)
class BitCostTerm:
    """``lambda * sum_l n_l E[bits_l]``, per weight of the network: expected average bits.

    Widths that are fixed have no price any more.
    """

    strength: float

    def __call__(self, step):
        if not any(layer.searches for layer in quant_layers(step.module)):
            return 0.0
        sizes = sum(layer.n_weights for layer in quant_layers(step.module))
        return self.strength * bit_cost(step.module) / sizes


def short_action(network, x, box, target, n_steps, step_size, create_graph=False):
    """The action after a few projected gradient steps on the target's cross-entropy.

    Parameters
    ----------
    network : callable
        Encoded rows to logits.
    x : tensor of shape (n, d)
    box : RelaxedBox
    target : int
    n_steps : int
    step_size : float
    create_graph : bool, default=False
        Keep the graph, to train through the steps.

    Returns
    -------
    tensor of shape (n, d)
        In encoded units.
    """
    wanted = torch.full((len(x),), target, dtype=torch.int64, device=x.device)

    def loss(z):
        return F.cross_entropy(network(z), wanted, reduction="none")

    action = torch.zeros_like(x)
    steps = relaxed_steps(loss, x, box, action, n_steps, step_size, create_graph=create_graph)
    for action in steps:  # noqa: B007
        pass
    return action
