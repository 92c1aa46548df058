"""Projected gradient recourse, as in the paper, without its traps."""

import torch

from ._base import MARGIN, BaseSolver, no_bound
from ._polish import descend_l2, shrink
from ._relaxed import RelaxedBox, relaxed_steps
from ._scatter import random_states, scatter


class PGDSolver(BaseSolver):
    """Recourse by projected gradient steps from the person's own row.

    The form of the paper [1]_, with what its released code lacks: the cheapest valid iterate is
    kept and not the last, a categorical change builds up over the steps until it reaches
    another category, steps have a length in units of cost, and every found action is dropped
    or shrunk as far as the target allows.

    Parameters
    ----------
    n_steps : int, default=40
        Gradient steps of each start.
    step_size : float, default=0.1
        Length of a step in units of cost (with ``"std"`` weights: standard deviations).
    n_restarts : int, default=1
        Further starts from random states of the action set.
    n_random : int, default=64
        Random states that are tried as they are: where slopes vanish, as on quantized
        activations, steps lead nowhere.
    batch_size : int, default=2048
        People searched together; batches run on all cores.
    random_state : int, default=0
        Seed of the random states.

    See Also
    --------
    GreedySolver : Cheaper actions; the default.

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160

    Examples
    --------
    >>> from skcfq import FullPrecisionClassifier, PGDSolver
    >>> from skcfq.datasets import make_recourse_classification
    >>> data = make_recourse_classification(n_samples=300, random_state=0)
    >>> clf = FullPrecisionClassifier(
    ...     actions=data.actions, solver=PGDSolver(), max_epochs=5, random_state=0
    ... ).fit(data.data, data.target)
    >>> len(clf.solve_recourse(data.data.head(5)))
    5
    """

    def __init__(
        self,
        *,
        n_steps=40,
        step_size=0.1,
        n_restarts=1,
        n_random=64,
        batch_size=2048,
        random_state=0,
    ):
        self.n_steps = n_steps
        self.step_size = step_size
        self.n_restarts = n_restarts
        self.n_random = n_random
        self.batch_size = batch_size
        self.random_state = random_state

    def _search(self, margin, problem):
        box = RelaxedBox(problem)
        random = torch.Generator().manual_seed(self.random_state)
        best_u, best_choice, best_cost = scatter(
            margin, problem, self.n_random, random, self.batch_size
        )
        starts = [problem.start(), *random_states(problem, self.n_restarts, random)]
        for start in starts:
            delta = box.project(problem.encode(*start) - problem.x)
            steps = relaxed_steps(
                lambda z: -margin(problem.follow(z), problem.target), problem.x, box, delta, self.n_steps, self.step_size,
                normalise=True,
            )  # fmt: skip
            for delta in steps:
                with torch.no_grad():
                    u, choice = nearest_state(problem, delta.detach())
                    cost = problem.cost(u, choice)
                    valid = margin(problem.encode(u, choice), problem.target) >= MARGIN
                    won = valid & (cost < best_cost)
                    best_u[won], best_choice[won], best_cost[won] = u[won], choice[won], cost[won]
        best_u, best_choice, _ = shrink(margin, problem, best_u, best_choice)
        if problem.norm != "l1":
            best_u, best_choice = descend_l2(margin, problem, best_u, best_choice)
        return best_u, best_choice, no_bound(problem)


def nearest_state(problem, delta):
    """The allowed state nearest to a relaxed action: each block to its nearest open category."""
    u = delta[:, problem.columns] / problem.rate
    choice = torch.full((len(delta), problem.q), -1, dtype=torch.int64)
    for k in range(problem.q):
        columns = problem.block[k].nonzero().squeeze(1)
        choices = (problem.owner == k).nonzero().squeeze(1)
        if not len(columns):
            continue
        at = (problem.x + delta)[:, columns]
        stay = ((at - problem.x[:, columns]) ** 2).sum(1)
        away = ((at[:, None] - problem.table[choices][:, columns][None]) ** 2).sum(
            2
        )  # (n, n_choices)
        away = away.masked_fill(~problem.allowed[:, choices], torch.inf)
        nearest, index = away.min(dim=1)
        choice[:, k] = torch.where(nearest < stay, choices[index], -1)
    return problem.project(u, choice)
