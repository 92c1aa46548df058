"""What every solver shares: batches in, results re-checked in raw units out."""

import abc
import copy
import numbers

import numpy as np
import torch
from sklearn.base import BaseEstimator

from .._utils._parallel import in_threads
from ._diverse import alternatives, close_features
from ._problem import Problem, target_margin
from ._result import RecourseResult
from ._threads import one_thread

#: Logit margin that a solver reaches, so that float32 rounding does not undo a success.
MARGIN = 2e-5


class Margin:
    """Target logit minus the strongest other, as a function of encoded rows.

    Parameters
    ----------
    logits : callable
        Encoded rows to logits; a module is used in `dtype`.
    dtype : torch.dtype

    Attributes
    ----------
    logits : callable
    rounds : bool
        Whether activations are rounded to levels, so that slopes are those of another function.
    """

    def __init__(self, logits, dtype=torch.float32):
        if dtype != torch.float32 and isinstance(logits, torch.nn.Module):
            logits = copy.deepcopy(logits).to(dtype)
        self.logits = logits
        parts = logits.modules() if isinstance(logits, torch.nn.Module) else ()
        self.rounds = any(
            hasattr(part, "step") and getattr(part, "bits", None) is not None for part in parts
        )

    def __call__(self, z, target):
        """Margins, (n,), of encoded rows (n, d) to classes (n,). Differentiable in `z`."""
        return target_margin(self.logits(z), target)


def no_bound(problem):
    """What a search without proof knows of the cost of recourse: it is not negative."""
    return torch.zeros(len(problem.x), dtype=problem.x.dtype)


