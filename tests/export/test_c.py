"""The C99 header compiles without a warning and decides as NumPy does."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import skcfq
from skcfq.actions import Encoding
from skcfq.export import PackedClassifier, export_c, export_packed
from skcfq.export._read_encoding import pack_encoding
from tests.actions.preprocessors import NAMES, READABLE, fitted
from tests.actions.test_encoding import people

from .c_driver import raw_doubles, run_c
from .conftest import SCHEMES, random_people
from .test_onnx import with_encoder
from .test_packed import UNIT_WIDTHS, coarse, halfway, hand_made


@pytest.mark.parametrize("scheme", SCHEMES)
def test_same_decisions(tmp_path, credit, classifier, scheme):
    packed = export_packed(classifier(scheme))
    rows = pd.concat([credit.data, random_people(credit.data, 3000)])
    logits, decided = run_c(tmp_path, export_c(packed), raw_doubles(packed, rows), 2)
    np.testing.assert_array_equal(packed.classes_[decided], packed.predict(rows))
    np.testing.assert_allclose(logits, packed.logits(rows), rtol=0, atol=1e-11)


def test_integer_layers_are_those_of_numpy_to_the_bit(tmp_path, credit, classifier):
    """Sums of integers are exact: the two differ in the first layer alone, and there by rounding."""
    packed = export_packed(classifier("4 bits, 4-bit activations"))
    logits, _ = run_c(tmp_path, export_c(packed), raw_doubles(packed, credit.data), 2)
    np.testing.assert_array_equal(logits, packed.logits(credit.data))


def test_full_precision_and_plain_arrays(tmp_path):
    X = np.random.default_rng(0).normal(size=(200, 3))
    y = np.digitize(X.sum(axis=1), [-1, 1])
    clf = skcfq.FullPrecisionClassifier((8,), preprocessor=None, max_epochs=2, random_state=0)
    packed = export_packed(clf.fit(X, y))
    logits, decided = run_c(tmp_path, export_c(packed), X, 3)
    np.testing.assert_array_equal(packed.classes_[decided], clf.predict(X))
    np.testing.assert_allclose(logits, packed.logits(X), atol=1e-12)
    X[5, 1], X[6, 0] = np.nan, np.inf
    assert run_c(tmp_path, export_c(packed), X, 3)[1][5:7].tolist() == [-2, -1]


@pytest.mark.parametrize(
    "name",
    [
        "standard",
        "unknown ignored",
        "imputed numbers",
        "imputed categories",
        "scaler behind",
        "ordinal, unknown coded",
        "order mixed up",
        "codes encoded once more",
    ],
)
def test_preprocessing(tmp_path, name):
    assert name in READABLE
    packed = with_encoder(pack_encoding(Encoding(fitted(name), NAMES), allow_missing=True))
    frame = people(0)
    odd = [("age", np.nan), ("job", np.nan), ("job", "never seen"), ("level", 77), ("debt", np.inf)]
    for row, (column, value) in enumerate(odd):
        frame.loc[row, column] = value
    logits, decided = run_c(tmp_path, export_c(packed), raw_doubles(packed, frame), 2)
    for row in range(len(frame)):
        try:
            expected = packed.logits(frame.iloc[[row]])[0]
        except ValueError:
            assert decided[row] == -1 - NAMES.index(odd[row][0])
        else:
            np.testing.assert_allclose(logits[row], expected, rtol=1e-12, atol=1e-10)
            assert decided[row] == expected.argmax()


def test_wide_layers_do_not_overflow(tmp_path):
    """70,000 codes of -128 times levels of 255 pass 2**31."""
    n = 70_000
    first = hand_made([1]).model.layers[0]
    ones = np.ones(n, dtype=np.int8)
    first = dataclasses.replace(
        first, n_outputs=n, packed=ones.tobytes(), bias=np.zeros(n, np.float32), relu=True,
        activation_bits=8, activation_step=1.0,
    )  # fmt: skip
    codes = np.array([np.full(n, -128), np.full(n, 127)], dtype=np.int8)
    last = dataclasses.replace(
        first, n_inputs=n, n_outputs=2, packed=codes.tobytes(), bias=np.zeros(2, np.float32),
        relu=False, activation_bits=None, activation_step=None,
    )  # fmt: skip
    model = dataclasses.replace(hand_made([1, 2]).model, layers=(first, last))
    logits, _ = run_c(tmp_path, export_c(PackedClassifier(model)), np.array([[255.0]]), 2)
    assert logits.tolist() == [[-128.0 * 255 * n, 127.0 * 255 * n]]


@pytest.mark.parametrize("empty", [(), (0,), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("activation_bits", [None, 4, UNIT_WIDTHS])
def test_shifts_of_inputs(tmp_path, activation_bits, empty):
    """Also where no bits are left, for all that a layer takes in: no variable is unused."""
    packed = coarse(1, activation_bits, empty)[1]
    x = np.random.default_rng(0).normal(size=(500, 9))
    logits, decided = run_c(tmp_path, export_c(packed), x, 3)
    assert (logits.std(axis=0) > 0.1).all() == (not empty)
    np.testing.assert_allclose(logits, packed.logits(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(packed.classes_[decided], packed.predict(x))


def test_indices_are_written_where_they_are_needed(classifier):
    """None without shifts, and none for a shift that all inputs share."""
    assert "_inputs_" not in export_c(classifier("per output"))
    packed = hand_made([4, 8])
    layer = dataclasses.replace(
        packed.model.layers[0], packed=bytes([0b010_001]), bits=5, shifts=(2,)
    )
    header = export_c(PackedClassifier(dataclasses.replace(packed.model, layers=(layer,))))
    assert "_inputs_" not in header
    assert "(model_code(model_weights_0_0, k, 3u) * 4)" in header


def test_levels_are_rounded_half_to_even(tmp_path):
    packed, x, levels = halfway()
    logits, _ = run_c(tmp_path, export_c(packed), x, 2)
    np.testing.assert_array_equal(logits[:, 1], levels * (2 * 0.5) + 1)


def test_ties_go_to_the_first_class(tmp_path):
    logits, decided = run_c(tmp_path, export_c(hand_made([3, 3])), np.array([[1.0], [-1.0]]), 2)
    assert decided.tolist() == [0, 0]
    assert logits.tolist() == [[3.0, 3.0], [-3.0, -3.0]]


def test_text_cannot_leave_its_comment(tmp_path):
    nasty = ["*/ int x = 1; /*", "a\n#error broken\n", "é??/", "\\"]
    frame = pd.DataFrame({"*/ #error": [1.0, 2.0, 3.0, 4.0], "words": nasty})
    clf = skcfq.QATClassifier((4,), max_epochs=1, random_state=0).fit(frame, ["*/", "b", "*/", "b"])
    packed = export_packed(clf)
    header = export_c(packed)
    assert header.isascii()
    _, decided = run_c(tmp_path, header, raw_doubles(packed, frame), 2)
    np.testing.assert_array_equal(packed.classes_[decided], clf.predict(frame))


def test_file_and_name(tmp_path, classifier):
    path = tmp_path / "credit.h"
    text = export_c(classifier("mixed"), path, name="credit", audit={"validity_drop": 0.01})
    assert path.read_text() == text
    assert "#ifndef CREDIT_H" in text
    assert '"audit": {"validity_drop": 0.01}' in text
    for wrong in ("1st", "a-b", "", 'x"; system'):
        with pytest.raises(ValueError, match="a C identifier is needed"):
            export_c(classifier("mixed"), tmp_path / "no.h", name=wrong)
    assert not (tmp_path / "no.h").exists()
