"""When two numbers of two programs are the same number, although they are written otherwise.

Called by faithful.py. Where a writer has to round (a third, a row divided by seven), 1e-6 relative is the same. What
can be written exactly has to be: whole numbers, on the scale of either row, and all numbers of a row with integer
variables, where a hair's breadth can cut off a point.
"""

from __future__ import annotations

import math

RELATIVE_TOLERANCE = 1e-6
"""The tolerance for numbers that may have been rounded by whoever wrote them."""
ZERO_TOLERANCE = 1e-9
"""Absolute, where the original number is 0; far below the 1e-4 by which faults violate."""
EXACT_TOLERANCE = 1e-13
"""The tolerance for numbers that can be written exactly: what floating point makes of 0.1 + 0.2, and no more."""
MOST_SCALING = 1000.0
"""A row scaled further, up or down, is another one: the 1e-7 by which HiGHS lets a row be violated would be more than
the 1e-4 by which faults violate."""


def agree(value: float, true: float, scale: float = 1.0, exactly: bool = False) -> bool:
    """Whether ``value``, in a row that is ``scale`` times the true one, says what ``true`` says there.

    1000001 is not 1000000, and 2000001 in a doubled row is not either; 0.333333333 is 1/3.
    """
    if math.isinf(value) or math.isinf(true):
        return value == true
    here, there = true * scale, value / scale
    both_whole = (is_whole(value) and is_whole(here)) or (is_whole(there) and is_whole(true))
    if exactly or both_whole:
        return math.isclose(there, true, rel_tol=EXACT_TOLERANCE, abs_tol=EXACT_TOLERANCE)
    return math.isclose(there, true, rel_tol=RELATIVE_TOLERANCE, abs_tol=ZERO_TOLERANCE)


def is_whole(value: float) -> bool:
    """Whether a finite number is an integer, up to floating point."""
    return math.isclose(value, round(value), rel_tol=EXACT_TOLERANCE, abs_tol=EXACT_TOLERANCE)
