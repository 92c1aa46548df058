"""ONNX files: real integers, the packed model's decisions at every level of optimisation."""

import dataclasses

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto

import skcfq
from skcfq.actions import Encoding
from skcfq.export import PackedClassifier, _onnx_graph, export_onnx, export_packed, load_onnx
from skcfq.export._codes import unpack_codes
from skcfq.export._read_encoding import pack_encoding
from tests.actions.preprocessors import NAMES, READABLE, fitted
from tests.actions.test_encoding import people

from .conftest import SCHEMES, random_people
from .fuzz import damaged
from .test_packed import UNIT_WIDTHS, coarse, hand_made

FORMS = [("double", "cast"), ("single", "cast"), ("single", "qdq")]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_same_decisions_at_every_level(credit, classifier, path, scheme):
    clf = classifier(scheme)
    rows = pd.concat([credit.data, random_people(credit.data, 2000)])
    check = export_onnx(clf, path, rows=rows, recourse=clf.solve_recourse(credit.data))
    assert check.n_rows == 2000 + len(rows)
    assert check.n_recourse == 600
    assert check.largest_error < 1e-11
    session = load_onnx(path)
    np.testing.assert_array_equal(session.predict(rows), clf.predict(rows))
    np.testing.assert_allclose(session.predict_proba(rows), clf.predict_proba(rows), atol=1e-12)


@pytest.mark.parametrize(
    "scheme", ["ternary", "mixed", "8 bits", "per output", "per output and input"]
)
@pytest.mark.parametrize(("precision", "form"), FORMS)
def test_forms(credit, classifier, path, scheme, precision, form):
    clf = classifier(scheme)
    check = export_onnx(clf, path, precision=precision, form=form, rows=credit.data)
    assert check.largest_error < (1e-11 if precision == "double" else 1e-4)
    np.testing.assert_array_equal(load_onnx(path).predict(credit.data), clf.predict(credit.data))
    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert ("DequantizeLinear" in operators) == (form == "qdq")
    assert "MatMul" not in operators, "which ONNX Runtime would rewrite"


@pytest.mark.parametrize(
    ("scheme", "kind", "opset", "ir_version"),
    [
        ("ternary", TensorProto.INT2, 25, 13),
        ("2 bits", TensorProto.INT2, 25, 13),
        ("3 bits", TensorProto.INT4, 21, 10),
        ("4 bits", TensorProto.INT4, 21, 10),
        ("8 bits", TensorProto.INT8, 18, 8),
    ],
)
def test_weights_are_real_integers(classifier, path, scheme, kind, opset, ir_version):
    """Opset and IR version are what the types need, and no more."""
    packed = export_packed(classifier(scheme))
    export_onnx(packed, path)
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert (model.opset_import[0].version, model.ir_version) == (opset, ir_version)
    weights = [each for each in model.graph.initializer if each.data_type == kind]
    bits = {TensorProto.INT2: 2, TensorProto.INT4: 4, TensorProto.INT8: 8}[kind]
    assert len(weights) == 3
    for tensor, layer in zip(weights, packed.model.layers, strict=True):
        assert list(tensor.dims) == [layer.n_outputs, layer.n_inputs]
        codes = unpack_codes(tensor.raw_data, np.prod(tensor.dims), bits)
        np.testing.assert_array_equal(codes.reshape(tensor.dims), layer.codes())
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor).astype(int), layer.codes())


STORED = {TensorProto.INT2: 2, TensorProto.INT4: 4, TensorProto.INT8: 8}


@pytest.mark.parametrize("scheme", ["per output", "per output and input"])
def test_weights_of_several_widths_are_stored_by_type(classifier, path, scheme):
    """The rows of each type in their order, and one Gather that puts them back."""
    packed = export_packed(classifier(scheme))
    export_onnx(packed, path)
    model = onnx.load(path)
    stored = [each for each in model.graph.initializer if each.data_type in STORED]
    kinds = {each.data_type for each in stored}
    assert kinds == set(STORED)
    expected = dict.fromkeys(STORED, 0)
    for layer in packed.model.layers:
        for width in np.broadcast_to(layer.bits, layer.n_outputs):
            kind = next(kind for kind, bits in STORED.items() if bits >= width)
            expected[kind] += layer.n_inputs
    found = dict.fromkeys(STORED, 0)
    for each in stored:
        found[each.data_type] += np.prod(each.dims)
    assert found == expected


