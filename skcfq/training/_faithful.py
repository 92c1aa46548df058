"""The faithful objective: hold the boundary where the teacher has it, from both sides."""

import dataclasses
import numbers

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator

from ..quantization import quant_layers
from ..recourse import target_margin
from ._deploy import deployed
from ._nearness import is_scale, nearness
from ._objectives import Points, Prepared, _bit_terms, negative_values


@dataclasses.dataclass(frozen=True)
class DistilTerm:
    """Squared distance of the student's logits from the teacher's, at the rows and the points.

    Logits count up to a common constant. Each row counts by ``near`` and each of its points by a column of
    ``point_shares`` among the extra tensors of a batch, where it has these.
    """

    strength: float
    points: tuple

    def __call__(self, step):
        batch = step.batch
        near, shares = (batch.extra.get(name) for name in ("near", "point_shares"))
        weight = batch.weight if near is None else batch.weight * near
        loss = (_distance(step.logits, batch.extra["teacher"]) * weight).mean()
        if self.points:
            teacher = torch.stack([batch.extra[f"teacher_{point}"] for point in self.points])
            distance = _distance(step.logits_at(*self.points).view_as(teacher), teacher)
            loss = loss + step.recourse_mean(
                (distance if shares is None else distance * shares.T).sum(0)
            )
        return self.strength * loss


#: The inner margin is at most so many standard deviations of the student's error at the advice: a
#: margin that nothing threatens would only make the student lenient.
MARGIN_IN_ERRORS = 3.0

#: Margin of the advice that just holds in the end, so that rounding does not undo it.
HAIR = 1e-5

#: So many rows need no synthetic people. Fewer are filled up with them: to so many for each weight of the network,
#: to so many in all, and with at most so many for each row.
ENOUGH_ROWS = 25_000
ROWS_PER_WEIGHT = 4
MOST_ROWS = 60_000
MOST_PER_ROW = 50


@dataclasses.dataclass(frozen=True)
class BracketTerm:
    """Both sides of the boundary: in with a margin at the advice, out just short of it."""

    strength: float
    inner: float
    outer: float

    def __call__(self, step):
        inside = target_margin(step.logits_at("recourse"), step.targets)
        outside = target_margin(step.logits_at("short"), step.targets)
        teacher = target_margin(step.batch.extra["teacher_recourse"], step.targets)
        error = (inside - teacher).detach()
        spread = step.recourse_mean((error - step.recourse_mean(error)).square()).sqrt()
        wanted = (MARGIN_IN_ERRORS * spread).clamp(max=self.inner)
        # The teacher itself may be nearer to the boundary than the outer margin asks for.
        asked = torch.minimum(
            -step.batch.extra["short_margin"], torch.full_like(outside, self.outer)
        )
        loss = (wanted - inside).clamp(min=0) ** 2 + (outside + asked).clamp(min=0) ** 2
        return self.strength * step.recourse_mean(loss)


def _distance(student, teacher):
    """Squared distances of logits, less what is common to all classes: (..., n_classes) to (...)."""
    gap = student - teacher
    return (gap - gap.mean(dim=-1, keepdim=True)).square().sum(dim=-1)


