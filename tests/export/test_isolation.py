"""A packed model is loaded and used where torch, skorch and pandas are not installed."""

import json
import subprocess
import sys

import joblib
import numpy as np
import pytest

from skcfq.export import export_packed

BLOCK = """
import json, sys, time

class Absent:
    names = set(sys.argv[1].split(","))
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import sklearn.base, joblib, numpy
rows = json.load(open(sys.argv[2] + "/rows.json"))
before = set(sys.modules)  # scikit-learn imports pandas where there is one
start = time.perf_counter()
"""
USE = """
first = model.predict({name: values[:1] for name, values in rows.items()})
seconds = time.perf_counter() - start
expected = numpy.load(sys.argv[2] + "/expected.npy")
numpy.testing.assert_array_equal(model.predict_proba(rows), expected)
heavy = [name for name in ("torch", "skorch", "pandas", "onnx", "onnxruntime") if name in set(sys.modules) - before]
print(json.dumps({"seconds": seconds, "heavy": heavy, "first": first.tolist()}))
"""
LOAD = 'model = joblib.load(sys.argv[2] + "/packed.joblib")'


def run(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write_rows(folder, packed, frame):
    rows = {name: column.tolist() for name, column in frame.items()}
    (folder / "rows.json").write_text(json.dumps(rows))
    np.save(folder / "expected.npy", packed.predict_proba(frame))


@pytest.mark.parametrize("absent", ["torch,skorch,pandas", "none"])
def test_without_torch_skorch_and_pandas(tmp_path, credit, classifier, absent):
    packed = export_packed(classifier("mixed, 8-bit activations"))
    joblib.dump(packed, tmp_path / "packed.joblib")
    write_rows(tmp_path, packed, credit.data)
    done = run(BLOCK + LOAD + USE, absent, tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["heavy"] == []
    assert told["first"] == packed.predict(credit.data.head(1)).tolist()
    assert told["seconds"] < 1  # about 0.03; examples/benchmarks/deployment.py prints it


def test_the_block_can_fail(tmp_path, credit, classifier):
    joblib.dump(classifier("4 bits"), tmp_path / "packed.joblib")
    (tmp_path / "rows.json").write_text("{}")
    done = run(BLOCK + LOAD, "torch", tmp_path)
    assert "No module named 'torch'" in done.stderr
