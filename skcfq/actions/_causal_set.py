"""Actions whose consequences follow a causal model: the specification, in raw units."""

import dataclasses
import graphlib
from collections.abc import Hashable, Mapping

from .._utils._errors import raise_problems
from ._action_set import ActionSet
from ._plain import is_number, is_sequence, scalar


@dataclasses.dataclass(frozen=True)
class CausalActionSet(ActionSet):
    """An action set whose changes have consequences, by a structural causal model.

    An action is an intervention: a feature ``j`` that it names is set to ``x_j + delta_j``,
    whatever its causes do. Every other feature ``i`` with causes follows them, with the person's
    own noise kept [1]_: ``x_i`` becomes ``x_i + f_i(parents after) - f_i(parents before)``, where
    the noise, and with it any intercept, cancels. So a raise that also raises savings is paid
    for once.

    Only interventions cost, count as changes and are in a result's ``support``. Immutable
    features, bounds, directions and steps are about interventions too: a feature that may not be
    acted upon may well follow. What follows is not clipped to bounds nor rounded to steps; a
    whole number may become a fraction. Without a graph this is :class:`ActionSet`.

    Parameters
    ----------
    immutable, increase_only, decrease_only, bounds, step, allowed_values, transitions, max_changes, cost_weights, cost, mix, groups : object
        As in :class:`ActionSet`.
    graph : mapping of feature to sequence of features, default={}
        The causes of each feature that has some. All are numbers that move on a line, and there
        is no way back to a feature from itself. Immutable 0/1 columns may be causes.
    equations : mapping of feature to {cause: coefficient} or callable, default={}
        How a feature in `graph` depends on its causes, in raw units. Coefficients are of a linear
        equation. A callable gets the causes' values, NumPy arrays of shape (n_samples,) in the
        order of `graph`, and returns an array of that shape; it need not know torch, for its
        slopes are taken numerically. Pickling and ``memory=`` need a function of a module, not a
        lambda. A feature without an equation gets a linear one, fitted by weighted least squares
        to the training rows.

    Raises
    ------
    ValueError
        Lists what :class:`ActionSet` lists, cycles, equations of features without causes and
        coefficients that do not fit the causes.

    References
    ----------
    .. [1] A.-H. Karimi, B. Schölkopf, I. Valera (2021). "Algorithmic Recourse: from
       Counterfactual Explanations to Interventions". arXiv:2002.06278

    Examples
    --------
    >>> from skcfq import CausalActionSet
    >>> actions = CausalActionSet(
    ...     immutable=["age", "credit_score"],
    ...     graph={"savings": ["income"], "credit_score": ["savings", "debt"]},
    ...     equations={"savings": {"income": 0.4}},  # that of credit_score is fitted
    ... )
    >>> CausalActionSet.from_json(actions.to_json()) == actions
    True
    >>> CausalActionSet(graph={"debt": ["rent"], "rent": ["debt"]}, equations={"age": {}})
    Traceback (most recent call last):
    ...
    ValueError: CausalActionSet has 2 problems:
      1. graph has a cycle: 'debt' -> 'rent' -> 'debt'.
      2. equations['age']: 'age' has no causes in graph.
    """

    graph: Mapping = dataclasses.field(default_factory=dict)
    equations: Mapping = dataclasses.field(default_factory=dict)

    _MAPPINGS = (*ActionSet._MAPPINGS, "graph", "equations")
    _NESTED = (*ActionSet._NESTED, "equations")

    def _normalise_values(self):
        problems = super()._normalise_values()
        graph, equations = {}, {}
        for name in ("graph", "equations"):
            if not isinstance(getattr(self, name), Mapping):
                problems.append(
                    f"{name}={getattr(self, name)!r}: a mapping from feature to value is needed."
                )
                self._set(name, {})
        for feature, parents in self.graph.items():
            if not is_sequence(parents) or not all(isinstance(p, Hashable) for p in parents):
                problems.append(
                    f"graph[{feature!r}]={parents!r}: a sequence of feature names is needed."
                )
            elif len(set(parents)) < len(parents):
                problems.append(f"graph[{feature!r}]={parents!r}: a cause is named twice.")
            elif len(parents):
                graph[scalar(feature)] = tuple(map(scalar, parents))
        for feature, equation in self.equations.items():
            if isinstance(equation, Mapping):
                equation = {scalar(cause): scalar(each) for cause, each in equation.items()}
                problems += [
                    f"equations[{feature!r}][{cause!r}]={each!r}: a finite number is needed."
                    for cause, each in equation.items()
                    if not is_number(each)
                ]
            elif not callable(equation):
                problems.append(
                    f"equations[{feature!r}]={equation!r}: a mapping from cause to coefficient, or a "
                    "function of the causes' values, is needed."
                )
                continue
            equations[scalar(feature)] = equation
        self._set("graph", graph)
        self._set("equations", equations)
        return problems

    def _contradictions(self):
        problems = super()._contradictions()
        try:
            graphlib.TopologicalSorter(self.graph).prepare()
        except graphlib.CycleError as error:
            cycle = error.args[1]
            # The same cycle is told in the same way, wherever the search came upon it.
            first = min(range(len(cycle) - 1), key=lambda i: str(cycle[i]))
            cycle = [*cycle[first:-1], *cycle[: first + 1]]
            problems.append(f"graph has a cycle: {' -> '.join(map(repr, cycle))}.")
        for feature, equation in self.equations.items():
            parents = self.graph.get(feature)
            if parents is None:
                problems.append(f"equations[{feature!r}]: {feature!r} has no causes in graph.")
            elif isinstance(equation, Mapping) and set(equation) != set(parents):
                problems.append(
                    f"equations[{feature!r}] has coefficients of {_listed(equation)}; the causes in "
                    f"graph are {_listed(parents)}."
                )
        for feature in self._in_graph:
            places = [n for n in ("allowed_values", "transitions") if feature in getattr(self, n)]
            if places:
                problems.append(
                    f"{feature!r} is in graph and also in {places[0]}: causes and what follows them "
                    "are numbers that move on a line. Remove one of the two."
                )
        return problems

    @property
    def _in_graph(self):
        edges = self.graph.items()
        return tuple(dict.fromkeys(n for child, parents in edges for n in (child, *parents)))

    @property
    def nodes(self):
        """Every feature that `graph` names, causes before what follows them."""
        return tuple(graphlib.TopologicalSorter(self.graph).static_order())

    @property
    def mentioned(self):
        """Every feature that some field names, in order of first mention."""
        return tuple(dict.fromkeys((*super().mentioned, *self._in_graph)))

    def to_json(self, indent=None):
        """Write the action set as JSON, see :meth:`ActionSet.to_json`.

        Parameters
        ----------
        indent : int, default=None
            Passed to :func:`json.dumps`.

        Returns
        -------
        str

        Raises
        ------
        ValueError
            If an equation is a callable, which JSON cannot hold.
        """
        raise_problems(
            "CausalActionSet.to_json",
            [
                f"equations[{feature!r}] is a callable, which JSON cannot hold: give coefficients."
                for feature, equation in self.equations.items()
                if callable(equation)
            ],
        )
        return super().to_json(indent)

    def _renamed(self, rename):
        """Fields of the graph with other names for features."""
        new = {name: rename.get(name, name) for name in self._in_graph}
        return {
            "graph": {new[n]: tuple(new[p] for p in parents) for n, parents in self.graph.items()},
            "equations": {
                new[n]: equation
                if callable(equation)
                else {new[p]: each for p, each in equation.items()}
                for n, equation in self.equations.items()
            },
        }


def _listed(names):
    return ", ".join(map(repr, names)) or "nothing"
