"""Encoding without a ColumnTransformer's checks: the same bits, or left to the transformer."""

import os
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import set_config
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skcfq import datasets
from skcfq.actions import Encoding, auto_preprocessor
from skcfq.actions._direct import direct_encoder
from skcfq.datasets._files import ENVIRONMENT_VARIABLE


def people(n=40, seed=0):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": random.integers(18, 90, n),
            "job": random.choice(["none", "clerk", "nurse"], n),
            "rent": random.lognormal(6, 1, n),
            "married": random.integers(0, 2, n),
            "city": random.choice(["Ghent", "Lund"], n),
        }
    )


def transformed(preprocessor, frame):
    encoded = preprocessor.transform(frame)
    return np.asarray(encoded.toarray() if hasattr(encoded, "toarray") else encoded, dtype=float)


@pytest.mark.parametrize(
    "fetch", ["adult", "compas", "german_credit", "bank_marketing", "credit_default"]
)
def test_published_data_to_the_bit(fetch):
    if ENVIRONMENT_VARIABLE not in os.environ:
        pytest.skip("needs the published data files")
    frame = getattr(datasets, f"fetch_{fetch}")().data
    preprocessor = auto_preprocessor(frame)
    encoded = direct_encoder(preprocessor).encode(frame)
    assert np.array_equal(encoded, transformed(preprocessor, frame))


VALUES = {
    "age": st.integers(0, 120),
    "job": st.sampled_from(["none", "clerk", "nurse"]),
    "rent": st.floats(-1e9, 1e9) | st.just(np.nan),
    "married": st.integers(0, 1),
    "city": st.sampled_from(["Ghent", "Lund"]),
}


@given(st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=5), st.integers(0, 3))
def test_any_rows_to_the_bit(rows, seed):
    frame = people(seed=seed)
    preprocessor = auto_preprocessor(frame, np.random.default_rng(seed).random(len(frame)))
    frame = pd.DataFrame(rows)[list(frame)]
    encoded = direct_encoder(preprocessor).encode(frame)
    assert np.array_equal(encoded, transformed(preprocessor, frame), equal_nan=True)


@pytest.mark.parametrize("missing", [np.nan, None])
@pytest.mark.parametrize("dtype", [object, "str"])
def test_a_missing_category(missing, dtype):
    frame = people()
    frame["job"] = frame["job"].astype(dtype)
    frame.loc[[3, 7], "job"] = missing
    preprocessor = auto_preprocessor(frame)
    encoded = direct_encoder(preprocessor).encode(frame)
    assert np.array_equal(encoded, transformed(preprocessor, frame))
    assert (encoded[[3, 7]] == encoded[3]).all(axis=0)[-3:].any()


def changed(**columns):
    return lambda frame: frame.assign(**{k: v(frame[k]) for k, v in columns.items()})


STRANGE = {
    "single precision": changed(rent=lambda c: c.astype(np.float32)),
    "single precision alone": changed(
        age=lambda c: c.astype(np.float32), rent=lambda c: c.astype(np.float32)
    ),
    "nullable": changed(age=lambda c: c.astype("Int64")),
    "nullable, missing": changed(age=lambda c: c.astype("Int64").where(c > 30)),
    "category dtype": changed(job=lambda c: c.astype("category")),
    "true and false": changed(married=lambda c: c.astype(bool)),
    "numbers as texts": changed(age=lambda c: c.astype(str)),
    "infinite": changed(rent=lambda c: c.where(c > 300, np.inf)),
    "unknown": changed(job=lambda c: c.where(c != "none", "baker")),
    "None": changed(job=lambda c: c.astype(object).where(c != "none", None)),
    "NaN": changed(job=lambda c: c.astype(object).where(c != "none", np.nan)),
    "NA": changed(job=lambda c: c.astype("string").where(c != "none")),
    "lists": changed(job=lambda c: pd.Series([[v] for v in c], c.index)),
    "other order": lambda frame: frame[frame.columns[::-1]],
    "other name": lambda frame: frame.rename(columns={"rent": "loan"}),
    "one more": lambda frame: frame.assign(more=1.0),
    "one less": lambda frame: frame.drop(columns="city"),
    "nobody": lambda frame: frame.head(0),
    "one": lambda frame: frame.tail(1),
    "other index": lambda frame: frame.set_axis(frame.index[::-1] + 7),
}


@pytest.mark.parametrize("strange", STRANGE)
def test_strange_frames_are_encoded_or_refused_as_by_the_transformer(strange):
    preprocessor = auto_preprocessor(people())
    frame = STRANGE[strange](people(seed=1))
    outcomes = []
    for encode in (Encoding(preprocessor, people().columns).encode, preprocessor.transform):
        try:
            outcomes.append(np.asarray(encode(frame), dtype=float))
        except Exception as error:
            outcomes.append((type(error), str(error)))
    ours, theirs = outcomes
    if strange == "nobody":  # an empty matrix, without asking anybody
        assert ours.shape == (0, 8)
    elif isinstance(theirs, tuple):
        assert ours == theirs
    else:
        assert np.array_equal(ours, theirs, equal_nan=True)


