"""A structural causal model bound to an encoding and to training rows."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class StructuralModel:
    """Additive-noise equations between numeric features, ``k`` of them, causes first.

    Attributes
    ----------
    names : tuple
        Names of the features.
    raw_column, column : ndarray of int, shape (k,)
        Their positions in the raw frame and in the encoded matrix.
    scale : ndarray of shape (k,)
        Encoded units per raw unit.
    spread : ndarray of shape (k,)
        Standard deviations in the training rows, for numeric slopes.
    move : ndarray of int, shape (k,)
        Position among the numeric moves; -1 where there is no intervention.
    parents : tuple of tuple of int
        Positions of the causes of each.
    equations : tuple of None, ndarray or callable
        Of each: nothing, coefficients of the causes, or a function of their values.
    """

    names: tuple
    raw_column: np.ndarray
    column: np.ndarray
    scale: np.ndarray
    spread: np.ndarray
    move: np.ndarray
    parents: tuple
    equations: tuple

    def interventions(self, delta):
        """Raw changes that are set, and where some are: (n, n_numeric) to two of (n, k)."""
        moved = np.where(self.move >= 0, delta[:, np.maximum(self.move, 0)], 0.0)
        return moved, moved != 0

    def changes(self, value, delta):
        """What becomes of each feature after interventions.

        Parameters
        ----------
        value : ndarray of shape (n, k)
            Raw values before.
        delta : ndarray of shape (n, n_numeric)
            Raw changes of the features that are intervened on, 0 for the others.

        Returns
        -------
        ndarray of shape (n, k)
            Raw changes: what was set, or what follows.
        """
        change, set_ = self.interventions(delta)
        for i, parents in enumerate(self.parents):
            if parents:
                follows = self._follow(i, value, change)
                change[:, i] = np.where(set_[:, i], change[:, i], follows)
        return change

    def _follow(self, i, value, change):
        parents = list(self.parents[i])
        if not callable(self.equations[i]):
            return change[:, parents] @ self.equations[i]
        before = value[:, parents]
        return self._evaluate(i, before + change[:, parents]) - self._evaluate(i, before)

    def _evaluate(self, i, causes):
        # Beyond its domain a function gives NaN, and the network's answer counts as no.
        with np.errstate(all="ignore"):
            return np.asarray(self.equations[i](*causes.T), dtype=float)

    def slopes(self, value, delta, gradient):
        """Slopes of a function of the features along interventions on each.

        What follows its causes passes slopes on to them; what is set does not. The slope of a
        feature that follows is that of setting it from where it is.

        Parameters
        ----------
        value, delta
            As in `changes`.
        gradient : ndarray of shape (n, k)
            Partial slopes per raw unit.

        Returns
        -------
        ndarray of shape (n, k)
            Total slopes per raw unit.
        """
        at = value + self.changes(value, delta)
        _, set_ = self.interventions(delta)
        total = gradient.astype(float)
        for i in range(len(self.parents) - 1, -1, -1):
            if self.parents[i]:
                passed = np.where(set_[:, i], 0.0, total[:, i])
                for parent, slope in zip(self.parents[i], self._partial(i, at), strict=True):
                    total[:, parent] += passed * slope
        return total

    def _partial(self, i, at):
        """Slopes of an equation in each cause: numbers, or arrays of shape (n,)."""
        if not callable(self.equations[i]):
            return self.equations[i]
        causes, slopes = at[:, list(self.parents[i])], []
        for k, parent in enumerate(self.parents[i]):
            # About the cube root of the precision: best for central differences.
            length = 1e-5 * (np.abs(causes[:, k]) + self.spread[parent])
            up, down = causes.copy(), causes.copy()
            up[:, k] += length
            down[:, k] -= length
            rise = self._evaluate(i, up) - self._evaluate(i, down)
            slopes.append(np.nan_to_num(rise / (2 * length), posinf=0.0, neginf=0.0))
        return slopes


def fit_equation(effect, causes, sample_weight):
    """Coefficients of a linear equation by weighted least squares.

    Parameters
    ----------
    effect : ndarray of shape (n,)
    causes : ndarray of shape (n, n_causes)
    sample_weight : ndarray of shape (n,)
        Rows with a missing value do not count.

    Returns
    -------
    ndarray of shape (n_causes,)
        Of the smallest norm, in standard deviations of the causes, where several are best; 0 for
        a constant cause.
    """
    known = ~np.isnan(np.column_stack([effect, causes])).any(axis=1) & (sample_weight > 0)
    effect, causes, weight = effect[known], causes[known], sample_weight[known]
    if not len(effect):
        return np.zeros(causes.shape[1])
    effect = effect - np.average(effect, weights=weight)
    centred = causes - np.average(causes, axis=0, weights=weight)
    spread = np.sqrt(np.average(centred**2, axis=0, weights=weight))
    varies = spread > 1e-12 * np.maximum(1.0, np.abs(causes).max(axis=0))
    spread = np.where(varies, spread, 1.0)
    root = np.sqrt(weight)
    design = centred * varies / spread * root[:, None]
    found, *_ = np.linalg.lstsq(design, effect * root, rcond=1e-10)
    return found / spread
