"""Parity on published data: every test row, 10,000 random ones, every width."""

import numpy as np
import pytest

from skcfq.export import export_packed
from skcfq.quantization import quant_layers

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
