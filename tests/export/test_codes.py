"""Packed codes: round trips, the layout that is documented, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from skcfq.export._codes import FLOAT, TERNARY, n_bytes, pack_codes, unpack_codes
from skcfq.quantization import TERNARY_BITS, levels

WIDTHS = (TERNARY, 2, 3, 4, 5, 6, 7, 8)


@st.composite
def codes_and_bits(draw):
    bits = draw(st.sampled_from(WIDTHS))
    low, high = levels(bits)
    n = draw(st.integers(0, 70))
    return draw(arrays.arrays(np.int8, n, elements=st.integers(low, high))), bits


@given(codes_and_bits())
def test_round_trip(pair):
    codes, bits = pair
    packed = pack_codes(codes, bits)
    assert len(packed) == n_bytes(len(codes), bits)
    back = unpack_codes(packed, len(codes), bits)
    assert back.dtype == np.int8
    np.testing.assert_array_equal(back, codes)


@given(codes_and_bits())
def test_size_is_what_the_width_says(pair):
    codes, bits = pair
    bits = 1.6 if bits == TERNARY else bits
    assert 8 * n_bytes(len(codes), bits) < len(codes) * bits + 8


def test_ternary_is_the_width_of_the_quantizer():
    assert TERNARY == TERNARY_BITS
    assert n_bytes(3, FLOAT) == 12


def test_layout_of_whole_widths():
    """Two's complement, lowest bit first: 4 bits in nibbles, 3 bits across bytes."""
    assert pack_codes([1, -1, -8], 4) == bytes([0xF1, 0x08])
    assert pack_codes([3, -4, 1], 3) == bytes([0b01_100_011, 0b0])
    assert pack_codes([-128, 127], 8) == bytes([0x80, 0x7F])


def test_layout_of_ternary():
    """Five digits in base 3, the first counts ones."""
    assert pack_codes([0, -1, -1, -1, 1], TERNARY) == bytes([1 + 2 * 81])
    assert pack_codes([1], TERNARY) == bytes([2])


@pytest.mark.parametrize("bits", WIDTHS)
def test_codes_outside_the_width_are_refused(bits):
    for outside in (levels(bits)[0] - 1, levels(bits)[1] + 1):
        with pytest.raises(ValueError, match=r"do not fit in .* bits"):
            pack_codes(np.array([0, outside]), bits)


@pytest.mark.parametrize("bits", WIDTHS)
def test_wrong_number_of_bytes_is_refused(bits):
    for wrong in (n_bytes(20, bits) - 1, n_bytes(20, bits) + 1):
        with pytest.raises(ValueError, match=f"{wrong} bytes of packed weights"):
            unpack_codes(bytes(wrong), 20, bits)


def test_bytes_that_nobody_packed_are_refused():
    with pytest.raises(ValueError, match="do not end in zeros"):
        unpack_codes(bytes([0xFF]), 1, 4)
    with pytest.raises(ValueError, match="no five digits"):
        unpack_codes(bytes([243]), 5, TERNARY)
    with pytest.raises(ValueError, match="no five digits"):
        unpack_codes(bytes([3]), 1, TERNARY)
