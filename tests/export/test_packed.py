"""A packed classifier decides as the network that it was exported from."""

import dataclasses
import pickle
import threading

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_info, threadpool_limits

from skcfq import CFQClassifier, QATClassifier, RecourseAuditor
from skcfq.export import PackedClassifier, PackedLayer, PackedModel, export_packed
from skcfq.export._pack import _packed_layers
from skcfq.export._view import _network
from skcfq.quantization import (
    average_bits,
    build_quantized,
    linear_layers,
    mlp,
    packed_bytes,
    quant_layers,
)

from .conftest import SCHEMES, random_people


@pytest.mark.parametrize("scheme", SCHEMES)
def test_same_decisions_and_codes(credit, classifier, scheme):
    clf = classifier(scheme)
    packed = export_packed(clf)
    for rows in (credit.data, random_people(credit.data, 4000)):
        np.testing.assert_array_equal(packed.predict(rows), clf.predict(rows))
        expected = clf.decision_function(rows)
        np.testing.assert_allclose(packed.decision_function(rows), expected, rtol=0, atol=1e-11)
        np.testing.assert_allclose(packed.predict_proba(rows), clf.predict_proba(rows), atol=1e-12)
    for layer, packed_layer in zip(
        quant_layers(clf.net_.module_), packed.model.layers, strict=True
    ):
        np.testing.assert_array_equal(packed_layer.codes(), layer.codes().numpy())
    assert packed.bits_ == clf.bits_
    assert packed.average_bits_ == clf.average_bits_
    assert n_bytes(packed) == packed_bytes(clf.net_.module_)


def n_bytes(packed):
    """Bytes of a packed classifier, counted as ``packed_bytes`` does."""
    total = 0
    for layer in packed.model.layers:
        total += len(layer.packed) + 4 * (len(layer.steps) + len(layer.bias))
        total += 4 * (layer.activation_step is not None)
        total += layer.n_outputs * isinstance(layer.activation_bits, tuple)
        total += layer.n_outputs * isinstance(layer.bits, tuple)
        total += layer.n_inputs * (layer.shifts is not None)
    return total


def test_mixed_precision_is_mixed(classifier):
    assert len(set(export_packed(classifier("mixed")).bits_)) > 1
    for scheme in ("per output", "per output and input"):
        layers = export_packed(classifier(scheme)).model.layers
        assert any(isinstance(layer.bits, tuple) for layer in layers)
        assert any(layer.shifts is not None for layer in layers) == ("input" in scheme)


@pytest.mark.parametrize("scheme", ["mixed", "4 bits, 4-bit activations"])
def test_the_audit_is_that_of_the_network(credit, teacher, classifier, scheme):
    clf = classifier(scheme)
    results = []
    for deployed in (clf, export_packed(clf)):
        auditor = RecourseAuditor(teacher, deployed, actions=credit.actions, target="granted")
        results.append(auditor.fit(credit.data, credit.target).audit(credit.data, credit.target))
    network, packed = (result.measures for result in results)
    assert network["validity_drop"].n > 100
    for name, figure in network.items():  # actions are compared in single precision
        assert float(packed[name]) == pytest.approx(float(figure), abs=1e-7, nan_ok=True), name
        assert packed[name].n == figure.n


def test_full_precision(credit, teacher):
    packed = export_packed(teacher)
    assert packed.bits_ == (32, 32, 32)
    np.testing.assert_array_equal(packed.predict(credit.data), teacher.predict(credit.data))
    np.testing.assert_array_equal(
        packed.model.layers[0].codes(), next(teacher.net_.module_.parameters()).detach().numpy()
    )


def test_more_than_two_classes_and_plain_arrays():
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 4))
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    clf = QATClassifier((8,), bits=3, bit_budget=3, max_epochs=3, random_state=0).fit(X, y)
    packed = export_packed(clf)
    assert not hasattr(packed, "feature_names_in_")
    assert packed.classes_.tolist() == [0, 1, 2]
    assert packed.decision_function(X).shape == (300, 3)
    np.testing.assert_array_equal(packed.predict(X), clf.predict(X))
    np.testing.assert_array_equal(packed.predict(X.tolist()), clf.predict(X))
    np.testing.assert_array_equal(packed.predict(pd.DataFrame(X)), clf.predict(X))


