"""
Advice that breaks
==================

A bank refuses some of its applicants, and tells each of them the cheapest change that would have
been enough: *pay back 3,000 euros of your debt*. The advice is computed on the model that the
risk department trained in full precision. Then the model is quantized for the machines on which
applications are really decided. Its accuracy is as good as before, so nobody looks further.

**Who could be harmed:** people who do what they were told, at a cost, and are refused again. The
accuracy of the quantized model does not show them. This example counts them, for plain
quantization-aware training (QAT) and for counterfactual-faithful quantization (CFQ) with two
objectives: that of the source paper, and the default one, which also holds the other side of the
boundary.

The people are synthetic, see :func:`skcfq.datasets.make_recourse_classification`.
"""

# %%
# Three quantized models of one full-precision model
# --------------------------------------------------
# Actions are written in raw units: the incomes and debts that a person may reach, which
# categories of employment, at most three changes, and what each of them costs. The teacher is
# trained once; ``FrozenEstimator`` says that it is to be used as it is.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from skcfq import CFQClassifier, FullPrecisionClassifier, PaperObjective, QATClassifier
from skcfq.datasets import make_recourse_classification

credit = make_recourse_classification(n_samples=4000, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(
    credit.data, credit.target, test_size=0.3, stratify=credit.target, random_state=0
)
shared = {"actions": credit.actions, "target": "granted", "random_state": 0}
teacher = FullPrecisionClassifier(**shared).fit(X_train, y_train)

shared |= {"bit_budget": 4, "teacher": FrozenEstimator(teacher)}
models = {
    "plain QAT": QATClassifier(**shared),
    "CFQ, paper's objective": CFQClassifier(objective=PaperObjective(), **shared),
    "CFQ": CFQClassifier(**shared),
}
for model in models.values():
    model.fit(X_train, y_train)

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
# around no change, and where it asks for more, the old advice fails. The paper's objective keeps
# all the advice, but by asking nearly everybody for less, down to nothing: the model has become
# lenient. The default objective keeps nearly all of it and stays close to what was asked before.

fig, axes = plt.subplots(1, 3, figsize=(11, 5), sharex=True, sharey=True, layout="constrained")
for ax, (name, comparison) in zip(axes, comparisons.items(), strict=True):
    both = advised & comparison.deployed.success
    for works, colour, label in ((True, "tab:blue", "works"), (False, "tab:red", "fails")):
        rows = both & (comparison.deployed_valid == works)
        before, after = comparison.reference.cost[rows], comparison.deployed.cost[rows]
        change = np.clip(100 * (after / before - 1), -100, 100)
        ax.scatter(before, change, s=14, alpha=0.5, color=colour, linewidths=0,
                   label=f"the old advice {label}")  # fmt: skip
    failed = advised & ~comparison.deployed_valid
    ax.set_title(f"{name}\nadvice fails for {failed.sum()} of {advised.sum()}", fontsize=11)
    ax.axhline(0, color="0.3", lw=1, zorder=0)
    ax.set(xscale="log", ylim=(-110, 110))
    ax.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
    ax.set_yticks(
        range(-100, 101, 50),
        ["accepted\nas they are", "-50 %", "as before", "+50 %", "double\nor more"],
    )
axes[0].set_ylabel("change of cost under the quantized model")
axes[1].set_xlabel("cost of advice in full precision (1 is 350 euros of monthly income)")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
fig.suptitle("What 4 bits per weight do to the cost of advice")
plt.show()

# %%
# Where the advice leads
# ----------------------
# Everybody does what the full-precision model advised, and applies again: a score above 0 is a
# credit. The advice is the cheapest that is enough, so that a small error of the quantized model
# turns half of it into a refusal. With the paper's objective most scores are further on the safe
# side than they need to be, and the bank pays for that with changed decisions.

followed = plain.reference.counterfactual[advised]
sign = 1 if teacher.classes_[1] == "granted" else -1  # scores are of the second class
fig, axes = plt.subplots(3, 1, figsize=(8, 6.5), sharex=True, layout="constrained")
bins = np.linspace(-2, 8, 101)
for ax, (name, model) in zip(axes, models.items(), strict=True):
    margin = sign * model.decision_function(followed)
    counts, _, bars = ax.hist(np.clip(margin, bins[0], bins[-1]), bins)
    for bar in bars:
        bar.set_color("tab:blue" if bar.get_x() > -1e-9 else "tab:red")
    ax.axvline(0, color="0.2", lw=1)
    ax.set_ylabel("people")
    ax.text(0.99, 0.9, f"{name}\n{np.mean(margin > 0):.1%} accepted", transform=ax.transAxes,
            ha="right", va="top")  # fmt: skip
axes[1].text(-0.1, 0.95, "refused again", transform=axes[1].get_xaxis_transform(),
             ha="right", va="top", color="tab:red")  # fmt: skip
axes[1].text(0.1, 0.95, "accepted", transform=axes[1].get_xaxis_transform(),
             ha="left", va="top", color="tab:blue")  # fmt: skip
axes[-1].set_xlabel("score of people who followed the advice (logit of acceptance)")
fig.suptitle("Where the advice leads once the model has 4 bits per weight")
plt.show()

# %%
# What to take home
# -----------------
# Accuracy says nothing about advice. A validity drop of 0 says little by itself either: a model
# that accepts everybody has it. Look at three figures together, as
# :class:`~skcfq.metrics.RecourseScore` does: validity drop, mean size of the recourse gap, and
# changed decisions. Faithful is a model for which all three are near 0.
