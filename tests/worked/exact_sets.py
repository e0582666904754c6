"""Feasible sets of small programs, exactly and without a solver: intervals beside whole numbers, corners in the plane.

Shares no code with what it is used to test. `slices` is for any number of whole numbers beside at most one continuous
variable, `corners` for two continuous ones; a missing bound is taken as one of 10^12, far beyond every number that the
tests write.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import combinations, product
from math import ceil, floor, isinf

from lit_grpo.environment.programs.program import Constraint, LinearProgram, Sense, Variable, VariableType

FAR = Fraction(10**12)
Interval = tuple[Fraction, Fraction]
Line = tuple[Fraction, Fraction, Fraction]
"""a, b, c of ``a x + b y <= c``."""


def number(value: float) -> Fraction:
    """The decimal that a float is written as; infinities are far away."""
    if isinf(value):
        return FAR if value > 0 else -FAR
    return Fraction(Decimal(repr(value)))


def slices(program: LinearProgram) -> dict[tuple[int, ...], Interval]:
    """For every point of the whole numbers, what the continuous variable may be; (0, 0) where there is none."""
    whole = [v for v in program.variables if v.type is not VariableType.CONTINUOUS]
    rest = [v for v in program.variables if v.type is VariableType.CONTINUOUS]
    assert len(rest) <= 1
    found: dict[tuple[int, ...], Interval] = {}
    for point in product(*(range(*_ends(v)) for v in whole)):
        at = {v.name: Fraction(x) for v, x in zip(whole, point, strict=True)}
        low, high = (number(rest[0].lower), number(rest[0].upper)) if rest else (Fraction(0), Fraction(0))
        for row in program.constraints:
            low, high = _narrowed(row, at, low, high)
        if low <= high:
            found[point] = (low, high)
    return found


def _ends(variable: Variable) -> tuple[int, int]:
    lower, upper = number(variable.lower), number(variable.upper)
    if variable.type is VariableType.BINARY:
        lower, upper = max(lower, Fraction(0)), min(upper, Fraction(1))
    assert upper - lower < 1000
    return ceil(lower), floor(upper) + 1


def _narrowed(row: Constraint, at: dict[str, Fraction], low: Fraction, high: Fraction) -> Interval:
    """The interval that is left of the continuous variable; an empty one where the row fails."""
    left = number(row.rhs) - sum((number(c) * at[n] for n, c in row.terms if n in at), Fraction(0))
    slope = sum((number(c) for n, c in row.terms if n not in at), Fraction(0))
    if slope == 0:
        holds = (left >= 0 or row.sense is Sense.GREATER_EQUAL) and (left <= 0 or row.sense is Sense.LESS_EQUAL)
        return (low, high) if holds else (Fraction(1), Fraction(0))
    limit = left / slope
    is_upper = row.sense is not (Sense.GREATER_EQUAL if slope > 0 else Sense.LESS_EQUAL)
    is_lower = row.sense is not (Sense.LESS_EQUAL if slope > 0 else Sense.GREATER_EQUAL)
    return max(low, limit) if is_lower else low, min(high, limit) if is_upper else high


def corners(program: LinearProgram) -> frozenset[tuple[Fraction, Fraction]]:
    """The corners of what two continuous variables may be: bounded programs allow the same if they have the same."""
    one, other = program.variables
    lines: list[Line] = []
    for position, variable in enumerate((one, other)):
        unit = (Fraction(position == 0), Fraction(position == 1))
        lines += [(*unit, number(variable.upper)), (-unit[0], -unit[1], -number(variable.lower))]
    for row in program.constraints:
        terms = {name: number(value) for name, value in row.terms}
        a, b = terms.get(one.name, Fraction(0)), terms.get(other.name, Fraction(0))
        if row.sense is not Sense.GREATER_EQUAL:
            lines.append((a, b, number(row.rhs)))
        if row.sense is not Sense.LESS_EQUAL:
            lines.append((-a, -b, -number(row.rhs)))
    found: set[tuple[Fraction, Fraction]] = set()
    for (a, b, c), (d, e, f) in combinations(lines, 2):
        if determinant := a * e - b * d:
            x, y = (c * e - b * f) / determinant, (a * f - c * d) / determinant
            if all(p * x + q * y <= r for p, q, r in lines):
                found.add((x, y))
    return frozenset(found)
