"""Integer weights packed into bytes, and back. NumPy alone.

Whole widths are a stream of bits: each code in two's complement, its lowest bit first, one after
the other, the last byte filled with zeros. At 2, 4 and 8 bits that is what ONNX stores for INT2,
INT4 and INT8. Ternary codes go five to a byte, as digits of a number in base 3 (3**5 = 243).

The codes of a matrix are packed block by block: outputs that share a width, and inputs whose codes
share a power of two, which they are divided by first.
"""

import math

import numpy as np

#: Bits of a weight with the three levels -1, 0, 1.
TERNARY = math.log2(3)

#: Width of weights that are not quantized.
FLOAT = 32

#: Every width that a layer can have.
WIDTHS = (TERNARY, *range(2, 9), FLOAT)

TRITS = 5
POWERS = 3 ** np.arange(TRITS, dtype=np.uint8)


def n_bytes(n_codes, bits):
    """Bytes that packed codes take.

    Parameters
    ----------
    n_codes : int
    bits : {0, 1, 1.585, 2, ..., 8, 32}
        `TERNARY`, a whole number of bits, or `FLOAT`.

    Returns
    -------
    int

    Examples
    --------
    >>> n_bytes(10, 3), n_bytes(10, TERNARY), n_bytes(10, FLOAT), n_bytes(10, 0)
    (4, 2, 40, 0)
    """
    return -(-n_codes // TRITS) if bits == TERNARY else -(-n_codes * bits // 8)


def coarse_bits(bits, shift):
    """Bits of a code that is a multiple of ``2**shift`` within the limits of a width.

    Parameters
    ----------
    bits : {1.585, 2, ..., 8, 32}
    shift : int
        At least 0.

    Returns
    -------
    int or float
        0 where no code but 0 is left.

    Examples
    --------
    >>> coarse_bits(8, 3), coarse_bits(4, 6), coarse_bits(TERNARY, 1), coarse_bits(FLOAT, 0)
    (5, 0, 0, 32)
    """
    if shift == 0:
        return bits
    return 0 if bits == TERNARY else max(0, bits - shift)


def indices_by_value(values, n):
    """Which outputs have which width, or which inputs which shift, the smallest first.

    Parameters
    ----------
    values : float or tuple of float of length n
        One for all, or one each.
    n : int

    Returns
    -------
    list of (value, ndarray of int)

    Examples
    --------
    >>> indices_by_value((4, 2, 4), 3), indices_by_value(4, 2)
    ([(2, array([1])), (4, array([0, 2]))], [(4, array([0, 1]))])
    """
    if not isinstance(values, tuple):
        return [(values, np.arange(n))]
    return [(value, np.flatnonzero(np.equal(values, value))) for value in sorted(set(values))]


def list_blocks(bits, shifts, n_outputs, n_inputs):
    """The blocks in which a matrix of codes is packed, without those that take no bits.

    Parameters
    ----------
    bits : float or tuple of float of length n_outputs
        Width of the outputs.
    shifts : tuple of int of length n_inputs, or None
        The codes of input `i` are multiples of ``2**shifts[i]``; None: of 1.
    n_outputs, n_inputs : int

    Returns
    -------
    list of (bits, shift, outputs, inputs)
        Bits that each code takes, after division by ``2**shift``, and the indices of rows and
        columns: by the width of the outputs, then by the shift of the inputs, the smallest first.

    Examples
    --------
    >>> list_blocks(4, (0, 4, 3), 2, 3)
    [(4, 0, array([0, 1]), array([0])), (1, 3, array([0, 1]), array([2]))]
    """
    blocks = [
        (coarse_bits(width, shift), shift, outputs, inputs)
        for width, outputs in indices_by_value(bits, n_outputs)
        for shift, inputs in indices_by_value(0 if shifts is None else shifts, n_inputs)
    ]
    return [block for block in blocks if block[0] > 0]


def pack_codes(codes, bits):
    """Pack signed integer codes.

    Parameters
    ----------
    codes : ndarray of int, any shape
        From ``-2**(bits - 1)`` to ``2**(bits - 1) - 1``, which for a single bit is -1 and 0; -1, 0
        and 1 for ternary; 0 for no bits.
    bits : {0, 1, 1.585, 2, ..., 8}

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If a code does not fit.

    Examples
    --------
    >>> pack_codes(np.array([1, -2, -1, 0]), 2).hex()
    '39'
    >>> unpack_codes(pack_codes(np.array([1, -1, 0, 1]), TERNARY), 4, TERNARY)
    array([ 1, -1,  0,  1], dtype=int8)
    """
    codes = np.asarray(codes).ravel()
    low, high = _limits(bits)
    if codes.size and not (low <= codes.min() and codes.max() <= high):
        raise ValueError(
            f"codes from {codes.min()} to {codes.max()} do not fit in {bits:.4g} bits: {low} to {high}."
        )
    codes = codes.astype(np.int8)
    if bits == TERNARY:
        digits = np.zeros(n_bytes(codes.size, bits) * TRITS, dtype=np.uint8)
        digits[: codes.size] = codes + 1
        return (digits.reshape(-1, TRITS) * POWERS).sum(axis=1, dtype=np.uint8).tobytes()
    each = np.unpackbits(codes.view(np.uint8)[:, None], axis=1, count=bits, bitorder="little")
    return np.packbits(each, bitorder="little").tobytes()


def _limits(bits):
    """Smallest and largest code."""
    if bits == 0:
        return 0, 0
    return (-1, 1) if bits == TERNARY else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def unpack_codes(packed, n_codes, bits):
    """Undo :func:`pack_codes`.

    Parameters
    ----------
    packed : bytes
    n_codes : int
    bits : {0, 1, 1.585, 2, ..., 8}

    Returns
    -------
    ndarray of int8, shape (n_codes,)

    Raises
    ------
    ValueError
        If the bytes are not what :func:`pack_codes` writes for that many codes.
    """
    if len(packed) != n_bytes(n_codes, bits):
        raise ValueError(
            f"{len(packed)} bytes of packed weights, {n_bytes(n_codes, bits)} are needed for "
            f"{n_codes} codes of {bits:.4g} bits."
        )
    if bits == 0:
        return np.zeros(n_codes, dtype=np.int8)
    data = np.frombuffer(packed, dtype=np.uint8)
    if bits == TERNARY:
        digits = (data[:, None] // POWERS % 3).ravel()
        if data.size and (data.max() >= 3**TRITS or digits[n_codes:].any()):
            raise ValueError("packed ternary weights hold a byte that is no five digits in base 3.")
        return digits[:n_codes].astype(np.int8) - np.int8(1)
    stream = np.unpackbits(data, bitorder="little")
    if stream[n_codes * bits :].any():
        raise ValueError("packed weights do not end in zeros.")
    each = np.zeros((n_codes, 8), dtype=np.uint8)
    each[:, :bits] = stream[: n_codes * bits].reshape(n_codes, bits)
    each[:, bits:] = each[:, bits - 1 : bits]  # the sign
    return np.packbits(each, axis=1, bitorder="little").view(np.int8).ravel()
