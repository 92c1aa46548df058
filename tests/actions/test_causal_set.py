"""The specification of causal actions, its JSON, and what binding makes of it."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq.actions import ActionSet, CausalActionSet, Encoding, auto_preprocessor, bind_actions
from tests.strategies import action_sets, names


def squared(income):
    return income**2 / 100


def people(n=50, seed=0):
    random = np.random.default_rng(seed)
    income = random.normal(30, 8, n)
    age = random.integers(20, 70, n)
    savings = 0.4 * income - 0.1 * age + random.normal(0, 1, n)
    score = 2 * savings + 0.5 * income + random.normal(0, 3, n)
    return pd.DataFrame(
        {
            "age": age, "income": income, "savings": savings, "score": score,
            "member": random.integers(0, 2, n), "job": random.choice(["a", "b"], n),
        }
    )  # fmt: skip


def bound(frame, **fields):
    encoding = Encoding(auto_preprocessor(frame), frame.columns)
    return bind_actions(CausalActionSet(**fields), encoding, frame)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"graph": ["a"]}, "graph=['a']: a mapping from feature to value is needed."),
        ({"graph": {"a": "b"}}, "graph['a']='b': a sequence of feature names is needed."),
        ({"graph": {"a": [["b"]]}}, "graph['a']=[['b']]: a sequence of feature names is needed."),
        ({"graph": {"a": ["b", "b"]}}, "graph['a']=['b', 'b']: a cause is named twice."),
        ({"graph": {"a": ["a"]}}, "graph has a cycle: 'a' -> 'a'."),
        (
            {"graph": {"c": ["b"], "b": ["a"], "a": ["c"], "d": ["a"]}},
            "graph has a cycle: 'a' -> 'b' -> 'c' -> 'a'.",
        ),
        ({"equations": 3}, "equations=3: a mapping from feature to value is needed."),
        ({"equations": {"a": {}}}, "equations['a']: 'a' has no causes in graph."),
        (
            {"graph": {"a": ["b"]}, "equations": {"a": 2}},
            "equations['a']=2: a mapping from cause to coefficient, or a function of the causes' "
            "values, is needed.",
        ),
        (
            {"graph": {"a": ["b"]}, "equations": {"a": {"b": np.inf}}},
            "equations['a']['b']=inf: a finite number is needed.",
        ),
        (
            {"graph": {"a": ["b", "c"]}, "equations": {"a": {"b": 1, "d": 2}}},
            "equations['a'] has coefficients of 'b', 'd'; the causes in graph are 'b', 'c'.",
        ),
        (
            {"graph": {"a": ["b"]}, "transitions": {"b": {}}},
            "'b' is in graph and also in transitions: causes and what follows them are numbers that "
            "move on a line. Remove one of the two.",
        ),
        (
            {"graph": {"a": ["b"]}, "allowed_values": {"a": [1]}},
            "'a' is in graph and also in allowed_values: causes and what follows them are numbers "
            "that move on a line. Remove one of the two.",
        ),
    ],
)
def test_refuses(fields, problem):
    with pytest.raises(ValueError) as error:
        CausalActionSet(**fields)
    assert str(error.value) == f"CausalActionSet: {problem}"


def test_all_problems_in_one_error_with_those_of_every_action_set():
    with pytest.raises(ValueError) as error:
        CausalActionSet(
            immutable=["x"],
            step={"x": 1},
            graph={"a": ["b"], "b": ["a"]},
            equations={"z": {"a": 1}},
        )
    assert str(error.value) == (
        "CausalActionSet has 3 problems:\n"
        "  1. 'x' is immutable and also in step: remove one of the two.\n"
        "  2. graph has a cycle: 'a' -> 'b' -> 'a'.\n"
        "  3. equations['z']: 'z' has no causes in graph."
    )


def test_causes_come_first_and_empty_lists_are_nothing():
    actions = CausalActionSet(graph={"c": ["b", "a"], "b": ["a"], "root": []})
    assert list(actions.graph) == ["c", "b"]
    assert actions.nodes == ("a", "b", "c")
    assert actions.mentioned == ("c", "b", "a")


@given(action_sets(), st.lists(names, min_size=1, max_size=5, unique=True), st.data())
def test_json_round_trip(plain, nodes, data):
    line = [n for n in nodes if n not in plain.allowed_values and n not in plain.transitions]
    graph = {
        name: data.draw(st.lists(st.sampled_from(line[:i]), min_size=1, unique=True))
        for i, name in enumerate(line)
        if i and data.draw(st.booleans())
    }
    number = st.floats(-1e9, 1e9)
    equations = {
        name: {p: data.draw(number) for p in parents}
        for name, parents in graph.items()
        if data.draw(st.booleans())
    }
    fields = {f: getattr(plain, f) for f in plain.__dataclass_fields__}
    actions = CausalActionSet(**fields, graph=graph, equations=equations)
    again = CausalActionSet.from_json(actions.to_json())
    assert again == actions
    assert [type(n) for n in again.graph] == [type(n) for n in actions.graph]
    assert pickle.loads(pickle.dumps(actions)) == copy.deepcopy(actions) == actions


def test_json_by_hand():
    text = '{"version": 1, "graph": {"a": ["b"]}, "equations": {"a": {"b": 2}}}'
    expected = CausalActionSet(graph={"a": ["b"]}, equations={"a": {"b": 2}})
    assert CausalActionSet.from_json(text) == expected


def test_json_holds_no_function():
    actions = CausalActionSet(graph={"a": ["b"], "c": ["b"]}, equations={"a": squared, "c": abs})
    assert pickle.loads(pickle.dumps(actions)) == actions
    with pytest.raises(ValueError) as error:
        actions.to_json()
    assert str(error.value) == (
        "CausalActionSet.to_json has 2 problems:\n"
        "  1. equations['a'] is a callable, which JSON cannot hold: give coefficients.\n"
        "  2. equations['c'] is a callable, which JSON cannot hold: give coefficients."
    )


def test_a_plain_action_set_does_not_read_a_graph():
    text = CausalActionSet(graph={"a": ["b"]}).to_json()
    with pytest.raises(ValueError, match="unknown field 'graph'"):
        ActionSet.from_json(text)


# ----- binding -----------------------------------------------------------------------------


def test_least_squares_with_weights_of_rows():
    frame = people(200)
    weight = np.random.default_rng(1).integers(0, 3, 200).astype(float)
    encoding = Encoding(auto_preprocessor(frame), frame.columns)
    actions = CausalActionSet(graph={"savings": ["income", "age"]})
    space = bind_actions(actions, encoding, frame, weight)
    rows = np.repeat(np.arange(200), weight.astype(int))
    design = np.column_stack([np.ones(len(rows)), frame[["income", "age"]].to_numpy()[rows]])
    expected = np.linalg.lstsq(design, frame["savings"].to_numpy()[rows], rcond=None)[0][1:]
    found = space.causes.equations[space.causes.names.index("savings")]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_allclose(expected, [0.4, -0.1], atol=0.05)


def test_least_squares_with_constant_equal_and_missing_causes():
    frame = people(60).assign(one=1.0, twin=lambda f: f["income"])
    frame.loc[:4, "savings"] = np.nan
    encoding = Encoding(
        ColumnTransformer([("n", "passthrough", ["income", "one", "twin", "savings"])]).fit(frame),
        frame.columns,
    )
    actions = CausalActionSet(
        immutable=["age", "score", "member", "job"], graph={"savings": ["income", "one", "twin"]}
    )
    space = bind_actions(actions, encoding, frame)
    income, one, twin = space.causes.equations[space.causes.names.index("savings")]
    assert one == 0
    assert income == pytest.approx(twin)
    known = frame.dropna()
    slope = np.polyfit(known["income"], known["savings"], 1)[0]
    assert income + twin == pytest.approx(slope)


def test_branch_names_and_positions_are_understood():
    frame = people()
    encoder = ColumnTransformer(
        [
            ("num", StandardScaler(), ["age", "income", "savings", "score"]),
            ("cat", OneHotEncoder(sparse_output=False), ["job"]),
        ]
    ).fit(frame)
    encoded = pd.DataFrame(encoder.transform(frame), columns=encoder.get_feature_names_out())
    space = bind_actions(
        CausalActionSet(graph={"savings": ["income"], 3: [2]}),
        Encoding(None, encoded.columns),
        encoded,
    )
    assert space.actions.graph == {
        "num__savings": ("num__income",),
        "num__score": ("num__savings",),
    }
    with pytest.raises(ValueError) as error:
        bind_actions(
            CausalActionSet(graph={"savings": ["income"]}, equations={"savings": {"income": 0.4}}),
            Encoding(None, encoded.columns),
            encoded,
        )
    assert str(error.value) == (
        "CausalActionSet: equations['num__savings'] cannot be expressed in raw units: "
        "'num__savings', 'num__income' hold scaled values. Give the ColumnTransformer as "
        "preprocessor=... and fit on the raw frame, or leave the equation out to have it fitted."
    )


def test_what_cannot_be_bound_is_one_error():
    frame = people()
    moved = "causes and what follows them are numbers that move on a line."
    with pytest.raises(ValueError) as error:
        bound(frame, graph={"savings": ["job", "incom"], "member": ["income"], "score": ["member"]})
    assert str(error.value) == (
        "CausalActionSet has 3 problems:\n"
        "  1. unknown feature 'incom'. Did you mean 'income'? Features are 'age', 'income', "
        "'savings', 'score', 'member', 'job'.\n"
        f"  2. 'job' is in graph, but it moves between listed values: {moved}\n"
        f"  3. 'member' is in graph, but it moves between listed values: {moved}"
    )


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda income: 3.0, "returns shape () for 50 people: one number per person is needed."),
        (lambda a, b: a, "fails on the training rows: TypeError: "),
        (lambda income: np.log(income - 30), "is not finite for "),
    ],
)
def test_functions_are_tried_on_the_training_rows(function, problem):
    with pytest.raises(ValueError) as error:
        bound(people(), graph={"savings": ["income"]}, equations={"savings": function})
    assert str(error.value).startswith(f"CausalActionSet: equations['savings'] {problem}")


def test_an_immutable_column_of_0_and_1_may_be_a_cause():
    space = bound(people(), immutable=["member"], graph={"savings": ["income", "member"]})
    assert space.causes.move[space.causes.names.index("member")] == -1


def test_without_a_graph_there_is_no_model():
    assert bound(people()).causes is None
    assert bound(people(), graph={"income": []}).causes is None
