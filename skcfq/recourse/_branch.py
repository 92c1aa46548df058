"""Branch and bound for the cheapest action that reaches a margin."""

import dataclasses
import math
import time

import torch

from ._ascend import ascend
from ._base import MARGIN
from ._condition import Condition
from ._dual import Dual, snap_inwards
from ._inside import look_inside, nudged
from ._intervals import IntervalRelaxation
from ._layers import read_layers
from ._polish import shrink
from ._pool import Pool
from ._regions import Extent, Regions, choice_slices
from ._relaxation import Relaxation
from ._steady import beside, steady, wiggle

#: With less margin than this nobody gets the target, whatever the rounding.
IMPOSSIBLE = -1e-6
#: Numeric limits that are nearer than this are one value, in units of cost.
POINT = 1e-8
#: What is cheaper by less than this, in units of cost, is of no interest where activations are rounded: an action has to
#: hold right beside where it ends.
HAIR = 2e-5
#: That actions have to hold beside where they end counts in regions that are nowhere longer than this, in units of cost, and
#: whether they can is asked of those nowhere longer than that.
SMALL, TINY = 1e-2, 5e-5
#: Regions whose bound is so near to what an action may cost, or that leave so few levels open, are bounded by two levels
#: at once, mixed in so many shares, where there are so many of them: it takes hardly longer than for one.
NEARLY, FEW_OPEN, N_MIXES, N_WORTH_IT = 0.999, 6, 4, 64
#: Regions looked at together, and where activations are rounded, so that regions have to be small and many.
N_REGIONS, N_SMALL = 256, 2048
#: Where activations are rounded, bounds are far above what regions hold. So regions are first searched as if they were
#: so much nearer to the margin in the middle, each time up to a share of the time limit; what is found shortens the proof.
GUESSES = (0.25, 0.1), (0.4, 0.6)


