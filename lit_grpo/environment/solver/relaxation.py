"""The LP relaxation of a program, and the range an activity can take in it: what faults are constructed from.

Called by injection.py and candidates.py.
"""

from __future__ import annotations

import math

from lit_grpo.environment.programs.program import Direction, LinearProgram, Variable, VariableType
from lit_grpo.environment.solver.solver import Solver, SolverStatus


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
