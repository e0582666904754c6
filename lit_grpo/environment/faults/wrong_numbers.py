"""Wrong numbers that look like the right ones: slips of the pen first, otherwise a plausible number out of range.

Called by candidates.py for bounds and right-hand sides.
"""

from __future__ import annotations

import math
from random import Random

ROUNDING = 1e-6
"""What an LP's optimal value may be off by."""
SLIP_SHARE = 0.5
"""How often a slip of the pen is taken where one is out of range."""
NOUGHT_SHARE = 0.05
"""How often a nought too many or too few is thought of, above TINY: if it always were, since it reaches furthest, wrong
numbers would end in a nought twice as often as true ones."""


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
    """A whole number other than ``right``, in ``(above, most]`` or ``[least, below)``: give one of the two ranges.

    In TINY programs a nought more or fewer is as likely as any slip, and no digit becomes one.
    None if the range holds no whole number or is open where it starts (``above`` or ``below`` infinite).
    """
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
