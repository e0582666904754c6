"""When two numbers of two programs are the same number, although they are written otherwise.

Called by comparison.py and faithful.py, for numbers that no whole-numbered variable depends on. Where a writer has to
round (a third, a row divided by seven), 1e-6 relative is the same. A whole number can be written exactly, so it has to
be; on the scale of the row in which it is written.
"""

from __future__ import annotations

import math

RELATIVE_TOLERANCE = 1e-6
"""The tolerance for numbers that may have been rounded by whoever wrote them."""
ZERO_TOLERANCE = 1e-9
"""Absolute, where the original number is 0; far below the 1e-4 by which faults violate."""
EXACT_TOLERANCE = 1e-13
"""The tolerance for whole numbers: what floating point makes of a third times three, and no more."""
MOST_SCALING = 1000.0
"""In a row scaled further, up or down, nothing is forgiven: rounding errors would grow with it."""


def agree(value: float, true: float, scale: float = 1.0, exactly: bool = False) -> bool:
    """Whether ``value``, in a row that is ``scale`` times the true one, says what ``true`` says there.

    1000000.9 is not 1000000, nor is 2000001 in a doubled row; 0.333333333 is 1/3.
    """
    if math.isinf(value) or math.isinf(true):
        return value == true
    here, there = true * scale, value / scale
    if exactly or (here != 0.0 and is_whole(here)) or (is_whole(there) and is_whole(true)):
        return math.isclose(there, true, rel_tol=EXACT_TOLERANCE, abs_tol=EXACT_TOLERANCE)
    return math.isclose(there, true, rel_tol=RELATIVE_TOLERANCE, abs_tol=ZERO_TOLERANCE)


def is_whole(value: float) -> bool:
    """Whether a finite number is an integer, up to floating point."""
    return math.isclose(value, round(value), rel_tol=EXACT_TOLERANCE, abs_tol=EXACT_TOLERANCE)
