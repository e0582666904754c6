"""Numbers in files, read whole or not at all, and added without rounding.

Used by lp_expressions.py and mps_data.py. A number that a lenient reader would cut (``4,5``, ``1.2.3``, ``four``) is
none here. Sums are taken over fractions, so that ``x - 0.1 >= 0.2`` is ``x >= 0.3`` and not 0.30000000000000004.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
"""Without a sign."""
INFINITY = re.compile(r"inf(?:inity)?", re.IGNORECASE)

COEFFICIENT_LIMIT = 1e15
"""Coefficients, costs and right-hand sides from here on are refused: HiGHS does not take them."""
NEGLIGIBLE = 1e-9
"""HiGHS takes the coefficients of a row up to here for 0."""
BOUND_LIMIT = 1e20
"""Bounds from here on are infinite, as in every solver's reading of a file."""

MAX_DIGITS = 400
"""A number of more characters is refused: nobody means it, and exact arithmetic with it could take for ever."""


def exact(text: str) -> Fraction | None:
    """The value of a number's text, exactly.

    Args:
        text: The number's text with or without a sign, e.g. ``-1.5e3``.

    Returns:
        None for a text that is no number, or one that double precision cannot hold: beyond 1.8e308, or so small that
        it would become 0.
    """
    if len(text) > MAX_DIGITS or not NUMBER.fullmatch(text.lstrip("+-")) or len(text) - len(text.lstrip("+-")) > 1:
        return None
    value = float(text)
    mantissa = re.split("[eE]", text)[0]
    if math.isinf(value) or (value == 0.0 and re.search("[1-9]", mantissa)):
        return None
    # A zero may have any exponent, and 10 to it would not fit the memory.
    return Fraction(text) if value else Fraction(0)


def infinity(text: str) -> float | None:
    """``inf`` or ``-inf`` for a text that means one, with or without a sign; None for another text."""
    sign = -1.0 if text.startswith("-") else 1.0
    return sign * math.inf if INFINITY.fullmatch(text.lstrip("+-")) else None


def as_bound(value: Fraction) -> float:
    """A bound as double precision has it; from `BOUND_LIMIT` on it is none."""
    number = float(value)
    return math.copysign(math.inf, number) if abs(number) >= BOUND_LIMIT else number


def shown(value: Fraction) -> str:
    """A number for a message, of any size: a sum of two that double precision holds may be beyond it."""
    try:
        return f"{float(value):g}"
    except OverflowError:
        return f"{'-' if value < 0 else ''}1e{len(str(abs(value.numerator) // value.denominator)) - 1} or so"


def decimal_commas(text: str) -> list[str]:
    """The words of a text that look like numbers with a decimal comma, at most five different ones."""
    return list(dict.fromkeys(re.findall(r"(?<!\S)[+-]?\d+,\d+(?!\S)", text)))[:5]
