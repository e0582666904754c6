"""The LP relaxation of a program, the range an activity can take in it, and what it takes to repair it in one place.

Called by faults.py and fault_candidates.py.
"""

from __future__ import annotations

import math

from lit_grpo.environment.program import Direction, LinearProgram, Sense, SetBounds, Variable, VariableType, apply
from lit_grpo.environment.solver import ConflictMember, ConflictPart, Solver, SolverStatus


def linear_relaxation(program: LinearProgram) -> LinearProgram:
    """The program without integrality; a binary keeps its bounds within [0, 1]."""
    if not program.is_integer:
        return program
    variables = tuple(Variable(v.name, *v.effective_bounds) for v in program.variables)
    return LinearProgram(program.direction, program.objective, variables, program.constraints, program.objective_offset)


def without_row(program: LinearProgram, position: int) -> LinearProgram:
    """The program without the row at that position."""
    rows = (*program.constraints[:position], *program.constraints[position + 1 :])
    return LinearProgram(program.direction, program.objective, program.variables, rows, program.objective_offset)


def repair_amount(solver: Solver, program: LinearProgram, member: ConflictMember) -> float:
    """How far this one requirement must give way to make the infeasible LP feasible; ``inf`` if it cannot alone."""
    if member.part is ConflictPart.ROW:
        position = program.constraint_position(member.name)
        row = program.constraints[position]
        rest, terms, level = without_row(program, position), row.terms, row.rhs
        below = row.sense is not Sense.LESS_EQUAL
        above = row.sense is not Sense.GREATER_EQUAL
    else:
        variable = program.variable(member.name)
        below, above = member.part is ConflictPart.LOWER, member.part is ConflictPart.UPPER
        level = variable.lower if below else variable.upper
        freed = SetBounds(variable.name, -math.inf, variable.upper) if below else None
        rest = apply(program, freed or SetBounds(variable.name, variable.lower, math.inf))
        terms = ((variable.name, 1.0),)
    amounts = [math.inf]
    if below:
        amounts.append(level - _optimum(solver, rest, terms, Direction.MAXIMIZE, -math.inf))
    if above:
        amounts.append(_optimum(solver, rest, terms, Direction.MINIMIZE, math.inf) - level)
    return min(amount for amount in amounts if amount > 0)


def largest_value(solver: Solver, program: LinearProgram, terms: tuple[tuple[str, float], ...]) -> float:
    """Largest ``sum a_j x_j`` over a feasible LP; ``inf`` if unbounded (or if the solver reached a limit)."""
    return _optimum(solver, program, terms, Direction.MAXIMIZE, math.inf)


def smallest_value(solver: Solver, program: LinearProgram, terms: tuple[tuple[str, float], ...]) -> float:
    """Smallest ``sum a_j x_j`` over a feasible LP; ``-inf`` if unbounded (or if the solver reached a limit)."""
    return _optimum(solver, program, terms, Direction.MINIMIZE, -math.inf)


def _optimum(
    solver: Solver,
    program: LinearProgram,
    terms: tuple[tuple[str, float], ...],
    direction: Direction,
    otherwise: float,
) -> float:
    assert all(v.type is VariableType.CONTINUOUS for v in program.variables)
    solution = solver.solve(LinearProgram(direction, terms, program.variables, program.constraints))
    if solution.status is SolverStatus.OPTIMAL and solution.objective is not None:
        return solution.objective
    return otherwise
