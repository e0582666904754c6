"""Wrong numbers that look like the right ones: slips of the pen first, otherwise a plausible number out of range.

Called by fault_candidates.py for bounds and right-hand sides.
"""

from __future__ import annotations

import math
from random import Random

ROUNDING = 1e-6
"""What an LP's optimal value may be off by."""
SLIP_SHARE = 0.5
"""How often a slip of the pen is taken where one is out of range."""


def wrong_number(
    rng: Random,
    right: float,
    *,
    above: float = -math.inf,
    most: float = math.inf,
    below: float = math.inf,
    least: float = -math.inf,
) -> float | None:
    """A whole number other than ``right``, in ``(above, most]`` or ``[least, below)``: give one of the two ranges.

    None if the range holds no whole number or is open where it starts (``above`` or ``below`` infinite).
    """
    upward = above > -math.inf
    start = above if upward else below
    if not math.isfinite(start):
        return None
    low, high = (math.floor(above + ROUNDING) + 1, most) if upward else (least, math.ceil(below - ROUNDING) - 1)
    if low > high:
        return None
    slips = [s for s in _slips(right) if low <= s <= high and s != right]
    if slips and rng.random() < SLIP_SHARE:
        return float(rng.choice(slips))
    reach = max(3, math.ceil(abs(start) * 0.4))
    first, last = (low, min(high, low + reach)) if upward else (max(low, high - reach), high)
    choices = [rng.randint(math.ceil(first), math.floor(last)) for _ in range(2)]
    return next((float(c) for c in choices if c != right), None)


def _slips(right: float) -> list[int]:
    """A digit changed, two digits swapped, a nought too many or too few."""
    if not math.isfinite(right) or right != int(right) or right == 0:
        return []
    sign, digits = (-1 if right < 0 else 1), str(abs(int(right)))
    swapped = [digits[:i] + digits[i + 1] + digits[i] + digits[i + 2 :] for i in range(len(digits) - 1)]
    changed = [digits[:i] + d + digits[i + 1 :] for i in range(len(digits)) for d in "123456789"]
    short = [digits[:-1]] if digits.endswith("0") else []
    return [sign * int(text) for text in (*swapped, *changed, digits + "0", *short) if text[0] != "0"]
