"""Is a program the original one? Structural equality, row by row; the solver is asked only about superfluous rows.

Called by scoring.py. When numbers are equal is said in agreement.py; a row is up to positive scaling (``3 x <= 6`` is
``x <= 2``; a row negated together with its sense counts as another row, no edit leads there unawares); binary is
integer within [0, 1]. What whole numbers cannot tell apart is the same (``x <= 10.5`` is ``x <= 10``); what they can is
not, however close (9.99999). Rows and variables are matched by name.
"""

from __future__ import annotations

from dataclasses import replace

from lit_grpo.environment.programs.agreement import RELATIVE_TOLERANCE, agree
from lit_grpo.environment.programs.comparison import (
    differing_elements,
    is_always_whole,
    is_undecided,
    on_whole_numbers,
    whole_variables,
)
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    row_element,
)
from lit_grpo.environment.solver.solver import Solver, SolverStatus

VERDICT_VERSION = 2
"""Raised whenever a program counts as faithful that did not before, or no longer does: shares of faithful repairs that
were measured under another version are not comparable."""


def is_faithful(program: LinearProgram, original: LinearProgram, solver: Solver) -> bool:
    """Whether the program says what the original says: nothing less, and nothing more that is not proven redundant.

    Raises:
        SolverFailure: the solver broke on a superfluous row.
    """
    if not _same_objective(program, original):
        return False
    known = {row.name for row in original.constraints}
    extra = [row for row in program.constraints if row.name not in known]
    different = set(differing_elements(program, original)) - {row_element(row.name) for row in extra}
    return not different and all(is_redundant(row, original, solver) for row in extra)


def is_redundant(row: Constraint, original: LinearProgram, solver: Solver) -> bool:
    """Whether every solution of the original satisfies the row, by optimising the row's activity over it."""
    whole = whole_variables(original)
    if is_always_whole(row, whole) and is_undecided(row.rhs) and not row.rhs.is_integer():
        return False  # >= 70.00000009 forbids 70, though the solver forgives it: nothing is proven on such an edge
    row = _scaled_without_fixed_variables(on_whole_numbers(row, whole), original)
    # A large right-hand side forgives no more where variables are whole: among them half a piece is a piece.
    size = 1.0 if any(name in whole for name, _ in row.terms) else max(1.0, abs(row.rhs))
    margin = RELATIVE_TOLERANCE * size
    highest, lowest = (
        _extreme_activity(row, original, direction, solver) if row.sense in senses else row.rhs
        for direction, senses in (
            (Direction.MAXIMIZE, (Sense.LESS_EQUAL, Sense.EQUAL)),
            (Direction.MINIMIZE, (Sense.GREATER_EQUAL, Sense.EQUAL)),
        )
    )
    return highest is not None and lowest is not None and highest <= row.rhs + margin and lowest >= row.rhs - margin


def _scaled_without_fixed_variables(row: Constraint, original: LinearProgram) -> Constraint:
    """The same requirement over what can vary, its largest coefficient 1: margins then mean the same for every row."""
    fixed = {v.name: v.lower for v in original.variables if v.effective_bounds[0] == v.effective_bounds[1]}
    rhs = row.rhs - sum(value * fixed[name] for name, value in row.terms if name in fixed)
    terms = [(name, value) for name, value in row.terms if name not in fixed]
    scale = max((abs(value) for _, value in terms), default=1.0)
    return replace(row, terms=tuple((name, value / scale) for name, value in terms), rhs=rhs / scale)


def _extreme_activity(row: Constraint, original: LinearProgram, direction: Direction, solver: Solver) -> float | None:
    """Largest or smallest left-hand side over the original; None if unbounded or undecided."""
    solution = solver.solve(LinearProgram(direction, row.terms, original.variables, original.constraints))
    return solution.objective if solution.status is SolverStatus.OPTIMAL else None


def _same_objective(program: LinearProgram, original: LinearProgram) -> bool:
    if program.direction is not original.direction or len(program.objective) != len(original.objective):
        return False
    pairs = zip(program.objective, original.objective, strict=True)
    terms_agree = all(name == true_name and agree(value, true) for (name, value), (true_name, true) in pairs)
    return terms_agree and agree(program.objective_offset, original.objective_offset)
