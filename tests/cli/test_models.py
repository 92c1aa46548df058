"""Model files that are read, and those that are not."""

import functools
import os
import pickle
import re

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skcfq
from skcfq import CausalActionSet, QATClassifier
from skcfq.cli._models import PICKLES, load_model
from skcfq.export import export_onnx, export_packed


@pytest.fixture(scope="module")
def model(credit):
    clf = QATClassifier((8,), actions=credit.actions, max_epochs=2, random_state=0)
    return clf.fit(credit.data, credit.target)


def test_every_safe_form_decides_as_the_model(tmp_path, credit, model):
    skops.io.dump(model, tmp_path / "m.skops")
    export_onnx(model, tmp_path / "m.onnx")
    skcfq.save(export_packed(model), tmp_path / "m.safetensors")
    expected = model.predict(credit.data)
    for name in ("m.skops", "m.safetensors"):
        np.testing.assert_array_equal(load_model(tmp_path / name).predict(credit.data), expected)
    scores = load_model(tmp_path / "m.onnx")(credit.data)
    np.testing.assert_array_equal(model.classes_[scores.argmax(axis=1)], expected)


@pytest.mark.parametrize("suffix", PICKLES)
def test_pickles_are_never_opened(tmp_path, suffix):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "boom"),)

    path = tmp_path / f"m{suffix}"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="loading a pickle runs whatever is in it"):
        load_model(path)
    assert not (tmp_path / "boom").exists()
    joblib.load(path)
    assert (tmp_path / "boom").exists()


@pytest.mark.parametrize(
    "thing",
    [
        FunctionTransformer(os.getcwd),
        LogisticRegression(C=functools.partial(os.system, "true")),
        LogisticRegression(C=skcfq.load),  # a function of ours is no class of ours
    ],
)
def test_what_nobody_vouches_for_is_not_loaded(tmp_path, thing):
    skops.io.dump(thing, tmp_path / "m.skops")
    names = sorted(skops.io.get_untrusted_types(file=tmp_path / "m.skops"))
    options = " ".join(f"--trust {name}" for name in names)
    message = f"holds types that nobody vouches for: {', '.join(names)}. .*: {options}$"
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / "m.skops")
    assert type(load_model(tmp_path / "m.skops", names)) is type(thing)


def test_common_models_of_scikit_learn_need_no_word(tmp_path, credit):
    X, y = credit.data.select_dtypes("number").head(80), credit.target.head(80)
    for model in (
        MLPClassifier((4,), solver="sgd", max_iter=500, random_state=0, tol=0.1),
        make_pipeline(make_column_transformer(("passthrough", make_column_selector())), MLPClassifier((4,), tol=0.1)),
        CalibratedClassifierCV(LogisticRegression(max_iter=5000), cv=2),
    ):  # fmt: skip
        skops.io.dump(model.fit(X, y), tmp_path / "m.skops")
        loaded = load_model(tmp_path / "m.skops")
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_actions_with_consequences_ask_for_trust_in_their_equations_only(tmp_path, credit):
    actions = CausalActionSet(graph={"savings": ["income"]}, equations={"savings": np.sqrt})
    clf = QATClassifier((4,), actions=actions, max_epochs=1, random_state=0)
    skops.io.dump(clf, tmp_path / "m.skops")
    assert load_model(tmp_path / "m.skops", ["numpy.sqrt"]).actions == actions


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.skops: there is no such file"):
        load_model(tmp_path / "absent.skops")
    for name in ("m.skops", "m.onnx", "m.safetensors"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(ValueError, match=re.escape(name)):
            load_model(tmp_path / name)
