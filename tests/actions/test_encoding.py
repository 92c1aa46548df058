"""What an Encoding reads off a preprocessor is what the preprocessor does."""

import functools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    StandardScaler,
)

from skcfq.actions import Encoding, auto_preprocessor, raw_preprocessor
from skcfq.actions._features import AffineFeature, FixedFeature, TableFeature
from tests.actions.preprocessors import (
    CATEGORIES,
    NAMES,
    NUMBERS,
    READABLE,
    fitted,
    training_rows,
)
from tests.strategies import raw_rows

PAIRS = st.tuples(*[raw_rows(NUMBERS, CATEGORIES, min_rows=4, max_rows=4)] * 2)


@functools.cache
def encoding_of(name):
    return Encoding(fitted(name), NAMES)


def people(seed, n=50):
    """Rows with every category and any number."""
    random = np.random.default_rng(seed)
    frame = {name: random.normal(0, 1000, n) for name in NUMBERS}
    for name, categories in CATEGORIES.items():
        values = np.empty(len(categories), dtype=object)
        values[:] = categories
        frame[name] = values[random.permutation(np.arange(n) % len(categories))]
    return pd.DataFrame(frame)


def by_records(encoding, start, frame):
    """Encode a frame with the records alone, from the encoded rows of other people."""
    encoded = encoding.encode(start)
    for feature in encoding.features:
        if isinstance(feature, AffineFeature):
            raw = frame.iloc[:, feature.raw_column].to_numpy(float)
            encoded[:, feature.column] = feature.scale * raw + feature.offset
        else:
            encoded[:, feature.columns] = feature.table[feature.locate(frame)]
    return encoded


@pytest.mark.parametrize("name", READABLE)
def test_every_feature_is_readable(name):
    encoding = encoding_of(name)
    kinds = {f.name: type(f) for f in encoding.features}
    assert kinds == dict.fromkeys(NUMBERS, AffineFeature) | dict.fromkeys(CATEGORIES, TableFeature)
    assert [f.name for f in encoding.features] == list(NAMES)
    assert encoding.n_columns == encoding.encode(training_rows()).shape[1]


