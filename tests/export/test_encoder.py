"""A packed encoder encodes, and refuses, what the preprocessor does."""

import functools
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from skcfq.actions import Encoding, auto_preprocessor
from skcfq.export._encoder import CategoryColumn, IgnoredColumn
from skcfq.export._read_encoding import pack_encoding
from tests.actions.preprocessors import CATEGORIES, NAMES, NUMBERS, READABLE, fitted, training_rows
from tests.actions.test_encoding import people


@functools.cache
def packed(name):
    """A preprocessor's encoding, and its packed encoder."""
    encoding = Encoding(fitted(name), NAMES)
    return encoding, pack_encoding(encoding, allow_missing=True)


def both(encoding, encoder, frame):
    """What preprocessor and packed encoder make of rows; None where they refuse them."""
    answers = []
    for encode in (
        encoding.encode,
        lambda frame: encoder.encode([frame[name] for name in encoding.feature_names]),
    ):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                encoded = encode(frame)
        except ValueError:
            encoded = None
        answers.append(encoded if encoded is not None and np.isfinite(encoded).all() else None)
    return answers


@pytest.mark.parametrize("name", READABLE)
def test_same_inputs_for_everybody(name):
    encoding, encoder = packed(name)
    expected, found = both(encoding, encoder, people(0))
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize("name", READABLE)
def test_missing_and_unknown_values_as_the_preprocessor_takes_them(name):
    encoding, encoder = packed(name)
    text = [(column, "never seen") for column in ("job", "sex")]
    for column, value in [*((column, np.nan) for column in NAMES), *text, ("level", 77)]:
        frame = people(1, n=5)
        frame.loc[2, column] = value
        expected, found = both(encoding, encoder, frame)
        assert (expected is None) == (found is None), (column, value)
        if expected is not None:
            np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-12)


def test_missing_category_of_the_automatic_preprocessor():
    frame = pd.DataFrame(
        {"job": ["a", None, "b", np.nan], "paid": [True, False, True, True], "n": [1, 2, 3, 4]}
    )
    frame["job"] = frame["job"].astype(object).where(frame["job"].notna(), np.nan)
    encoding = Encoding(auto_preprocessor(frame), frame.columns)
    encoder = pack_encoding(encoding, allow_missing=False)
    job = encoder.columns[0]
    assert job.categories == ("a", "b", None)
    assert (job.missing, job.unknown) == (None, None)
    expected = encoding.encode(frame)
    for missing in (None, np.nan, pd.NA, pd.NaT, float("nan")):
        columns = [["a", missing, "b", missing], [True, False, True, True], [1, 2, 3, 4]]
        np.testing.assert_allclose(encoder.encode(columns), expected, rtol=1e-15, atol=1e-15)


def test_one_hot_codes_are_few_cells():
    encoder = pack_encoding(Encoding(fitted("standard"), NAMES), allow_missing=False)
    job = encoder.columns[2]
    assert isinstance(job, CategoryColumn)
    assert all(len(cells) == 1 and cells[0][1] == 1.0 for cells in job.cells)
    scaled = pack_encoding(Encoding(fitted("scaler behind"), NAMES), allow_missing=False)
    assert all(len(cells) <= 1 for cells in scaled.columns[2].cells)


def test_all_refused_values_are_listed_at_once():
    encoder = pack_encoding(Encoding(fitted("standard"), NAMES), allow_missing=False)
    columns = [[1.0, np.inf], ["x", "y"], ["part", "king"], ["f", None], [1, 2]]
    with pytest.raises(ValueError, match="has 4 problems") as caught:
        encoder.encode(columns)
    for sentence in (
        "column 'age' holds infinity.",
        "column 'debt' holds something that is not a number.",
        "column 'job' holds 'king', not seen in fit; known are 'full', 'none', 'odd', 'part', 'rare'.",
        "column 'sex' holds missing values, which fit did not have.",
    ):
        assert sentence in str(caught.value)


def test_dropped_columns_are_not_needed():
    transformer = ColumnTransformer([("num", StandardScaler(), list(NUMBERS))])
    encoding = Encoding(transformer.fit(training_rows()), NAMES)
    encoder = pack_encoding(encoding, allow_missing=False)
    assert encoder.needed == [True, True, False, False, False]
    assert encoder.columns[2] == IgnoredColumn("job")
    frame = people(0)
    columns = [frame["age"], frame["debt"], None, None, None]
    np.testing.assert_allclose(encoder.encode(columns), encoding.encode(frame), rtol=1e-14)


@pytest.mark.parametrize("transformer", [PolynomialFeatures(), KBinsDiscretizer(3)])
def test_what_cannot_be_written_as_numbers_is_refused_by_name(transformer):
    columns = ColumnTransformer(
        [("num", transformer, ["age"]), ("cat", OneHotEncoder(), list(CATEGORIES))]
    )
    encoding = Encoding(columns.fit(training_rows()), NAMES)
    with pytest.raises(ValueError, match=r"column 'age': .* is neither affine nor a category code"):
        pack_encoding(encoding, allow_missing=False)
