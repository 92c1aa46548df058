"""Packed codes: round trips, the layout that is documented, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from skcfq.export import PackedLayer
from skcfq.export._codes import (
    FLOAT,
    TERNARY,
    coarse_bits,
    list_blocks,
    n_bytes,
    pack_codes,
    unpack_codes,
)
from skcfq.quantization import TERNARY_BITS, _bits, levels

WIDTHS = (TERNARY, 2, 3, 4, 5, 6, 7, 8)
STORED = (0, 1, *WIDTHS)


def limits(bits):
    return {0: (0, 0), 1: (-1, 0)}.get(bits) or levels(bits)


@st.composite
def codes_and_bits(draw):
    bits = draw(st.sampled_from(STORED))
    low, high = limits(bits)
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


@st.composite
def coarse_matrices(draw):
    """Codes within the widths of outputs, multiples of what the shifts of inputs say."""
    n_outputs, n_inputs = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    bits = draw(st.tuples(*[st.sampled_from(WIDTHS)] * n_outputs))
    shifts = draw(st.tuples(*[st.integers(0, 8)] * n_inputs))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    codes = np.empty((n_outputs, n_inputs), dtype=np.int64)
    for o, width in enumerate(bits):
        for i, shift in enumerate(shifts):
            low, high = (limit / 2**shift for limit in levels(width))
            codes[o, i] = 2**shift * random.integers(np.ceil(low), np.floor(high) + 1)
    bits = bits if len(set(bits)) > 1 else bits[0]
    return codes, bits, shifts if any(shifts) else None


@given(coarse_matrices())
def test_blocks_hold_all_that_is_not_zero(matrix):
    codes, bits, shifts = matrix
    blocks = list_blocks(bits, shifts, *codes.shape)
    packed = [pack_codes(codes[np.ix_(o, i)] >> shift, width) for width, shift, o, i in blocks]
    layer = PackedLayer(
        codes.shape[1], codes.shape[0], bits, b"".join(packed), np.ones(1, np.float32),
        np.zeros(len(codes), np.float32), False, shifts=shifts,
    )  # fmt: skip
    assert layer.codes().dtype == np.int8
    np.testing.assert_array_equal(layer.codes(), codes)
    assert [block[-1] for block in layer.blocks()] == packed


@given(coarse_matrices())
def test_blocks_count_every_bit_once(matrix):
    codes, bits, shifts = matrix
    stored = np.zeros(codes.shape)
    for width, _, outputs, inputs in list_blocks(bits, shifts, *codes.shape):
        assert width > 0
        stored[np.ix_(outputs, inputs)] += width
    widths = np.broadcast_to(bits, len(codes))
    expected = [[coarse_bits(b, s) for s in shifts or [0] * codes.shape[1]] for b in widths]
    np.testing.assert_array_equal(stored, expected)


def test_blocks_are_sorted():
    blocks = list_blocks((8, TERNARY, 8, 2), (3, 0, 1), 4, 3)
    assert [(bits, shift, o.tolist(), i.tolist()) for bits, shift, o, i in blocks] == [
        (TERNARY, 0, [1], [1]), (2, 0, [3], [1]), (1, 1, [3], [2]), (8, 0, [0, 2], [1]),
        (7, 1, [0, 2], [2]), (5, 3, [0, 2], [0]),
    ]  # fmt: skip


def test_widths_are_those_of_the_quantizer():
    assert TERNARY == TERNARY_BITS
    assert n_bytes(3, FLOAT) == 12
    pairs = [(bits, shift) for bits in WIDTHS for shift in range(1 + _bits.MAX_SHIFT)]
    assert [coarse_bits(*pair) for pair in pairs] == [_bits.coarse_bits(*pair) for pair in pairs]


def test_layout_of_whole_widths():
    """Two's complement, lowest bit first: 4 bits in nibbles, 3 bits across bytes."""
    assert pack_codes([1, -1, -8], 4) == bytes([0xF1, 0x08])
    assert pack_codes([3, -4, 1], 3) == bytes([0b01_100_011, 0b0])
    assert pack_codes([-128, 127], 8) == bytes([0x80, 0x7F])
    assert pack_codes([-1, 0, 0, -1], 1) == bytes([0b1001])
    assert pack_codes([0, 0, 0], 0) == b""


def test_layout_of_ternary():
    """Five digits in base 3, the first counts ones."""
    assert pack_codes([0, -1, -1, -1, 1], TERNARY) == bytes([1 + 2 * 81])
    assert pack_codes([1], TERNARY) == bytes([2])


@pytest.mark.parametrize("bits", STORED)
def test_codes_outside_the_width_are_refused(bits):
    for outside in (limits(bits)[0] - 1, limits(bits)[1] + 1):
        with pytest.raises(ValueError, match=r"do not fit in .* bits"):
            pack_codes(np.array([0, outside]), bits)


@pytest.mark.parametrize("bits", STORED)
def test_wrong_number_of_bytes_is_refused(bits):
    for wrong in {max(0, n_bytes(20, bits) - 1), n_bytes(20, bits) + 1} - {n_bytes(20, bits)}:
        with pytest.raises(ValueError, match=f"{wrong} bytes of packed weights"):
            unpack_codes(bytes(wrong), 20, bits)


def test_bytes_that_nobody_packed_are_refused():
    with pytest.raises(ValueError, match="do not end in zeros"):
        unpack_codes(bytes([0xFF]), 1, 4)
    with pytest.raises(ValueError, match="no five digits"):
        unpack_codes(bytes([243]), 5, TERNARY)
    with pytest.raises(ValueError, match="no five digits"):
        unpack_codes(bytes([3]), 1, TERNARY)
