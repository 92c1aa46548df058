import copy
import json
import math
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest

from skcfq.metrics import Estimate

DROP = Estimate(0.02312, n=1234, low=0.0171, high=0.0309, confidence_level=0.9)
NOBODY = Estimate(math.nan, n=0)


def same(a, b):
    assert type(a) is type(b)
    np.testing.assert_equal(a.as_dict(), b.as_dict())


def test_is_a_float():
    assert isinstance(DROP, float)
    assert DROP == 0.02312
    assert hash(DROP) == hash(0.02312)
    assert f"{DROP:.3f}" == "0.023"
    assert type(DROP + 0) is float
    assert np.asarray([DROP, DROP]).dtype == np.float64
    assert np.mean([DROP, DROP]) == pytest.approx(0.02312)
    assert pd.DataFrame({"drop": [DROP]})["drop"].dtype == np.float64
    assert json.dumps(DROP) == "0.02312"


def test_repr():
    assert repr(DROP) == "Estimate(0.02312, n=1234, interval=[0.0171, 0.0309])"
    assert str(NOBODY) == "Estimate(nan, n=0, interval=[nan, nan])"
    assert repr(Estimate(1, 3, -1, 1e9)) == "Estimate(1.0, n=3, interval=[-1.0, 1e+09])"


@pytest.mark.parametrize("name", ["n", "low", "high", "confidence_level", "note"])
def test_cannot_be_changed(name):
    with pytest.raises(AttributeError):
        setattr(DROP, name, 1)


@pytest.mark.parametrize("estimate", [DROP, NOBODY])
def test_survives_copies(estimate, tmp_path):
    same(copy.copy(estimate), estimate)
    same(copy.deepcopy(estimate), estimate)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        same(pickle.loads(pickle.dumps(estimate, protocol)), estimate)
    joblib.dump([estimate], tmp_path / "estimate.joblib")
    same(joblib.load(tmp_path / "estimate.joblib")[0], estimate)


def test_as_dict_is_strict_json():
    assert json.loads(json.dumps(DROP.as_dict(), allow_nan=False)) == {
        "value": 0.02312,
        "n": 1234,
        "low": 0.0171,
        "high": 0.0309,
        "confidence_level": 0.9,
    }
    assert json.loads(json.dumps(NOBODY.as_dict(), allow_nan=False))["value"] is None


def test_as_dict_is_plain():
    assert {type(x) for x in DROP.as_dict().values()} == {float, int}