@pytest.mark.parametrize("activation_bits", [None, 4, UNIT_WIDTHS])
def test_shifts_of_inputs(path, activation_bits):
    packed = coarse(1, activation_bits)[1]
    x = np.random.default_rng(0).normal(size=(300, 9))
    export_onnx(packed, path, rows=x)
    found = load_onnx(path).predict_proba(x)
    np.testing.assert_allclose(found, packed.predict_proba(x), atol=1e-12)


def test_metadata(credit, classifier, path):
    clf = classifier("mixed")
    export_onnx(clf, path, audit={"validity_drop": 0.25, "recourse_gap": np.nan})
    facts = load_onnx(path).facts
    assert facts["bits"] == list(clf.bits_)
    assert facts["average_bits"] == pytest.approx(clf.average_bits_)
    assert facts["bit_budget"] == 4.5
    assert facts["audit"] == {"validity_drop": 0.25, "recourse_gap": None}
    assert facts["target"] == "granted"
    assert facts["feature_names"] == list(credit.data)
    packed = export_packed(clf, audit={"validity_drop": 0.25, "recourse_gap": np.nan})
    skcfq.save(packed, path.with_suffix(".skcfq"))
    assert bytes.fromhex(facts["sha256"]) in path.with_suffix(".skcfq").read_bytes()


def test_full_precision_and_plain_arrays(credit, teacher, path):
    export_onnx(teacher, path, rows=credit.data)
    np.testing.assert_array_equal(
        load_onnx(path).predict(credit.data), teacher.predict(credit.data)
    )
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 3))
    y = (X.sum(axis=1) > 0).astype(int)
    for preprocessor in ("auto", None):
        clf = skcfq.QATClassifier((8,), preprocessor=preprocessor, max_epochs=2, random_state=0)
        export_onnx(clf.fit(X, y), path, rows=X)
        found = load_onnx(path).predict(X)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, clf.predict(X))


def with_encoder(encoder, seed=0):
    """A random linear model behind an encoder."""
    random = np.random.default_rng(seed)
    width = len(encoder.base)
    codes = random.integers(-8, 8, (2, width)).astype(np.int8)
    layer = hand_made([0, 0]).model.layers[0]
    layer = dataclasses.replace(
        layer, n_inputs=width, n_outputs=2, packed=codes.tobytes(), bias=np.zeros(2, np.float32)
    )
    model = hand_made([0, 0]).model
    return PackedClassifier(
        dataclasses.replace(
            model, layers=(layer,), encoder=encoder, n_features=len(NAMES), feature_names=NAMES
        )
    )


@pytest.mark.parametrize("name", READABLE)
def test_preprocessing_is_in_the_graph(path, name):
    encoder = pack_encoding(Encoding(fitted(name), NAMES), allow_missing=True)
    packed = with_encoder(encoder)
    rows = people(0)
    export_onnx(packed, path, rows=rows)
    session = load_onnx(path)
    np.testing.assert_allclose(session.logits(rows), packed.logits(rows), rtol=1e-12, atol=1e-10)
    text = [(column, "never seen") for column in ("job", "sex")]
    for column, value in [*((column, np.nan) for column in NAMES), *text, ("level", 77)]:
        odd = rows.head(3).copy()
        odd.loc[1, column] = value
        try:
            expected = packed.logits(odd)
        except ValueError:
            with pytest.raises(Exception, match=r"out of data bounds|has missing values"):
                session.logits(odd)
        else:
            np.testing.assert_allclose(session.logits(odd), expected, rtol=1e-12, atol=1e-10)


def test_categories_of_every_type(path):
    frame = pd.DataFrame(
        {
            "text": pd.Series(["a", None, "b", "a"], dtype=object),
            "truth": [True, False, True, True],
            "number": [0.5, -1.0, 3.0, 2.0],
        }
    )
    y = [0, 1, 0, 1]
    clf = skcfq.QATClassifier((4,), max_epochs=1, random_state=0).fit(frame, y)
    export_onnx(clf, path, rows=frame)
    types = {each.name: each.type for each in load_onnx(path).session.get_inputs()}
    assert types == {"text": "tensor(string)", "truth": "tensor(bool)", "number": "tensor(double)"}
    np.testing.assert_array_equal(load_onnx(path).predict(frame), clf.predict(frame))


