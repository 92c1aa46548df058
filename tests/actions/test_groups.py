"""One-hot groups found in columns that were encoded before."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq.actions import Encoding
from skcfq.actions._features import AffineFeature, TableFeature
from skcfq.actions._groups import group_features

ROWS = pd.DataFrame(
    {
        "job": list("abcabcab"),
        "job_type": list("uvuvvuuv"),
        "home": list("xxyyxyyx"),
        "age": [20.0, 31, 44, 25, 60, 33, 48, 52],
    }
)


def features_of(frame, groups=()):
    """Features by name, of an encoded frame."""
    encoding = Encoding(None, frame.columns)
    return {f.name: f for f in group_features(encoding.features, frame, dict(groups))}


def encoded(frame=ROWS, prefixes=True, **options):
    """The frame behind a ColumnTransformer with pandas output."""
    encoder = OneHotEncoder(sparse_output=False, **options)
    names = [name for name in frame if name != "age"]
    transformer = ColumnTransformer(
        [("num", StandardScaler(), ["age"]), ("cat", encoder, names)],
        verbose_feature_names_out=prefixes,
    )
    return transformer.set_output(transform="pandas").fit_transform(frame)


@pytest.mark.parametrize("frame", [pd.get_dummies(ROWS), encoded(prefixes=False)])
def test_groups_that_share_a_prefix(frame):
    # "job" is a prefix of "job_type" too: the longer one has to leave first.
    found = features_of(frame)
    assert set(found) == {"age", "job", "job_type", "home"}
    assert isinstance(found["age"], AffineFeature)
    assert found["job"].categories == ("a", "b", "c")
    assert found["job_type"].categories == ("u", "v")
    assert found["home"].categories == ("x", "y")
    np.testing.assert_array_equal(found["job"].values.astype(float), np.eye(3))
    np.testing.assert_array_equal(found["job"].table, np.eye(3))
    names = [frame.columns[i] for i in found["job"].raw_columns]
    assert names == ["job_a", "job_b", "job_c"]
    assert found["job"].columns.tolist() == list(found["job"].raw_columns)
    codes = found["job"].locate(frame)
    assert codes.tolist() == ["abc".index(job) for job in ROWS["job"]]


def test_groups_of_a_column_transformer():
    found = features_of(encoded())
    assert list(found) == ["num__age", "cat__job", "cat__job_type", "cat__home"]


@pytest.mark.parametrize("drop", ["first", "if_binary"])
def test_groups_with_a_dropped_category(drop):
    found = features_of(encoded(ROWS[["job", "home", "age"]], drop=drop))
    dropped = drop == "first"
    assert set(found) == {"num__age", "cat__job", "cat__home_y"}
    none = ("(none of them)",)
    assert found["cat__job"].categories == (("b", "c", *none) if dropped else ("a", "b", "c"))
    # What is left of a binary feature is a column of 0 and 1.
    assert found["cat__home_y"].categories == (0, 1)
    if dropped:
        codes = found["cat__job"].locate(encoded(ROWS[["job", "home", "age"]], drop=drop))
        assert codes.tolist() == [2 if job == "a" else "bc".index(job) for job in ROWS["job"]]


def test_dropped_categories_are_not_guessed_without_a_branch_name():
    frame = pd.get_dummies(ROWS[["job", "age"]], drop_first=True)
    assert set(features_of(frame)) == {"age", "job_b", "job_c"}
    named = features_of(frame, {"job": ["job_b", "job_c"]})
    assert named["job"].categories == ("b", "c", "(none of them)")


def test_trap_two_active_categories_where_training_rows_lack_one():
    # Nobody in training has "rare"; a person who has it must lose it with any move.
    frame = encoded(categories=[["a", "b", "c", "rare"], ["u", "v"], ["x", "y"]])
    group = features_of(frame)["cat__job"]
    assert group.categories == ("a", "b", "c")
    assert [frame.columns[i] for i in group.raw_columns] == [
        "cat__job_a", "cat__job_b", "cat__job_c", "cat__job_rare",
    ]  # fmt: skip
    np.testing.assert_array_equal(group.values.astype(float), np.eye(4)[:3])
    person = frame.head(1).copy()
    person[["cat__job_a", "cat__job_rare"]] = [0.0, 1.0]
    assert group.locate(person).tolist() == [-1]
    named = features_of(frame, {"mine": [f"cat__job_{c}" for c in ("a", "b", "c", "rare")]})
    assert named["mine"].categories == ("cat__job_a", "cat__job_b", "cat__job_c")
    assert len(named["mine"].raw_columns) == 4


def test_a_group_with_one_category_in_training():
    frame = encoded(ROWS.assign(home="x"), categories=[list("abc"), list("uv"), list("xy")])
    group = features_of(frame)["cat__home"]
    assert (group.categories, len(group.raw_columns)) == (("x",), 2)


def test_columns_of_zeros_and_ones_that_are_no_group():
    frame = pd.DataFrame(
        {
            "has_car": [0, 1, 1, 0],
            "has_home": [0, 1, 0, 0],
            "flag": [True, False, True, True],
            "always": [1, 1, 1, 1],
            "never": [0, 0, 0, 0],
            "count": [0, 1, 2, 0],
            "share": [0.0, 1.0, 0.5, 0.0],
            "gap": [0.0, 1.0, np.nan, 1.0],
        }
    )
    found = features_of(frame)
    assert list(found) == list(frame)
    kinds = {name: type(f) for name, f in found.items()}
    tables = dict.fromkeys(["has_car", "has_home", "flag"], TableFeature)
    assert kinds == dict.fromkeys(frame, AffineFeature) | tables
    assert found["has_car"].categories == (0, 1)
    assert found["flag"].locate(frame).tolist() == [1, 0, 1, 1]


def test_a_table_takes_the_scale_of_its_column():
    frame = pd.DataFrame({"flag": [0.0, 1.0, 1.0]})
    features = Encoding(StandardScaler().fit(frame), frame.columns).features
    (table,) = group_features(features, frame, {})
    encoded_values = StandardScaler().fit(frame).transform(pd.DataFrame({"flag": [0.0, 1.0]}))
    np.testing.assert_allclose(table.table, encoded_values)


def test_groups_named_by_position():
    frame = pd.get_dummies(ROWS[["job"]]).astype(float).set_axis([0, 1, 2], axis=1)
    found = features_of(frame, {"job": [0, 1, 2]})
    assert list(found) == ["job"]
    assert found["job"].categories == (0, 1, 2)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            {"job": ["job_a", "job_z"], "x": ["age", 99]},
            "ActionSet has 3 problems:\n"
            "  1. groups['job'] names 'job_z', which is no column of X.\n"
            "  2. groups['x'] names 'age', which does not hold only 0 and 1.\n"
            "  3. groups['x'] names 99, which is no column of X.",
        ),
        (
            {"mix": ["job_a", "home_x"]},
            "ActionSet: groups['mix']: some rows have two columns that are 1.",
        ),
    ],
)
def test_groups_that_are_none(groups, message):
    with pytest.raises(ValueError) as error:
        features_of(pd.get_dummies(ROWS), groups)
    assert str(error.value) == message
