"""Distillation: labels and the teacher's logits, optionally at its recourse too."""

import torch
from sklearn.base import BaseEstimator

from ._faithful import DistilTerm, WeightedTaskTerm
from ._objectives import Prepared, _bit_terms, negative_values


class DistilObjective(BaseEstimator):
    """Train the quantized network on labels and on its teacher's logits.

    The baseline "distil + quantize": the cross-entropy of the labels and the squared distance of
    the logits [1]_. With ``at_recourse=True`` it is R-Consistency [2]_: logits agree at the rows
    and at the rows after the teacher's recourse. Neither asks on which side of the boundary they
    fall; :class:`FaithfulObjective` does.

    Parameters
    ----------
    strength : float, default=1.0
        Weight of the logits' distance.
    at_recourse : bool, default=False
        Whether logits shall agree after the teacher's recourse, too.
    task : float, default=1.0
        Weight of the labels' cross-entropy.
    bit_cost : float, default=0.01
        Strength of the price of bits while widths are searched.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals, J. Dean (2015). "Distilling the Knowledge in a Neural Network",
       section 2.1. arXiv:1503.02531
    .. [2] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". arXiv:2605.17160

    Examples
    --------
    >>> from skcfq import CFQClassifier, DistilObjective
    >>> clf = CFQClassifier(objective=DistilObjective(at_recourse=True))
    >>> clf.get_params()["objective__at_recourse"]
    True
    """

    def __init__(self, *, strength=1.0, at_recourse=False, task=1.0, bit_cost=0.01):
        self.strength = strength
        self.at_recourse = at_recourse
        self.task = task
        self.bit_cost = bit_cost

    @property
    def needs_recourse(self):
        """Whether the teacher's recourse is to be solved."""
        return bool(self.at_recourse)

    def problems(self):
        """Sentences about wrong parameters, empty if there are none."""
        problems = negative_values(self, ["strength", "task", "bit_cost"])
        if not isinstance(self.at_recourse, bool):
            problems.append(f"at_recourse={self.at_recourse!r}: True or False is needed.")
        return problems

    def prepare(self, lesson):
        """The terms, and the teacher's logits at the rows and at the advice.

        Parameters
        ----------
        lesson : Lesson

        Returns
        -------
        Prepared
        """
        points, extra = {}, {}
        with torch.no_grad():
            extra["teacher"] = lesson.network(lesson.x)
            if self.at_recourse:
                points["recourse"] = torch.from_numpy(lesson.advice.encoded)
                extra["teacher_recourse"] = lesson.network(points["recourse"])
                extra["counted"] = lesson.counted
        terms = (WeightedTaskTerm(self.task), DistilTerm(self.strength, tuple(points)))
        return Prepared((*terms, *_bit_terms(self.bit_cost)), points, extra)
