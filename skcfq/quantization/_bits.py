"""Which widths there are, and the integer levels of each."""

import math
import numbers
from fractions import Fraction

from .._utils._errors import raise_problems

#: Bits of a weight with the three levels -1, 0, 1; also written ``"ternary"`` or 1.58.
TERNARY_BITS = math.log2(3)

#: Widths in whole bits. One bit is not among them: signed weights need a zero.
WHOLE_BITS = tuple(range(2, 9))

#: Widths of one hidden unit's activation, where units have widths of their own; without bits it is 0.
UNIT_BITS = tuple(range(9))

#: Lowest bits that codes can do without: with the widest width, none is left.
MAX_SHIFT = 8

ALLOWED = '"ternary" (or 1.58), 2, 3, 4, 5, 6, 7, 8'


def canonical_bits(bits):
    """One spelling for each width: an int, or `TERNARY_BITS` for ternary.

    Parameters
    ----------
    bits : {"ternary", 1.58, 2, 3, 4, 5, 6, 7, 8}
        A width. Numbers that round to 1.58 or 1.585, and whole floats such as 4.0, are accepted.

    Returns
    -------
    int or float
        2 to 8, or ``log2(3)``, about 1.585.

    Raises
    ------
    ValueError
        For any other width.

    Examples
    --------
    >>> canonical_bits(4.0), canonical_bits(1.58) == canonical_bits("ternary") == TERNARY_BITS
    (4, True)
    >>> canonical_bits(1)
    Traceback (most recent call last):
    ...
    ValueError: bits=1: not a width. Allowed: "ternary" (or 1.58), 2, 3, 4, 5, 6, 7, 8.
    """
    if isinstance(bits, str) and bits == "ternary":
        return TERNARY_BITS
    if isinstance(bits, numbers.Real) and not isinstance(bits, bool):
        if bits in WHOLE_BITS:
            return int(bits)
        if abs(bits - TERNARY_BITS) < 0.005:
            return TERNARY_BITS
    raise ValueError(f"bits={bits!r}: not a width. Allowed: {ALLOWED}.")


def canonical_widths(bits):
    """The distinct candidate widths of a layer, in canonical form and in the order given.

    Parameters
    ----------
    bits : sequence of width
        See :func:`canonical_bits`.

    Returns
    -------
    tuple of int or float

    Raises
    ------
    ValueError
        Lists every width that is not one, and those given twice; or if there is none.

    Examples
    --------
    >>> canonical_widths((2, 4.0, 8))
    (2, 4, 8)
    """
    if isinstance(bits, str | numbers.Real):
        raise ValueError(f"bits={bits!r}: a sequence of widths is needed, such as (2, 3, 4, 8).")
    bits = tuple(bits)
    widths, problems = [], []
    for width in bits:
        try:
            width = canonical_bits(width)
        except ValueError as error:
            problems.append(str(error))
            continue
        if width in widths:
            problems.append(f"bits={bits!r}: {width:.4g} is given twice.")
        widths.append(width)
    if not bits:
        problems.append("bits=(): at least one width is needed.")
    raise_problems("Candidate widths", problems)
    return tuple(widths)


def listed(widths):
    """Widths as a tuple reads, ternary to four digits, for messages.

    Parameters
    ----------
    widths : sequence of int or float
        In canonical form.

    Returns
    -------
    str

    Examples
    --------
    >>> listed((TERNARY_BITS, 4)), listed((4,))
    ('(1.585, 4)', '(4,)')
    """
    inner = ", ".join(f"{width:.4g}" for width in widths)
    return f"({inner},)" if len(widths) == 1 else f"({inner})"


def levels(bits):
    """Smallest and largest integer code of a signed weight.

    Parameters
    ----------
    bits : width
        See :func:`canonical_bits`.

    Returns
    -------
    q_min, q_max : int
        ``-2**(bits - 1)`` and ``2**(bits - 1) - 1``; -1 and 1 for ternary.

    Examples
    --------
    >>> levels(8), levels(2), levels("ternary")
    ((-128, 127), (-2, 1), (-1, 1))
    """
    bits = canonical_bits(bits)
    if bits == TERNARY_BITS:
        return -1, 1
    half = 2 ** (bits - 1)
    return -half, half - 1


def coarse_bits(bits, shift):
    """Width of weights whose codes are multiples of ``2**shift`` within the limits of `bits`.

    Parameters
    ----------
    bits : int or float
        A width, in canonical form.
    shift : int
        At least 0.

    Returns
    -------
    int or float
        ``bits - shift``, and 0 where no code but 0 is left, as for ternary weights with any shift. A
        single bit is the codes ``-2**shift`` and 0.

    Examples
    --------
    >>> coarse_bits(8, 3), coarse_bits(4, 6), coarse_bits(TERNARY_BITS, 1)
    (5, 0, 0)
    """
    if shift == 0:
        return bits
    return 0 if bits == TERNARY_BITS else max(0, bits - shift)


def activation_levels(bits):
    """Largest integer code of an unsigned activation; the smallest is 0.

    Parameters
    ----------
    bits : {2, 3, 4, 5, 6, 7, 8}
        Whole bits only.

    Returns
    -------
    int
        ``2**bits - 1``.

    Raises
    ------
    ValueError
        For any other width.

    Examples
    --------
    >>> activation_levels(8), activation_levels(4)
    (255, 15)
    """
    if not isinstance(bits, numbers.Real) or isinstance(bits, bool) or bits not in WHOLE_BITS:
        raise ValueError(
            f"activation_bits={bits!r}: not a width of activations. Allowed: None (float), 2, 3, 4, 5, 6, 7, 8."
        )
    return 2 ** int(bits) - 1


def unit_levels(bits):
    """Largest integer code of each hidden unit where units have widths of their own.

    Parameters
    ----------
    bits : sequence of {0, ..., 8}
        At least one of them above 0.

    Returns
    -------
    list of int
        ``2**bits - 1`` of each.

    Raises
    ------
    ValueError
        For any other width, or if no unit has a bit.

    Examples
    --------
    >>> unit_levels((8, 4, 1, 0))
    [255, 15, 1, 0]
    """
    wrong = [width for width in bits if isinstance(width, bool) or width not in UNIT_BITS]
    if wrong:
        raise ValueError(
            f"widths of units: {wrong[0]!r} is none. Allowed: 0, 1, 2, 3, 4, 5, 6, 7, 8."
        )
    if not any(bits):
        raise ValueError("widths of units: at least one above 0 is needed.")
    return [2 ** int(width) - 1 for width in bits]


def exact_average(sizes, bits):
    """Average bits per weight, as an exact fraction.

    A float sum of ``size * bits`` can pass a budget by a rounding error. The fraction does not,
    and ``float`` of a fraction at most ``Fraction(budget)`` is at most ``budget``.

    Parameters
    ----------
    sizes : sequence of int
        Weights of each layer.
    bits : sequence of int or float
        Canonical width of each layer.

    Returns
    -------
    fractions.Fraction

    Examples
    --------
    >>> exact_average([100, 300], [8, 4])
    Fraction(5, 1)
    """
    total = sum(size * Fraction(width) for size, width in zip(sizes, bits, strict=True))
    return total / sum(sizes)