class BaseSolver(BaseEstimator, abc.ABC):
    """Common part of the solvers: batching, threads and the check in raw units."""

    #: Whether the search follows gradients of the logits, or only asks for their values.
    uses_gradients = True
    #: What is computed with during the search.
    _dtype = torch.float32
    #: Relative distance of cost and lower bound at which an action counts as optimal.
    gap = 0.0

    def _check(self, logits, actions):
        """Raise TypeError if this solver cannot search on a network or among such actions."""

    @abc.abstractmethod
    def _search(self, margin, problem):
        """Search for everybody in `problem`, none of whom has the target.

        Parameters
        ----------
        margin : Margin
        problem : Problem

        Returns
        -------
        u, choice : tensors
            The cheapest valid state found, see `_problem`; anything where there is none.
        bound : tensor of shape (n,)
            Proven lower bound on the cost, 0 without a proof; infinite: there is no recourse.
        """

    def solve(
        self, logits, X, target, actions, *, predict=None, decide=None, closed=None, encoded=None
    ):
        """Find cheap actions that get the target.

        Parameters
        ----------
        logits : callable
            Encoded rows, a float32 tensor of shape (n, n_columns), to logits (n, n_classes).
        X : DataFrame of shape (n_samples, n_raw_features)
            People, in raw units.
        target : int or array of int, shape (n_samples,)
            Index of the wanted class, for all or for each.
        actions : ActionSpace
            What they may do, bound to the encoding of the model.
        predict : callable, default=None
            Raw frame to class indices, shape (n,): the decision that a success is checked
            against. ``None`` encodes and takes the largest logit.
        decide : callable, default=None
            The same decision from encoded rows in float64, shape (n, n_columns): spares
            encoding them twice. Used instead of `predict`.
        closed : ndarray of bool, shape (n_samples, n_features), default=None
            Features that a person must leave as they are, beside what `actions` says; columns
            as in ``actions.feature_names``.
        encoded : ndarray of shape (n_samples, n_columns), default=None
            `X`, encoded in float64 as by `actions.encoding`: spares encoding it again.

        Returns
        -------
        RecourseResult
            A success is valid in raw units, after rounding to steps, by `predict`.
        """
        self._check(logits, actions)
        n = len(X)
        target = np.broadcast_to(np.asarray(target, dtype=np.int64), (n,))

        def check(frame, target, rows=None):
            """Whether raw rows get the target, and their float32 encoding."""
            rows = actions.encoding.encode(frame) if rows is None else rows
            encoded = _float32(rows)
            return self._granted(logits, predict, decide, frame, rows, encoded, target), encoded

        if n:
            granted, encoded = check(X, target, encoded)
        else:
            granted, encoded = target < 0, np.zeros((0, actions.encoding.n_columns), np.float32)
        needed = ~granted
        rows = actions.rows(X)
        if closed is not None:
            rows = close_features(actions, rows, closed)
        margin = self._margin(logits)
        delta = np.zeros((n, len(actions.numeric.feature)))
        choice = np.full((n, len(actions.discrete)), -1, dtype=np.int64)
        bound = np.zeros(n)
        who = np.flatnonzero(needed)

        def search(part):
            with one_thread():
                x = torch.from_numpy(encoded[part]).to(self._dtype)
                problem = Problem(actions, _take(rows, part), x, torch.from_numpy(target[part]))
                u, chosen, least = self._search(margin, problem)
                return part, problem.raw_delta(u), chosen.numpy(), least.numpy()

        first, same = _distinct(who, [encoded, target, *vars(rows).values()])
        parts = _batches(first, *self._together(margin))
        for part, found_delta, found_choice, least in in_threads(search, parts):
            # float32 limits may lie an ulp outside the true ones.
            delta[part] = np.clip(found_delta, rows.low[part], rows.high[part])
            choice[part], bound[part] = found_choice, least
        delta[who], choice[who], bound[who] = (a[first[same]] for a in (delta, choice, bound))
        return _verified(
            X,
            encoded,
            target,
            needed,
            actions,
            rows,
            delta,
            choice,
            check,
            bound,
            self._near(margin),
        )

    def solve_diverse(
        self, n, logits, X, target, actions, *, predict=None, decide=None, encoded=None
    ):
        """Find several different cheap actions of each person.

        Two actions of a person differ in the features that they change, and none changes all
        that a cheaper one does and more.

        Parameters
        ----------
        n : int
            The largest number of actions of a person.
        logits, X, target, actions, predict, decide, encoded : object
            As in :meth:`solve`.

        Returns
        -------
        tuple of RecourseResult
            `n` results: everybody's cheapest action, the next one, and so on. A person without
            a further action is "not found" there, one who needs none "not needed" everywhere.

        Raises
        ------
        ValueError
            If `n` is no whole number >= 1.
        """

        def solve(rows, closed):
            wanted = np.broadcast_to(np.asarray(target, dtype=np.int64), (len(X),))[rows]
            return self.solve(
                logits,
                X.iloc[rows],
                wanted,
                actions,
                predict=predict,
                decide=decide,
                closed=closed,
                encoded=encoded[rows],
            )

        if not isinstance(n, numbers.Integral) or isinstance(n, bool) or n < 1:
            raise ValueError(f"diverse={n!r}: a whole number >= 1 is needed.")
        encoded = actions.encoding.encode(X) if encoded is None else encoded
        return alternatives(n, solve, X, _float32(encoded), len(actions.feature_names))

    def _margin(self, logits):
        """``margin(z, target)`` of encoded rows, as `_search` takes it."""
        return Margin(logits, self._dtype)

    def _together(self, margin):
        """People searched together at most, and so few that threads would wait for each other more than they share."""
        return self.batch_size, 4096

    def _near(self, margin):
        """How far below a cost a bound proves it, relatively and in units of cost."""
        return self.gap, 0.0

    def _granted(self, logits, predict, decide, frame, rows, encoded, target):
        """Whether rows, raw and encoded in both precisions, get the target; bool of shape (n,)."""
        if decide is not None:
            return decide(rows) == target
        if predict is not None:
            return predict(frame) == target
        return _decide(logits, encoded, self.batch_size) == target


