"""Points that HiGHS offers for an integer program, looked at again without its tolerances.

Called by highs.py. HiGHS takes a value for integral that is 1e-6 away from an integer, and a row for met that misses by
1e-7. With a coefficient of 1e7 that is a program without a solution taken for a solved one. So the integers are
rounded, rows of integers alone are checked exactly, and continuous variables are found anew beside the rounded ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from lit_grpo.environment.programs.rationals import exact
from lit_grpo.environment.solver.model_arrays import ModelArrays

SAME_OBJECTIVE = 1e-6
"""Relative: a rounded point that is worse by more than this is not the optimum that HiGHS spoke of."""

NOISE = 1e-11
"""Relative: of a value that is an integer but for floating point."""

_LARGEST_EXACT = 2.0**53
_CLEAR = 1e-6
"""Relative to a row's terms: a float sum that is this far from a limit is on its side of it exactly, too."""


def rounded(arrays: ModelArrays, values: Sequence[float]) -> list[float] | None:
    """The point with its integers rounded; None if these break their bounds, or a row that holds nothing else."""
    point = [float(round(x)) if integral else x for x, integral in zip(values, arrays.integral, strict=True)]
    for j in arrays.integral_columns:
        if not arrays.column_lower[j] <= point[j] <= arrays.column_upper[j]:
            return None
    return point if all(_meets_row(arrays, i, point) for i in range(len(arrays.row_lower))) else None


def with_integers_at(arrays: ModelArrays, point: Sequence[float]) -> ModelArrays:
    """The LP over the continuous variables that is left once the integers are fixed."""
    fixed = list(zip(arrays.integral, point, strict=True))
    return replace(
        arrays.relaxed(),
        column_lower=[x if i else own for (i, x), own in zip(fixed, arrays.column_lower, strict=True)],
        column_upper=[x if i else own for (i, x), own in zip(fixed, arrays.column_upper, strict=True)],
    )


def is_noise(point: Sequence[float], values: Sequence[float]) -> bool:
    """Whether rounding changed no more than the last digits of floats, which HiGHS's own objective allows for."""
    return all(abs(x - y) <= NOISE * max(1.0, abs(x)) for x, y in zip(point, values, strict=True))


def objective_at(arrays: ModelArrays, point: Sequence[float]) -> float:
    """The objective's value, offset included."""
    return math.fsum(cost * x for cost, x in zip(arrays.costs, point, strict=True)) + arrays.offset


def same_objective(value: float, other: float) -> bool:
    """Whether two objective values are of the same optimum."""
    return abs(value - other) <= SAME_OBJECTIVE * max(1.0, abs(value))


def tightened(arrays: ModelArrays) -> ModelArrays | None:
    """The same integer points, with rows that end at what whole numbers reach: ``2 x + 4 y <= 11`` becomes ``<= 10``.

    None if an equality of whole numbers can never hold: then there is no point.
    """
    row_lower, row_upper = list(arrays.row_lower), list(arrays.row_upper)
    for i in range(len(row_lower)):
        columns, coefficients = _row(arrays, i)
        if not columns or not all(arrays.integral[j] for j in columns):
            continue
        step = _step(coefficients)
        lower, upper = _up(row_lower[i], step), _down(row_upper[i], step)
        if lower > upper:
            return None
        row_lower[i], row_upper[i] = lower, upper
    return replace(arrays, row_lower=row_lower, row_upper=row_upper)


def _row(arrays: ModelArrays, i: int) -> tuple[list[int], list[float]]:
    start, end = arrays.starts[i], arrays.starts[i + 1]
    return arrays.columns[start:end], arrays.values[start:end]


def _meets_row(arrays: ModelArrays, i: int, point: Sequence[float]) -> bool:
    """Exactly, for a row of integers alone; any other row is left to the LP."""
    columns, coefficients = _row(arrays, i)
    integral, lower, upper = arrays.integral, arrays.row_lower[i], arrays.row_upper[i]
    activity, size = 0.0, 1.0
    for j, c in zip(columns, coefficients, strict=True):
        if not integral[j]:
            return True
        term = c * point[j]
        activity += term
        size += abs(term)
    margin = _CLEAR * size
    if lower + margin < activity < upper - margin:
        return True
    if activity < lower - margin or activity > upper + margin:
        return False
    if size < _LARGEST_EXACT and all(c % 1.0 == 0.0 for c in coefficients):
        return lower <= activity <= upper  # whole numbers that floats hold: nothing was rounded
    exactly = sum((exact(c) * int(point[j]) for c, j in zip(coefficients, columns, strict=True)), Fraction(0))
    return (math.isinf(lower) or exactly >= exact(lower)) and (math.isinf(upper) or exactly <= exact(upper))


def _step(coefficients: Sequence[float]) -> Fraction:
    """What the values of a row of whole numbers are multiples of: the greatest common divisor of its coefficients."""
    numbers = [exact(c) for c in coefficients]
    denominator = math.lcm(*(number.denominator for number in numbers))
    return Fraction(math.gcd(*(int(number * denominator) for number in numbers)), denominator)


def _up(limit: float, step: Fraction) -> float:
    return limit if math.isinf(limit) else float(math.ceil(exact(limit) / step) * step)


def _down(limit: float, step: Fraction) -> float:
    return limit if math.isinf(limit) else float(math.floor(exact(limit) / step) * step)