class FaithfulObjective(BaseEstimator):
    """Train the quantized network to refuse and to grant where its teacher does.

    The paper's objective can lower the validity drop by leniency. This one holds the decision
    boundary from both sides at the teacher's recourse ``delta`` of a person ``x``: ``x + delta``
    must get the target with a margin, ``x + (1 - rho) * delta`` (for a purely categorical
    action: the action less one change) must not; and the teacher's logits are distilled at
    ``x`` and along the way from ``x`` through ``x + delta`` and a little past. What is near to the decision
    boundary counts most there.

    Parameters
    ----------
    eta : float, default=1.0
        Weight of the two sides of the boundary: squared shortfalls of the margins, so that the
        worst broken advice counts most.
    distil : float, default=1.0
        Weight of the distilled logits.
    advice : float, default=3.0
        How much the logits at ``x + delta`` count among these, relative to each other point on the way.
    nearness : float, default=1.0
        Gap of the teacher's two largest logits at which a row or point counts half among these:
        ``1 / (1 + (gap / nearness)**2)``. Infinite: all count alike.
    inner_margin : float, default=0.5
        Logit margin asked for at the advice, at most three standard deviations of the errors that the
        quantized network makes there. With the other side, it makes the boundary steeper.
    outer_margin : float, default=0.1
        Logit margin asked for just short of it, at most the teacher's own.
    rho : float, default=0.05
        How much short, as a share of the numeric changes.
    task : float, default=0.0
        Weight of the labels' cross-entropy.
    bit_cost : float, default=0.01
        Strength of the price of bits while widths are searched.
    failing : float or None, default=0.01
        In the end the target's logit is shifted to where this share of the advice that was learned from
        fails: errors on both sides of the boundary would else break half of it. ``None``: no shift.
    n_synthetic : int or "auto", default="auto"
        How many synthetic people, each put together of two training rows, are learned from beside the real
        ones: what is learned from the teacher needs no labels. ``"auto"`` fills fewer than 25,000 rows up to four
        times as many as the network has weights, and to 60,000 at most, with at most 50 for each row.

    Examples
    --------
    >>> from skcfq import CFQClassifier, FaithfulObjective
    >>> CFQClassifier(objective=FaithfulObjective(rho=0.1)).get_params()["objective__rho"]
    0.1
    """

    needs_recourse = True
    #: What is asked for is what the teacher computes: training may start from its calibrated copy.
    keeps_teacher = True

    def __init__(
        self,
        *,
        eta=1.0,
        distil=1.0,
        advice=3.0,
        nearness=1.0,
        inner_margin=0.5,
        outer_margin=0.1,
        rho=0.05,
        task=0.0,
        bit_cost=0.01,
        failing=0.01,
        n_synthetic="auto",
    ):
        self.eta = eta
        self.distil = distil
        self.advice = advice
        self.nearness = nearness
        self.inner_margin = inner_margin
        self.outer_margin = outer_margin
        self.rho = rho
        self.task = task
        self.bit_cost = bit_cost
        self.failing = failing
        self.n_synthetic = n_synthetic

    def problems(self):
        """Sentences about wrong parameters, empty if there are none."""
        names = [
            "eta",
            "distil",
            "advice",
            "inner_margin",
            "outer_margin",
            "rho",
            "task",
            "bit_cost",
        ]
        problems = negative_values(self, names)
        if not is_scale(self.nearness):
            problems.append(
                f"nearness={self.nearness!r}: a number > 0 is needed, infinity allowed."
            )
        failing = self.failing
        if failing is not None and (negative_values(self, ["failing"]) or failing >= 1):
            problems.append(f"failing={failing!r}: None, or a share from 0 to below 1 is needed.")
        if not problems and not 0 < self.rho < 1:
            problems.append(f"rho={self.rho!r}: a share between 0 and 1 is needed.")
        n = self.n_synthetic
        whole = isinstance(n, numbers.Integral) and not isinstance(n, bool) and n >= 0
        if not whole and not (isinstance(n, str) and n == "auto"):
            problems.append(f'n_synthetic={n!r}: a whole number >= 0 or "auto" is needed.')
        return problems

    def count_synthetic(self, n_rows, n_weights, in_turn=False):
        """How many synthetic people are learned from.

        Parameters
        ----------
        n_rows : int
            Training rows.
        n_weights : int
            Weights of the network.
        in_turn : bool, default=False
            Whether weights are rounded in turn: then more rows leave room for some, too.

        Returns
        -------
        int
        """
        if self.n_synthetic != "auto":
            return int(self.n_synthetic)
        if n_rows >= (MOST_ROWS if in_turn else ENOUGH_ROWS):
            return 0
        wanted = min(ROWS_PER_WEIGHT * n_weights, MOST_ROWS) - n_rows
        return max(0, min(wanted, MOST_PER_ROW * n_rows))

    def prepare(self, lesson):
        """The terms, points on the way of each person's advice, and the teacher's logits there.

        Parameters
        ----------
        lesson : Lesson

        Returns
        -------
        Prepared
        """
        advice = lesson.advice
        x, delta = lesson.x, torch.from_numpy(advice.delta)
        points = {
            "recourse": torch.from_numpy(advice.encoded),
            "short": x + torch.from_numpy(just_short(advice, lesson.space, self.rho)),
            "middle": x + 0.5 * delta,
            "past": x + 1.15 * delta,
        }
        extra = {"counted": lesson.counted}
        with torch.no_grad():
            extra["teacher"] = lesson.network(x)
            extra["near"] = nearness(extra["teacher"], self.nearness)
            shares = []
            for name, rows in points.items():
                extra[f"teacher_{name}"] = lesson.network(rows)
                factor = self.advice if name == "recourse" else 1.0
                shares.append(factor * nearness(extra[f"teacher_{name}"], self.nearness))
            extra["point_shares"] = torch.stack(shares, dim=1)  # (n, n_points)
        wanted = torch.full((len(x),), lesson.target)
        extra["short_margin"] = target_margin(extra["teacher_short"], wanted).clamp(max=0.0)
        terms = [
            DistilTerm(self.distil, tuple(points)),
            BracketTerm(self.eta, self.inner_margin, self.outer_margin),
        ]
        if self.task:
            terms.append(WeightedTaskTerm(self.task))
        return Prepared((*terms, *_bit_terms(self.bit_cost)), points, extra)

    @torch.no_grad()
    def prepare_points(self, lesson):
        """What :meth:`prepare` asks for, of the rows and of each point on the way of their advice by itself.

        Parameters
        ----------
        lesson : Lesson

        Returns
        -------
        Points
            Each is drawn in proportion to its part in the distilled logits.
        """
        prepared = self.prepare(lesson)
        extra, counted = prepared.extra, lesson.counted > 0
        weight = lesson.weight / lesson.weight.sum()
        advised = (
            lesson.weight * lesson.counted / (lesson.weight * lesson.counted).sum().clamp(min=1e-12)
        )
        everyone = torch.arange(len(weight))
        x, row, teacher = [lesson.x], [everyone], [extra["teacher"]]
        share, side = [weight * extra["near"]], [torch.zeros(len(weight))]
        for k, (name, rows) in enumerate(prepared.points.items()):
            x.append(rows[counted])
            row.append(everyone[counted])
            teacher.append(extra[f"teacher_{name}"][counted])
            factor = extra["point_shares"][counted, k]
            share.append(advised[counted] * factor)
            side.append({"recourse": 1, "short": -1}.get(name, 0) / factor)
        task = [1 / extra["near"], *(torch.zeros(len(each)) for each in row[1:])]
        row = torch.cat(row)
        asked = (-extra["short_margin"]).clamp(max=self.outer_margin)[row]
        terms = [PointDistilTerm(self.distil), PointBracketTerm(self.eta, self.inner_margin)]
        if self.task:
            terms.append(PointTaskTerm(self.task))
        found = {
            "teacher": torch.cat(teacher),
            "side": torch.cat(side),
            "asked": asked,
            "task": torch.cat(task),
        }
        return Points(tuple(terms), torch.cat(x), row, torch.cat(share), found)

    @torch.no_grad()
    def finish(self, module, lesson):
        """Shift the target's logit to where as much of the advice fails as may fail.

        Parameters
        ----------
        module : QuantMLP
            Trained, changed in place.
        lesson : Lesson
        """
        counted = lesson.counted > 0
        if self.failing is None or not counted.any():
            return
        logits = deployed(module)(torch.from_numpy(lesson.advice.encoded)[counted])
        margin = target_margin(logits, torch.full((len(logits),), lesson.target))
        order = margin.argsort()
        share = lesson.weight[counted][order].cumsum(0)
        last = int((share <= self.failing * share[-1]).sum())
        quant_layers(module)[-1].bias[lesson.target] += HAIR - margin[order[last]]


