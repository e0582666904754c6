"""Kind H: a conflict between bounds, which the deletion of no row repairs.

Called by injection.py. Easy ones may be two crossed bounds of one variable. All others put a bound so far out of range
that it contradicts two sets of rows that have no row in common: whichever row is deleted, one set still contradicts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lit_grpo.environment.faults.candidates import LEAST_MARGIN, CandidateSource
from lit_grpo.environment.faults.certificates import (
    BoundConflicts,
    Certificate,
    CertifiedFault,
    Findings,
    RejectionReason,
)
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.kinds.measures import (
    conflict_of,
    rows_of,
    smallest_relaxation,
    suspicion,
    total,
    without_rows,
)
from lit_grpo.environment.programs.edits import SetBounds, apply
from lit_grpo.environment.programs.program import LinearProgram, Variable, VariableType, variable_element
from lit_grpo.environment.solver.relaxation import largest_value, linear_relaxation, smallest_value
from lit_grpo.environment.solver.solver import Conflict, Solver, SolverStatus

CROSSED_SHARE = 0.4
"""Share of base programs whose bounds are crossed, at easy."""


@dataclass(frozen=True, slots=True)
class WrongBound:
    """An edit of one bound."""

    edit: SetBounds
    variant: str


def bound_conflict_faults(source: CandidateSource, difficulty: Difficulty) -> Findings:
    """A wrong bound of each variable in random order."""
    if difficulty is Difficulty.EASY and source.rng.random() < CROSSED_SHARE:
        for wrong in _crossed_bounds(source):
            yield certified(source.program, wrong, difficulty, source.solver)
    for wrong in _twice_contradicted_bounds(source):
        yield (
            RejectionReason.ONE_CONFLICT
            if wrong is None
            else certified(source.program, wrong, difficulty, source.solver)
        )


def _crossed_bounds(source: CandidateSource) -> Iterator[WrongBound]:
    for variable in source.rng.sample(source.variables, len(source.variables)):
        if variable.type is VariableType.BINARY or variable.upper - variable.lower > source.largest_number:
            continue
        lower = source.number_above(variable.lower, variable.upper, source.largest_number)
        upper = source.number_below(variable.upper, variable.lower, 0.0)
        if upper is not None and source.rng.random() < 0.5:
            yield WrongBound(SetBounds(variable.name, variable.lower, upper), "crossed_bounds")
        elif lower is not None:
            yield WrongBound(SetBounds(variable.name, lower, variable.upper), "crossed_bounds")


def _twice_contradicted_bounds(source: CandidateSource) -> Iterator[WrongBound | None]:
    """Bounds out of what the rows allow even without the rows that set the range; None where there is no such."""
    relaxed = linear_relaxation(source.program)
    sides = [(variable, side) for variable in source.variables for side in ("lower", "upper")]
    for variable, side in source.rng.sample(sides, len(sides)):
        yield _raised_lower(source, relaxed, variable) if side == "lower" else _cut_upper(source, relaxed, variable)


def _raised_lower(source: CandidateSource, relaxed: LinearProgram, variable: Variable) -> WrongBound | None:
    upper = variable.effective_bounds[1]
    reach = _second_reach(relaxed, variable, source.solver, sign=1.0)
    if reach is None or reach >= upper - LEAST_MARGIN:
        return None
    if variable.type is VariableType.BINARY:
        return WrongBound(SetBounds(variable.name, 1.0, variable.upper), "wrong_lower_bound")
    value = source.number_above(variable.lower, reach, min(upper, source.largest_number))
    return None if value is None else WrongBound(SetBounds(variable.name, value, variable.upper), "wrong_lower_bound")


def _cut_upper(source: CandidateSource, relaxed: LinearProgram, variable: Variable) -> WrongBound | None:
    lower = variable.effective_bounds[0]
    reach = _second_reach(relaxed, variable, source.solver, sign=-1.0)
    if reach is None or reach <= lower + LEAST_MARGIN:
        return None
    if variable.type is VariableType.BINARY:
        return WrongBound(SetBounds(variable.name, variable.lower, 0.0), "wrong_upper_bound")
    value = source.number_below(variable.upper, reach, lower)
    return None if value is None else WrongBound(SetBounds(variable.name, variable.lower, value), "wrong_upper_bound")


def _second_reach(relaxed: LinearProgram, variable: Variable, solver: Solver, sign: float) -> float | None:
    """How far up (or down) the variable reaches without the rows that keep it from going further; None if no rows do.

    The rows are those of the conflict that comes of asking for a little more than the first reach.
    """
    extreme = largest_value if sign > 0 else smallest_value
    terms = ((variable.name, 1.0),)
    limit = variable.effective_bounds[1 if sign > 0 else 0]
    reach = extreme(solver, relaxed, terms)
    if sign * (limit - reach) < LEAST_MARGIN:
        return None
    beyond = (reach + limit) / 2 if abs(limit - reach) < 1 else reach + sign * max(1.0, abs(reach) * 0.1)
    beyond = min(beyond, limit) if sign > 0 else max(beyond, limit)
    lower, upper = variable.effective_bounds
    asked = SetBounds(variable.name, beyond, upper) if sign > 0 else SetBounds(variable.name, lower, beyond)
    conflict = conflict_of(apply(relaxed, asked), solver)
    return (
        None
        if isinstance(conflict, RejectionReason)
        else extreme(solver, without_rows(relaxed, rows_of(conflict)), terms)
    )


def certified(
    program: LinearProgram, wrong: WrongBound, difficulty: Difficulty, solver: Solver
) -> CertifiedFault | RejectionReason:
    """The true program with the wrong bound, if whichever row is deleted a conflict stays."""
    faulty = apply(program, wrong.edit)
    suspected = suspicion(faulty, (variable_element(wrong.edit.variable),), difficulty, solver)
    if isinstance(suspected, RejectionReason):
        return suspected
    violations = smallest_relaxation(suspected.relaxed, solver)
    if isinstance(violations, RejectionReason):
        return violations
    first = suspected.conflict
    conflicts = (first,) if not rows_of(first) else _with_second(suspected.relaxed, first, solver)
    if conflicts is None:
        return RejectionReason.ONE_CONFLICT
    left = smallest_relaxation(without_rows(suspected.relaxed, rows_of(first)), solver)
    if isinstance(left, RejectionReason):
        return left
    size = len(first.elements)
    evidence = BoundConflicts(conflicts)
    return CertifiedFault(
        (wrong.edit,),
        Certificate(wrong.variant, total(violations), total(left), size, suspected.num_decoys, evidence),
    )


def _with_second(relaxed: LinearProgram, first: Conflict, solver: Solver) -> tuple[Conflict, Conflict] | None:
    """The conflict, and one that has no row in common with it."""
    rest = without_rows(relaxed, rows_of(first))
    if solver.solve(rest).status is not SolverStatus.INFEASIBLE:
        return None
    second = solver.conflict(rest)
    return None if second is None or not second.is_irreducible else (first, second)