@pytest.fixture(scope="module")
def encoded(credit):
    """A ColumnTransformer and a classifier of its output, in one pipeline."""
    words = [name for name in credit.data if credit.data[name].dtype.kind not in "if"]
    numbers = [name for name in credit.data if name not in words]
    columns = ColumnTransformer(
        [("num", StandardScaler(), numbers), ("cat", OneHotEncoder(sparse_output=False), words)]
    )
    clf = QATClassifier((8,), preprocessor=None, max_epochs=2, random_state=0)
    pipeline = make_pipeline(columns.set_output(transform="pandas"), clf)
    return pipeline.fit(credit.data, credit.target)


def test_pipeline_and_its_last_step(credit, encoded):
    expected = encoded.predict(credit.data)
    np.testing.assert_array_equal(export_packed(encoded).predict(credit.data), expected)
    last = export_packed(encoded[-1])
    assert last.model.encoder is None
    z = encoded[:-1].transform(credit.data)
    for rows in (z, z.to_numpy(), {name: z[name].to_numpy() for name in z}):
        np.testing.assert_array_equal(last.predict(rows), expected)
    with pytest.raises(ValueError, match="contains NaN or infinity"):
        last.predict(z.to_numpy() * np.nan)


@pytest.mark.parametrize("wrap", [FrozenEstimator, lambda clf: GridSearchCV(clf, {})])
def test_what_wraps_a_classifier(credit, classifier, wrap):
    clf = classifier("4 bits")
    model = wrap(clf)
    if isinstance(model, GridSearchCV):
        model.best_estimator_ = clf
    np.testing.assert_array_equal(
        export_packed(model).predict(credit.data), clf.predict(credit.data)
    )


def test_kinds_of_rows(credit, classifier):
    clf = classifier("mixed")
    packed, X = export_packed(clf), credit.data.head(20)
    expected = clf.predict(X)
    arrays = {name: X[name].to_numpy() for name in X}
    for rows in (
        arrays,
        dict(reversed(arrays.items())),
        {name: values.tolist() for name, values in arrays.items()},
        X.to_records(index=False),
        X[X.columns[::-1]],
        X.astype({name: "category" for name in X if X[name].dtype == object}),
        X.convert_dtypes(),
        X.to_numpy(dtype=object),
        X.to_numpy(dtype=object).tolist(),
    ):
        np.testing.assert_array_equal(packed.predict(rows), expected)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (lambda X: X.drop(columns="age"), ValueError, "Missing: 'age'."),
        (lambda X: X.assign(shoes=1), ValueError, "Unknown: 'shoes'."),
        (lambda X: X.head(0), ValueError, "at least one row"),
        (lambda X: X.to_numpy(dtype=object)[:, 1:], ValueError, "X has 8 features, but PackedClassifier"),
        (lambda X: X.to_numpy(dtype=object)[0], ValueError, "Expected 2D array, got 1D"),
        (lambda X: X.to_numpy(dtype=object)[:0], ValueError, "a minimum of 1 is required"),
        (lambda X: dict(X.iloc[0]), ValueError, "every column is one sequence"),
        (lambda X: {**X, "age": [3]}, ValueError, "columns of [1, 600] rows"),
        (lambda X: X.assign(age=np.inf), ValueError, "column 'age' holds infinity."),
        (lambda X: X.assign(age=np.nan), ValueError, "column 'age' holds missing values"),
        (lambda X: X.assign(age=pd.Timestamp(0)), ValueError, "'age' holds something that is not a number"),
        (lambda X: X.assign(housing="tent"), ValueError, "holds 'tent', not seen in fit; known are"),
        (lambda X: X.assign(housing=[[1]] * 600), ValueError, "values that are not plain"),
    ],
)  # fmt: skip
def test_wrong_rows(credit, classifier, change, error, sentence):
    with pytest.raises(error) as caught:
        export_packed(classifier("4 bits")).predict(change(credit.data))
    assert sentence in str(caught.value)


def test_not_to_be_exported(credit):
    with pytest.raises(
        TypeError, match="takes a classifier of skcfq or a Pipeline that ends in one, got Log"
    ):
        export_packed(LogisticRegression())
    with pytest.raises(ValueError, match="is not fitted yet"):
        export_packed(CFQClassifier())


def test_a_classifier_of_scikit_learn(credit, classifier):
    packed = export_packed(classifier("mixed"))
    X, y = credit.data, credit.target
    check_is_fitted(packed)
    assert is_classifier(packed)
    assert clone(packed) is packed
    assert packed.fit(X, y) is packed
    assert export_packed(packed) is packed
    assert packed.n_features_in_ == X.shape[1]
    assert packed.feature_names_in_.tolist() == list(X)
    assert packed.target_ == "granted"
    assert packed.actions == credit.actions
    assert "mixed" not in repr(packed)
    assert "bytes" in repr(packed)
    scores = cross_val_score(packed, X, y, cv=3)
    assert scores.mean() == pytest.approx(packed.score(X, y))
    calibrated = CalibratedClassifierCV(FrozenEstimator(packed), cv=2).fit(X, y)
    assert calibrated.predict_proba(X).shape == (600, 2)