class BranchAndBound:
    """A search for a batch of people, with the best action found of each.

    Parameters
    ----------
    margin : Margin
    problem : Problem
        In float64.
    gap : float
        Relative improvement of cost that is not looked for.

    Attributes
    ----------
    u, choice : tensors
        Best states found, see `_problem`.
    cost : tensor of shape (n,)
        What they cost; infinite where none is valid.
    """

    def __init__(self, margin, problem, gap):
        self.margin, self.problem, self.gap = margin, problem, gap
        self.u, self.choice = problem.start()
        self.cost = problem.x.new_full((len(problem.x),), torch.inf)
        layers = read_layers(margin.logits)
        self.rounds = any(layer.step is not None for layer in layers)
        self.relaxation = (IntervalRelaxation if self.rounds else Relaxation)(layers, problem)
        # States are held to what `steady` asks of a network seen from inside.
        self.inside, self.behind = look_inside(margin, problem)
        self.nudged = [
            IntervalRelaxation(nudged(layers, side), problem)
            for side in ((1.0, -1.0) if self.rounds else ())
        ]
        self.versus = _versus(problem.target, len(layers[-1].bias))  # (n, C - 1, C)
        self.parts = choice_slices(problem)
        self.limited = problem.max_changes < problem.low.shape[1] + problem.q
        reach = torch.maximum(problem.high, -problem.low).sum(dim=1)
        self.dearest = 1.0 + reach + problem.price.sum(dim=1)  # dearer than any action
        self.spent = problem.x.new_zeros((2, len(problem.x)))  # seconds, regions
        self.trust = 1.0

    def budget(self):
        """What an action must cost less than to be of interest, (n,)."""
        least = self.cost * (1 - self.gap)
        if self.rounds:
            least = torch.minimum(least, self.cost - HAIR)
        return torch.where(torch.isinf(self.cost), self.dearest, least)

    def offer(self, person, u, choice):
        """Keep states that are valid and cheaper than the best ones of their people."""
        cost = self.problem.select(person).cost(u, choice)
        rows = (cost < self.cost[person]).nonzero().squeeze(1)
        part = self.behind.select(person[rows])
        rows = rows[steady(self.inside, part, u[rows], choice[rows])]
        # The last one written stays: of several of one person, the cheapest.
        for row in rows[cost[rows].argsort(descending=True, stable=True)].tolist():
            self.u[person[row]], self.choice[person[row]] = u[row], choice[row]
            self.cost[person[row]] = cost[row]

    def run(self, time_limit, max_regions=math.inf):
        """Search until everything is proven or a person's share is used up.

        Parameters
        ----------
        time_limit : float
            Seconds for each person.
        max_regions : float, default=inf
            Regions for each person.

        Returns
        -------
        tensor of shape (n,)
            Lower bound on the cost of any valid action; infinite: there is none.
        """
        limits = torch.tensor([[time_limit], [max_regions]], dtype=self.spent.dtype)
        for trust, share in GUESSES if self.rounds else ():
            self.trust = trust
            self._exhaust(share * limits)  # what it says of bounds is a guess, too
        self.trust = 1.0
        return self._exhaust(limits)

    def _exhaust(self, limits):
        """Go through all regions, see `run`; stop for a person who has spent as much as one of the limits."""
        n = len(self.cost)
        bound = torch.full_like(self.cost, torch.inf)
        given_up = torch.zeros(n, dtype=torch.bool)
        pool = Pool(
            Regions.whole(self.problem), N_SMALL if self.rounds else N_REGIONS,
            lambda regions: regions.bound < self.budget()[regions.person],
            dives=self.rounds,
        )  # fmt: skip
        began = time.perf_counter()
        while len(batch := pool.take()):
            people = batch.person
            points = ~self._free(batch).any(dim=1)
            batch, rows, scores, states = self._narrow(batch)
            points = points[rows]
            self.offer(*states)
            if self.rounds:
                self.offer(*self._corners(batch))
            else:
                self._polish(batch.bound, states)
            stuck = batch.take(points)
            if self.rounds:
                # A point whose state does not hold beside it holds no better action; but that there is none at all is
                # not proven by it.
                stuck = stuck.take(torch.isinf(self.cost[stuck.person]))
            bound.scatter_reduce_(0, stuck.person, stuck.bound, "amin")
            pool.put(self._split(batch.take(~points), scores[~points]))
            now = time.perf_counter()
            looked_at = torch.bincount(people, minlength=n)
            seconds = looked_at / len(people) * (now - began)
            self.spent += torch.stack([seconds, looked_at])
            began = now
            late = (self.spent >= limits).any(dim=0) & ~given_up
            if late.any():
                left, given_up = pool.give_up(late), given_up | late
                bound.scatter_reduce_(0, left.person, left.bound, "amin")
        found = torch.isfinite(self.cost)
        return torch.where(found, torch.minimum(bound, self.budget()), bound)

    def _corners(self, regions):
        """The cheapest state of each region whose choices are settled, with whose they are."""
        settled, choice = self._choices(regions)
        regions = regions.take(settled)
        return regions.person, regions.anchor(), choice[settled]

    def _choices(self, regions):
        """Which regions leave no choice open, bool (N,), and what is chosen there, (N, q)."""
        settled = ~self._free(regions)[:, regions.low.shape[1] :].any(dim=1)
        choice = torch.full_like(regions.stay, -1, dtype=torch.int64)
        for k, part in enumerate(self.parts):
            pick = part.start + regions.open[:, part].long().argmax(dim=1)
            choice[:, k] = torch.where(regions.stay[:, k], -1, pick)
        return settled, choice

    def _narrow(self, regions):
        """Bound regions and cut off what cannot be cheapest.

        Returns
        -------
        regions : Regions
            What is left of them.
        rows : tensor of int64
            Which of the given ones these are.
        scores : tensor of shape (n_left, m + q)
            How much the freedom of each feature loosens the bounds.
        states : (person, u, choice)
            Actions that would be cheapest if the network were linear.
        """
        person = regions.person
        budget = self.budget()[person]
        threshold = torch.where(torch.isinf(self.cost[person]), IMPOSSIBLE, MARGIN)
        extent = Extent(self.problem, regions, budget)
        held = self._held(regions, SMALL)
        hidden = self.relaxation.hidden(*self._with_beside(regions, held, extent))
        versus = self.versus[person]
        last = len(self.relaxation.weights) - 1
        constant, number, choice = self.relaxation.above(person, hidden, last, versus)
        most, part = extent(number, choice)
        most = (constant + most).amin(dim=1)
        possible = most >= threshold
        if self.trust < 1:
            possible &= self._promising(regions, most, threshold)
        if self.rounds:
            levels = self.relaxation.decide(hidden, versus, threshold, possible)
            possible = levels.possible
        rows = possible.nonzero().squeeze(1)
        regions, budget, need = (
            regions.take(rows),
            budget[rows],
            threshold[rows, None] - constant[rows],
        )
        number, choice = (each.expand(len(person), -1, -1)[rows] for each in (number, choice))
        u, picks = (
            torch.zeros_like(regions.low),
            torch.full_like(regions.stay, -1, dtype=torch.int64),
        )
        jumps = torch.zeros_like(part[rows, 0])
        for row in range(versus.shape[1]):
            bound, jump, *state = self._bargain(
                regions, number[:, row], choice[:, row], need[:, row], budget
            )
            tighter = (bound >= regions.bound)[:, None]
            jumps = torch.where(tighter, jump, jumps)
            u, picks = torch.where(tighter, state[0], u), torch.where(tighter, state[1], picks)
            regions.bound = torch.maximum(regions.bound, bound)
        if self.rounds:
            self._reach_level(regions, levels.take(rows), held[rows], budget, u, picks)
        alive = snap_inwards(regions, self.problem.unit) & (regions.bound < budget)
        for k, slots in enumerate(self.parts):
            alive &= regions.stay[:, k] | regions.open[:, slots].any(dim=1)
        alive &= regions.forced().sum(dim=1) <= self.problem.max_changes
        if self.rounds:
            self._drop_unsteady(regions, versus[rows], alive)
        kept = alive.nonzero().squeeze(1)
        rows, regions, u, picks = rows[kept], regions.take(kept), u[kept], picks[kept]
        # Where nothing of this is left, what each feature can add decides.
        scores = jumps[kept] + 1e-6 * part[rows].abs().amax(dim=1)
        if hidden:
            scores += self.relaxation.blame(hidden, versus)[rows]
        if self.rounds:  # what just reaches a level does not hold right beside
            u += 1.1 * wiggle(u)
        states = self.problem.select(regions.person).project(u, picks)
        return regions, rows, scores, (regions.person, *states)

    def _promising(self, regions, most, threshold):
        """Whether regions may be hoped to reach a threshold: the trusted share of the way from the middle to the bound."""
        settled, choice = self._choices(regions)
        rows = settled.nonzero().squeeze(1)
        middle = (regions.low[rows] + regions.high[rows]) / 2
        here = self.problem.margins(self.margin, middle, choice[rows], regions.person[rows])
        hoped = most.clone()
        hoped[rows] = torch.lerp(here, most[rows], self.trust)
        return hoped >= threshold

    def _held(self, regions, size):
        """Which regions are nowhere longer and have to hold actions that hold right beside, bool (N,).

        Those of people without any action do not: a proof that there is none has to be one for all actions.
        """
        if not self.rounds:
            return torch.zeros(len(regions), dtype=torch.bool)
        small = ((regions.high - regions.low) <= size).all(dim=1)
        return small & torch.isfinite(self.cost[regions.person])

    def _with_beside(self, regions, held, extent):
        """Those held with all that is right beside them, others as they are, with their extent."""
        if not held.any():
            return regions, extent
        lows, highs = zip(
            *(beside(regions.low, regions.high, side) for side in (1.0, -1.0)), strict=True
        )
        wider = dataclasses.replace(
            regions,
            low=torch.where(held[:, None], torch.minimum(*lows), regions.low),
            high=torch.where(held[:, None], torch.maximum(*highs), regions.high),
        )
        person = regions.person
        budget = torch.where(held, self.dearest[person], self.budget()[person])
        return wider, Extent(self.problem, wider, budget)

    def _drop_unsteady(self, regions, versus, alive):
        """Mark tiny regions dead, in place, whose actions cannot hold right beside where they end.

        Without it, regions along the edge of a level would be split until they are points.
        """
        rows = (alive & self._held(regions, TINY)).nonzero().squeeze(1)
        checks = [
            (self.relaxation, 1.0),
            (self.relaxation, -1.0),
            *((each, 0.0) for each in self.nudged),
        ]
        for relaxation, side in checks if len(rows) else ():
            part = regions.take(rows)
            part.low, part.high = beside(part.low, part.high, side)
            extent = Extent(self.problem, part, self.dearest[part.person])
            hidden = relaxation.hidden(part, extent)
            last = len(relaxation.weights) - 1
            constant, *slopes = relaxation.above(part.person, hidden, last, versus[rows])
            most, _ = extent(*slopes)
            holds = (constant + most >= MARGIN).all(dim=1)
            alive[rows[~holds]] = False
            rows = rows[holds]

    def _reach_level(self, regions, levels, held, budget, u, picks):
        """Bound regions by the levels of the first layer that a valid action must reach, in place.

        Where regions are `held`, right beside where it ends as well.
        """
        rows = (levels.unit[:, 0] >= 0).nonzero().squeeze(1)
        if not len(rows):
            return
        part, levels, budget = regions.take(rows), levels.take(rows), budget[rows]
        off = [held[rows, None] * wiggle(end) for end in (part.low, part.high)]
        first = Condition.of(self.relaxation, part.person, levels, 0, off)
        bound, _, *state = self._bargain(part, first.number, first.choice, first.need, budget)
        part.bound = torch.maximum(part.bound, bound)
        if self.trust == 1:
            self._reach_two(part, levels, first, off, budget, *state)
        part.write(regions, rows)
        u[rows], picks[rows] = state

    def _reach_two(self, regions, levels, first, off, budget, u, picks):
        """Where one level leaves little to gain, bound by two at once, in place; their states, too.

        What reaches one level for the least is mostly short of another. A mix of both conditions is one, too; the mix
        that bounds the cost best leaves neither short.
        """
        near = (regions.bound >= NEARLY * budget) | (levels.n_open <= FEW_OPEN)
        near &= (regions.bound < budget) & (levels.unit[:, 1] >= 0)
        if near.sum() < N_WORTH_IT:
            return
        others = [
            Condition.of(self.relaxation, regions.person, levels, k, off)
            for k in range(1, levels.unit.shape[1])
        ]
        worst, which = torch.stack([each.short(u, picks) for each in others]).max(dim=0)
        rows = (near & (worst > 0)).nonzero().squeeze(1)
        if not len(rows):
            return
        second = Condition.pick(others, which).take(rows)
        part, first, budget = regions.take(rows), first.take(rows), budget[rows]
        low, high = torch.zeros_like(budget), torch.ones_like(budget)
        for _ in range(N_MIXES):
            share = (low + high) / 2
            mixed = first.mix(second, share)
            bound, _, *state = self._bargain(part, mixed.number, mixed.choice, mixed.need, budget)
            part.bound = torch.maximum(part.bound, bound)
            more = second.short(*state) > first.short(*state)
            low, high = torch.where(more, share, low), torch.where(more, high, share)
        part.write(regions, rows)
        u[rows], picks[rows] = state

    def _bargain(self, regions, number, choice, need, budget):
        """Lower bounds, what loosens them, and states near them; tightens regions in place."""
        problem, bounds = self.problem, []
        for square in {"l1": (False,), "l2": (True,), "mixed": (False, True)}[problem.norm]:
            dual = Dual(problem, regions, number, choice, need, square)
            bound, price, made, jump = dual.solve()
            bounds.append(bound)
        number = made.number if square else dual.without_surplus(price, made)
        if problem.norm == "mixed":
            bound = (1 - problem.mix) * bounds[0] + problem.mix * bounds[1]
        else:
            dual.tighten(price, made, budget)
        return bound, jump, number, made.choice

    def _polish(self, bound, states):
        """Try to make actions of each person's most promising region valid and cheap."""
        person, u, choice = states
        order = bound.argsort(stable=True)
        order = order[person[order].argsort(stable=True)]
        first = torch.ones(len(order), dtype=torch.bool)
        first[1:] = person[order][1:] != person[order][:-1]
        rows = order[first]
        part = self.problem.select(person[rows])
        state = ascend(self.margin, part, u[rows], choice[rows], max_iter=8, trust=0.2)
        u, choice, _ = shrink(self.margin, part, *state, n_iter=20, tolerance=1e-7)
        self.offer(person[rows], u, choice)

    def _free(self, regions):
        """Features that have more than one value left, bool of shape (N, m + q)."""
        n_values = [regions.high - regions.low > POINT]
        for k, part in enumerate(self.parts):
            n_open = regions.open[:, part].sum(dim=1) + regions.stay[:, k].long()
            n_values.append((n_open > 1)[:, None])
        return torch.cat(n_values, dim=1)

    def _split(self, regions, scores):
        """Split regions in two along the feature that loosens their bounds most."""
        m = regions.low.shape[1]
        best, feature = scores.masked_fill(~self._free(regions), -torch.inf).max(dim=1)
        # One that has become a point is looked at once more, as it is.
        whole = regions.take(torch.isinf(best))
        rows = torch.isfinite(best).nonzero().squeeze(1)
        feature = feature[rows]
        one, two = regions.take(rows), regions.take(rows)
        at = (feature < m).nonzero().squeeze(1)
        if len(at):
            self._split_numbers(one, two, at, feature[at])
        for k, part in enumerate(self.parts):
            at = (feature == m + k).nonzero().squeeze(1)
            if len(at):
                _split_choices(one, two, at, k, part)
        return Regions.join([whole, one, two])

    def _split_numbers(self, one, two, at, feature):
        """Below and above the middle; at 0 first; without a change and with one if places are few."""
        low, high = one.low[at, feature], one.high[at, feature]
        unit = self.problem.unit[feature]
        step = torch.where(unit > 0, unit, torch.ones_like(unit))
        middle = torch.where((low < 0) & (high > 0), 0.0, (low + high) / 2)
        left = torch.where(unit > 0, torch.floor(middle / step + 1e-6) * step, middle)
        one.high[at, feature], two.low[at, feature] = left, left + unit
        if self.limited:
            edge = (low == 0) | (high == 0)
            few = (edge & ~one.changed[at, feature]).nonzero().squeeze(1)
            at, feature, low, high, unit = (a[few] for a in (at, feature, low, high, unit))
            one.low[at, feature], one.high[at, feature] = 0.0, 0.0
            two.low[at, feature] = torch.where(low == 0, unit, low)
            two.high[at, feature] = torch.where(high == 0, -unit, high)
            two.changed[at, feature] = True


def _split_choices(one, two, at, k, part):
    """No change and a change; then the first choice that is open and the others."""
    stays = one.stay[at, k]
    both = at[stays]
    one.open[both, part] = False
    two.stay[both, k] = False
    rest = at[~stays]
    first = part.start + one.open[rest, part].long().argmax(dim=1)
    one.open[rest, part] = False
    one.open[rest, first] = True
    two.open[rest, first] = False


def _versus(target, n_classes):
    """Rows that give the target's logit minus each other one, (n, C - 1, C)."""
    unit = torch.eye(n_classes, dtype=torch.float64)
    others = torch.stack([torch.cat([unit[:t], unit[t + 1 :]]) for t in range(n_classes)])
    return unit[target][:, None] - others[target]
