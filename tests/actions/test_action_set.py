"""The specification: what it refuses, in which words, and its JSON."""

import copy
import dataclasses
import json
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from skcfq.actions import ActionSet, rising_transitions
from tests.strategies import action_sets

NEEDED = {
    "names": "a sequence of feature names is needed.",
    "mapping": "a mapping from feature to value is needed.",
    "pair": "(lower, upper) is needed, each a number or None.",
    "positive": "a finite number > 0 is needed.",
    "values": "a sequence with at least one value is needed.",
    "table": "a mapping from a category to a sequence of categories is needed.",
}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"immutable": "age"}, f"immutable='age': {NEEDED['names']}"),
        ({"immutable": None}, f"immutable=None: {NEEDED['names']}"),
        ({"increase_only": {"age": 1}}, f"increase_only={{'age': 1}}: {NEEDED['names']}"),
        ({"decrease_only": [["age"]]}, f"decrease_only=[['age']]: {NEEDED['names']}"),
        ({"bounds": [("age", 1)]}, f"bounds=[('age', 1)]: {NEEDED['mapping']}"),
        ({"groups": "job"}, f"groups='job': {NEEDED['mapping']}"),
        ({"bounds": {"age": 5}}, f"bounds['age']=5: {NEEDED['pair']}"),
        ({"bounds": {"age": (1, 2, 3)}}, f"bounds['age']=(1, 2, 3): {NEEDED['pair']}"),
        ({"bounds": {"age": "ab"}}, f"bounds['age']='ab': {NEEDED['pair']}"),
        ({"bounds": {"age": (True, 2)}}, f"bounds['age']=(True, 2): {NEEDED['pair']}"),
        ({"bounds": {"age": (np.nan, 2)}}, f"bounds['age']=(nan, 2): {NEEDED['pair']}"),
        ({"bounds": {"age": (0, np.inf)}}, f"bounds['age']=(0, inf): {NEEDED['pair']}"),
        ({"step": {"age": 0}}, f"step['age']=0: {NEEDED['positive']}"),
        ({"step": {"age": None}}, f"step['age']=None: {NEEDED['positive']}"),
        ({"step": {"age": -1.5}}, f"step['age']=-1.5: {NEEDED['positive']}"),
        ({"step": {"age": np.inf}}, f"step['age']=inf: {NEEDED['positive']}"),
        ({"allowed_values": {"job": "ab"}}, f"allowed_values['job']='ab': {NEEDED['values']}"),
        ({"allowed_values": {"job": []}}, f"allowed_values['job']=[]: {NEEDED['values']}"),
        ({"allowed_values": {"job": [[1]]}}, f"allowed_values['job']=[[1]]: {NEEDED['values']}"),
        ({"groups": {"job": ()}}, f"groups['job']=(): {NEEDED['values']}"),
        ({"transitions": {"job": ["a"]}}, f"transitions['job']=['a']: {NEEDED['table']}"),
        (
            {"transitions": {"job": {"a": "b"}}},
            f"transitions['job']={{'a': 'b'}}: {NEEDED['table']}",
        ),
        ({"cost_weights": {"age": 0}}, f"cost_weights['age']=0: {NEEDED['positive']}"),
        (
            {"cost_weights": "var"},
            "cost_weights='var': one of ('std', 'mad', 'range') or a mapping is needed.",
        ),
        (
            {"cost_weights": ["std"]},
            "cost_weights=['std']: one of ('std', 'mad', 'range') or a mapping is needed.",
        ),
        ({"cost": "l0"}, "cost='l0': one of ('l1', 'l2', 'mixed') is needed."),
        ({"cost": None}, "cost=None: one of ('l1', 'l2', 'mixed') is needed."),
        ({"mix": 1.5}, "mix=1.5: a number in [0, 1] is needed."),
        ({"mix": np.nan}, "mix=nan: a number in [0, 1] is needed."),
        ({"max_changes": 0}, "max_changes=0: an integer >= 1 or None is needed."),
        ({"max_changes": 2.0}, "max_changes=2.0: an integer >= 1 or None is needed."),
        ({"max_changes": True}, "max_changes=True: an integer >= 1 or None is needed."),
        (
            {"immutable": ["age"], "bounds": {"age": (0, 1)}, "step": {"age": 1}},
            "'age' is immutable and also in bounds, step: remove one of the two.",
        ),
        (
            {"immutable": ["job"], "transitions": {"job": {}}},
            "'job' is immutable and also in transitions: remove one of the two.",
        ),
        (
            {"increase_only": ["age"], "decrease_only": ["age"]},
            "'age' is in increase_only and in decrease_only: make it immutable instead.",
        ),
        (
            {"transitions": {"job": {}}, "bounds": {"job": (0, 1)}, "step": {"job": 1}},
            "'job' has transitions, which are for categories, and is also in bounds, step: "
            "keep one of the two.",
        ),
        (
            {"allowed_values": {"age": [1]}, "step": {"age": 1}},
            "'age' has allowed_values and a step: keep one of the two.",
        ),
        (
            {"groups": {"job": ["a", "b"], "home": ["b", "c"]}},
            "column 'b' is in the groups 'job' and 'home'.",
        ),
    ],
)
def test_each_contradiction_has_its_words(fields, problem):
    with pytest.raises(ValueError) as error:
        ActionSet(**fields)
    assert str(error.value) == f"ActionSet: {problem}"


