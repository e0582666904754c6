"""Whether every point of a program meets a requirement, proven in rational arithmetic: rows, bounds and whole numbers.

Called by episodes/faithful.py. What is to be refuted, a point of the program that breaks the requirement, goes into an
exact simplex, and whole numbers are branched on. Limits are nodes and pivots, never a clock; at a limit nothing is
proven. See Cook, Koch, Steffy and Wolter (2013), A hybrid branch-and-bound approach for exact rational mixed-integer
programming, Mathematical Programming Computation 5: here the programs are small enough to be exact throughout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from lit_grpo.environment.programs.program import Constraint, LinearProgram, Sense
from lit_grpo.environment.programs.rationals import CanonicalRow, canonical_row, exact_range, whole_variables
from lit_grpo.environment.solver.exact_simplex import ZERO, ExactSimplex, LimitReached, Value

MAX_NODES = 400
"""The most nodes of a search tree; redundant rows of generated tasks take a few."""
MAX_PIVOTS = 4000
"""The most pivots of one search tree altogether."""


def follows_from_bounds(row: Constraint, program: LinearProgram) -> bool:
    """Whether it is proven that every point within the program's bounds meets the row."""
    return is_implied(row, replace(program, constraints=()))


def is_implied(row: Constraint, program: LinearProgram) -> bool:
    """Whether it is proven that every point of the program meets the row.

    False where some point does not, and where the limits leave it undecided.
    """
    whole = whole_variables(program)
    rows = [canonical_row(other, whole) for other in program.constraints]
    return all(_is_refuted(side, rows, program, whole) for side in _broken_sides(canonical_row(row, whole)))


@dataclass(frozen=True, slots=True)
class _Side:
    """A linear form within limits: a row, or what a point that breaks a requirement would meet."""

    terms: tuple[tuple[str, int], ...]
    lower: Value | None
    upper: Value | None

    @property
    def admits_zero(self) -> bool:
        """Whether 0 is within the limits, which is all there is to know of a form without terms."""
        return (self.lower is None or self.lower <= ZERO) and (self.upper is None or self.upper >= ZERO)


def _broken_sides(row: CanonicalRow) -> list[_Side]:
    """The ways to break a row. A whole left-hand side breaks it by 1 at least, any other by anything above 0."""
    sides: list[_Side] = []
    if row.sense is not Sense.GREATER_EQUAL:
        above = (Fraction(math.floor(row.rhs)) + 1, Fraction(0)) if row.is_whole else (row.rhs, Fraction(1))
        sides.append(_Side(row.terms, above, None))
    if row.sense is not Sense.LESS_EQUAL:
        below = (Fraction(math.ceil(row.rhs)) - 1, Fraction(0)) if row.is_whole else (row.rhs, Fraction(-1))
        sides.append(_Side(row.terms, None, below))
    return sides


def _kept_side(row: CanonicalRow) -> _Side:
    """A row as it is required; of a whole left-hand side 5/2 cannot be required."""
    limit = _value(row.rhs)
    if row.sense is Sense.EQUAL and row.is_whole and row.rhs.denominator != 1:
        return _Side((), limit, limit)
    return _Side(
        row.terms,
        None if row.sense is Sense.LESS_EQUAL else limit,
        None if row.sense is Sense.GREATER_EQUAL else limit,
    )


def _is_refuted(broken: _Side, rows: Sequence[CanonicalRow], program: LinearProgram, whole: set[str]) -> bool:
    """Whether it is proven that no point within the program's bounds and these rows is on that side."""
    sides = [broken, *map(_kept_side, rows)]
    if not all(side.terms or side.admits_zero for side in sides):
        return True
    sides = [side for side in sides if side.terms]
    position = {variable.name: j for j, variable in enumerate(program.variables)}
    forms = [{position[name]: c for name, c in side.terms} for side in sides]
    simplex = ExactSimplex(len(position), forms, MAX_PIVOTS)
    for j, variable in enumerate(program.variables):
        lower, upper = exact_range(variable)
        simplex.tighten(j, None if lower is None else _value(lower), None if upper is None else _value(upper))
    for i, side in enumerate(sides, start=len(position)):
        simplex.tighten(i, side.lower, side.upper)
    try:
        return not _Search(simplex, [j for name, j in position.items() if name in whole]).finds_point()
    except LimitReached:
        return False


def _value(number: Fraction | int) -> Value:
    return Fraction(number), Fraction(0)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """A column's bounds in a branch, or those that it had before."""

    column: int
    lower: Value | None
    upper: Value | None
    is_branch: bool


class _Search:
    """Depth-first branching on the columns that have to be whole; without recursion, which Python would end first."""

    def __init__(self, simplex: ExactSimplex, integral: Sequence[int]) -> None:
        self._simplex, self._integral = simplex, integral
        self._nodes_left = MAX_NODES

    def finds_point(self) -> bool:
        """Whether some point within the bounds is whole in all of these columns.

        Raises:
            LimitReached: Undecided.
        """
        waiting: list[_Bounds] = []
        branches = self._visit()
        while branches is not None:
            waiting += branches
            while waiting and not waiting[-1].is_branch:
                before = waiting.pop()
                self._simplex.put_back(before.column, (before.lower, before.upper))
            if not waiting:
                return False
            branch = waiting.pop()
            lower, upper = self._simplex.tighten(branch.column, branch.lower, branch.upper)
            waiting.append(_Bounds(branch.column, lower, upper, is_branch=False))
            branches = self._visit()
        return True

    def _visit(self) -> list[_Bounds] | None:
        """What is left to be searched at a node, the last first; None if it holds a point.

        Raises:
            LimitReached: Undecided.
        """
        if self._nodes_left == 0:
            raise LimitReached
        self._nodes_left -= 1
        if not self._simplex.is_feasible():
            return []
        values = self._simplex.values
        fractional = [j for j in self._integral if values[j][1] or values[j][0].denominator != 1]
        if not fractional:
            return None
        column = min(fractional, key=lambda j: abs(values[j][0] % 1 - Fraction(1, 2)))
        floor = math.floor(values[column][0])
        floor -= values[column] < _value(floor)  # a whole number less the infinitesimal
        above = _Bounds(column, _value(floor + 1), None, is_branch=True)
        return [above, _Bounds(column, None, _value(floor), is_branch=True)]
