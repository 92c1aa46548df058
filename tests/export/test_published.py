"""Parity on published data: every test row, 10,000 random ones, every width."""

import numpy as np
import pandas as pd
import pytest

from skcfq.export import export_c, export_onnx, export_packed
from skcfq.quantization import quant_layers

from .c_driver import raw_doubles, run_c
from .conftest import SCHEMES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("scheme", SCHEMES)
def test_packed(published, scheme):
    clf = published.classifier(scheme)
    packed = export_packed(clf)
    for layer, packed_layer in zip(
        quant_layers(clf.net_.module_), packed.model.layers, strict=True
    ):
        np.testing.assert_array_equal(packed_layer.codes(), layer.codes().numpy())
    for people in published.people.values():
        expected, found = clf.decision_function(people), packed.decision_function(people)
        assert ((expected > 0) != (found > 0)).sum() == 0
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_onnx(published, tmp_path, scheme):
    """Decisions and the validity of recourse, under default options and at every level."""
    clf = published.classifier(scheme)
    rows = pd.concat(published.people.values())
    recourse = clf.solve_recourse(published.test.head(300))
    check = export_onnx(clf, tmp_path / "a.onnx", rows=rows, recourse=recourse)
    assert check.n_rows == len(rows) + 2000
    assert check.n_recourse == len(recourse)
    assert check.largest_error < 1e-10


@pytest.mark.parametrize("scheme", SCHEMES)
def test_c(published, tmp_path, scheme):
    packed = export_packed(published.classifier(scheme))
    rows = pd.concat(published.people.values())
    header = export_c(packed)
    logits, decided = run_c(tmp_path, header, raw_doubles(packed, rows), len(packed.classes_))
    expected = packed.logits(rows)
    assert (decided != expected.argmax(axis=1)).sum() == 0
    np.testing.assert_allclose(logits, expected, rtol=1e-11, atol=1e-10)
