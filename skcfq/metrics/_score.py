"""What `score` of an estimator returns: accuracy, and what recourse paid for it."""

import pandas as pd

from .._utils._errors import raise_problems
from ._estimate import Estimate, short

FIGURES = (
    "accuracy",
    "validity_drop",
    "recourse_gap",
    "abs_recourse_gap",
    "decision_flips",
    "reference_feasible",
    "deployed_feasible",
)


class RecourseScore(float):
    """Accuracy of a quantized classifier, with all that it did to recourse.

    Its value is the accuracy, so model selection takes it as it is; its attributes say whether
    the recourse that the reference model promised still holds. It cannot be changed.

    Parameters
    ----------
    accuracy : Estimate
        Share of people classified correctly; the value of the score.
    validity_drop : Estimate
        Share of people whose promised recourse fails.
    recourse_gap : Estimate
        Mean relative change of recourse cost; below 0 the deployed model is lenient.
    abs_recourse_gap : Estimate
        Mean size of that change.
    decision_flips : Estimate
        Share of people decided differently.
    reference_feasible, deployed_feasible : Estimate
        Shares of the people who need recourse for whom either model has some.

    Attributes
    ----------
    n_rows : int
        People scored.
    n_needed : int
        People among them who need recourse under the reference model.
    n_counted : int
        People among those whose recourse was found: those that `validity_drop` counts.

    Raises
    ------
    TypeError
        If a figure is not an `Estimate`.

    See Also
    --------
    recourse_scoring : The figures as columns of a grid search.

    References
    ----------
    .. [1] Yahyati, Lamaakal, El Makkaoui, Ouahbi (2026). "When Bits Break Recourse:
       Counterfactual-Faithful Quantization". https://arxiv.org/abs/2605.17160

    Examples
    --------
    >>> from skcfq.metrics import Estimate, RecourseScore
    >>> score = RecourseScore(
    ...     accuracy=Estimate(0.85, 1000, 0.827, 0.871),
    ...     validity_drop=Estimate(0.01, 700, 0.005, 0.021),
    ...     recourse_gap=Estimate(-0.02, 690, -0.03, -0.01),
    ...     abs_recourse_gap=Estimate(0.05, 690, 0.04, 0.06),
    ...     decision_flips=Estimate(0.004, 1000, 0.002, 0.01),
    ...     reference_feasible=Estimate(1.0, 700, 0.995, 1.0),
    ...     deployed_feasible=Estimate(0.986, 700, 0.974, 0.992),
    ... )
    >>> score
    RecourseScore(0.85, n_rows=1000, n_needed=700, n_counted=700,
        accuracy=Estimate(0.85, n=1000, interval=[0.827, 0.871]),
        validity_drop=Estimate(0.01, n=700, interval=[0.005, 0.021]),
        recourse_gap=Estimate(-0.02, n=690, interval=[-0.03, -0.01]),
        abs_recourse_gap=Estimate(0.05, n=690, interval=[0.04, 0.06]),
        decision_flips=Estimate(0.004, n=1000, interval=[0.002, 0.01]),
        reference_feasible=Estimate(1.0, n=700, interval=[0.995, 1.0]),
        deployed_feasible=Estimate(0.986, n=700, interval=[0.974, 0.992]))
    >>> score > 0.8, score.validity_drop < 0.02
    (True, True)
    """

    __slots__ = ("_figures",)

    def __new__(
        cls,
        accuracy,
        validity_drop,
        recourse_gap,
        abs_recourse_gap,
        decision_flips,
        reference_feasible,
        deployed_feasible,
    ):
        figures = (
            accuracy,
            validity_drop,
            recourse_gap,
            abs_recourse_gap,
            decision_flips,
            reference_feasible,
            deployed_feasible,
        )
        problems = [
            f"{name} is {figure!r} ({type(figure).__name__}), must be an Estimate."
            for name, figure in zip(FIGURES, figures, strict=True)
            if not isinstance(figure, Estimate)
        ]
        raise_problems(cls.__name__, problems, TypeError)
        self = super().__new__(cls, accuracy)
        self._figures = figures
        return self

    @classmethod
    def from_measures(cls, accuracy, measures):
        """Join the accuracy with what `recourse_measures` found.

        Parameters
        ----------
        accuracy : Estimate or float
            From :func:`skcfq.metrics.accuracy`. A float, such as a figure with a convention of
            its own, has no interval.
        measures : mapping of str to Estimate
            From :func:`skcfq.metrics.recourse_measures`. Figures that a score does not carry
            are left out.

        Returns
        -------
        RecourseScore
            The score.

        Raises
        ------
        ValueError
            Names the figures that `measures` lacks.
        """
        missing = [name for name in FIGURES[1:] if name not in measures]
        if missing:
            raise_problems(f"{cls.__name__}.from_measures", [f"no {', '.join(missing)} given."])
        if not isinstance(accuracy, Estimate):
            accuracy = Estimate(accuracy, n=measures["decision_flips"].n)
        return cls(accuracy, *(measures[name] for name in FIGURES[1:]))

    @property
    def accuracy(self):
        """Share of people classified correctly (Estimate)."""
        return self._figures[0]

    @property
    def validity_drop(self):
        """Share of people whose promised recourse fails (Estimate)."""
        return self._figures[1]

    @property
    def recourse_gap(self):
        """Mean relative change of recourse cost (Estimate)."""
        return self._figures[2]

    @property
    def abs_recourse_gap(self):
        """Mean size of the relative change of recourse cost (Estimate)."""
        return self._figures[3]

    @property
    def decision_flips(self):
        """Share of people decided differently (Estimate)."""
        return self._figures[4]

    @property
    def reference_feasible(self):
        """Share of the people in need for whom the reference model has recourse (Estimate)."""
        return self._figures[5]

    @property
    def deployed_feasible(self):
        """Share of the people in need for whom the deployed model has recourse (Estimate)."""
        return self._figures[6]

    @property
    def n_rows(self):
        """People scored (int)."""
        return self.decision_flips.n

    @property
    def n_needed(self):
        """People who need recourse under the reference model (int)."""
        return self.reference_feasible.n

    @property
    def n_counted(self):
        """People whose recourse under the reference model was found (int)."""
        return self.validity_drop.n

    def as_dict(self):
        """Give figures and counts as plain numbers, a row of a table.

        Returns
        -------
        dict of str to float or int
            NaN where a figure is undefined.
        """
        numbers = {name: float(x) for name, x in zip(FIGURES, self._figures, strict=True)}
        return {**numbers, **self._counts()}

    def to_frame(self):
        """Give the figures as a table.

        Returns
        -------
        pandas.DataFrame
            One row per figure, with the columns ``value``, ``n``, ``low`` and ``high``.
        """
        rows = [(float(x), x.n, x.low, x.high) for x in self._figures]
        index = pd.Index(FIGURES, name="figure")
        return pd.DataFrame(rows, index=index, columns=["value", "n", "low", "high"])

    def _counts(self):
        return {"n_rows": self.n_rows, "n_needed": self.n_needed, "n_counted": self.n_counted}

    def __repr__(self):
        counts = ", ".join(f"{name}={n}" for name, n in self._counts().items())
        lines = [f"{name}={x!r}" for name, x in zip(FIGURES, self._figures, strict=True)]
        opening = f"{type(self).__name__}({short(self, 4)}, {counts},"
        return ",\n    ".join([opening.rstrip(","), *lines]) + ")"

    def __reduce__(self):
        return type(self), self._figures
