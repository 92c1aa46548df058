import numpy as np
import pytest
from scipy import stats

from skcfq.training._calibration import conformal_offset


def test_offset_is_minus_the_kth_smallest_margin():
    margin = np.array([0.3, -0.2, 0.1, 0.9, 0.5, -0.4, 0.7, 0.2, 0.6])  # n + 1 = 10
    calibration = conformal_offset(margin, 0.2)  # k = 2: the second smallest, -0.2
    assert calibration.offset == pytest.approx(0.2, abs=1e-5)
    assert calibration.attained == pytest.approx(1 / 9)
    assert calibration.bound == 0.2
    assert calibration.n_counted == 9


def test_a_lenient_network_is_made_stricter():
    assert conformal_offset(np.linspace(1.0, 2.0, 99), 0.05).offset == pytest.approx(
        -1.04, abs=0.01
    )


def test_too_few_rows_for_the_level_is_a_clear_error():
    with pytest.raises(ValueError) as error:
        conformal_offset(np.zeros(48), 0.02)
    assert str(error.value) == (
        "validity_level=0.02 needs at least 49 held-out people who need recourse and have advice; there are 48. "
        "Give more rows, a larger calibration_fraction or a larger validity_level."
    )
    assert conformal_offset(np.zeros(49), 0.02).attained == 0.0


@pytest.mark.parametrize("level", [0, 1, -0.1, "2%", None])
def test_level_is_a_share(level):
    with pytest.raises(ValueError, match="a number between 0 and 1 is needed"):
        conformal_offset(np.zeros(100), level)


@pytest.mark.parametrize(("n", "level"), [(49, 0.02), (200, 0.02), (99, 0.1)])
def test_guarantee_holds_over_calibration_sets(n, level):
    """The expected share of failures is at most k / (n + 1), and the spread is Beta's."""
    random = np.random.default_rng(0)
    drops = []
    for _ in range(3000):
        offset = conformal_offset(random.standard_t(3, n), level).offset
        # The population's validity drop, exactly: the distribution function of the margins.
        drops.append(stats.t.cdf(-offset, 3))
    k = np.floor(level * (n + 1) + 1e-9)
    expected = k / (n + 1)
    spread = np.sqrt(expected * (1 - expected) / (n + 2))
    assert np.mean(drops) <= expected + 4 * spread / np.sqrt(3000)
    assert np.mean(drops) >= expected - 4 * spread / np.sqrt(3000)
    assert np.std(drops) == pytest.approx(spread, rel=0.1)
