"""A batch of people and their actions as tensors, in units of cost.

A state is a pair ``(u, choice)``: ``u`` of shape (n, m) holds the weighted change of every
numeric feature (so the L1 cost is its absolute sum), ``choice`` of shape (n, q) the index of
the picked value of every discrete feature among all M values, or -1 for no change.
"""

import itertools

import numpy as np
import torch

from ..actions import combine_cost

#: Rows that a network is asked about at a time.
N_ROWS = 4096


class Problem:
    """Limits, prices and encoded moves of ``n`` people.

    Parameters
    ----------
    space : ActionSpace
    rows : ActionRows
        Of the same people as `x`.
    x : tensor of shape (n, d)
        Encoded rows.
    target : tensor of int64, shape (n,)
        Wanted class of each person.
    """

    def __init__(self, space, rows, x, target):
        def as_tensor(a):
            return torch.as_tensor(np.ascontiguousarray(a), dtype=x.dtype, device=x.device)

        moves = space.numeric
        self.space, self.x, self.target = space, x, target
        self.columns = torch.as_tensor(moves.column, device=x.device)  # (m,)
        self.rate = as_tensor(moves.scale / moves.weight)  # encoded units per unit of cost, (m,)
        self.value = as_tensor(rows.value * moves.weight)  # (n, m), in units of cost
        self.low = as_tensor(rows.low * moves.weight)  # (n, m), <= 0
        self.high = as_tensor(rows.high * moves.weight)  # (n, m), >= 0
        self.unit = as_tensor(moves.step * moves.weight)  # step in units of cost, 0: continuous
        self.has_steps = bool((moves.step > 0).any())
        self.allowed = torch.as_tensor(rows.choice_allowed, device=x.device)  # (n, M)
        self.price = as_tensor(rows.choice_cost)  # (n, M)
        self.owner = torch.as_tensor(space.choice_feature, device=x.device)  # (M,)
        self.q = len(space.discrete)
        # Where the choices of each feature are, and whether they all cost the same.
        ends = np.cumsum([0, *(len(move.table.categories) for move in space.discrete)])
        self.spans = [slice(*map(int, pair)) for pair in itertools.pairwise(ends)]
        self.alike = [move.numbers is None for move in space.discrete]
        table = np.zeros((len(self.owner), x.shape[1]))
        block = np.zeros((self.q, x.shape[1]))
        for k, (move, span) in enumerate(zip(space.discrete, self.spans, strict=True)):
            table[span, move.table.columns] = move.table.table
            block[k, move.table.columns] = 1.0
        self.table, self.block = as_tensor(table), as_tensor(block)  # (M, d), (q, d)
        # What a choice leaves: mostly another choice, else what stands in the person's row.
        self.home = torch.tensor(rows.present, device=x.device)  # (n, q), rows of `left`
        person, feature = (self.home < 0).nonzero(as_tuple=True)
        self.home[person, feature] = len(table) + torch.arange(len(person), device=x.device)
        self.left = torch.cat([self.table, x[person] * self.block[feature]])
        # As a matrix: the product is many times as fast as adding to some of the columns.
        self.motion = torch.zeros((len(self.rate), x.shape[1]), dtype=x.dtype, device=x.device)
        self.motion[torch.arange(len(self.rate)), self.columns] = self.rate  # (m, d)
        self.max_changes = space.actions.max_changes or (self.low.shape[1] + self.q)
        self.norm, self.mix = space.actions.cost, space.actions.mix
        self.causes = space.causes
        if self.causes is not None:
            self.nodes = torch.as_tensor(rows.nodes)  # raw units, float64 (n, k)
            columns = torch.as_tensor(self.causes.column, device=x.device)
            self.trail = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)[columns]  # (k, d)

    def select(self, index):
        """The problem of some of the people."""
        part = object.__new__(Problem)
        part.__dict__.update(self.__dict__)
        names = ["x", "target", "value", "low", "high", "allowed", "price", "home"]
        for name in names if self.causes is None else [*names, "nodes"]:
            # Of whole rows, index_select copies several times as fast as brackets do.
            setattr(part, name, getattr(self, name).index_select(0, index))
        return part

    def behind(self, weight, bias):
        """The same problem, with what a linear layer makes of rows in place of encoded rows.

        Encoding, slopes and gains are then in terms of the layer's outputs: a changed feature
        moves them by a multiple of one vector, so that nobody has to multiply by the layer again.
        `block`, `columns` and `rate` stay what they are.

        Parameters
        ----------
        weight : tensor of shape (n_outputs, d)
        bias : tensor of shape (n_outputs,)

        Returns
        -------
        Problem
        """
        part = object.__new__(Problem)
        part.__dict__.update(self.__dict__)
        part.x = torch.addmm(bias, self.x, weight.T)
        names = ["motion", "left"] if self.causes is None else ["motion", "left", "trail"]
        for name in names:
            setattr(part, name, getattr(self, name) @ weight.T)
        part.table = part.left[: len(self.table)]
        return part

    def repeat(self, times):
        """The problem of all people, one copy behind the other: to try several states at once."""
        return self if times == 1 else self.select(torch.arange(len(self.x)).repeat(times))

    def start(self):
        """The state in which nobody has moved."""
        n = len(self.x)
        u = torch.zeros((n, self.low.shape[1]), dtype=self.x.dtype, device=self.x.device)
        return u, torch.full((n, self.q), -1, dtype=torch.int64, device=self.x.device)

    def encode(self, u, choice, rows=None):
        """Encoded rows of states, shape (n, d): of everybody, or of the people `rows`, also a slice."""
        if rows is None:
            x = self.x
        else:
            x = self.x[rows] if isinstance(rows, slice) else self.x.index_select(0, rows)
        z = torch.addmm(x, u, self.motion)
        if self.causes is not None:
            z.addmm_(self._followed(u, rows), self.trail)
        if self.q:
            row, feature = (choice >= 0).nonzero(as_tuple=True)
            if len(row):
                person = row
                if rows is not None:
                    person = row + (rows.start or 0) if isinstance(rows, slice) else rows[row]
                # Blocks of different features do not overlap: their differences add up.
                enter = self.left.index_select(0, choice[row, feature])
                leave = self.left.index_select(0, self.home[person, feature])
                z.index_add_(0, row, enter.sub_(leave))
        return z

    def margins(self, margin, u, choice, rows=None):
        """``margin`` at states, shape (n,): of everybody, or of the people `rows`.

        Without the copies that `select` makes of what an encoding has no use for, and in parts:
        what a network computes on the way is not larger than a cache.
        """
        if len(u) <= N_ROWS:
            target = self.target if rows is None else self.target[rows]
            return margin(self.encode(u, choice, rows), target)
        value = torch.empty(len(u), dtype=u.dtype, device=u.device)
        for start in range(0, len(u), N_ROWS):
            part = slice(start, start + N_ROWS)
            who = part if rows is None else rows[part]
            value[part] = margin(self.encode(u[part], choice[part], who), self.target[who])
        return value

    def _interventions(self, u):
        """Raw changes of the numeric features, as they are, float64 (n, m)."""
        return u.detach().cpu().numpy().astype(float) / self.space.numeric.weight

    def _followed(self, u, rows=None):
        """What follows from changes, in encoded units of the features of the graph, (n, k)."""
        delta = self._interventions(u)
        _, set_ = self.causes.interventions(delta)
        nodes = self.nodes if rows is None else self.nodes[rows]
        change = self.causes.changes(nodes.numpy(), delta)
        return torch.as_tensor(np.where(set_, 0.0, change) * self.causes.scale).to(self.x)

    def slopes(self, gradient, u=None):
        """Slopes along changes of the numeric features, with what follows from them.

        Parameters
        ----------
        gradient : tensor of shape (n, d)
            Slopes in encoded units.
        u : tensor of shape (n, m), default=None
            Where they were taken: what is set passes nothing on from its causes. ``None``: nothing
            is set.

        Returns
        -------
        tensor of shape (n, m)
            Per unit of cost.
        """
        slope = gradient @ self.motion.T
        if self.causes is None:
            return slope
        u = torch.zeros_like(self.low) if u is None else u
        # Per raw unit, then what the features pass on beyond their own slope.
        own = (gradient @ self.trail.T).double().numpy() * self.causes.scale
        total = self.causes.slopes(self.nodes.numpy(), self._interventions(u), own)
        moved = self.causes.move >= 0
        weight = self.space.numeric.weight[self.causes.move[moved]]
        slope[:, self.causes.move[moved]] += torch.as_tensor((total - own)[:, moved] / weight).to(
            slope
        )
        return slope

    def values(self, gradient, choice):
        """What choices are worth to a linear function: each of them, and the present ones.

        Parameters
        ----------
        gradient : tensor of shape (n, d)
            Slopes in encoded units.
        choice : tensor of int, shape (n, q)

        Returns
        -------
        value : tensor of shape (n, M)
        here : tensor of shape (n, q)
        """
        value = gradient @ self.table.T
        at = torch.where(choice >= 0, choice, self.home)
        here = value.gather(1, at.clamp(max=value.shape[1] - 1))
        row, feature = (at >= value.shape[1]).nonzero(as_tuple=True)
        if len(row):
            here[row, feature] = (gradient[row] * self.left[at[row, feature]]).sum(dim=1)
        return value, here

    def follow(self, z):
        """Relaxed rows with what follows from the changes of their numbers, differentiable.

        `z` (n, d) itself where there is no causal graph.
        """
        return z if self.causes is None else _Follow.apply(z, self)

    def change(self, u, choice):
        """Weighted change of every feature, shape (n, m + q)."""
        return torch.cat([u.abs(), self.paid(choice)], dim=1) if self.q else u.abs()

    def paid(self, choice):
        """Weighted change of every discrete feature, shape (n, q)."""
        return torch.gather(self.price, 1, choice.clamp(min=0)) * (choice >= 0)

    def cost(self, u, choice):
        """Cost of a state, shape (n,)."""
        return combine_cost(self.change(u, choice), self.norm, self.mix)

    def n_changes(self, u, choice):
        """Number of changed features, shape (n,)."""
        return (u != 0).sum(1) + (choice >= 0).sum(1)

    def snap(self, u):
        """Into the limits (which are whole steps), then to whole steps towards zero."""
        u = torch.minimum(torch.maximum(u, self.low), self.high)
        if not self.has_steps:
            return u
        stepped = self.unit > 0
        unit = torch.where(stepped, self.unit, torch.ones_like(self.unit))
        n_steps = u / unit
        nearest = torch.round(n_steps)
        # A whole number of steps but for rounding stays: truncated, it would lose a step.
        whole = (n_steps - nearest).abs() <= 1e-6 * n_steps.abs().clamp(min=1.0)
        n_steps = torch.where(whole, nearest, torch.trunc(n_steps))
        snapped = torch.where(stepped, n_steps * unit, u)
        return torch.minimum(torch.maximum(snapped, self.low), self.high)

    def project(self, u, choice):
        """The nearest state that the action set allows, shape as given.

        Limits and steps first, then choices that are not open are undone, then only the
        `max_changes` dearest changes are kept.
        """
        u = self.snap(u)
        if self.q:
            open_ = torch.gather(self.allowed, 1, choice.clamp(min=0)) & (choice >= 0)
            choice = torch.where(open_, choice, -1)
        change = self.change(u, choice)
        rows = ((change > 0).sum(1) > self.max_changes).nonzero().squeeze(1)
        if len(rows):
            rank = change[rows].argsort(dim=1, descending=True, stable=True).argsort(dim=1)
            kept, m = rank < self.max_changes, u.shape[1]
            u, choice = u.clone(), choice.clone()
            u[rows] *= kept[:, :m]
            choice[rows] = torch.where(kept[:, m:], choice[rows], -1)
        return u, choice

    def raw_delta(self, u):
        """Raw change of the numeric features, exact multiples of the step, float64 (n, m)."""
        moves = self.space.numeric
        delta = u.cpu().numpy().astype(float) / moves.weight
        unit = np.where(moves.step > 0, moves.step, 1.0)
        return np.where(moves.step > 0, np.rint(delta / unit) * unit, delta)


class _Follow(torch.autograd.Function):
    """Consequences of relaxed changes; their slopes come from the causal model itself."""

    @staticmethod
    def forward(ctx, z, problem):
        """Add what follows to rows of shape (n, d)."""
        u = (z - problem.x)[:, problem.columns] / problem.rate
        ctx.problem, ctx.u = problem, u
        z = z.clone()
        z[:, problem.causes.column] += problem._followed(u)
        return z

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        """Slopes along the changes, in encoded units."""
        problem, gradient = ctx.problem, gradient.clone()
        gradient[:, problem.columns] = problem.slopes(gradient, ctx.u) / problem.rate
        return gradient, None


def target_margin(logits, target):
    """Target logit minus the strongest other logit, shape (n,)."""
    if logits.shape[1] == 2:
        second = logits[:, 1] - logits[:, 0]
        return torch.where(target == 1, second, -second)
    wanted = logits.gather(1, target[:, None]).squeeze(1)
    others = logits.scatter(1, target[:, None], -torch.inf)
    return wanted - others.max(dim=1).values