def check_records(encoding, before, after):
    """The records say what becomes of `before` when it turns into `after`."""
    expected = encoding.preprocessor.transform(after)
    expected = np.asarray(expected.todense() if hasattr(expected, "todense") else expected, float)
    np.testing.assert_allclose(by_records(encoding, before, after), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(encoding.encode(after), expected)


def check_round_trip(encoding, frame):
    """Raw to encoded to raw is the identity."""
    again = encoding.decode(encoding.encode(frame))
    assert list(again.columns) == list(NAMES)
    for column in NUMBERS:
        np.testing.assert_allclose(again[column], frame[column], rtol=1e-9, atol=1e-9)
    for column in CATEGORIES:
        assert again[column].tolist() == frame[column].tolist()


@pytest.mark.parametrize("name", READABLE)
def test_records_reproduce_the_transform_of_any_move(name):
    check_records(encoding_of(name), people(0), people(1))


@pytest.mark.parametrize("name", READABLE)
def test_rows_in_parts_are_encoded_as_in_one_piece(name, monkeypatch):
    encoding, frame = encoding_of(name), people(1)
    whole = encoding.encode(frame)
    monkeypatch.setattr("skcfq.actions._encoding.N_ROWS", 7)
    assert len(frame) > 2 * 7
    np.testing.assert_array_equal(encoding.encode(frame), whole)
    assert encoding.encode(frame.head(0)).shape == (0, whole.shape[1])


@pytest.mark.parametrize("name", READABLE)
def test_raw_to_encoded_to_raw_is_the_identity(name):
    check_round_trip(encoding_of(name), people(2))


@settings(max_examples=80)
@given(name=st.sampled_from(list(READABLE)), frames=PAIRS)
def test_extreme_rows_are_read_as_well(name, frames):
    check_records(encoding_of(name), *frames)
    check_round_trip(encoding_of(name), frames[0])


MERGED = {
    "min_frequency": OneHotEncoder(min_frequency=5, sparse_output=False),
    "max_categories": OneHotEncoder(max_categories=3, sparse_output=False),
    "merged and dropped": OneHotEncoder(min_frequency=5, drop="first", sparse_output=False),
    "unknown is infrequent": OneHotEncoder(
        min_frequency=5, handle_unknown="infrequent_if_exist", sparse_output=False
    ),
    "ordinal": OrdinalEncoder(min_frequency=5),
}


@pytest.mark.parametrize("name", MERGED)
def test_infrequent_categories_share_a_code(name):
    train = training_rows()
    branches = [("cat", MERGED[name], list(CATEGORIES))]
    encoding = Encoding(ColumnTransformer(branches, remainder="passthrough").fit(train), NAMES)
    frame = people(0)
    check_records(encoding, people(1), frame)
    again = encoding.decode(encoding.encode(frame))
    np.testing.assert_allclose(encoding.encode(again), encoding.encode(frame), atol=1e-9)
    # The first category of those that share a code stands for all of them.
    merged = encoding.preprocessor.named_transformers_["cat"].infrequent_categories_[0]
    assert {"odd", "rare"} <= set(merged)
    expected = frame["job"].replace(dict.fromkeys(merged, min(merged)))
    assert again["job"].tolist() == expected.tolist()
    assert again["sex"].tolist() == frame["sex"].tolist()
    assert again["level"].tolist() == frame["level"].tolist()


# ----- missing and unknown categories ------------------------------------------------------


@pytest.mark.parametrize("missing", [None, np.nan])
@pytest.mark.parametrize("encoder", [OneHotEncoder(), OneHotEncoder(drop="first")])
def test_a_missing_category_is_a_category(missing, encoder):
    train = pd.DataFrame({"job": pd.Series(["a", "b", missing, "a"], dtype=object)})
    encoding = Encoding(ColumnTransformer([("c", encoder, ["job"])]).fit(train), ["job"])
    (feature,) = encoding.features
    assert feature.locate(train).tolist() == [0, 1, 2, 0]
    encoded = encoding.encode(train)
    np.testing.assert_array_equal(by_records(encoding, train.iloc[::-1], train), encoded)
    again = encoding.decode(encoded)["job"]
    assert again.isna().tolist() == [False, False, True, False]
    assert encoding.unknown_categories(train) == []


def test_none_and_nan_are_two_categories_where_the_encoder_keeps_them_apart():
    train = pd.DataFrame({"job": pd.Series(["a", None, np.nan, "b"], dtype=object)})
    encoding = Encoding(ColumnTransformer([("c", OneHotEncoder(), ["job"])]).fit(train), ["job"])
    (feature,) = encoding.features
    assert feature.categories[:3] == ("a", "b", None)
    assert feature.locate(train).tolist() == [0, 2, 3, 1]
    np.testing.assert_array_equal(
        by_records(encoding, train.iloc[::-1], train), encoding.encode(train)
    )


@pytest.mark.parametrize("dtype", [object, "str", "category"])
def test_missing_categories_of_every_dtype(dtype):
    train = pd.DataFrame({"job": pd.Series(["a", "b", np.nan], dtype=object).astype(dtype)})
    encoding = Encoding(ColumnTransformer([("c", OneHotEncoder(), ["job"])]).fit(train), ["job"])
    (feature,) = encoding.features
    assert feature.locate(train).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(feature.table[feature.locate(train)], encoding.encode(train))


def test_unknown_categories_are_named():
    train = pd.DataFrame({"job": list("abcdefghij"), "n": range(10)})
    branches = [("cat", OneHotEncoder(), ["job"]), ("num", StandardScaler(), ["n"])]
    encoding = Encoding(ColumnTransformer(branches).fit(train), train.columns)
    assert encoding.unknown_categories(train) == []
    jobs = pd.Series(["x", "a", "y", "x", None, "w"], dtype=object)
    strange = pd.DataFrame({"job": jobs, "n": 0})
    assert encoding.unknown_categories(strange) == [
        "column 'job' holds 'x', 'y', None, ..., not seen in fit; known are 'a', 'b', 'c', 'd', "
        "'e', 'f', 'g', 'h', ...."
    ]
    assert encoding.features[0].locate(strange).tolist() == [-1, 0, -1, -1, -1, -1]


# ----- what cannot be read -----------------------------------------------------------------


def log():
    return FunctionTransformer(np.log1p, feature_names_out="one-to-one")


NEITHER = "is neither affine nor a category code"
OPAQUE = {
    "PolynomialFeatures": PolynomialFeatures(),
    "FunctionTransformer": log(),
    "MinMaxScaler": MinMaxScaler(clip=True),
    "QuantileTransformer": QuantileTransformer(n_quantiles=5),
    "StandardScaler and PolynomialFeatures": make_pipeline(StandardScaler(), PolynomialFeatures()),
    "KBinsDiscretizer": KBinsDiscretizer(2, quantile_method="averaged_inverted_cdf"),
    "StandardScaler and OneHotEncoder": make_pipeline(StandardScaler(), OneHotEncoder()),
    "FeatureUnion": FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())]),
}
IMPUTERS = [SimpleImputer(add_indicator=True), SimpleImputer(missing_values=0.0)]
CASES = [
    *((transformer, f"{kinds} {NEITHER}") for kinds, transformer in OPAQUE.items()),
    *((imputer, f"SimpleImputer {NEITHER}") for imputer in IMPUTERS),
]
BRANCH_ONLY = [
    (FunctionTransformer(np.log1p), f"FunctionTransformer {NEITHER}"),
    ("drop", "the preprocessor drops it"),
]


