"""Parity on published data: every test row, 10,000 random ones, every width."""

import numpy as np
import pandas as pd
import pytest

from skcfq import RecourseAuditor
from skcfq.export import export_c, export_onnx
from skcfq.quantization import quant_layers

from .c_driver import run_c
from .conftest import SCHEMES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("scheme", SCHEMES)
def test_packed(published, scheme):
    clf, packed = published.classifier(scheme), published.packed(scheme)
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
    recourse = clf.solve_recourse(published.test.head(30))
    check = export_onnx(clf, tmp_path / "a.onnx", rows=rows, recourse=recourse)
    assert check.n_rows == len(rows) + 2000
    assert check.n_recourse == len(recourse)
    assert check.largest_error < 1e-10


@pytest.mark.parametrize("scheme", SCHEMES)
def test_c(published, tmp_path, scheme):
    packed = published.packed(scheme)
    rows = pd.concat(published.people.values())
    n_classes = len(packed.classes_)
    logits, decided = run_c(tmp_path, export_c(packed), published.doubles, n_classes, 8)
    expected = packed.logits(rows)
    assert (decided != expected.argmax(axis=1)).sum() == 0
    np.testing.assert_allclose(logits[::8], expected[::8], rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("scheme", ["mixed", "4 bits, 4-bit activations"])
def test_audit(published, scheme):
    """Validity drop and recourse gap of the packed model are those of the network."""
    clf, people = published.classifier(scheme), published.test.head(120)
    network, packed = (
        RecourseAuditor(
            published.teacher, deployed, actions=published.data.actions,
            target=published.data.favourable,
        )
        .fit(published.X.head(100), published.y.head(100))
        .audit(people)
        .measures
        for deployed in (clf, published.packed(scheme))
    )  # fmt: skip
    assert network["validity_drop"].n > 5
    for name, figure in network.items():
        assert float(packed[name]) == pytest.approx(float(figure), abs=1e-6, nan_ok=True), name
        assert packed[name].n == figure.n
