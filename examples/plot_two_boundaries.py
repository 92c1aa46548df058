"""
Two boundaries and one person
=============================

Recourse is the cheapest way across a decision boundary, so it ends right on it. A quantized model has
another boundary, a little off. This example draws both around one person, and the advice of each
model, found by :class:`~skcfq.ExactSolver` with a proof that nothing is cheaper.

**Who could be harmed:** the person in the picture, who does what the full-precision model asked for
and is refused by the quantized one.

The people are synthetic, see :func:`skcfq.datasets.make_recourse_classification`.
"""

# %%
# Two models, and what a person may do
# ------------------------------------
# Two numbers may change, so that a picture shows all there is; the cost of both together is
# Euclidean. The quantized model has 2-bit weights and was trained on labels alone.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator

from skcfq import ActionSet, ExactSolver, FullPrecisionClassifier, GreedySolver, QATClassifier
from skcfq.datasets import make_recourse_classification

credit = make_recourse_classification(n_samples=3000, random_state=0)
X, y = credit.data, credit.target
actions = ActionSet(
    immutable=[name for name in X if name not in ("income", "debt")],
    bounds={"income": (0, 6000), "debt": (0, 60_000)},
    cost="l2",
    cost_weights={"income": 1 / 350, "debt": 1 / 5000},
)
shared = {"actions": actions, "target": "granted", "random_state": 0}
teacher = FullPrecisionClassifier((32, 16), **shared).fit(X, y)
quantized = QATClassifier(
    (32, 16), bits=2, bit_budget=2, teacher=FrozenEstimator(teacher), **shared
).fit(X, y)

# %%
# Somebody whose advice breaks
# ----------------------------
# Of those who are to change both numbers, the one for whom the quantized model adds most.

comparison = quantized.compare_recourse(X)
before, after = comparison.reference, comparison.deployed
broken = before.needed & ~comparison.deployed_valid & after.success
broken &= (before.support.sum(axis=1) == 2) & (before.cost < 3)
broken &= (after.counterfactual["debt"] > 1000) & (before.counterfactual["debt"] > 1000)
someone = np.flatnonzero(broken)[np.argmax((after.cost - before.cost)[broken])]

person = X.iloc[[someone]]
models = {"full precision": teacher, "2-bit weights": quantized}
advice = {}
for name, model in models.items():
    advice[name] = model.set_params(solver=ExactSolver()).recourse(person).iloc[0]
pd.DataFrame({"now": person.iloc[0], **advice})

# %%
# The picture
# -----------

here = np.array([person["debt"].iloc[0], person["income"].iloc[0]], dtype=float)
ends = {name: row[["debt", "income"]].to_numpy(dtype=float) for name, row in advice.items()}
reach = np.ptp([here, *ends.values()], axis=0)
low = np.maximum(np.min([here, *ends.values()], axis=0) - 0.5 * reach, 0)
high = np.max([here, *ends.values()], axis=0) + 0.5 * reach
debt, income = np.meshgrid(np.linspace(low[0], high[0], 160), np.linspace(low[1], high[1], 160))
around = pd.concat([person] * debt.size, ignore_index=True)
around = around.assign(debt=debt.ravel(), income=income.ravel())

fig, ax = plt.subplots(figsize=(7, 5), layout="constrained")
colors = {"full precision": "C0", "2-bit weights": "C3"}
for name, model in models.items():
    score = model.decision_function(around).reshape(debt.shape)
    ax.contour(debt, income, score, levels=[0], colors=colors[name], linewidths=2)
    ax.annotate(
        "", ends[name], here, arrowprops={"arrowstyle": "->", "color": colors[name], "lw": 1.5}
    )
    cost = advice[name]["recourse_cost"]
    ax.plot(
        *ends[name], "o", color=colors[name], label=f"{name}: boundary, advice (cost {cost:.2f})"
    )
ax.plot(*here, "ks", label="the person, refused")
ax.text(0.03, 0.95, "granted", transform=ax.transAxes, va="top", style="italic")
ax.text(0.97, 0.05, "refused", transform=ax.transAxes, ha="right", style="italic")
ax.set(xlabel="debt", ylabel="income per month")
ax.legend(loc="lower left", frameon=True)
fig.suptitle("Advice ends on the boundary of the model that gave it")
plt.show()

# %%
# The first advice ends on the first boundary, which is on the wrong side of the second: the person
# would be refused again. Both boundaries are pieces of straight lines, since the networks are made
# of ReLUs; that is what lets :class:`~skcfq.ExactSolver` prove an optimum.

print(*(f"{name}: {row['recourse_status']}" for name, row in advice.items()), sep="\n")

# %%
# The default solver finds the same action or one that is little dearer, thousands of times faster.

found = teacher.set_params(solver=GreedySolver()).recourse(person).iloc[0]
print(f"{found['recourse_cost'] / advice['full precision']['recourse_cost']:.6f} times the optimum")