def check_fixed(preprocessor, reason):
    train = training_rows()[["age", "debt"]]
    encoding = Encoding(preprocessor.fit(train), train.columns)
    assert encoding.features == (
        FixedFeature("age", (0,), reason),
        FixedFeature("debt", (1,), reason),
    )
    assert encoding.n_columns == encoding.encode(train).shape[1]
    assert encoding.decode(encoding.encode(train)).isna().all(axis=None)


@pytest.mark.parametrize(("transformer", "reason"), [*CASES, *BRANCH_ONLY])
def test_a_branch_that_cannot_be_read_is_fixed_and_says_why(transformer, reason):
    check_fixed(ColumnTransformer([("t", transformer, ["age", "debt"])]), reason)


@pytest.mark.parametrize(("transformer", "reason"), CASES)
def test_a_preprocessor_that_cannot_be_read_is_fixed_and_says_why(transformer, reason):
    check_fixed(transformer, reason)


def test_a_preprocessor_that_does_not_tell_its_width_is_an_error():
    train = training_rows()[["age"]]
    with pytest.raises(ValueError) as error:
        Encoding(FunctionTransformer(np.log1p).fit(train), train.columns)
    assert str(error.value) == (
        "preprocessor: FunctionTransformer does not tell how many columns it puts out. Give it "
        "get_feature_names_out (a FunctionTransformer: feature_names_out='one-to-one')."
    )
    encoding = Encoding(make_pipeline(FunctionTransformer(), StandardScaler()).fit(train), ["age"])
    assert isinstance(encoding.features[0], AffineFeature)


def test_a_column_that_feeds_two_transformers_is_fixed():
    train = training_rows()
    branches = [
        ("a", StandardScaler(), ["age", "debt"]),
        ("b", log(), ["debt"]),
        ("c", "drop", ["age"]),
    ]
    encoding = Encoding(ColumnTransformer(branches).fit(train), train.columns)
    assert isinstance(encoding.features[0], AffineFeature)
    assert encoding.features[1] == FixedFeature("debt", (1,), "it feeds several transformers")
    assert {f.reason for f in encoding.features[2:]} == {"the preprocessor drops it"}


def test_a_number_that_is_rescaled_before_it_becomes_a_category_is_fixed():
    train = training_rows()[["level", "age"]]
    scaled = ColumnTransformer([("s", StandardScaler(), ["level"])], remainder="passthrough")
    coded = ColumnTransformer([("o", OneHotEncoder(), [0])], remainder="passthrough")
    encoding = Encoding(make_pipeline(scaled, coded).fit(train), train.columns)
    assert encoding.features[0] == FixedFeature(
        "level", (0,), "it is rescaled before it becomes a category code"
    )
    assert encoding.features[1].column == 3


