"""The cheapest L1 action as a mixed-integer programme: a second opinion on ExactSolver."""

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from skcfq.recourse import read_layers
from skcfq.recourse._base import MARGIN


def cheapest_by_milp(view, person, target, space):
    """Cost of the cheapest action of one person (a frame of one row) without steps, by HiGHS."""
    layers = read_layers(view.logits)
    x = view.encoding.encode(person).astype(np.float32)[0].astype(float)
    rows, numeric = space.rows(person), space.numeric
    m, prices = len(numeric.feature), rows.choice_cost[0]
    # Columns: rise and fall of each number, each choice, whether each number changes.
    effect = np.zeros((len(x), 2 * m + len(prices)))
    rate = numeric.scale / numeric.weight
    effect[numeric.column, np.arange(m)] = rate
    effect[numeric.column, m + np.arange(m)] = -rate
    owners, start = [], 2 * m
    for move in space.discrete:
        stop = start + len(move.table.categories)
        columns = move.table.columns
        effect[np.ix_(columns, range(start, stop))] = (move.table.table - x[columns]).T
        owners.append((start, stop))
        start = stop
    rise, fall = rows.high[0] * numeric.weight, -rows.low[0] * numeric.weight
    n_moves = 2 * m + len(prices)
    upper = [*rise, *fall, *rows.choice_allowed[0].astype(float), *np.ones(m)]
    cost = [*np.ones(2 * m), *prices, *np.zeros(m)]
    whole = [*np.zeros(2 * m), *np.ones(len(prices)), *np.ones(m)]
    lower = [0.0] * len(upper)
    constraints = []  # (coefficients by column, low, high)
    for k in range(m):
        constraints.append(({k: 1.0, n_moves + k: -rise[k]}, -np.inf, 0.0))
        constraints.append(({m + k: 1.0, n_moves + k: -fall[k]}, -np.inf, 0.0))
    if space.actions.max_changes is not None:
        counted = [*range(2 * m, n_moves), *range(n_moves, n_moves + m)]
        constraints.append((dict.fromkeys(counted, 1.0), -np.inf, space.actions.max_changes))
    constraints += [(dict.fromkeys(range(*pair), 1.0), -np.inf, 1.0) for pair in owners]
    # Each layer: what comes in as a linear function of columns, with limits.
    weight, bias = layers[0].weight @ effect, layers[0].weight @ x + layers[0].bias
    columns, most = np.arange(n_moves), np.array(upper[:n_moves])
    least = np.zeros(n_moves)
    for layer in layers[1:]:
        high = bias + np.maximum(weight, 0) @ most + np.minimum(weight, 0) @ least
        low = bias + np.maximum(weight, 0) @ least + np.minimum(weight, 0) @ most
        outputs = np.arange(len(high)) + len(upper)
        on = outputs + len(high)
        upper += [*np.maximum(high, 0.0), *np.ones(len(high))]
        lower += [0.0] * (2 * len(high))
        cost += [0.0] * (2 * len(high))
        whole += [*np.zeros(len(high)), *np.ones(len(high))]
        for h in range(len(high)):
            before = {int(c): -w for c, w in zip(columns, weight[h], strict=True)}
            constraints.append(({outputs[h]: 1.0, **before}, bias[h], np.inf))
            constraints.append(
                (
                    {outputs[h]: 1.0, **before, on[h]: -min(low[h], 0.0)},
                    -np.inf,
                    bias[h] - min(low[h], 0.0),
                )
            )
            constraints.append(({outputs[h]: 1.0, on[h]: -max(high[h], 0.0)}, -np.inf, 0.0))
        columns, most, least = outputs, np.maximum(high, 0.0), np.zeros(len(high))
        weight, bias = layer.weight, layer.bias
    wanted = view.classes.tolist().index(target)
    versus = weight[wanted] - weight[1 - wanted]
    margin = {int(c): w for c, w in zip(columns, versus, strict=True)}
    constraints.append((margin, MARGIN - (bias[wanted] - bias[1 - wanted]), np.inf))
    matrix = np.zeros((len(constraints), len(upper)))
    for row, (coefficients, _, _) in enumerate(constraints):
        for column, value in coefficients.items():
            matrix[row, column] = value
    found = milp(
        cost, integrality=whole, bounds=Bounds(lower, upper),
        constraints=LinearConstraint(matrix, [c[1] for c in constraints], [c[2] for c in constraints]),
        options={"mip_rel_gap": 1e-6, "time_limit": 60},
    )  # fmt: skip
    assert found.success, found.message
    return found.fun
