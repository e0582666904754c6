"""The canonical conflict as it is defined, without any acceleration: what the fast search is held against."""

from __future__ import annotations

import math

from lit_grpo.environment.programs.program import LinearProgram, VariableType
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.irreducible import subsystem
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart, SolverStatus


def brute_force_conflict(faulty: LinearProgram, solver: HighsSolver, *, integers: bool) -> Conflict:
    """The deletion filter as it is defined: one solve per requirement, in the frozen order."""
    kept = [ConflictMember(ConflictPart.ROW, row.name) for row in faulty.constraints]
    for variable in faulty.variables:
        for part, bound in zip((ConflictPart.LOWER, ConflictPart.UPPER), variable.effective_bounds, strict=True):
            kept += [ConflictMember(part, variable.name)] if math.isfinite(bound) else []
    if integers:
        integral = [v for v in faulty.variables if v.type is not VariableType.CONTINUOUS]
        kept += [ConflictMember(ConflictPart.INTEGRALITY, v.name) for v in integral]
    for candidate in tuple(kept):
        without = [m for m in kept if m != candidate]
        if solver.solve(subsystem(faulty, without)).status is SolverStatus.INFEASIBLE:
            kept = without
    return Conflict(tuple(kept))
