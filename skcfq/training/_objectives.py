"""What a quantized network is trained for: objects that list their terms."""

import numbers

from sklearn.base import BaseEstimator

from .._utils._errors import raise_problems
from ._terms import BitCostTerm, HingeTerm, MatchTerm, TaskTerm, ValidityTerm


class TaskObjective(BaseEstimator):
    """Labels alone: what plain quantization-aware training minimises.

    Parameters
    ----------
    bit_cost : float, default=0.01
        Strength of the price of bits while widths are searched.

    Examples
    --------
    >>> TaskObjective().terms()
    (TaskTerm(), BitCostTerm(strength=0.01))
    """

    needs_recourse = False
    match_steps = 0

    def __init__(self, *, bit_cost=0.01):
        self.bit_cost = bit_cost

    def terms(self, box=None):
        """The terms, in order.

        Parameters
        ----------
        box : RelaxedBox, default=None
            For a match term.

        Returns
        -------
        tuple of callables
            Each takes a :class:`Step` and returns a loss.
        """
        _check_not_negative(self, ["bit_cost"])
        return (TaskTerm(), *([BitCostTerm(self.bit_cost)] if self.bit_cost else []))


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
    >>> PaperObjective(eta=0.5, hinge=0.1).terms()
    (TaskTerm(), ValidityTerm(eta=0.5), HingeTerm(beta=0.1, gamma=1.0), BitCostTerm(strength=0.01))
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
    def matches(self):
        """Whether the match term is in use."""
        return bool(self.match_action or self.match_cost)

    def terms(self, box=None):
        """The terms, in order.

        Parameters
        ----------
        box : RelaxedBox, default=None
            Needed by the match term.

        Returns
        -------
        tuple of callables
            Each takes a :class:`Step` and returns a loss.
        """
        _check_not_negative(
            self,
            [
                "eta",
                "match_action",
                "match_cost",
                "match_step_size",
                "hinge",
                "hinge_margin",
                "bit_cost",
            ],
        )
        terms = [TaskTerm()]
        if self.eta:
            terms.append(ValidityTerm(self.eta))
        if self.matches:
            terms.append(
                MatchTerm(
                    self.match_action, self.match_cost, self.match_steps, self.match_step_size, box
                )
            )
        if self.hinge:
            terms.append(HingeTerm(self.hinge, self.hinge_margin))
        if self.bit_cost:
            terms.append(BitCostTerm(self.bit_cost))
        return tuple(terms)


def _check_not_negative(objective, names):
    problems = []
    for name in names:
        value = getattr(objective, name)
        if not isinstance(value, numbers.Real) or isinstance(value, bool) or not value >= 0:
            problems.append(f"{name}={value!r}: a number >= 0 is needed.")
    steps = getattr(objective, "match_steps", 0)
    if not isinstance(steps, numbers.Integral) or steps < 0:
        problems.append(f"match_steps={steps!r}: an integer >= 0 is needed.")
    raise_problems(type(objective).__name__, problems)
