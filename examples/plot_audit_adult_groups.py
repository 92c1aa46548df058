"""
Adult, by sex and race: a report to file
========================================

A classifier with 4-bit weights replaces its own teacher. Before that, a review board wants to know in
writing for whom advice breaks. **Who could be harmed:** whoever belongs to a group in which advice
breaks more often, which no average over everybody shows.

The data are those of :func:`skcfq.datasets.fetch_adult`. To be quick, this example trains on 2,000 rows
and audits 800 others. The actions are the data set's realistic ones: sex and race are fixed, hours
and education move in whole steps.
"""

# %%
# Teacher and student
# -------------------

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq import CFQClassifier, FullPrecisionClassifier, RecourseAuditor
from skcfq.datasets import fetch_adult
from skcfq.plots import GroupComparisonDisplay, LayerBitsDisplay
from skcfq.report import write_report

adult = fetch_adult()
X_train, X_test, y_train, y_test = train_test_split(
    adult.data, adult.target, train_size=2000, test_size=800, stratify=adult.target, random_state=0
)
# Rare categories count as one, so that new ones among the audited people are no surprise.
words = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False)
encoder = ColumnTransformer(
    [("words", words, make_column_selector(dtype_exclude="number"))], remainder=StandardScaler()
)
shared = {"actions": adult.realistic_actions, "target": adult.favourable, "random_state": 0}
teacher = FullPrecisionClassifier((32, 16), preprocessor=encoder, **shared).fit(X_train, y_train)
student = CFQClassifier((32, 16), bit_budget=4, teacher=FrozenEstimator(teacher), **shared).fit(
    X_train, y_train
)
LayerBitsDisplay.from_estimator(student)
plt.show()

# %%
# The audit
# ---------
# Everybody, each sex, each race, and both together.

auditor = RecourseAuditor(
    teacher, student, actions=adult.realistic_actions, target=adult.favourable
)
audit = auditor.fit(X_train, y_train).audit(X_test, y_test, groups=["sex", "race"])
audit.to_frame().query("group == 'all'").drop(columns="group").set_index("measure").round(3)

# %%
# Small groups have wide intervals: that nothing was found for them is no proof that there is
# nothing.

for grouping in audit.groupings:
    GroupComparisonDisplay.from_result(audit, grouping=grouping)
plt.show()

# %%
audit.tests_frame()[["grouping", "measure", "method", "p_value", "p_adjusted"]].round(3)

# %%
# The report
# ----------
# One HTML file with all of it, for people who do not run Python: verdict first, then figures,
# groups and the people whose advice breaks. The answer says whether the limits are kept.

path = Path(tempfile.mkdtemp()) / "audit.html"
kept = write_report(
    audit, path, title="Adult: 4-bit student against its teacher",
    limits={"validity_drop": 0.05, "decision_flips": 0.02},
)  # fmt: skip
print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB, limits kept: {kept}")