def test_trap_an_action_set_that_accepts_lower_above_upper():
    with pytest.raises(ValueError) as error:
        ActionSet(bounds={"debt": (10, 0)})
    assert str(error.value) == "ActionSet: bounds['debt']=(10, 0): lower is above upper."
    assert ActionSet(bounds={"debt": (10, 10)}).bounds == {"debt": (10, 10)}


def test_all_problems_come_at_once_in_one_order():
    with pytest.raises(ValueError) as error:
        ActionSet(
            immutable=["debt", "age"],
            increase_only=["age", "x"],
            decrease_only=["x"],
            bounds={"debt": (10, 0), "y": 3},
            step={"y": -1},
            cost="l3",
            mix=2,
            max_changes=-1,
            cost_weights={"debt": 0},
        )
    assert str(error.value).splitlines() == [
        "ActionSet has 10 problems:",
        "  1. bounds['debt']=(10, 0): lower is above upper.",
        f"  2. bounds['y']=3: {NEEDED['pair']}",
        f"  3. step['y']=-1: {NEEDED['positive']}",
        f"  4. cost_weights['debt']=0: {NEEDED['positive']}",
        "  5. cost='l3': one of ('l1', 'l2', 'mixed') is needed.",
        "  6. mix=2: a number in [0, 1] is needed.",
        "  7. max_changes=-1: an integer >= 1 or None is needed.",
        "  8. 'debt' is immutable and also in bounds: remove one of the two.",
        "  9. 'age' is immutable and also in increase_only: remove one of the two.",
        "  10. 'x' is in increase_only and in decrease_only: make it immutable instead.",
    ]


def test_an_integer_that_no_float_can_hold_is_no_bound():
    with pytest.raises(
        ValueError, match=r"ActionSet: bounds\['age'\]=\(0, 10+\): \(lower, upper\)"
    ):
        ActionSet(bounds={"age": (0, 10**400)})


def test_it_is_frozen():
    actions = ActionSet(immutable=["age"])
    with pytest.raises(dataclasses.FrozenInstanceError):
        actions.immutable = ()


def test_later_changes_of_what_was_given_do_not_reach_it():
    bounds, listed, table = {"age": [0, 1]}, [1, 2], {"a": ["b"]}
    immutable = ["sex"]
    actions = ActionSet(
        immutable=immutable,
        bounds=bounds,
        allowed_values={"rate": listed},
        transitions={"job": table},
    )
    before = copy.deepcopy(actions)
    immutable.append("x")
    bounds["age"][0], bounds["new"] = 5, (0, 1)
    listed.append(3)
    table["a"].append("c")
    table["b"] = []
    assert actions == before


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))])
def test_copies_are_equal(copied):
    actions = ActionSet(bounds={"age": (None, 3)}, transitions={"job": {"a": ["b"]}})
    assert copied(actions) == actions


def test_numpy_and_pandas_values_become_plain_ones():
    actions = ActionSet(
        immutable=np.array([1, 2]),
        increase_only=pd.Index(["age"]),
        bounds={np.str_("x"): np.array([0.5, 2.0])},
        step={"x": np.float32(0.25)},
        allowed_values={"job": pd.Series(["a", None]), "rate": np.array([1, 2])},
        transitions={"home": {np.int64(1): np.array([2, np.nan])}},
        max_changes=np.int64(2),
        mix=np.float32(0.25),
        cost_weights={"x": np.float64(2)},
    )
    assert ActionSet.from_json(actions.to_json()) == actions
    values = [
        *actions.immutable, *actions.bounds["x"], *actions.step.values(), actions.max_changes,
        actions.mix, *actions.allowed_values["rate"], *actions.cost_weights.values(),
    ]  # fmt: skip
    assert {type(value) for value in values} == {int, float}
    assert actions.allowed_values["job"] == ("a", None)
    assert actions.transitions["home"] == {1: (2.0, None)}


