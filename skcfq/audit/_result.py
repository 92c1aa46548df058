"""What an audit found: figures, groups and people."""

import dataclasses

import pandas as pd

from ..metrics import RecourseScore


@dataclasses.dataclass(frozen=True)
class AuditResult:
    """Figures of an audit, overall and by group, and the people behind them.

    Attributes
    ----------
    measures : dict of str to Estimate
        Over everybody, see :func:`skcfq.metrics.recourse_measures`; with ``accuracy`` if labels
        were given.
    by_group : dict of label to dict of str to Estimate
        The same for each group; empty without groups.
    people : DataFrame
        One row per person, raw units: the columns of `X`, then for each feature that some
        advice changes ``<feature> (reference)`` and ``<feature> (deployed)``, what the models
        advise; ``reference_decision``, ``deployed_decision``, ``reference_cost``,
        ``deployed_cost``, ``needed``, ``advice_survives``, ``reference_status``,
        ``deployed_status`` and, with groups, ``group``.
    """

    measures: dict
    by_group: dict
    people: pd.DataFrame

    def to_frame(self):
        """The figures as a tidy frame.

        Returns
        -------
        DataFrame
            Columns ``group`` ("all" for everybody), ``measure``, ``value``, ``low``, ``high``
            and ``n``, the people counted.
        """
        # A list, for one of the groups may itself be called "all".
        parts = [("all", self.measures), *self.by_group.items()]
        return pd.DataFrame(
            [
                {
                    "group": group,
                    "measure": name,
                    "value": float(e),
                    "low": e.low,
                    "high": e.high,
                    "n": e.n,
                }
                for group, measures in parts
                for name, e in measures.items()
            ]
        )

    @property
    def score(self):
        """The overall figures as a :class:`~skcfq.metrics.RecourseScore`, if labels were given."""
        if "accuracy" not in self.measures:
            raise AttributeError("The audit had no labels: call audit(X, y) for an accuracy.")
        return RecourseScore.from_measures(self.measures["accuracy"], self.measures)
