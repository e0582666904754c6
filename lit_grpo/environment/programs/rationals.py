"""A program's numbers as rationals, and rows in a form that is the same exactly if the requirement is.

Called by comparison.py, and by the files of solver/ that decide without a tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass
from fractions import Fraction

from lit_grpo.environment.programs.program import Constraint, LinearProgram, Sense, Variable, VariableType

_LARGEST_EXACT = 2.0**53


def exact(value: float) -> Fraction:
    """The finite number that the shortest decimal of a float says: 0.1 is a tenth, as whoever wrote it meant.

    The float itself is 3602879701896397/36028797018963968. Read so, ``0.1 x + 0.2 y <= 0.3`` would forbid x = y = 1.
    """
    if abs(value) < _LARGEST_EXACT and float(value).is_integer():
        return Fraction(int(value))
    return Fraction(repr(float(value)))


@dataclass(frozen=True, slots=True)
class CanonicalRow:
    """A row over coprime integers, the first of them positive: ``-1.5 x + 3 y >= 4`` is ``x - 2 y <= -8/3``.

    Where all variables are whole numbers the right-hand side is what they can reach: there it is ``x - 2 y <= -3``. Two
    rows of which neither is always nor never true are the same requirement exactly if their canonical forms are equal.
    """

    terms: tuple[tuple[str, int], ...]
    sense: Sense
    rhs: Fraction
    is_whole: bool
    """Whether the left-hand side is always a whole number."""


def canonical_row(row: Constraint, whole: Set[str]) -> CanonicalRow:
    """The canonical form; ``whole``: names of the integer variables. A row without terms becomes 0 = 0 or 0 = 1."""
    coefficients = [exact(value) for _, value in row.terms]
    rhs = exact(row.rhs)
    if not coefficients:
        holds = {Sense.LESS_EQUAL: rhs >= 0, Sense.GREATER_EQUAL: rhs <= 0, Sense.EQUAL: rhs == 0}[row.sense]
        return CanonicalRow((), Sense.EQUAL, Fraction(not holds), is_whole=True)
    denominator = math.lcm(*(c.denominator for c in coefficients))
    scale = Fraction(denominator, math.gcd(*(int(c * denominator) for c in coefficients)))
    sense = row.sense
    if coefficients[0] < 0:
        scale, sense = -scale, sense.reversed
    terms = tuple((name, int(c * scale)) for (name, _), c in zip(row.terms, coefficients, strict=True))
    is_whole = all(name in whole for name, _ in terms)
    return CanonicalRow(terms, sense, _reachable(sense, rhs * scale) if is_whole else rhs * scale, is_whole)


def _reachable(sense: Sense, rhs: Fraction) -> Fraction:
    if sense is Sense.EQUAL:
        return rhs
    return Fraction(math.floor(rhs) if sense is Sense.LESS_EQUAL else math.ceil(rhs))


def exact_range(variable: Variable) -> tuple[Fraction | None, Fraction | None]:
    """The least and the largest value that a variable can take by its bounds and its type; None if there is none."""
    lower, upper = (exact(bound) if math.isfinite(bound) else None for bound in variable.effective_bounds)
    if variable.type is VariableType.CONTINUOUS:
        return lower, upper
    return (
        None if lower is None else Fraction(math.ceil(lower)),
        None if upper is None else Fraction(math.floor(upper)),
    )


def whole_variables(program: LinearProgram) -> set[str]:
    """Names of the integer and binary variables."""
    return {v.name for v in program.variables if v.type is not VariableType.CONTINUOUS}


def coupled_variables(program: LinearProgram, whole: Set[str]) -> set[str]:
    """Names of the variables that rows connect with one of ``whole``, those included.

    Among them a hair's breadth in any number can decide whether a whole number is allowed; apart from them it cannot.
    """
    groups = [{name for name, _ in row.terms} for row in program.constraints]
    coupled, waiting = set(whole), True
    while waiting:
        touched = [group for group in groups if not coupled.isdisjoint(group)]
        groups = [group for group in groups if coupled.isdisjoint(group)]
        coupled.update(*touched)
        waiting = bool(touched)
    return coupled
