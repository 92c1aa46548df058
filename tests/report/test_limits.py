import math

import pytest

from skcfq.metrics import Estimate
from skcfq.report import read_limits

NAMES = ["validity_drop", "abs_recourse_gap", "accuracy"]


@pytest.mark.parametrize(
    ("text", "value", "fails"),
    [
        ("vd>0.02", 0.02, False),
        ("vd>0.02", 0.0201, True),
        ("validity_drop >= 2%", 0.02, True),
        ("accuracy<0.85", 0.84, True),
        ("accuracy <= 85 %", None, None),
        ("ABS_CRG>1e-1", 0.2, True),
        ("vd.high>0.03", 0.01, True),
        ("vd.low>0.03", 0.5, False),
        ("vd>0.02", math.nan, True),
        ("accuracy<0.85", math.nan, True),
    ],
)
def test_limits(text, value, fails):
    if value is None:
        with pytest.raises(ValueError, match="is no condition"):
            read_limits([text], NAMES)
        return
    (limit,) = read_limits([text], NAMES)
    assert limit.text == text
    measures = {name: Estimate(value, 10, low=0.0, high=0.04) for name in NAMES}
    assert limit.fails(measures) is fails


def test_all_problems_at_once():
    with pytest.raises(ValueError) as caught:
        read_limits(["vd", "vd>x", "loss>1", "vd>1e999", "vd>0.1"], NAMES)
    assert str(caught.value) == (
        "--fail-if has 4 problems:\n"
        "  1. 'vd' is no condition: a measure, a sign and a number, e.g. \"vd>0.02\".\n"
        "  2. 'vd>x' is no condition: a measure, a sign and a number, e.g. \"vd>0.02\".\n"
        "  3. 'loss>1': 'loss' is none of vd, crg, abs_crg, flips, validity_drop, abs_recourse_gap, accuracy.\n"
        "  4. 'vd>1e999' is no condition: a measure, a sign and a number, e.g. \"vd>0.02\"."
    )