@pytest.mark.parametrize("missing", [None, np.nan, float("nan"), pd.NA, pd.NaT])
def test_every_missing_value_is_none(missing):
    actions = ActionSet(
        allowed_values={"job": ["a", missing]}, transitions={"home": {missing: ["b", missing]}}
    )
    assert actions.allowed_values == {"job": ("a", None)}
    assert actions.transitions == {"home": {None: ("b", None)}}


def test_mentioned_lists_every_feature_once():
    actions = ActionSet(
        immutable=["a", "b"],
        increase_only=["c"],
        bounds={"c": (0, 1), "d": (0, 1)},
        transitions={"e": {}},
        cost_weights={"f": 1, "d": 2},
        groups={"g": ["x", "y"]},
    )
    assert actions.mentioned == ("a", "b", "c", "d", "e", "f")
    assert ActionSet().mentioned == ()


# ----- JSON --------------------------------------------------------------------------------


@given(action_sets())
def test_json_round_trip(actions):
    text = actions.to_json(indent=1)
    again = ActionSet.from_json(text)
    assert again == actions
    assert again.to_json(indent=1) == text  # 1, 1.0 and True are equal, but not written alike
    assert ActionSet.from_json(text.encode()) == actions


def test_json_holds_only_what_differs_from_the_defaults():
    assert ActionSet().to_json() == '{"version": 1}'
    actions = ActionSet(bounds={3: (0, None)}, transitions={"job": {1: ["a"], "1": []}})
    assert json.loads(actions.to_json()) == {
        "version": 1,
        "bounds": [[3, [0, None]]],
        "transitions": [["job", [[1, ["a"]], ["1", []]]]],
    }


def test_json_objects_written_by_hand_are_read():
    text = """{"version": 1, "immutable": ["sex"], "bounds": {"age": [18, null]},
      "transitions": {"job": {"none": ["part"]}}, "allowed_values": {"rate": [1, 2]}}"""
    assert ActionSet.from_json(text) == ActionSet(
        immutable=["sex"],
        bounds={"age": (18, None)},
        transitions={"job": {"none": ["part"]}},
        allowed_values={"rate": (1, 2)},
    )


PAIRS = "a mapping is written as an object, or as a list of [key, value] pairs"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ActionSet: the text is not JSON (Expecting value: line 1 column 1 (char 0))."),
        ("{", "ActionSet: the text is not JSON (Expecting property name enclosed in double"),
        (b"\xff", "ActionSet: the text is not JSON ("),
        ("[1]", "ActionSet: a JSON object is needed, got list."),
        ("null", "ActionSet: a JSON object is needed, got NoneType."),
        ("{}", "ActionSet: version None is not 1, the version that this skcfq reads."),
        ('{"version": 2}', "ActionSet: version 2 is not 1, the version that this skcfq reads."),
        (
            '{"version": 1, "imutable": []}',
            "ActionSet: unknown field 'imutable'; known fields: allowed_values, bounds, cost, "
            "cost_weights, decrease_only, groups, immutable, increase_only, max_changes, mix, "
            "step, transitions.",
        ),
        ('{"version": 1, "bounds": 3}', f"ActionSet: {PAIRS} ('int' object is not iterable)."),
        ('{"version": 1, "step": [["a"]]}', f"ActionSet: {PAIRS} ("),
        ('{"version": 1, "step": [[["a"], 1]]}', f"ActionSet: {PAIRS} (unhashable type: 'list')."),
        ('{"version": 1, "transitions": {"a": 1}}', f"ActionSet: {PAIRS} ("),
        (
            '{"version": 1, "transitions": "ab"}',
            f"ActionSet: transitions='ab': {NEEDED['mapping']}",
        ),
        (
            '{"version": 1, "bounds": {"a": [2, 1]}}',
            "ActionSet: bounds['a']=(2, 1): lower is above upper.",
        ),
        ('{"version": 1, "mix": NaN}', "ActionSet: mix="),
    ],
)
def test_malformed_json(text, message):
    with pytest.raises(ValueError) as error:
        ActionSet.from_json(text)
    assert str(error.value).startswith(message)
    assert type(error.value) is ValueError


def test_unknown_fields_and_version_come_together():
    with pytest.raises(ValueError) as error:
        ActionSet.from_json('{"a": 1, "version": "x", "b": 2}')
    assert str(error.value).startswith("ActionSet has 3 problems:\n  1. version 'x' is not 1")


# ----- transitions -------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", ["", "a", "abcd"])
def test_rising_transitions_go_up_and_nowhere_else(ordered):
    table = rising_transitions(iter(ordered))
    assert list(table) == list(ordered)
    for start, reach in table.items():
        assert reach == tuple(c for c in ordered if c > start)
    assert ActionSet(transitions={"x": table}).transitions == {"x": table}
