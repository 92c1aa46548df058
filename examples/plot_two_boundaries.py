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
from sklearn.frozen import FrozenEstimator

from skcfq import (
    ActionSet,
    ExactSolver,
    FullPrecisionClassifier,
    GreedySolver,
    QATClassifier,
    RecourseAuditor,
)
from skcfq.datasets import make_recourse_classification
from skcfq.plots import BoundarySliceDisplay

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
auditor = RecourseAuditor(
    teacher, quantized, actions=actions, target="granted", solver=ExactSolver()
).fit(X.head(50), y.head(50))
advice = auditor.audit(person).people.iloc[0]
advice[advice.index.str.contains("income|debt|cost|status")]

# %%
# The picture
# -----------

BoundarySliceDisplay.from_estimator(auditor, person, features=["debt", "income"])
plt.title("Advice ends on the boundary of the model that gave it")
plt.show()

# %%
# The first advice ends on the first boundary, which is on the wrong side of the second: the person
# would be refused again. Both boundaries are pieces of straight lines, since the networks are made
# of ReLUs; that is what lets :class:`~skcfq.ExactSolver` prove an optimum.

print(advice["reference_status"], advice["deployed_status"], sep=", ")

# %%
# The default solver finds the same action or one that is little dearer, thousands of times faster.

found = teacher.set_params(solver=GreedySolver()).recourse(person).iloc[0]
print(f"{found['recourse_cost'] / advice['reference_cost']:.6f} times the optimum")
