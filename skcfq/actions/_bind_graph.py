"""Bind the graph of a causal action set to an encoding and to training rows."""

import numpy as np

from ._features import AffineFeature, numbers
from ._scales import looks_encoded
from ._structural import StructuralModel, fit_equation


def bind_graph(actions, features, raw_features, lines, frame, weight):
    """Bind equations to columns; fit those that are not given.

    Parameters
    ----------
    actions : CausalActionSet
        In the features' own names.
    features : sequence
        Features with their groups, see `group_features`.
    raw_features : sequence
        Features as read from the preprocessor, one per raw column.
    lines : sequence of str or int
        Names of the numeric features that may be intervened on, in order.
    frame : DataFrame of shape (n_samples, n_raw_features)
        Training rows.
    weight : ndarray of shape (n_samples,)

    Returns
    -------
    StructuralModel or None
        None without a graph, or with problems.
    problems : list of str
    """
    names, nodes = {f.name: f for f in features}, actions.nodes
    numeric = {f.name: f for f in raw_features if isinstance(f, AffineFeature)}
    problems = []
    for name in nodes:
        # An immutable 0/1 column is a number that stays.
        stays = name in actions.immutable and name not in actions.graph
        on_a_line = isinstance(names.get(name), AffineFeature) or (stays and name in numeric)
        if name in names and not on_a_line and name not in lines:
            why = getattr(names[name], "reason", "it moves between listed values")
            problems.append(
                f"{name!r} is in graph, but {why}: causes and what follows them are numbers that "
                "move on a line."
            )
    if problems or not nodes or any(name not in numeric for name in nodes):
        return None, problems
    columns = {name: numbers(frame.iloc[:, numeric[name].raw_column]) for name in nodes}
    equations = []
    for name in nodes:
        parents = actions.graph.get(name, ())
        equation = actions.equations.get(name)
        causes = np.column_stack([np.zeros((len(frame), 0)), *(columns[p] for p in parents)])
        if parents and equation is None:
            equation = fit_equation(columns[name], causes, weight)
        elif equation is not None:
            problems += _unit_problems(name, [name, *parents], columns)
            if callable(equation):
                problems += _call_problems(name, equation, causes)
            else:
                equation = np.array([equation[p] for p in parents], dtype=float)
        equations.append(equation)
    features = [numeric[name] for name in nodes]
    position, move = ({n: i for i, n in enumerate(order)} for order in (nodes, lines))
    return StructuralModel(
        names=nodes,
        raw_column=np.array([f.raw_column for f in features], dtype=int),
        column=np.array([f.column for f in features], dtype=int),
        scale=np.array([f.scale for f in features], dtype=float),
        spread=np.array([_spread(columns[name]) for name in nodes]),
        move=np.array([move.get(name, -1) for name in nodes], dtype=int),
        parents=tuple(tuple(position[p] for p in actions.graph.get(n, ())) for n in nodes),
        equations=tuple(equations),
    ), problems


def _spread(column):
    present = column[~np.isnan(column)]
    spread = float(present.std()) if len(present) else 0.0
    return spread if spread > 0 else 1.0


def _unit_problems(name, involved, columns):
    """An equation in raw units that was given to columns which hold encoded ones."""
    scaled = [n for n in involved if "__" in str(n) and looks_encoded(columns[n])]
    if not scaled:
        return []
    return [
        f"equations[{name!r}] cannot be expressed in raw units: {', '.join(map(repr, scaled))} hold "
        "scaled values. Give the ColumnTransformer as preprocessor=... and fit on the raw "
        "frame, or leave the equation out to have it fitted."
    ]


def _call_problems(name, function, causes):
    """What a function does wrong on the training rows."""
    causes = causes[~np.isnan(causes).any(axis=1)]
    try:
        with np.errstate(all="ignore"):
            found = np.asarray(function(*causes.T), dtype=float)
    except Exception as error:
        return [f"equations[{name!r}] fails on the training rows: {type(error).__name__}: {error}."]
    if found.shape != (len(causes),):
        return [
            f"equations[{name!r}] returns shape {found.shape} for {len(causes)} people: one number "
            "per person is needed."
        ]
    n_bad = int((~np.isfinite(found)).sum())
    if n_bad:
        return [f"equations[{name!r}] is not finite for {n_bad} of {len(causes)} training rows."]
    return []
