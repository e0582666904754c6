"""Equalities that contradict each other whatever the bounds, found by elimination where a simplex run is dear.

Called by conflict_search.py for programs of thousands of requirements. Rows are eliminated in rationals until one says
``0 = b``. The rows that it was made of are a conflict without a superfluous member: those it was reduced by are
linearly independent, so that it is a combination of them in one way only, and any fewer of all these have a solution.
Assignments and flows whose totals differ are such conflicts of every row, on which the simplex method takes minutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from heapq import heapify, heappop, heappush

from lit_grpo.environment.programs.program import LinearProgram, Sense
from lit_grpo.environment.programs.rationals import exact
from lit_grpo.environment.solver.solver import ConflictMember, ConflictPart

ROUNDING_SHARE = Fraction(1, 10**9)
"""Of the right-hand sides that are added: a smaller contradiction may be of rounding, and is none."""

MAX_FILL = 3
"""Entries written, and bytes of their denominators, for each entry there was: then it is given up, since there are
matrices that it would fill, with ever longer numbers. Assignments and flows need one."""

Number = Fraction | int


class EqualitySystem:
    """The equalities of a program while they are eliminated.

    Rows are numbered among the equalities. A variable is eliminated by the shortest row that has it, those in the
    fewest rows first, so that sparse rows stay sparse.
    """

    def __init__(self, program: LinearProgram) -> None:
        rows = [row for row in program.constraints if row.sense is Sense.EQUAL]
        self.names = [row.name for row in rows]
        self.sides: list[Number] = [_number(row.rhs) for row in rows]
        """The right-hand sides as they were."""
        self._left = list(self.sides)
        self._rows: list[dict[str, Number]] = [{v: _number(a) for v, a in row.terms if a} for row in rows]
        self._holders: dict[str, set[int]] = {}
        for i, row in enumerate(self._rows):
            for variable in row:
                self._holders.setdefault(variable, set()).add(i)
        self._steps: list[tuple[int, int, Number]] = []
        """(row, pivot row, factor): what was added to what, in order."""
        self._left_to_write = MAX_FILL * sum(map(len, self._rows))

    def contradictions(self) -> Iterator[int]:
        """Eliminate; each row that is left without variables but with a right-hand side, once it is."""
        yield from (row for row, terms in enumerate(self._rows) if not terms and self._left[row])
        queue = [(len(rows), variable) for variable, rows in self._holders.items()]
        heapify(queue)
        while queue and self._left_to_write > 0:
            size, variable = heappop(queue)
            rows = self._holders.get(variable)
            if not rows:
                continue
            if len(rows) != size:
                heappush(queue, (len(rows), variable))
                continue
            yield from self._eliminate(variable, min(rows, key=lambda row: (len(self._rows[row]), row)))

    def multipliers(self, row: int) -> dict[int, Number]:
        """How often each row of the program is in a row as it is now."""
        found: dict[int, Number] = {row: 1}
        for target, pivot, factor in reversed(self._steps):
            if found.get(target):
                found[pivot] = found.get(pivot, 0) + factor * found[target]
        return {taken: value for taken, value in found.items() if value}

    def _eliminate(self, variable: str, pivot: int) -> Iterator[int]:
        """Take a variable out of all rows by one of them, which is done with; the rows that then say 0 = b."""
        for held in self._rows[pivot]:
            self._holders[held].discard(pivot)
        for row in sorted(self._holders.pop(variable)):
            factor = -_quotient(self._rows[row].pop(variable), self._rows[pivot][variable])
            self._add(row, pivot, factor, variable)
            if not self._rows[row] and self._left[row]:
                yield row

    def _add(self, row: int, pivot: int, factor: Number, eliminated: str) -> None:
        terms = self._rows[row]
        for variable, value in self._rows[pivot].items():
            if variable == eliminated:
                continue
            total = terms.get(variable, 0) + factor * value
            self._left_to_write -= 1 + (total.denominator.bit_length() // 8 if isinstance(total, Fraction) else 0)
            if total:
                terms[variable] = total
                self._holders[variable].add(row)
            else:
                del terms[variable]
                self._holders[variable].discard(row)
        self._left[row] += factor * self._left[pivot]
        self._steps.append((row, pivot, factor))


def contradicting_equalities(program: LinearProgram) -> list[ConflictMember] | None:
    """Equalities that have no common solution, though any fewer of them have; None if none were found."""
    system = EqualitySystem(program)
    for row in system.contradictions():
        taken = system.multipliers(row)
        if _is_beyond_rounding(taken, system.sides):
            return [ConflictMember(ConflictPart.ROW, system.names[row]) for row in sorted(taken)]
    return None


def _is_beyond_rounding(multipliers: Mapping[int, Number], sides: list[Number]) -> bool:
    parts = [value * sides[row] for row, value in multipliers.items()]
    return abs(sum(parts)) > ROUNDING_SHARE * sum(map(abs, parts))


def _number(value: float) -> Number:
    """As a whole number where it is one: those are added several times faster than fractions."""
    found = exact(value)
    return found.numerator if found.denominator == 1 else found


def _quotient(value: Number, by: Number) -> Number:
    found = Fraction(value) / by
    return found.numerator if found.denominator == 1 else found