def test_what_a_second_step_does_to_codes_is_told():
    train = training_rows()[["job", "age"]]
    first = ColumnTransformer(
        [("o", OneHotEncoder(sparse_output=False), ["job"]), ("a", StandardScaler(), ["age"])]
    )
    drops = ColumnTransformer([("keep", "passthrough", [1, 5])])
    drops_all = ColumnTransformer([("keep", "passthrough", [5])])
    squares = ColumnTransformer([("p", PolynomialFeatures(), [0, 1])], remainder="passthrough")

    feature = Encoding(make_pipeline(first, drops).fit(train), train.columns).features[0]
    assert feature.columns.tolist() == [0]
    assert feature.table[:, 0].tolist() == [float(c == "none") for c in feature.categories]
    feature = Encoding(make_pipeline(first, drops_all).fit(train), train.columns).features[0]
    assert feature == FixedFeature("job", (0,), "the preprocessor drops it")
    feature = Encoding(make_pipeline(first, squares).fit(train), train.columns).features[0]
    assert feature.reason == "PolynomialFeatures is neither affine nor a category code"


def test_codes_that_are_missing_and_imputed_later_are_fixed():
    train = pd.DataFrame({"job": pd.Series(["a", "b", np.nan, "a"], dtype=object)})
    coded = ColumnTransformer([("o", OrdinalEncoder(), ["job"])])
    encoding = Encoding(make_pipeline(coded, SimpleImputer()).fit(train), train.columns)
    assert isinstance(encoding.features[0], FixedFeature)
    inside = make_pipeline(OrdinalEncoder(), SimpleImputer())
    encoding = Encoding(ColumnTransformer([("o", inside, ["job"])]).fit(train), train.columns)
    np.testing.assert_array_equal(encoding.features[0].table[:, 0], [0, 1, 1 / 3])
    np.testing.assert_array_equal(encoding.encode(train)[:, 0], [0, 1, 1 / 3, 0])


# ----- whole encoders, arrays, composition -------------------------------------------------


def test_a_bare_encoder_is_a_preprocessor():
    train = training_rows()[["job", "sex"]]
    encoding = Encoding(OneHotEncoder().fit(train), train.columns)
    assert [type(f) for f in encoding.features] == [TableFeature, TableFeature]
    np.testing.assert_array_equal(
        by_records(encoding, train.iloc[::-1], train), encoding.encode(train)
    )


def test_a_frozen_preprocessor_is_read_as_what_it_holds():
    train, inner = training_rows(), fitted("scaler behind")
    encoding = Encoding(FrozenEstimator(inner), NAMES)
    assert [type(f) for f in encoding.features] == [AffineFeature] * 2 + [TableFeature] * 3
    np.testing.assert_array_equal(encoding.encode(train), inner.transform(train))


def test_columns_without_string_names():
    train = training_rows().set_axis(range(5), axis=1)
    branches = [("num", StandardScaler(), [0, 1]), ("cat", OneHotEncoder(), [2, 3, 4])]
    encoding = Encoding(ColumnTransformer(branches).fit(train), train.columns)
    assert [f.name for f in encoding.features] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(
        by_records(encoding, train.iloc[::-1], train), encoding.encode(train), atol=1e-12
    )


def test_no_preprocessor_is_the_identity():
    frame = pd.DataFrame({"a": [1, 2], "b": [True, False], "c": pd.array([3, None], "Int64")})
    encoding = Encoding(None, frame.columns)
    assert encoding.n_columns == 3
    np.testing.assert_array_equal(encoding.encode(frame), [[1, 1, 3], [2, 0, np.nan]])
    assert encoding.features == tuple(
        AffineFeature(name, i, i, 1.0, 0.0) for i, name in enumerate("abc")
    )


@pytest.mark.parametrize("name", ["standard", "scaler behind"])
def test_no_rows_encode_to_no_rows(name):
    encoding = encoding_of(name)
    assert encoding.encode(training_rows().iloc[:0]).shape == (0, encoding.n_columns)


SECOND = {
    "scaler": StandardScaler,
    "auto": None,
    "selection": lambda: ColumnTransformer([("s", MinMaxScaler(), [5, 0, 3])]),
    "codes again": lambda: ColumnTransformer(
        [("o", OneHotEncoder(sparse_output=False), slice(2, None))], remainder="passthrough"
    ),
}


