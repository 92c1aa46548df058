"""
Does 8-bit ONNX keep the advice?
================================

A bank trains scikit-learn's :class:`~sklearn.neural_network.MLPClassifier` and serves it with ONNX
Runtime, whose dynamic quantization makes the file a fraction of the size in one line. Accuracy is
checked, and is the same. **Who could be harmed:** refused applicants who do what they were told, and
apply again at the quantized model.

The data are those of :func:`skcfq.datasets.fetch_german_credit`, 1,000 applicants of a German bank.
"""

# %%
# The model, and what is deployed
# -------------------------------
# The whole pipeline becomes an ONNX file, with 8-bit weights. Dynamic quantization rounds activations as
# well, on a scale that it takes from *all rows of a call*: in one batch, a person's decision would
# depend on who else applies. :class:`~skcfq.estimators.OnnxModel` notices, and asks for one person at a
# time, as a server does.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from onnxruntime.quantization import quantize_dynamic
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq import RecourseAuditor
from skcfq.datasets import fetch_german_credit
from skcfq.estimators import OnnxModel
from skcfq.plots import PersonDisplay, RecourseGapDisplay

credit = fetch_german_credit()
X_train, X_test, y_train, y_test = train_test_split(
    credit.data, credit.target, test_size=0.4, stratify=credit.target, random_state=0
)
words = make_column_selector(dtype_exclude="number")
encoder = ColumnTransformer(
    [("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), words)],
    remainder=StandardScaler(),
)
model = make_pipeline(
    encoder, MLPClassifier((64, 32), alpha=1.0, max_iter=300, tol=1e-3, random_state=0)
)
model.fit(X_train, y_train)

folder = Path(tempfile.mkdtemp())
columns = [
    (
        name,
        StringTensorType([None, 1])
        if X_train[name].dtype.kind not in "if"
        else FloatTensorType([None, 1]),
    )
    for name in X_train
]
graph = to_onnx(model, initial_types=columns, options={"zipmap": False})
(folder / "float.onnx").write_bytes(graph.SerializeToString())
quantize_dynamic(folder / "float.onnx", folder / "int8.onnx")
deployed = OnnxModel(folder / "int8.onnx")

for name in ("float.onnx", "int8.onnx"):
    print(f"{name}: {(folder / name).stat().st_size / 1024:.1f} KiB")

# %%
# The audit
# ---------
# Advice of the network is searched by its gradients; of the ONNX file only scores can be asked
# for, and the default solver notices that by itself.

auditor = RecourseAuditor(model, deployed, actions=credit.actions, target=credit.favourable)
audit = auditor.fit(X_train, y_train).audit(X_test, y_test)
audit.to_frame().drop(columns="group").set_index("measure").round(3)

# %%
# Look at the changed decisions first: people as they are lie far from the boundary, and hardly anybody is
# decided differently. Then at the validity drop: advice ends right at the boundary, where rounding decides.

RecourseGapDisplay.from_result(audit)
plt.show()

# %%
# One of those whose advice breaks, with the median cost among them. What the deployed model asks for may
# be something else altogether.

broken = np.flatnonzero(audit.people["outcome"] == "broken")
by_cost = broken[np.argsort(audit.people["reference_cost"].to_numpy()[broken])]
PersonDisplay.from_result(audit, int(by_cost[len(by_cost) // 2]))
plt.show()

# %%
# What to do about it
# -------------------
# Keep floats for a model this small; or deploy a classifier that was quantized with its advice in
# mind, :class:`~skcfq.CFQClassifier` or :class:`~skcfq.PTQClassifier`; or shift the deployed score with
# :class:`~skcfq.ValidityCalibrator`, which holds a chosen share of the advice and says what it costs.
