"""What several kinds measure of a faulty program: its conflict, its violation, and what one element alone can mend.

Called by the files beside this one. Everything is asked of LP relaxations, whose infeasibility proves the program's.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from lit_grpo.environment.faults.certificates import LEAST_VIOLATION, RejectionReason
from lit_grpo.environment.faults.decoys import count_decoys
from lit_grpo.environment.faults.difficulty import PROFILES, Difficulty
from lit_grpo.environment.programs.edits import DropRow, apply
from lit_grpo.environment.programs.program import (
    Element,
    LinearProgram,
    Sense,
    Variable,
    row_element,
    variable_element,
)
from lit_grpo.environment.solver.relaxation import largest_value, linear_relaxation, smallest_value
from lit_grpo.environment.solver.solver import Conflict, ConflictPart, Solver, SolverStatus, Violation


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A faulty program's relaxation with its canonical conflict."""

    relaxed: LinearProgram
    conflict: Conflict
    num_decoys: int


def suspicion(
    faulty: LinearProgram,
    faulty_elements: Sequence[Element],
    difficulty: Difficulty,
    solver: Solver,
    is_distant: bool = False,
) -> Suspicion | RejectionReason:
    """The conflict of a program whose LP relaxation is infeasible, if its suspects are of the difficulty."""
    suspected = suspicion_of_any(faulty, faulty_elements, solver)
    if isinstance(suspected, RejectionReason):
        return suspected
    num_others = len(set(suspected.conflict.elements) - set(faulty_elements))
    if not PROFILES[difficulty].admits(len(faulty.variables), num_others, suspected.num_decoys, is_distant):
        return RejectionReason.OTHER_DIFFICULTY
    return suspected


def suspicion_of_any(
    faulty: LinearProgram, faulty_elements: Sequence[Element], solver: Solver
) -> Suspicion | RejectionReason:
    """The conflict of a program whose LP relaxation is infeasible, of whatever difficulty."""
    relaxed = linear_relaxation(faulty)
    conflict = conflict_of(relaxed, solver)
    if isinstance(conflict, RejectionReason):
        return conflict
    return Suspicion(relaxed, conflict, count_decoys(relaxed, conflict, *faulty_elements))


def with_last(program: LinearProgram, elements: Collection[Element]) -> LinearProgram:
    """The program with these rows behind all others, and these variables; for questions about its conflict alone.

    The deletion filter then tries them last among their like. If the conflict holds none of them even so, it is the
    canonical conflict wherever they stand: a filter that meets them earlier has more left to do without them, so it
    takes them out, and everything else goes or stays as before. A claim about the canonical conflict would otherwise
    favour elements that stand early, and tell a reader so.
    """
    return replace(
        program,
        variables=tuple(sorted(program.variables, key=lambda v: variable_element(v.name) in elements)),
        constraints=tuple(sorted(program.constraints, key=lambda row: row_element(row.name) in elements)),
    )


def conflict_of(relaxed: LinearProgram, solver: Solver) -> Conflict | RejectionReason:
    """The canonical conflict of an LP that should be infeasible; by rounding, it may not be."""
    status = solver.solve(relaxed).status
    if status is not SolverStatus.INFEASIBLE:
        return RejectionReason.INCONCLUSIVE if status is SolverStatus.INCONCLUSIVE else RejectionReason.FEASIBLE
    conflict = solver.conflict(relaxed)
    return RejectionReason.INCONCLUSIVE if conflict is None or not conflict.is_irreducible else conflict


def smallest_relaxation(relaxed: LinearProgram, solver: Solver) -> tuple[Violation, ...] | RejectionReason:
    """The violations of a smallest relaxation of an LP, if they come to enough."""
    violations = solver.minimum_relaxation(relaxed)
    if violations is None:
        return RejectionReason.INCONCLUSIVE
    return violations if total(violations) >= LEAST_VIOLATION else RejectionReason.TOO_SMALL_A_VIOLATION


def total(violations: Sequence[Violation]) -> float:
    """The elastic sum."""
    return sum(violation.amount for violation in violations)


def without_element(program: LinearProgram, element: Element) -> LinearProgram:
    """The program without a row, or with a variable that is continuous and free."""
    kind, _, name = element.partition(":")
    if kind == "row":
        return apply(program, DropRow(name))
    at = program.variable_position(name)
    free = Variable(name, -math.inf, math.inf)
    return replace(program, variables=(*program.variables[:at], free, *program.variables[at + 1 :]))


def rows_of(conflict: Conflict) -> tuple[str, ...]:
    """The names of the rows in a conflict."""
    return tuple(member.name for member in conflict.members if member.part is ConflictPart.ROW)


def giving_way_alone(relaxed: LinearProgram, element: Element, solver: Solver) -> float:
    """How far the element must give way for the LP to be feasible, if no other does; ``inf`` if that is in vain.

    A row's right-hand side, or one bound of a variable: the distance from it to the range that the rest leaves.
    """
    kind, _, name = element.partition(":")
    rest = without_element(relaxed, element)
    if kind == "row":
        row = relaxed.constraint(name)
        terms, at_least, at_most = row.terms, row.rhs, row.rhs
        at_least = -math.inf if row.sense is Sense.LESS_EQUAL else at_least
        at_most = math.inf if row.sense is Sense.GREATER_EQUAL else at_most
    else:
        variable = relaxed.variable(name)
        terms, at_least, at_most = ((name, 1.0),), variable.lower, variable.upper
    below = smallest_value(solver, rest, terms) - at_most if at_most < math.inf else -math.inf
    above = at_least - largest_value(solver, rest, terms) if at_least > -math.inf else -math.inf
    amount = max(below, above)
    return amount if amount > 0 else math.inf


def without_rows(relaxed: LinearProgram, names: Sequence[str]) -> LinearProgram:
    """The LP without several rows."""
    return replace(relaxed, constraints=tuple(row for row in relaxed.constraints if row.name not in names))
