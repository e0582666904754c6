"""Equalities over whole numbers that no whole numbers meet: ``2 x + 4 y = 3``, or ``x + y = 53.999998``.

Called by highs.py where a program has no solution and no search finds out why. HiGHS's tolerances let points pass on
the edge of such a row, while in rational arithmetic its reason is short: every value that the left side can take is a
multiple of the coefficients' common divisor, and the right side is none.
"""

from __future__ import annotations

import math
from fractions import Fraction

from lit_grpo.environment.programs.program import Constraint, LinearProgram, Sense, VariableType
from lit_grpo.environment.programs.rationals import exact
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart


def unreachable_row(program: LinearProgram) -> Conflict | None:
    """The first such row with the integrality of its variables, an irreducible conflict; None if there is none."""
    whole = {v.name for v in program.variables if v.type is not VariableType.CONTINUOUS}
    for row in program.constraints:
        is_whole = bool(row.terms) and all(name in whole for name, _ in row.terms)
        if row.sense is Sense.EQUAL and is_whole and not is_reachable(row):
            members = [ConflictMember(ConflictPart.INTEGRALITY, name) for name, _ in row.terms]
            return Conflict((ConflictMember(ConflictPart.ROW, row.name), *members))
    return None


def is_reachable(row: Constraint) -> bool:
    """Whether some whole numbers, of any size, meet the equality."""
    coefficients = [exact(value) for _, value in row.terms]
    denominator = math.lcm(*(c.denominator for c in coefficients))
    step = Fraction(math.gcd(*(int(c * denominator) for c in coefficients)), denominator)
    return (exact(row.rhs) / step).denominator == 1