def columns(*branches, **parameters):
    return ColumnTransformer(list(branches), **parameters)


ONE_HOT = ("cat", OneHotEncoder(), ["job", "city"])
PLAIN = {
    "by name": columns(("num", StandardScaler(), ["age", "rent"]), ONE_HOT),
    "by position": columns(("num", StandardScaler(), [2, 0]), ("cat", OneHotEncoder(), [4])),
    "rest as it is": columns(
        ("cat", OneHotEncoder(sparse_output=False), ["city", "job"]), remainder="passthrough"
    ),
    "nothing learned": columns(
        ("num", StandardScaler(with_mean=False, with_std=False), ["age"]), ONE_HOT
    ),
    "unknown allowed": columns(("cat", OneHotEncoder(handle_unknown="ignore"), ["job"])),
    "some dropped": columns(("num", StandardScaler(), ["rent"]), ("out", "drop", ["age"])),
    "no columns": columns(("num", StandardScaler(), ["rent"]), ("cat", OneHotEncoder(), [])),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_transformers_to_the_bit(kind):
    preprocessor = PLAIN[kind].fit(people())
    frame = people(seed=1)
    encoded = direct_encoder(preprocessor).encode(frame)
    assert np.array_equal(encoded, transformed(preprocessor, frame))


def test_a_category_that_may_be_unknown_is_left_to_the_transformer():
    frame = people().assign(job="baker")
    preprocessor = PLAIN["unknown allowed"].fit(people())
    assert direct_encoder(preprocessor).encode(frame) is None
    assert not Encoding(preprocessor, frame.columns).encode(frame).any()


def test_an_unknown_category_is_not_taken_for_a_missing_one():
    frame = people()
    frame.loc[3, "job"] = np.nan
    direct = direct_encoder(auto_preprocessor(frame))
    assert direct.encode(frame) is not None
    for other in ("baker", 1.5, None, ["none"]):
        column = frame["job"].astype(object)
        column.iat[0] = other
        assert direct.encode(frame.assign(job=column)) is None


class DoubledColumns(ColumnTransformer):
    def transform(self, X, **params):
        return 2 * super().transform(X, **params)


class Doubled(StandardScaler):
    def transform(self, X, copy=None):
        return 2 * super().transform(X, copy)


NOT_PLAIN = {
    "subclass": columns(("num", Doubled(), ["age"])),
    "subclass of all": DoubledColumns([("num", StandardScaler(), ["age"])]),
    "pipeline": columns(("num", make_pipeline(StandardScaler()), ["age"])),
    "function": columns(("num", FunctionTransformer(np.log1p), ["age"])),
    "checked": columns(("num", FunctionTransformer(validate=True), ["age"])),
    "weights": columns(("num", StandardScaler(), ["age"]), transformer_weights={"num": 2.0}),
    "drop": columns(("cat", OneHotEncoder(drop="first"), ["job"])),
    "rare": columns(("cat", OneHotEncoder(min_frequency=0.4), ["job"])),
    "few": columns(("cat", OneHotEncoder(max_categories=2), ["job"])),
    "single precision": columns(("cat", OneHotEncoder(dtype=np.float32), ["job"])),
    "numbers": columns(("cat", OneHotEncoder(), ["married"])),
    "slice": columns(("num", StandardScaler(), slice("age", "age"))),
    "nothing": columns(("out", "drop", ["age"])),
    "no column transformer": StandardScaler(),
}


@pytest.mark.parametrize("kind", NOT_PLAIN)
def test_all_others_are_left_alone(kind):
    frame = people() if kind != "no column transformer" else people()[["age", "rent"]]
    preprocessor = NOT_PLAIN[kind].fit(frame)
    assert direct_encoder(preprocessor) is None


def test_frames_of_a_transformer_without_names():
    preprocessor = columns(("num", StandardScaler(), [0, 2])).fit(
        people().select_dtypes("number").set_axis(range(3), axis=1)
    )
    rows = people(seed=1).select_dtypes("number").set_axis(range(3), axis=1)
    direct = direct_encoder(preprocessor)
    assert np.array_equal(direct.encode(rows), preprocessor.transform(rows))
    for other in (rows.assign(more=1), rows.iloc[:, :2]):
        assert direct.encode(other) is None


def test_frames_as_output_change_nothing():
    frame = people()
    encoding = Encoding(auto_preprocessor(frame), frame.columns)
    expected = encoding.encode(frame)
    set_config(transform_output="pandas")
    try:
        assert np.array_equal(encoding.encode(frame), expected)
    finally:
        set_config(transform_output="default")


def test_what_was_prepared_is_no_part_of_an_encoding():
    frame = people()
    encoding = Encoding(auto_preprocessor(frame), frame.columns)
    before = joblib.hash(encoding), len(pickle.dumps(encoding))
    expected = encoding.encode(frame)
    assert (joblib.hash(encoding), len(pickle.dumps(encoding))) == before
    assert np.array_equal(pickle.loads(pickle.dumps(encoding)).encode(frame), expected)
