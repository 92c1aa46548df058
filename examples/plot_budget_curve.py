"""
How many bits does advice need?
===============================

A lender wants the smallest model that it can deploy without breaking the advice that refused
applicants were given. Who deploys it saves memory; who was refused, and follows advice that the
small model no longer honours, pays for the saving. So the curve to look at is not accuracy alone:
this example draws accuracy, validity drop, the size of the recourse gap and changed decisions over
the bit budget, for plain quantization-aware training (QAT) and for CFQ.
"""

# %%
# One teacher, eight students
# ---------------------------
# A budget is the largest average number of bits per weight, and it is a hard limit. With the
# candidate widths 2, 3, 4 and 8 the layers share it among themselves.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from skcfq import CFQClassifier, FullPrecisionClassifier, QATClassifier
from skcfq.datasets import make_recourse_classification
from skcfq.plots import BudgetCurveDisplay

credit = make_recourse_classification(n_samples=3000, random_state=1)
X_train, X_test, y_train, y_test = train_test_split(
    credit.data, credit.target, test_size=0.3, stratify=credit.target, random_state=0
)
shared = {"actions": credit.actions, "target": "granted", "batch_size": 64, "random_state": 0}
teacher = FullPrecisionClassifier(**shared).fit(X_train, y_train)

shared["teacher"] = FrozenEstimator(teacher)
students = {"plain QAT": QATClassifier(**shared), "CFQ": CFQClassifier(**shared)}
fitted = {
    name: [
        clone(model).set_params(bit_budget=budget).fit(X_train, y_train) for budget in (2, 3, 4, 8)
    ]
    for name, model in students.items()
}
rows = [
    {"model": name, "budget": model.bit_budget, "bits": model.bits_,
     **model.score(X_test, y_test).as_dict()}
    for name, models in fitted.items()
    for model in models
]  # fmt: skip
table = pd.DataFrame(rows).set_index(["model", "budget"])
table[["bits", "accuracy", "validity_drop", "abs_recourse_gap", "decision_flips"]].round(3)

# %%
# The curves
# ----------
# Bands are 95 % confidence intervals over the test rows: every figure of a score is an
# :class:`~skcfq.metrics.Estimate` that carries its own. In full precision the accuracy is:

reference = teacher.score(X_test, y_test)
print(f"{reference:.3f}")

# %%
measures = ("accuracy", "validity_drop", "abs_recourse_gap", "decision_flips")
display = BudgetCurveDisplay.from_estimators(fitted, X_test, y_test, measures=measures)
display.ax_[0].axhline(reference, color="0.3", lw=1, ls=":")
plt.show()

# %%
# Accuracy hardly moves with the budget. Advice does. Plain QAT breaks much of it at every budget,
# since advice ends right at the decision boundary, and nothing in the training of plain QAT holds
# the boundary there, however many bits it has. CFQ keeps most of the advice from 3 bits per weight
# on, and the gap and the changed decisions are small with it: the model did not buy that with
# leniency. With 2 bits it keeps less, and the validity drop says so, while the accuracy does not.
