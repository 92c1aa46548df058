"""
Advice that breaks
==================

A bank refuses some of its applicants, and tells each of them the cheapest change that would have
been enough: *pay back 360 euros and close that loan*. The advice is computed on the model that the
risk department trained in full precision. Then the model is quantized for the machines on which
applications are really decided. Its accuracy is as good as before, so nobody looks further.

**Who could be harmed:** people who do what they were told, at a cost, and are refused again.
The accuracy of the quantized model does not show them. This example counts them, for plain
quantization-aware training and for counterfactual-faithful quantization (CFQ), and shows what
CFQ with the source paper's objective pays for keeping the advice.

The people are synthetic, see :func:`skcfq.datasets.make_recourse_classification`.
"""

# %%
# Two quantized models of one full-precision model
# ------------------------------------------------
# Actions are written in raw units: the incomes and debts that a person may reach, which
# categories of employment, at most three changes, and what each of them costs. The teacher is
# trained once; ``FrozenEstimator`` says that it is to be used as it is.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from skcfq import CFQClassifier, FullPrecisionClassifier, QATClassifier
from skcfq.datasets import make_recourse_classification

credit = make_recourse_classification(n_samples=4000, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(
    credit.data, credit.target, test_size=0.3, stratify=credit.target, random_state=0
)
shared = {"actions": credit.actions, "target": "granted", "random_state": 0}
teacher = FullPrecisionClassifier(**shared).fit(X_train, y_train)
models = {
    name: Classifier(bit_budget=4, teacher=FrozenEstimator(teacher), **shared).fit(X_train, y_train)
    for name, Classifier in {"plain QAT": QATClassifier, "CFQ": CFQClassifier}.items()
}

# %%
# The score is the accuracy, and carries what became of the advice: the share that no longer works
# (``validity_drop``), how much dearer or cheaper advice has become (``recourse_gap``, and the mean
# size of the change, ``abs_recourse_gap``), and the share of decisions that changed.

scores = {name: model.score(X_test, y_test) for name, model in models.items()}
pd.DataFrame({name: score.as_dict() for name, score in scores.items()}).round(3)

# %%
# One person
# ----------
# Somebody whose advice breaks under plain quantization. The first row is the person, the others
# are what each model asks for.

comparisons = {name: model.compare_recourse(X_test) for name, model in models.items()}
plain = comparisons["plain QAT"]
advised = plain.reference.needed & plain.reference.success
broken = np.flatnonzero(advised & ~plain.deployed_valid)
someone = broken[np.argsort(plain.reference.cost[broken])[len(broken) // 2]]

asked = {
    "now": X_test.iloc[someone],
    "full precision asks": plain.reference.counterfactual.iloc[someone],
    **{f"{name} asks": c.deployed.counterfactual.iloc[someone] for name, c in comparisons.items()},
}
pd.DataFrame(asked).T.map(lambda value: round(value, 2) if isinstance(value, float) else value)

# %%
# Everybody who was refused
# -------------------------
# Each point is a person. To the right, what the advice costs under the full-precision model;
# upwards, how much more or less the quantized model asks of the same person. Plain QAT scatters
# around no change, and where it asks for more, the old advice fails. CFQ keeps all the advice, but
# by asking nearly everybody for less, down to nothing: it has become lenient.

fig, axes = plt.subplots(1, 2, figsize=(9, 5), sharex=True, sharey=True, layout="constrained")
for ax, (name, comparison) in zip(axes, comparisons.items(), strict=True):
    both = advised & comparison.deployed.success
    for works, colour, label in ((True, "tab:blue", "works"), (False, "tab:red", "fails")):
        rows = both & (comparison.deployed_valid == works)
        before, after = comparison.reference.cost[rows], comparison.deployed.cost[rows]
        ax.scatter(
            before,
            np.clip(100 * (after / before - 1), -100, 100),
            s=14,
            alpha=0.5,
            color=colour,
            linewidths=0,
            label=f"advice {label} ({rows.sum()})",
        )
    ax.axhline(0, color="0.3", lw=1, zorder=0)
    ax.text(0.02, 0.5, "as dear as before", transform=ax.transAxes, va="bottom", color="0.3")
    ax.set(xscale="log", ylim=(-110, 110))
    ax.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    ax.set_xlabel("cost of advice in full precision\n(1 is 350 euros of monthly income)")
    ax.set_yticks(
        range(-100, 101, 50), ["accepted\nas they are", "-50 %", "0", "+50 %", "double\nor more"]
    )
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, title=name)
axes[0].set_ylabel("change of cost under the quantized model")
fig.suptitle("What 4 bits per weight do to the cost of advice")
plt.show()

# %%
# Where the advice leads
# ----------------------
# Everybody does what the full-precision model advised, and applies again: a score above 0 is a
# credit. The advice is the cheapest that is enough, so that a small error of the quantized model
# turns half of it into a refusal. CFQ's scores lie on the safe side, most of them further
# than they need to: the price is paid by the bank, whose decisions change.

fig, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
followed = plain.reference.counterfactual[advised]
margins = {name: model.decision_function(followed) for name, model in models.items()}
if models["CFQ"].classes_[0] == "granted":  # scores are of the second class
    margins = {name: -margin for name, margin in margins.items()}
bins = np.linspace(-1.5, 4.5, 61)
for (name, margin), colour in zip(margins.items(), ("tab:red", "tab:blue"), strict=True):
    ax.hist(np.clip(margin, bins[0], bins[-1]), bins, alpha=0.6, color=colour,
            label=f"{name}: {np.mean(margin > 0):.0%} accepted")  # fmt: skip
ax.axvline(0, color="0.2", lw=1)
ax.set_ylim(top=1.15 * ax.get_ylim()[1])
ax.text(-0.05, 0.97, "refused again ", transform=ax.get_xaxis_transform(), ha="right", va="top")
ax.text(0.05, 0.97, " accepted", transform=ax.get_xaxis_transform(), ha="left", va="top")
ax.set(
    xlabel="score of people who followed the advice (logit of acceptance)",
    ylabel="people",
    title="Half of the advice ends just short of what the quantized model wants",
)
ax.legend(loc="upper right", bbox_to_anchor=(1, 0.9), frameon=False)
plt.show()

# %%
# What to take home
# -----------------
# Accuracy says nothing about advice. A validity drop of 0 says little by itself either: a model
# that accepts everybody has it. Look at three figures together, as
# :class:`~skcfq.metrics.RecourseScore` does: validity drop, mean size of the recourse gap, and
# changed decisions. Faithful is a model for which all three are near 0.
