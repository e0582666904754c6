"""Wrong numbers that look like the right ones: slips of the pen first, otherwise a plausible number out of range.

Called by candidates.py for bounds, right-hand sides and coefficients. The domains' numbers are whole; those of a user's
programs may have decimals, and then a wrong number has as many.
"""

from __future__ import annotations

import math
from decimal import Decimal
from random import Random

ROUNDING = 1e-6
"""What an LP's optimal value may be off by."""
SLIP_SHARE = 0.5
"""How often a slip of the pen is taken where one is out of range."""
NOUGHT_SHARE = 0.05
"""How often a nought too many or too few is thought of, above TINY: if it always were, since it reaches furthest, wrong
numbers would end in a nought twice as often as true ones."""


LARGEST_DIGITS = 15
"""Digits of a number that a float tells apart."""


def unit_of(right: float) -> float:
    """One in the last decimal of a number: 1 for a whole one, 0.01 for 3.25."""
    return float(Decimal(1).scaleb(-_decimals(right)))


def times(value: float, factor: int) -> float:
    """The product as it is written: ten times 0.57 is 5.7, not 5.699999999999999."""
    return float(Decimal(repr(value)) * factor)


def wrong_number(
    rng: Random,
    right: float,
    *,
    above: float = -math.inf,
    most: float = math.inf,
    below: float = math.inf,
    least: float = -math.inf,
    is_tiny: bool = False,
) -> float | None:
    """A number other than ``right``, in ``(above, most]`` or ``[least, below)``: give one of the two ranges.

    It is whole if ``right`` is, and has as many decimals otherwise.

    In TINY programs a nought more or fewer is as likely as any slip, and no digit becomes one.
    None if the range holds no such number or is open where it starts (``above`` or ``below`` infinite).
    """
    if decimals := _decimals(right):
        up = 10**decimals
        limits = {"above": above * up, "most": most * up, "below": below * up, "least": least * up}
        value = wrong_number(rng, float(round(right * up)), **limits, is_tiny=is_tiny)
        return None if value is None else float(Decimal(int(value)).scaleb(-decimals))
    upward = above > -math.inf
    start = above if upward else below
    if not math.isfinite(start):
        return None
    low, high = (math.floor(above + ROUNDING) + 1, most) if upward else (least, math.ceil(below - ROUNDING) - 1)
    if low > high:
        return None
    all_slips = _slips(right, "123456789") + _noughts(right) if is_tiny else _slips(right, "0123456789")
    if not is_tiny and rng.random() < NOUGHT_SHARE:
        all_slips += _noughts(right)
    slips = [s for s in all_slips if low <= s <= high and s != right]
    if slips and rng.random() < SLIP_SHARE:
        return float(rng.choice(slips))
    reach = max(3, math.ceil(abs(start) * 0.4))
    first, last = (low, min(high, low + reach)) if upward else (max(low, high - reach), high)
    choices = [rng.randint(math.ceil(first), math.floor(last)) for _ in range(2)]
    return next((float(c) for c in choices if c != right), None)


def _slips(right: float, others: str) -> list[int]:
    """Two digits swapped, or one changed into another of ``others``; the first never becomes a nought."""
    if not _has_digits(right):
        return []
    sign, digits = (-1 if right < 0 else 1), str(abs(int(right)))
    swapped = [digits[:i] + digits[i + 1] + digits[i] + digits[i + 2 :] for i in range(len(digits) - 1)]
    changed = [digits[:i] + d + digits[i + 1 :] for i in range(len(digits)) for d in others]
    return [sign * int(text) for text in (*swapped, *changed) if text[0] != "0"]


def _noughts(right: float) -> list[int]:
    """A nought too many, or too few."""
    if not _has_digits(right):
        return []
    return [int(right) * 10, *([int(right) // 10] if right % 10 == 0 else [])]


def _has_digits(right: float) -> bool:
    return math.isfinite(right) and right == int(right) and right != 0


def _decimals(value: float) -> int:
    """Decimals that a number is written with, as far as all its digits are told apart."""
    if not math.isfinite(value) or value.is_integer():
        return 0
    exponent = Decimal(repr(value)).as_tuple().exponent
    assert isinstance(exponent, int), "a finite number"
    before = len(str(int(abs(value))))
    return max(0, min(-exponent, LARGEST_DIGITS - before))