@pytest.mark.parametrize("second", SECOND)
def test_then_equals_the_pipeline(second):
    frame = people(3)
    train = training_rows()
    first = encoding_of("standard")
    between = pd.DataFrame(first.encode(train))
    last = auto_preprocessor(between) if second == "auto" else SECOND[second]().fit(between)
    joined = first.then(Encoding(last, between.columns))
    expected = last.transform(pd.DataFrame(first.encode(frame)))
    np.testing.assert_allclose(joined.encode(frame), expected, atol=1e-12)
    assert joined.n_columns == expected.shape[1]
    kept = [f for f in joined.features if not isinstance(f, FixedFeature)]
    assert [f.name for f in joined.features] == list(NAMES)
    assert len(kept) == (2 if second == "selection" else 5)
    covered = sorted(
        np.concatenate(
            [np.atleast_1d(getattr(f, "columns", getattr(f, "column", 0))) for f in kept]
        )
    )
    assert covered == list(range(joined.n_columns))
    assert first.n_columns == 12
    assert first.encode(frame).shape[1] == 12  # `first` itself is as before


def test_then_of_then_keeps_every_step():
    train = training_rows()
    steps = [encoding_of("standard")]
    for make in (StandardScaler, lambda: MinMaxScaler((0, 7))):
        so_far = functools.reduce(lambda a, b: a.then(b), steps)
        between = pd.DataFrame(so_far.encode(train))
        steps.append(Encoding(make().fit(between), between.columns))
    one_by_one = steps[0].then(steps[1]).then(steps[2])
    other_way = steps[0].then(steps[1].then(steps[2]))
    encoded = one_by_one.encode(train)
    np.testing.assert_allclose(encoded.min(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(encoded.max(axis=0), 7, atol=1e-12)
    np.testing.assert_allclose(other_way.encode(train), encoded, atol=1e-12)
    np.testing.assert_allclose(by_records(one_by_one, train.iloc[::-1], train), encoded, atol=1e-9)


# ----- the automatic preprocessor ----------------------------------------------------------


def test_auto_preprocessor_scales_numbers_and_codes_the_rest():
    frame = pd.DataFrame(
        {
            "n": [1.0, 2.0, 6.0],
            "flag": [0, 1, 1],
            "yes": [True, False, True],
            "job": pd.Series(["a", np.nan, "b"], dtype=object),
            "kind": pd.Categorical(["u", "v", "u"]),
            "k": pd.array([3, 4, 5], "Int64"),
        }
    )
    encoding = Encoding(auto_preprocessor(frame), frame.columns)
    kinds = [type(f).__name__[0] for f in encoding.features]
    assert "".join(kinds) == "AATTTA"
    encoded = encoding.encode(frame)
    assert encoded.shape == (3, 2 + 1 + 2 + 3 + 2)
    np.testing.assert_allclose(encoded[:, 0], (frame["n"] - 3) / frame["n"].std(ddof=0))
    assert encoded[:, encoding.features[1].column].tolist() == [0, 1, 1]


def test_auto_preprocessor_weighs_rows():
    frame = pd.DataFrame({"n": [0.0, 3.0, 5.0], "job": list("aab")})
    weighted = auto_preprocessor(frame, np.array([2.0, 1.0, 0.0]))
    copied = auto_preprocessor(frame.iloc[[0, 0, 1]])
    encode = [Encoding(p, frame.columns).encode(frame.head(2))[:, 0] for p in (weighted, copied)]
    np.testing.assert_allclose(encode[0], encode[1])


# ----- models that take raw rows -----------------------------------------------------------


def test_raw_encoding_keeps_numbers_and_numbers_categories():
    frame = pd.DataFrame(
        {
            "word": ["b", "a", np.nan, "a"],
            "x": [1.5, np.nan, 3.0, 4.0],
            "flag": [True, False, True, True],
            "n": [1, 2, 3, 4],
        }
    )
    encoding = Encoding(raw_preprocessor(frame), frame.columns)
    z = encoding.encode(frame)
    by_name = {f.name: f for f in encoding.features}
    np.testing.assert_array_equal(z[:, by_name["x"].column], frame["x"])
    np.testing.assert_array_equal(z[:, by_name["n"].column], frame["n"])
    np.testing.assert_array_equal(z[:, by_name["word"].columns[0]], [1, 0, -1, 0])
    np.testing.assert_array_equal(z[:, by_name["flag"].columns[0]], [1, 0, 1, 1])
    back = encoding.decode(z)
    assert back["word"].isna().tolist() == [False, False, True, False]
    assert back["word"].dropna().tolist() == ["b", "a", "a"]
    assert back["flag"].tolist() == frame["flag"].tolist()
