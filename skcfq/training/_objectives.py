"""What a quantized network is trained for: objects that list their terms."""

import dataclasses
import numbers

import torch
from sklearn.base import BaseEstimator

from ..recourse import Problem, RelaxedBox
from ._terms import BitCostTerm, HingeTerm, MatchTerm, TaskTerm, ValidityTerm, short_action


@dataclasses.dataclass(frozen=True)
class Lesson:
    """What a teacher can tell an objective about the training rows.

    Attributes
    ----------
    x : tensor of shape (n_samples, n_columns)
        Encoded rows.
    network : torch.nn.Module
        The teacher: encoded rows to logits.
    target : int
        Index of the wanted class.
    frame : DataFrame of shape (n_samples, n_features)
        The same rows in raw units.
    space : ActionSpace
        What people may do.
    advice : RecourseResult or None
        The teacher's recourse; None unless the objective has ``needs_recourse``.
    weight : tensor of shape (n_samples,)
        Weights of the rows.
    """

    x: torch.Tensor
    network: torch.nn.Module
    target: int
    frame: object
    space: object
    advice: object
    weight: torch.Tensor

    @property
    def counted(self):
        """1.0 for people who need recourse and have advice, else 0.0; shape (n_samples,)."""
        return torch.from_numpy((self.advice.success & self.advice.needed).astype("float32"))


@dataclasses.dataclass(frozen=True)
class Prepared:
    """An objective made ready for the training rows.

    Attributes
    ----------
    terms : tuple of callables
        Each takes a `Step` and returns a loss; the losses are added.
    points, extra : dict of str to tensor
        For the `Batch`.
    """

    terms: tuple
    points: dict = dataclasses.field(default_factory=dict)
    extra: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Points:
    """What an objective asks for at single points, that are drawn as often as they count.

    Attributes
    ----------
    terms : tuple of callables
        As in `Prepared`.
    x : tensor of shape (n_points, n_columns)
        Encoded.
    row : tensor of int64, shape (n_points,)
        The row of the lesson that each belongs to.
    share : tensor of shape (n_points,)
        In proportion to which they are drawn.
    extra : dict of str to tensor of shape (n_points, ...)
        For the `Batch`.
    """

    terms: tuple
    x: torch.Tensor
    row: torch.Tensor
    share: torch.Tensor
    extra: dict


class TaskObjective(BaseEstimator):
    """Labels alone: what plain quantization-aware training minimises.

    Parameters
    ----------
    bit_cost : float, default=0.01
        Strength of the price of bits while widths are searched.

    Examples
    --------
    >>> TaskObjective(bit_cost=0.0).prepare(None).terms
    (TaskTerm(),)
    """

    needs_recourse = False

    def __init__(self, *, bit_cost=0.01):
        self.bit_cost = bit_cost

    def problems(self):
        """Sentences about wrong parameters, empty if there are none."""
        return negative_values(self, ["bit_cost"])

    def prepare(self, lesson):
        """The terms; nothing is asked of the teacher."""
        return Prepared((TaskTerm(), *_bit_terms(self.bit_cost)))


class PaperObjective(BaseEstimator):
    """The counterfactual-faithful objective of the paper [1]_, every term of it.

    ``E[L_task(f_q(x), y) + eta * L_valid(f_q(x + delta_fp), y_tgt)] + lambda * BitCost``, with
    the optional match and hinge terms. It lowers the validity drop in part by making the model
    lenient: look at the recourse gap and the changed decisions as well.

    Parameters
    ----------
    eta : float, default=1.0
        Weight of the validity of the teacher's recourse. The paper tries 0.25, 0.5, 1 and 2.
    match_action, match_cost : float, default=0.0
        ``alpha1`` and ``alpha2`` of the match term; 0 leaves it out.
    match_steps : int, default=1
        Steps that the match term unrolls, 1 to 3 in the paper.
    match_step_size : float, default=0.5
        Length of these steps, times the gradient.
    hinge : float, default=0.0
        ``beta`` of the hinge term; 0 leaves it out.
    hinge_margin : float, default=1.0
        ``gamma`` of the hinge term, in logits.
    bit_cost : float, default=0.01
        ``lambda``, per average bit of a weight. The budget holds whatever it is: it steers
        which layers ask for bits.

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160

    Examples
    --------
    >>> from skcfq import CFQClassifier, PaperObjective
    >>> CFQClassifier(objective=PaperObjective(eta=0.5, hinge=0.1)).get_params()["objective__hinge"]
    0.1
    """

    needs_recourse = True

    def __init__(
        self,
        *,
        eta=1.0,
        match_action=0.0,
        match_cost=0.0,
        match_steps=1,
        match_step_size=0.5,
        hinge=0.0,
        hinge_margin=1.0,
        bit_cost=0.01,
    ):
        self.eta = eta
        self.match_action = match_action
        self.match_cost = match_cost
        self.match_steps = match_steps
        self.match_step_size = match_step_size
        self.hinge = hinge
        self.hinge_margin = hinge_margin
        self.bit_cost = bit_cost

    @property
    def unrolls_steps(self):
        """Whether there is a match term, whose steps move single features without consequences."""
        return bool(self.match_action or self.match_cost)

    def problems(self):
        """Sentences about wrong parameters, empty if there are none."""
        names = [
            "eta",
            "match_action",
            "match_cost",
            "match_step_size",
            "hinge",
            "hinge_margin",
            "bit_cost",
        ]
        problems = negative_values(self, names)
        if not isinstance(self.match_steps, numbers.Integral) or self.match_steps < 1:
            problems.append(f"match_steps={self.match_steps!r}: an integer >= 1 is needed.")
        return problems

    def prepare(self, lesson):
        """The terms, the rows after the teacher's recourse, and what the match term needs.

        Parameters
        ----------
        lesson : Lesson

        Returns
        -------
        Prepared
        """
        points = {"recourse": torch.from_numpy(lesson.advice.encoded)}
        # As in the paper, the expectation is over all rows: the advice to those who need none is
        # to stay. Only people without any advice are left out.
        extra = {"counted": torch.from_numpy(lesson.advice.success.astype("float32"))}
        terms = [TaskTerm()]
        if self.eta:
            terms.append(ValidityTerm(self.eta))
        if self.unrolls_steps:
            rows = lesson.space.rows(lesson.frame)
            wanted = torch.full((len(lesson.x),), lesson.target)
            box = RelaxedBox(Problem(lesson.space, rows, lesson.x, wanted))
            action = short_action(
                lesson.network, lesson.x, box, lesson.target, self.match_steps, self.match_step_size
            )
            extra |= {"low": box.low, "high": box.high, "short_action": action.detach()}
            terms.append(
                MatchTerm(
                    self.match_action,
                    self.match_cost,
                    self.match_steps,
                    self.match_step_size,
                    box.without_limits(),
                )
            )
        if self.hinge:
            terms.append(HingeTerm(self.hinge, self.hinge_margin))
        return Prepared((*terms, *_bit_terms(self.bit_cost)), points, extra)


def _bit_terms(strength):
    return (BitCostTerm(strength),) if strength else ()


def negative_values(objective, names):
    """Sentences about parameters that are not numbers >= 0."""
    return [
        f"{name}={value!r}: a number >= 0 is needed."
        for name, value in ((name, getattr(objective, name)) for name in names)
        if not isinstance(value, numbers.Real) or isinstance(value, bool) or not value >= 0
    ]
