"""Graphs in ONNX Runtime as functions of frames."""

import copy
import pickle

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from onnx import TensorProto, helper
from onnxruntime.quantization import quantize_dynamic
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq import QATClassifier, RecourseAuditor
from skcfq.estimators import OnnxModel, classifier_view
from skcfq.export import export_onnx

to_onnx = pytest.importorskip("skl2onnx").to_onnx
types = pytest.importorskip("skl2onnx.common.data_types")

NUMBERS, WORDS = (
    make_column_selector(dtype_include="number"),
    make_column_selector(dtype_exclude="number"),
)


def session_of(model):
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def graph_of(nodes, inputs, outputs, initializers=()):
    values = [[helper.make_tensor_value_info(*each) for each in part] for part in (inputs, outputs)]
    graph = helper.make_graph(nodes, "scores", *values, list(initializers))
    opset = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10)


def scores_graph(shape_in=(None, 2), shape_out=(None, 2), name="scores", kind=TensorProto.FLOAT):
    """Puts out what comes in."""
    return graph_of(
        [helper.make_node("Identity", ["x"], [name])],
        [("x", kind, shape_in)], [(name, kind, shape_out)],
    )  # fmt: skip


@pytest.fixture(scope="module")
def people(credit):
    return credit.data.head(250), credit.target.head(250)


@pytest.fixture(scope="module")
def fitted(people):
    encoder = make_column_transformer(
        (StandardScaler(), NUMBERS), (OneHotEncoder(sparse_output=False), WORDS)
    )
    model = make_pipeline(encoder, RandomForestClassifier(10, max_depth=5, random_state=0))
    return model.fit(*people)


def converted(model, X, **options):
    words = [name for name in X if not pd.api.types.is_numeric_dtype(X[name])]
    inputs = [
        (n, (types.StringTensorType if n in words else types.DoubleTensorType)([None, 1]))
        for n in X
    ]
    return to_onnx(model, initial_types=inputs, options={id(model): options}, target_opset=21)


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_converted_pipeline_is_audited_as_the_pipeline_itself(people, fitted, credit, zipmap):
    X, y = people
    graph = converted(fitted, X, zipmap=zipmap)
    session = session_of(graph)
    model = OnnxModel(session, classes=fitted.classes_)
    np.testing.assert_array_equal(fitted.classes_[model(X).argmax(axis=1)], fitted.predict(X))
    kwargs = {"actions": credit.realistic_actions, "target": "granted"}
    line = make_pipeline(clone(fitted[0]), LogisticRegression(max_iter=1000)).fit(X, y)
    X, y = X.head(60), y.head(60)
    expected = RecourseAuditor(line, fitted, **kwargs).fit(*people).audit(X, y)
    for deployed in (session, OnnxModel(graph.SerializeToString())):
        found = RecourseAuditor(line, deployed, **kwargs).fit(*people).audit(X, y)
        for name in ("accuracy", "validity_drop", "decision_flips"):
            assert found.measures[name] == expected.measures[name], name
        assert found.measures["validity_drop"].n == expected.measures["validity_drop"].n > 5


def test_columns_are_found_by_name_and_others_left_alone(people, fitted):
    X, _ = people
    model = OnnxModel(
        converted(fitted, X, zipmap=False).SerializeToString(), classes=fitted.classes_
    )
    shuffled = X.assign(remark="late")[["remark", *X.columns[::-1]]]
    np.testing.assert_array_equal(model(shuffled), model(X))


def test_one_input_takes_all_columns_in_their_order():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(300, 3)).astype(np.float32), random.integers(3, size=300)
    mlp = MLPClassifier((8,), max_iter=60, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        mlp.fit(X, y)
    model = OnnxModel(to_onnx(mlp, X[:1], options={"zipmap": False}).SerializeToString())
    frame = pd.DataFrame(X, columns=list("abc"))
    np.testing.assert_array_equal(model(frame).argmax(axis=1), mlp.predict(X))
    assert model.problems(list("ab")) == ["its input 'X' takes 3 columns, X has 2."]
    view = classifier_view(model, frame)
    assert view.classes.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(view.predict(frame), mlp.predict(X))


def test_dynamic_quantization_is_asked_for_each_row_alone(tmp_path, caplog):
    """Its rounding depends on all rows of a call, which nobody who applies alone is in."""
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 4)).astype(np.float32)
    mlp = MLPClassifier((16,), tol=0.1, random_state=0).fit(X, X[:, 0] > X[:, 1])
    graph = to_onnx(mlp, X[:1], options={"zipmap": False}).SerializeToString()
    (tmp_path / "float.onnx").write_bytes(graph)
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "int8.onnx")
    model = OnnxModel(tmp_path / "int8.onnx", classes=[False, True])
    assert model.one_by_one
    assert not OnnxModel(graph).one_by_one
    frame = pd.DataFrame(X, columns=list("abcd"))
    found = model(frame)
    alone = np.concatenate([model(frame.iloc[i : i + 1]) for i in range(len(frame))])
    np.testing.assert_array_equal(found, alone)
    together = OnnxModel(tmp_path / "int8.onnx", classes=[False, True], one_by_one=False)(frame)
    assert (together != found).any()
    assert pickle.loads(pickle.dumps(model)).one_by_one