@pytest.mark.parametrize("preprocessor", ["auto", None])
def test_infinity_is_refused_by_the_runtime(path, preprocessor):
    X = np.random.default_rng(0).normal(size=(50, 3))
    clf = skcfq.QATClassifier((4,), preprocessor=preprocessor, max_epochs=1, random_state=0)
    export_onnx(clf.fit(X, X[:, 0] > 0), path)
    for odd in (np.nan, np.inf, -np.inf):
        rows = X.copy()
        rows[1, 2] = odd
        with pytest.raises(Exception, match="out of data bounds"):
            load_onnx(path).predict(rows)


def near_tie():
    """Logits x and x + 1e-9: apart in double precision, equal in single."""
    packed = hand_made([1, 1])
    layer = packed.model.layers[0]
    layer = dataclasses.replace(layer, bias=np.array([0, 1e-9], np.float32))
    return PackedClassifier(dataclasses.replace(packed.model, layers=(layer,)))


def test_single_precision_that_changes_a_decision_is_refused(path):
    rows = np.array([[5.0], [7.0]])
    assert export_onnx(near_tie(), path, rows=rows).smallest_margin < 1e-8
    path.unlink()
    with pytest.raises(RuntimeError, match='2 rows are decided otherwise; use precision="double"'):
        export_onnx(near_tie(), path, rows=rows, precision="single")
    assert not path.exists()


def test_a_graph_that_computes_something_else_is_not_written(credit, classifier, path, monkeypatch):
    packed = export_packed(classifier("2 bits"))

    def other_weights(self, layer, to_real):
        return original(self, dataclasses.replace(layer, packed=bytes(len(layer.packed))), to_real)

    original = _onnx_graph.Graph.weights
    monkeypatch.setattr(_onnx_graph.Graph, "weights", other_weights)
    with pytest.raises(RuntimeError, match=r"has \d+ problems") as caught:
        export_onnx(packed, path, rows=credit.data)
    for level in ("default", "disable_all", "enable_basic", "enable_extended", "enable_all"):
        assert f"level '{level}': " in str(caught.value)
    assert not path.exists()


def test_wrong_parameters_are_listed_at_once(path):
    packed = hand_made([1, 2])
    with pytest.raises(ValueError, match="has 2 problems") as caught:
        export_onnx(packed, path, precision="half", form="matmul")
    assert "precision='half': one of ('double', 'single') is needed." in str(caught.value)
    with pytest.raises(ValueError, match="DequantizeLinear is single precision"):
        export_onnx(packed, path, form="qdq")
    frame = pd.DataFrame({"label": [0.1, 0.2, 0.3], "x": [3.0, 2.0, 1.0]})
    clf = skcfq.QATClassifier((4,), max_epochs=1, random_state=0).fit(frame, [0, 1, 0])
    with pytest.raises(ValueError, match="column 'label' has a name that the graph uses itself"):
        export_onnx(clf, path)


def test_another_file_is_refused(path):
    graph = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 18]> g (float[N] x) => (float[N] y) { y = Relu(x) }'
    )
    onnx.save(graph, path)
    with pytest.raises(
        ValueError, match=r"model.onnx cannot be loaded: it is no file of export_onnx"
    ):
        load_onnx(path)


def mutate(path, rows, n, seed):
    """Damaged files are refused before the runtime sees them."""
    data, random = path.read_bytes(), np.random.default_rng(seed)
    for _ in range(n):
        broken = damaged(data, random)
        path.write_bytes(broken)
        if broken == data:
            load_onnx(path).predict(rows)
            continue
        with pytest.raises(ValueError, match=r"model.onnx cannot be loaded: it is no file of"):
            load_onnx(path)


def test_damaged_files(credit, classifier, path):
    export_onnx(classifier("mixed"), path)
    mutate(path, credit.data, 300, seed=0)


@pytest.mark.slow
def test_ten_thousand_damaged_files(credit, classifier, path):
    export_onnx(classifier("mixed"), path)
    mutate(path, credit.data, 10_000, seed=1)


def test_the_seal_is_metadata(classifier, path):
    export_onnx(classifier("mixed"), path)
    model = onnx.load(path)
    assert model.metadata_props[-1].key == "skcfq.file_sha256"
    assert model.SerializeToString() == path.read_bytes()
