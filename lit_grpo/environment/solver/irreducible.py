"""An independent check of a conflict: the program it leaves is infeasible, and without any one member it is not.

Called by scripts/audits/check_public_benchmark.py and tests. It builds the subsystems as programs and asks for plain
verdicts, so it shares nothing with the filter that found the conflict.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from lit_grpo.environment.programs.program import LinearProgram, Variable, VariableType
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart, Solver, SolverStatus


def subsystem(program: LinearProgram, members: Collection[ConflictMember]) -> LinearProgram:
    """The program that requires the members and nothing else, with no objective."""

    def variable(v: Variable) -> Variable:
        lower, upper = v.effective_bounds
        has_lower = ConflictMember(ConflictPart.LOWER, v.name) in members
        has_upper = ConflictMember(ConflictPart.UPPER, v.name) in members
        is_integral = ConflictMember(ConflictPart.INTEGRALITY, v.name) in members
        return Variable(
            v.name,
            lower if has_lower else -math.inf,
            upper if has_upper else math.inf,
            VariableType.INTEGER if is_integral else VariableType.CONTINUOUS,
        )

    rows = tuple(c for c in program.constraints if ConflictMember(ConflictPart.ROW, c.name) in members)
    return LinearProgram(program.direction, (), tuple(map(variable, program.variables)), rows)


def is_irreducible(program: LinearProgram, conflict: Conflict, solver: Solver) -> bool:
    """Whether the members are infeasible together and feasible without any one of them."""
    members = frozenset(conflict.members)
    if solver.solve(subsystem(program, members)).status is not SolverStatus.INFEASIBLE:
        return False
    return all(
        solver.solve(subsystem(program, members - {member})).status is SolverStatus.OPTIMAL for member in members
    )