def _batches(index, batch_size, alone):
    """Batches of at most a size: one, or alike in size and even in number, to share out well."""
    if len(index) <= min(batch_size, alone):
        return [index] if len(index) else []
    return np.array_split(index, 2 * -(-len(index) // (2 * batch_size)))


def _distinct(who, arrays):
    """Positions of people who differ in some array, in an order that is that of their values.

    Matrix products round by a row's place in the batch: in an order of their own, and equal
    people solved once, results do not depend on the order of the rows.

    Returns
    -------
    first : ndarray of int, shape (n_distinct,)
        One of those of `who` that are equal.
    same : ndarray of int, shape (len(who),)
        Position in `first` of each.
    """
    bits = [np.ascontiguousarray(a[who]).view(f"u{a.dtype.itemsize}") for a in arrays]
    bits = [b.reshape(len(who), -1) for b in bits if b.size]
    key, random = np.zeros(len(who), np.uint64), np.random.default_rng(0)
    for b in bits:  # a sum of odd multiples modulo 2**64: equal for equal people
        factor = random.integers(2**63, size=b.shape[1], dtype=np.uint64) * 2 + 1
        key += (b * factor).sum(axis=1, dtype=np.uint64)
    _, first, same = np.unique(key, return_index=True, return_inverse=True)
    # Equal sums of different people are as good as impossible, but would be a wrong answer.
    if all((b == b[first[same]]).all() for b in bits):
        return who[first], same
    return who, np.arange(len(who))


def _take(rows, index):
    return type(rows)(**{name: value[index] for name, value in vars(rows).items()})


def _float32(encoded):
    """Encoded rows in float32; what is too large for it becomes infinite."""
    with np.errstate(over="ignore"):
        return np.array(encoded, dtype=np.float32, order="C")


def _decide(logits, encoded, batch_size):
    """Class indices of encoded rows, computed in the same batches as ``predict``."""
    encoded = torch.from_numpy(encoded)
    with torch.no_grad(), one_thread():
        parts = [logits(part).argmax(dim=1) for part in encoded.split(batch_size)]
    return torch.cat(parts).numpy() if parts else np.zeros(0, dtype=np.int64)


def _verified(X, encoded, target, needed, actions, rows, delta, choice, check, bound, near):
    """Results in raw units; what does not hold there is tried once a little further out."""
    moved = np.flatnonzero(needed & ((delta != 0).any(axis=1) | (choice >= 0).any(axis=1)))
    counterfactual = actions.apply(X, rows, delta, choice)
    success, after = ~needed, encoded.copy()
    if len(moved):
        success[moved], after[moved] = check(counterfactual.iloc[moved], target[moved])
    short = moved[~success[moved]]
    if len(short):
        continuous = actions.numeric.step == 0
        further = np.where(continuous, delta[short] * (1 + 1e-3), delta[short])
        further = np.clip(further, rows.low[short], rows.high[short])
        again = actions.apply(X.iloc[short], _take(rows, short), further, choice[short])
        success[short], after[short] = check(again, target[short])
        delta[short] = further
    lost = ~success
    delta[lost], choice[lost], after[lost] = 0.0, -1, encoded[lost]
    if len(short) or lost.any():
        counterfactual = actions.apply(X, rows, delta, choice)
    with np.errstate(invalid="ignore"):  # infinite, or missing, before and after
        same = (after == encoded) | (np.isnan(after) & np.isnan(encoded))
        moved_by = np.where(same, np.float32(0), after - encoded)
    cost = np.where(success, actions.cost(rows, delta, choice), np.nan)
    relative, absolute = near
    enough = np.minimum(cost * (1 - relative), cost - absolute) * (1 - 1e-9)
    proven = success & (bound >= enough) & (bound > 0)
    status = np.select(
        [~needed, proven, success, np.isinf(bound)],
        ["not needed", "optimal", "found", "infeasible"],
        "not found",
    )
    return RecourseResult(
        counterfactual=counterfactual,
        cost=cost,
        bound=np.where(success, np.minimum(bound, cost), bound),
        success=success,
        needed=needed,
        status=status,
        support=actions.support(delta, choice),
        delta=moved_by,
        encoded=after,
        feature_names=actions.feature_names,
    )