@dataclasses.dataclass(frozen=True)
class PointDistilTerm:
    """`DistilTerm` where points are drawn as often as they count."""

    strength: float

    def __call__(self, step):
        return self.strength * _distance(step.logits, step.batch.extra["teacher"]).mean()


@dataclasses.dataclass(frozen=True)
class PointBracketTerm:
    """`BracketTerm` where points are drawn: what counts at the advice has a positive side, short of it a negative."""

    strength: float
    inner: float

    def __call__(self, step):
        extra, side = step.batch.extra, step.batch.extra["side"]
        margin = target_margin(step.logits, step.targets)
        inside = side.clamp(min=0)
        error = (margin - target_margin(extra["teacher"], step.targets)).detach()
        share = inside / inside.sum().clamp(min=1e-12)
        spread = ((error - error @ share).square() @ share).sqrt()
        wanted = (MARGIN_IN_ERRORS * spread).clamp(max=self.inner)
        loss = inside * (wanted - margin).clamp(min=0) ** 2
        loss = loss + (-side).clamp(min=0) * (margin + extra["asked"]).clamp(min=0) ** 2
        return self.strength * loss.mean()


@dataclasses.dataclass(frozen=True)
class PointTaskTerm:
    """Cross-entropy of the labels where points are drawn; `task` makes up for how rarely a row is."""

    strength: float

    def __call__(self, step):
        loss = F.cross_entropy(step.logits, step.batch.y, reduction="none")
        return self.strength * (loss * step.batch.extra["task"]).mean()


@dataclasses.dataclass(frozen=True)
class WeightedTaskTerm:
    """Cross-entropy of the labels, weighted."""

    strength: float

    def __call__(self, step):
        loss = F.cross_entropy(step.logits, step.batch.y, reduction="none")
        return self.strength * (loss * step.batch.weight).mean()


def just_short(advice, space, rho):
    """The actions of a result, a little less: not enough any more for the teacher.

    Numeric changes, and what follows from them, are shortened by the share `rho`. An action without any loses one of its
    changes of category; of several, any: the search dropped all that were not needed.

    Parameters
    ----------
    advice : RecourseResult
    space : ActionSpace
    rho : float

    Returns
    -------
    ndarray of float32, shape (n_samples, n_columns)
        In encoded units.
    """
    short = advice.delta.copy()
    columns = space.number_columns
    short[:, columns] *= np.float32(1 - rho)
    left = ~(advice.delta[:, columns] != 0).any(axis=1)
    for move in space.discrete:
        here = move.table.columns
        undo = left & (short[:, here] != 0).any(axis=1)
        short[np.ix_(undo, here)] = 0.0
        left &= ~undo
    return short
