"""Widths, their spellings and their levels."""

import math
from fractions import Fraction

import numpy as np
import pytest

from skcfq.quantization import TERNARY_BITS, activation_levels, canonical_bits, levels
from skcfq.quantization._bits import canonical_widths, exact_average


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8])
def test_whole_bits_have_two_to_the_bits_levels(bits):
    q_min, q_max = levels(bits)
    assert q_max - q_min + 1 == 2**bits
    assert q_min == -q_max - 1
    assert activation_levels(bits) + 1 == 2**bits


@pytest.mark.parametrize("bits", ["ternary", 1.58, 1.585, math.log2(3), np.float32(1.58)])
def test_spellings_of_ternary(bits):
    assert canonical_bits(bits) == TERNARY_BITS
    assert levels(bits) == (-1, 1)


@pytest.mark.parametrize("bits", [4, 4.0, np.int64(4), np.float32(4), Fraction(4)])
def test_spellings_of_four(bits):
    width = canonical_bits(bits)
    assert width == 4
    assert type(width) is int


@pytest.mark.parametrize(
    "bits", [1, 0, 9, 2.5, 1.6, -4, True, None, "4", "Ternary", math.nan, math.inf, [4]]
)
def test_other_widths_are_refused(bits):
    with pytest.raises(ValueError, match=r'not a width\. Allowed: "ternary"'):
        canonical_bits(bits)


@pytest.mark.parametrize("bits", [1.58, "ternary", 1, 9, 16, 4.5, True])
def test_other_activation_widths_are_refused(bits):
    with pytest.raises(ValueError, match="not a width of activations"):
        activation_levels(bits)


def test_all_bad_candidates_are_named_at_once():
    with pytest.raises(ValueError, match=r"(?s)3 problems.*bits=9.*bits='a'.*4 is given twice"):
        canonical_widths((9, "a", 4, 4.0))


def test_one_width_is_not_a_sequence():
    with pytest.raises(ValueError, match="a sequence of widths is needed"):
        canonical_widths(4)
    with pytest.raises(ValueError, match="at least one width"):
        canonical_widths(())


def test_equal_widths_average_to_themselves_whatever_the_sizes():
    # A float sum of these gives 1.5849625007211559.
    assert float(exact_average([3, 7, 11], [TERNARY_BITS] * 3)) == TERNARY_BITS
