"""Several different actions of a person: solved again with some features closed."""

import dataclasses

import numpy as np
import pandas as pd


def close_features(actions, rows, closed):
    """What people may do when they leave some features as they are.

    Parameters
    ----------
    actions : ActionSpace
    rows : ActionRows
    closed : ndarray of bool, shape (n_samples, n_features)

    Returns
    -------
    ActionRows
    """
    closed = np.asarray(closed, dtype=bool)
    numeric = closed[:, actions.numeric.feature]  # (n, m)
    owner = np.array([move.feature for move in actions.discrete], dtype=int)
    discrete = closed[:, owner[actions.choice_feature]] if len(owner) else closed[:, :0]
    return dataclasses.replace(
        rows,
        low=np.where(numeric, 0.0, rows.low),
        high=np.where(numeric, 0.0, rows.high),
        choice_allowed=rows.choice_allowed & ~discrete,
    )


def alternatives(n, solve, X, encoded, n_features):
    """Up to `n` actions of each person of which none contains a cheaper one's features.

    An action that does not change all features of a known one leaves one of them as it is. So the
    next action is the cheapest among those with one feature of every known action closed; closed
    sets are tried in order of cost, as in a search for hitting sets.

    Parameters
    ----------
    n : int
    solve : callable
        ``solve(rows, closed)``: positions and bool (len(rows), n_features) to a RecourseResult.
    X : DataFrame of shape (n_samples, n_raw_features)
    encoded : ndarray of float32, shape (n_samples, n_columns)
        The people as they are.
    n_features : int

    Returns
    -------
    tuple of RecourseResult
        `n` of them, cheapest first for each person.
    """
    first = solve(np.arange(len(X)), np.zeros((len(X), n_features), dtype=bool))
    people = [_Person(first, i) for i in range(len(X))]
    while asked := [(i, closed) for i, p in enumerate(people) for closed in p.questions(n)]:
        rows, closed = (np.array(part) for part in zip(*asked, strict=True))
        result = solve(rows, closed)
        for at, (i, without) in enumerate(asked):
            people[i].answer(result, at, without)
    nothing = _without_action(first, X, encoded)
    found = []
    for k in range(n):
        rest = first if k == 0 else nothing
        picks = [
            (own[k].result, own[k].row) if k < len(own) else (rest, i)
            for i, own in enumerate(p.taken for p in people)
        ]
        found.append(_joined(picks) if picks else first)
    return tuple(found)


@dataclasses.dataclass
class _Found:
    """One action: its cost, features, where it stands, and what was closed for it."""

    cost: float
    support: np.ndarray
    result: object
    row: int
    closed: np.ndarray


class _Person:
    """The known actions of a person, and those that may be next."""

    def __init__(self, first, row):
        self.taken, self.waiting, self.asked = [], [], set()
        if first.needed[row]:
            self.answer(first, row, np.zeros(first.support.shape[1], dtype=bool))

    def answer(self, result, row, closed):
        """Take in the action that was found with some features closed."""
        if result.success[row]:
            self.waiting.append(
                _Found(float(result.cost[row]), result.support[row], result, row, closed)
            )

    def questions(self, n):
        """Take the cheapest new actions; closed sets that must be solved to know what is next."""
        while self.waiting and len(self.taken) < n:
            self.waiting.sort(key=lambda found: found.cost)
            found = self.waiting.pop(0)
            known = [t.support for t in self.taken if _contains(found.support, t.support)]
            if not known:
                # A search may miss what it finds with less to choose from: keep the order right.
                self.taken = _antichain([*self.taken, found])
            if len(self.taken) == n:
                break
            # Whatever avoids this action's features, or those of the known one in it.
            asked = []
            for feature in np.flatnonzero(known[0] if known else found.support):
                closed = found.closed.copy()
                closed[feature] = True
                if closed.tobytes() not in self.asked:
                    self.asked.add(closed.tobytes())
                    asked.append(closed)
            if asked:
                return asked
        return []


def _antichain(actions):
    """Actions by cost, without those that change all that a cheaper one does."""
    kept = []
    for found in sorted(actions, key=lambda found: found.cost):
        if not any(_contains(found.support, k.support) for k in kept):
            kept.append(found)
    return kept


def _contains(support, other):
    return bool((support | ~other).all())


def _without_action(first, X, encoded):
    """The result in which nobody moves."""
    return dataclasses.replace(
        first,
        counterfactual=X,
        cost=np.where(first.needed, np.nan, 0.0),
        success=~first.needed,
        status=np.where(first.needed, "not found", "not needed").astype(first.status.dtype),
        support=np.zeros_like(first.support),
        delta=np.zeros_like(first.delta),
        encoded=encoded,
    )


def _joined(picks):
    """One result of rows of others, ``(result, row)`` for each person."""
    results = {id(result): result for result, _ in picks}
    if len(results) == 1:
        return picks[0][0].take(np.array([row for _, row in picks]))
    start = dict(zip(results, np.cumsum([0, *map(len, results.values())])[:-1], strict=True))
    at = np.array([start[id(result)] + row for result, row in picks])
    fields = {
        f.name: [getattr(r, f.name) for r in results.values()]
        for f in dataclasses.fields(picks[0][0])
    }
    joined = {
        name: np.concatenate(parts)[at]
        for name, parts in fields.items()
        if isinstance(parts[0], np.ndarray)
    }
    joined["counterfactual"] = pd.concat(fields["counterfactual"]).iloc[at]
    return dataclasses.replace(picks[0][0], **joined)


def alternatives_frame(results):
    """The actions of several results as one frame, person by person.

    Parameters
    ----------
    results : sequence of RecourseResult
        From :meth:`skcfq.recourse.BaseSolver.solve_diverse`.

    Returns
    -------
    DataFrame
        As :meth:`skcfq.RecourseResult.to_frame`, with the number of the action, from 1, in
        ``recourse_alternative``; the first action of everybody, of the others those found.
    """
    frames, people = [], []
    for k, result in enumerate(results):
        shown = np.flatnonzero((result.success & result.needed) | (k == 0))
        part = result.take(shown) if k else result
        frames.append(part.to_frame().assign(recourse_alternative=k + 1))
        people.append(shown)
    order = np.argsort(np.concatenate(people), kind="stable")
    return pd.concat(frames).iloc[order]
