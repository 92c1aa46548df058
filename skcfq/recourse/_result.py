"""What a recourse search found, person by person."""

import dataclasses

import numpy as np
import pandas as pd

#: The possible values of ``RecourseResult.status``.
STATUSES = ("not needed", "found", "optimal", "not found", "infeasible")


@dataclasses.dataclass(frozen=True)
class RecourseResult:
    """Recourse of a batch of people.

    Attributes
    ----------
    counterfactual : DataFrame of shape (n_samples, n_raw_features)
        Raw rows after the action; the unchanged row where there is none.
    cost : ndarray of shape (n_samples,)
        Cost of the action: 0 where none is needed, NaN where none was found.
    bound : ndarray of shape (n_samples,)
        Proven lower bound on the cost of any action that gets the target: 0 where nothing is
        proven, infinite where there is no such action.
    success : ndarray of bool, shape (n_samples,)
        Whether the row in `counterfactual` gets the target.
    needed : ndarray of bool, shape (n_samples,)
        Whether the person did not have the target to begin with.
    status : ndarray of str, shape (n_samples,)
        ``"not needed"``, ``"found"``, ``"optimal"`` (proven: there is no cheaper one, but for the
        solver's gap), ``"not found"`` (a failed search, no proof) or ``"infeasible"`` (proven: no
        action of the set gets the target).
    support : ndarray of bool, shape (n_samples, n_features)
        Which features the action changes; a one-hot group is one feature.
    delta : ndarray of float32, shape (n_samples, n_columns)
        The action in encoded units.
    encoded : ndarray of float32, shape (n_samples, n_columns)
        Encoded rows after the action.
    feature_names : tuple
        Names for the columns of `support`.
    """

    counterfactual: pd.DataFrame
    cost: np.ndarray
    bound: np.ndarray
    success: np.ndarray
    needed: np.ndarray
    status: np.ndarray
    support: np.ndarray
    delta: np.ndarray
    encoded: np.ndarray
    feature_names: tuple

    def __len__(self):
        return len(self.cost)

    def take(self, rows):
        """The result for some of the people.

        Parameters
        ----------
        rows : ndarray of int
            Positions.

        Returns
        -------
        RecourseResult
        """
        return dataclasses.replace(
            self,
            counterfactual=self.counterfactual.iloc[rows],
            **{name: value[rows] for name, value in self._arrays().items()},
        )

    def followed_by(self, other):
        """The results of these people and of others, in this order.

        Parameters
        ----------
        other : RecourseResult
            Of the same encoding and features.

        Returns
        -------
        RecourseResult
        """
        frames = [self.counterfactual, other.counterfactual]
        arrays = other._arrays()
        return dataclasses.replace(
            self,
            counterfactual=pd.concat(frames, ignore_index=True),
            **{
                name: np.concatenate([value, arrays[name]])
                for name, value in self._arrays().items()
            },
        )

    def _arrays(self):
        """What there is one of for each person, by name, but for the frame."""
        parts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in parts.items() if isinstance(value, np.ndarray)}

    def to_frame(self):
        """The counterfactual rows with ``recourse_cost``, ``_success`` and ``_status`` columns.

        Returns
        -------
        DataFrame of shape (n_samples, n_raw_features + 3)
            Raw units; where no recourse was found, the person's own row.
        """
        return self.counterfactual.assign(
            recourse_cost=self.cost, recourse_success=self.success, recourse_status=self.status
        )

    def __repr__(self):
        found = int((self.success & self.needed).sum())
        median = np.median(self.cost[self.success & self.needed]) if found else np.nan
        return (
            f"RecourseResult({len(self)} people: {int(self.needed.sum())} need recourse, "
            f"{found} found, median cost {median:.3g})"
        )