def test_the_graphs_own_label_decides():
    """A threshold in the graph: its label is not that of the largest score."""
    nodes = [
        helper.make_node("Identity", ["x"], ["scores"]),
        helper.make_node("Slice", ["x", "start", "end", "axis"], ["second"]),
        helper.make_node("Greater", ["second", "limit"], ["above"]),
        helper.make_node("Cast", ["above"], ["label"], to=TensorProto.INT64),
    ]
    values = {"start": [1], "end": [2], "axis": [1]}
    constants = [helper.make_tensor(n, TensorProto.INT64, [1], v) for n, v in values.items()]
    constants.append(helper.make_tensor("limit", TensorProto.FLOAT, [1], [0.8]))
    graph = graph_of(
        nodes, [("x", TensorProto.FLOAT, (None, 2))],
        [("label", TensorProto.INT64, (None, 1)), ("scores", TensorProto.FLOAT, (None, 2))],
        constants,
    )  # fmt: skip
    model = OnnxModel(session_of(graph))
    frame = pd.DataFrame({"no": [0.4, 0.1], "yes": [0.6, 0.9]})
    assert model(frame).argmax(axis=1).tolist() == [0, 1]
    with pytest.raises(
        ValueError, match=r"^the graph decides for \[0, 1\], the classes are \['a', 'b'\]: give "
    ):
        OnnxModel(session_of(graph), classes=["a", "b"])(frame)


def test_logits_are_taken_as_they_are_and_probabilities_told_apart():
    model = OnnxModel(session_of(scores_graph()))
    logits = pd.DataFrame({"a": [2.0, -1.0], "b": [0.5, 3.0]})
    np.testing.assert_array_equal(model(logits), logits.to_numpy())
    sure = pd.DataFrame({"a": [1.0, 1.0], "b": [1e-9, 1e-7]})
    np.testing.assert_allclose(
        model(sure)[:, 1], [1e-9 + 1e-3 * np.log(1e-9), 1e-7 + 1e-3 * np.log(1e-7)], rtol=1e-6
    )


def test_a_file_of_ours_knows_its_classes(tmp_path, people):
    X, y = people
    clf = QATClassifier((8,), max_epochs=2, random_state=0).fit(X, y)
    export_onnx(clf, tmp_path / "credit.onnx")
    model = OnnxModel(tmp_path / "credit.onnx")
    assert model.classes.tolist() == clf.classes_.tolist()
    assert model.labelled(["x", "y"]) is model
    for copied in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(copied(X), model(X))
    auditor = RecourseAuditor(clf, model, target="granted").fit(X, y)
    again = clone(auditor).fit(X, y)
    result = again.audit(X.head(40), y.head(40))
    assert result.measures["validity_drop"] == 0
    assert result.measures["decision_flips"] == 0
    with pytest.raises(
        TypeError, match="a session of ONNX Runtime cannot be copied: give OnnxModel a path"
    ):
        pickle.dumps(OnnxModel(model.session))


def test_a_missing_word_is_the_empty_text_and_a_missing_whole_number_an_error():
    graph = graph_of(
        [
            helper.make_node("LabelEncoder", ["w"], ["a"], domain="ai.onnx.ml", keys_strings=["", "x"], values_floats=[1.0, 2.0], default_float=9.0),
            helper.make_node("Cast", ["k"], ["b"], to=TensorProto.FLOAT),
            helper.make_node("Concat", ["a", "b"], ["scores"], axis=1),
        ],
        [("w", TensorProto.STRING, (None, 1)), ("k", TensorProto.INT64, (None, 1))],
        [("scores", TensorProto.FLOAT, (None, 2))],
    )  # fmt: skip
    model = OnnxModel(session_of(graph))
    frame = pd.DataFrame({"w": ["x", None], "k": [5, 6]})
    np.testing.assert_array_equal(model(frame), [[2, 5], [1, 6]])
    with pytest.raises(
        ValueError, match=r"^column 'k' has missing values, its input takes whole numbers\.$"
    ):
        model(frame.assign(k=[1.0, np.nan]))


def test_wrong_graphs_are_clear_errors(tmp_path, people, fitted):
    X, y = people
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(ValueError, match=r"text\.onnx is no graph that ONNX Runtime can run: "):
        OnnxModel(tmp_path / "text.onnx")
    with pytest.raises(FileNotFoundError, match=r"absent\.onnx"):
        OnnxModel(tmp_path / "absent.onnx")
    with pytest.raises(
        ValueError, match=r"no output has a score per class; there is label tensor\(int64\)"
    ):
        OnnxModel(session_of(scores_graph(name="label", kind=TensorProto.INT64)))
    with pytest.raises(
        ValueError, match="the output p is one number a row, which may be a probability or a logit"
    ):
        OnnxModel(session_of(scores_graph((None, 1), (None, 1), "p")))
    with pytest.raises(
        ValueError, match=r"^the graph scores 2 classes, there are 3: \[0, 1, 2\]\.$"
    ):
        OnnxModel(session_of(scores_graph()), classes=[0, 1, 2])(pd.DataFrame(np.eye(2)))
    model = OnnxModel(session_of(scores_graph((2, 2))))
    with pytest.raises(ValueError, match=r"^ONNX Runtime refuses the rows: "):
        model(pd.DataFrame(np.zeros((3, 2))))
    graph = session_of(converted(fitted, X, zipmap=False))
    with pytest.raises(
        ValueError, match=r"the deployed model: its inputs \['debt'\] are no columns of X"
    ):
        RecourseAuditor(fitted, graph).fit(X.rename(columns={"debt": "debts"}), y)
