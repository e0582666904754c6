"""What a repair must leave alone, and what must hold of it: elements to keep, rows to satisfy, points to admit.

Read from a user's words by assertions_file.py; asked by candidates.py and relaxations.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from lit_grpo.environment.programs.edits import Edit, edited_element
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    Element,
    LinearProgram,
    Sense,
    row_element,
    variable_element,
)
from lit_grpo.environment.solver.solver import Solver, SolverStatus

TOLERANCE = 1e-6
"""The solver's own: a row that is broken by less is met."""


@dataclass(frozen=True, slots=True)
class Protections:
    """What a repair is held to; the default is nothing."""

    keep: tuple[str, ...] = ()
    """Elements that must not be touched, by name or by pattern: ``row:demand_1``, ``row:demand*``, ``var:x?``."""
    rows: tuple[Constraint, ...] = ()
    """Rows that every solution of the repaired program must satisfy."""
    points: tuple[Mapping[str, float], ...] = ()
    """Values of some variables, with which the repaired program must have a solution."""

    def keeps(self, element: Element) -> bool:
        """Whether the element must not be touched."""
        return any(_fits(element, pattern) for pattern in self.keep)

    def allow(self, edits: Iterable[Edit]) -> bool:
        """Whether none of the edits touches what must stay."""
        return not any(self.keeps(edited_element(edit)) for edit in edits)

    def hold_of(self, program: LinearProgram, solver: Solver) -> bool:
        """Whether the repaired program satisfies the rows and admits the points."""
        return all(_implies(program, row, solver) for row in self.rows) and all(
            _admits(program, point, solver) for point in self.points
        )


def _fits(element: Element, pattern: str) -> bool:
    """Whether it is the element's name, or a pattern with ``*`` or ``?`` for it. Brackets are part of a name."""
    return element == pattern or fnmatchcase(element, pattern.replace("[", "[[]"))


NO_PROTECTIONS = Protections()


def _implies(program: LinearProgram, row: Constraint, solver: Solver) -> bool:
    """Whether no solution of the program breaks the row."""
    for sense, direction in ((Sense.LESS_EQUAL, Direction.MAXIMIZE), (Sense.GREATER_EQUAL, Direction.MINIMIZE)):
        if row.sense in (sense, Sense.EQUAL):
            extreme = solver.solve(replace(program, direction=direction, objective=row.terms, objective_offset=0.0))
            if extreme.status is not SolverStatus.OPTIMAL or extreme.objective is None:
                return False
            excess = extreme.objective - row.rhs if sense is Sense.LESS_EQUAL else row.rhs - extreme.objective
            if excess > TOLERANCE * max(1.0, abs(row.rhs)):
                return False
    return True


def _admits(program: LinearProgram, point: Mapping[str, float], solver: Solver) -> bool:
    """Whether the program has a solution with these values."""
    rows = tuple(Constraint(f"value_of_{name}", ((name, 1.0),), Sense.EQUAL, value) for name, value in point.items())
    at_point = LinearProgram(Direction.MINIMIZE, (), program.variables, (*program.constraints, *rows))
    return solver.solve(at_point).status is SolverStatus.OPTIMAL


def unknown_patterns(keep: Iterable[str], program: LinearProgram) -> list[str]:
    """The patterns that fit no element of the program: a name misspelt would protect nothing, in silence."""
    elements = [row_element(row.name) for row in program.constraints]
    elements += [variable_element(variable.name) for variable in program.variables]
    return [pattern for pattern in keep if not any(_fits(element, pattern) for element in elements)]