@pytest.mark.parametrize("scheme", ["mixed", "4 bits, 4-bit activations"])
def test_pickles_hold_integers_only(tmp_path, credit, classifier, scheme):
    packed = export_packed(classifier(scheme))
    before = pickle.dumps(packed)
    expected = packed.predict_proba(credit.data)
    assert pickle.dumps(packed) == before, "using it stored something"
    joblib.dump(packed, tmp_path / "packed.joblib")
    loaded = joblib.load(tmp_path / "packed.joblib")
    np.testing.assert_array_equal(loaded.predict_proba(credit.data), expected)
    weights = sum(layer.n_inputs * layer.n_outputs for layer in packed.model.layers)
    others = 4 * sum(len(layer.bias) + len(layer.steps) for layer in packed.model.layers)
    bare = dataclasses.replace(packed.model, encoder=None, actions=None, feature_names=None)
    size = len(pickle.dumps(PackedClassifier(bare)))
    assert size < weights * packed.average_bits_ * 1.02 / 8 + others + 1200


def hand_made(logits, **options):
    """A model without hidden layer whose logits are one input times given numbers."""
    codes = np.array(logits, dtype=np.int8)[:, None]
    layer = PackedLayer(
        1, len(codes), 8, codes.tobytes(), np.ones(1, np.float32), np.zeros(len(codes), np.float32), False
    )  # fmt: skip
    labels = np.array(["a", "b", "c", "d"][: len(codes)])
    return PackedClassifier(PackedModel((layer,), None, labels, 1, None, "a", None, {}))


#: Widths of the activations of both hidden layers of `coarse`, unit by unit.
UNIT_WIDTHS = [(4, 0, 2, 8, 1, 3, 4), (2, 2, 0, 5, 1, 2)]


def coarse(seed=0, activation_bits=None, empty=()):
    """A network with random widths of outputs and shifts of inputs, and its packed classifier.

    No bits are left for the weights of layers in `empty`.
    """
    random = np.random.default_rng(seed)
    linears = linear_layers(mlp((9, 7, 6, 3), generator=torch.Generator().manual_seed(seed)))
    module = build_quantized(
        linears,
        (1.58, 2, 4, 8),
        activation_bits=activation_bits,
        clips=[40.0, 10.0] if isinstance(activation_bits, list) else [2.0, 2.0],
    )
    for k, layer in enumerate(quant_layers(module)):
        widths = random.choice(layer.candidate_bits, layer.out_features).tolist()
        layer.fix_bits(4 if k == seed % 3 else widths)
        shifts = random.choice([0, 0, 0, 1, 2, 3, 8], layer.in_features)
        shifts[0] = 1
        shifts[:] = 8 if k in empty else shifts
        layer.coarsen(shifts)
        torch.nn.init.normal_(layer.bias, generator=torch.Generator().manual_seed(seed))
    labels = np.array(["a", "b", "c"])
    model = PackedModel(_packed_layers(module), None, labels, 9, None, "a", None, {})
    return module.eval(), PackedClassifier(model)


@pytest.mark.parametrize("activation_bits", [None, UNIT_WIDTHS])
@pytest.mark.parametrize("empty", [(), (1,), (0, 1, 2)])
@pytest.mark.parametrize("seed", range(4))
def test_shifts_of_inputs(seed, empty, activation_bits):
    module, packed = coarse(seed, activation_bits, empty)
    for layer, packed_layer in zip(quant_layers(module), packed.model.layers, strict=True):
        np.testing.assert_array_equal(packed_layer.codes(), layer.codes().numpy())
        assert packed_layer.shifts == tuple(layer.input_shifts.tolist())
        assert packed_layer.average_bits == layer.bits
    assert packed.average_bits_ == average_bits(module)
    assert n_bytes(packed) == packed_bytes(module)
    x = np.random.default_rng(seed).normal(size=(50, 9))
    expected = module(torch.from_numpy(x).float()).detach().numpy()
    np.testing.assert_allclose(packed.logits(x), expected, rtol=1e-4, atol=1e-4)
    seen = _network(packed.model.layers)(torch.from_numpy(x).float()).numpy()
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-5)


