"""
A smaller forest of trees, and the advice of the larger one
===========================================================

Boosted trees are cut down to fit into a service with a latency limit: fewer trees, fewer leaves. The
smaller model is nearly as accurate. **Who could be harmed:** card holders who were told by the larger
model what would make them a good risk, and are judged by the smaller one.

The data are those of :func:`skcfq.datasets.fetch_credit_default`, 30,000 card holders in Taiwan. To be
quick, this example trains on 6,000 of them and audits 1,000 others; the figures say how sure that is.
"""

# %%
# Two models
# ----------

import matplotlib.pyplot as plt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

from skcfq import RecourseAuditor
from skcfq.datasets import fetch_credit_default
from skcfq.plots import GroupComparisonDisplay, RecourseGapDisplay

holders = fetch_credit_default()
words = holders.data.select_dtypes(exclude="number").columns
# Codes of education that the publisher does not explain count as "others".
people = holders.data.replace({"EDUCATION": dict.fromkeys(["0", "5", "6"], "others")})
people = people.astype(dict.fromkeys(words, "category"))
X_train, X_test, y_train, y_test = train_test_split(
    people, holders.target, train_size=6000, test_size=1000, stratify=holders.target,
    random_state=0,
)  # fmt: skip
shared = {"categorical_features": "from_dtype", "random_state": 0}
large = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.1, **shared)
small = HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=8, learning_rate=0.3, **shared)
large.fit(X_train, y_train)
small.fit(X_train, y_train)
print(f"accuracy: {large.score(X_test, y_test):.3f} and {small.score(X_test, y_test):.3f}")

# %%
# The audit
# ---------
# Trees have no slopes, so that advice is searched on their scores, by
# :class:`~skcfq.CoordinateSolver`, which is the default for them.

auditor = RecourseAuditor(large, small, actions=holders.actions, target=holders.favourable)
auditor.fit(X_train.head(300), y_train.head(300))
audit = auditor.audit(X_test, y_test, groups="EDUCATION")
audit.to_frame().query("group == 'all'").drop(columns="group").set_index("measure").round(3)

# %%
# Much of the advice fails. Trees are steps: the cheapest way up a step of the large model ends just
# behind its threshold, and the small model has its thresholds elsewhere.

RecourseGapDisplay.from_result(audit)
plt.show()

# %%
# Is it worse for some?
# ---------------------
# Intervals are wide, since few are refused in each group; the test, adjusted for all tests of this
# audit, says whether more than chance is to be seen.

GroupComparisonDisplay.from_result(audit)
plt.show()

# %%
# A model of this kind can still be deployed, but not silently: people who were advised before have
# to be advised again, or judged by the model that advised them.