def test_layout_of_shifts():
    """Blocks by the width of outputs, then by the shift of inputs; none where no bits are left."""
    layer = PackedLayer(
        3, 2, (4, 2), bytes([0b01, 0b1, 0b1000, 0b011, 0b10]), np.ones(1, np.float32),
        np.zeros(2, np.float32), False, shifts=(0, 1, 2),
    )  # fmt: skip
    assert layer.codes().tolist() == [[-8, 6, -8], [1, -2, 0]]
    assert layer.average_bits == (2 + 1 + 0 + 4 + 3 + 2) / 6
    assert (layer.n_weights, layer.total_bits) == (6, 12)
    widest = dataclasses.replace(
        layer, n_inputs=1, n_outputs=1, bits=8, packed=b"\1", shifts=(7,), bias=layer.bias[:1]
    )
    assert widest.codes().tolist() == [[-128]]


def test_layers_that_were_pickled_without_shifts():
    packed = hand_made([3, 4])
    for layer in packed.model.layers:
        del layer.__dict__["shifts"]
    loaded = pickle.loads(pickle.dumps(packed))
    assert loaded.logits([[2.0]]).tolist() == [[6.0, 8.0]]
    assert loaded.bits_ == (8,)


def test_ties_go_to_the_first_class():
    assert hand_made([2, 5, 5, 1]).predict([[1.0]]).tolist() == ["b"]
    assert hand_made([3, 3]).predict([[1.0], [0.0], [-1.0]]).tolist() == ["a", "a", "a"]
    assert hand_made([3, 4]).decision_function([[2.0]]).tolist() == [2.0]


def halfway():
    """A model of one hidden level, inputs of which some are in the middle of two levels, and levels."""
    hidden = PackedLayer(
        1, 1, 2, b"\1", np.ones(1, np.float32), np.zeros(1, np.float32), True, 2, 0.5
    )
    last = PackedLayer(
        1, 2, 2, b"\4", np.full(1, 2, np.float32), np.array([0, 1], np.float32), False
    )
    model = PackedModel((hidden, last), None, np.array([0, 1]), 1, None, 1, None, {})
    x = np.array([-1.0, 0.2, 0.25, 0.26, 0.75, 1.0, 1.25, 1.45, 9.0])[:, None]
    return PackedClassifier(model), x, np.array([0, 0, 0, 1, 2, 2, 2, 3, 3])


def test_closed_form_of_quantized_activations():
    """Levels are rounded half to even and clipped; sums of levels are exact."""
    packed, x, levels = halfway()
    np.testing.assert_array_equal(packed.logits(x)[:, 1], levels * (2 * 0.5) + 1)


def test_sums_of_levels_do_not_depend_on_the_other_rows(credit, classifier):
    """Behind the first layer everything is exact: a row alone has the logits that it has among all."""
    packed = export_packed(classifier("4 bits, 4-bit activations"))
    together = packed.logits(credit.data)
    alone = np.vstack([packed.logits(credit.data.iloc[[i]]) for i in range(50)])
    np.testing.assert_array_equal(together[:50], alone)


def test_chunks_change_nothing(credit, classifier, monkeypatch):
    packed = export_packed(classifier("mixed"))
    expected = packed.predict(credit.data)
    monkeypatch.setattr("skcfq.export._model.CHUNK", 7)
    np.testing.assert_array_equal(packed.predict(credit.data), expected)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_threads_change_nothing(credit, classifier, monkeypatch, n_threads):
    """Threads, as many as BLAS may use; afterwards BLAS may use as many as before."""
    packed = export_packed(classifier("4 bits, 4-bit activations"))
    expected = packed.logits(credit.data)
    monkeypatch.setattr("skcfq.export._model.CHUNK", 50)
    seen = set()
    forward = PackedModel._forward

    def noted(self, x):
        seen.add((threading.get_ident(), blas_threads()))
        return forward(self, x)

    monkeypatch.setattr(PackedModel, "_forward", noted)
    with threadpool_limits(n_threads, user_api="blas"):
        np.testing.assert_array_equal(packed.logits(credit.data), expected)
        assert blas_threads() == n_threads
    assert {n for _, n in seen} == {1}
    assert (threading.get_ident() in {thread for thread, _ in seen}) == (n_threads == 1)


def blas_threads():
    return min(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas")


def test_exporting_leaves_the_random_state_alone(classifier):
    clf = classifier("4 bits, 4-bit activations")
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    export_packed(clf).network_view_()
    assert torch.equal(torch.rand(3), expected)
