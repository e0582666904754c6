"""Smaller programs that are infeasible still: what the search for a conflict starts from where a program is large.

Called by conflict_search.py. The canonical filter asks about every requirement with all later ones beside it, which a
program of thousands of rows makes dear; what a proof of infeasibility rests on is mostly a handful of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

from lit_grpo.environment.programs.program import LinearProgram, Sense, Variable, VariableType
from lit_grpo.environment.solver.solver import ConflictMember, ConflictPart

SURE_EXCESS = 2e-7
"""Of a row beyond its right-hand side, for each unit of its coefficients: twice HiGHS's tolerance."""

LEAST_BLOCK = 4
"""Requirements that are left out together, at least: smaller blocks are the filter's business."""


def narrowed(program: LinearProgram, members: Collection[ConflictMember]) -> LinearProgram:
    """The program of these requirements alone, without objective, over the variables that occur in them."""
    required = {part: {m.name for m in members if m.part is part} for part in ConflictPart}
    rows = tuple(row for row in program.constraints if row.name in required[ConflictPart.ROW])
    used = {name for row in rows for name, _ in row.terms}
    used |= required[ConflictPart.LOWER] | required[ConflictPart.UPPER] | required[ConflictPart.INTEGRALITY]
    # A program has a variable, also where all that is left of it says 0 = 1.
    used = used or {program.variables[0].name}
    variables: list[Variable] = []
    for variable in program.variables:
        if variable.name in used:
            lower, upper = variable.effective_bounds
            is_whole = variable.name in required[ConflictPart.INTEGRALITY]
            variables.append(
                Variable(
                    variable.name,
                    lower if variable.name in required[ConflictPart.LOWER] else -math.inf,
                    upper if variable.name in required[ConflictPart.UPPER] else math.inf,
                    VariableType.INTEGER if is_whole else VariableType.CONTINUOUS,
                )
            )
    return LinearProgram(program.direction, (), tuple(variables), rows)


def lone_row(program: LinearProgram) -> list[ConflictMember] | None:
    """The first row that its variables' bounds alone exclude, with these bounds; None if there is none."""
    bounds = {v.name: v.effective_bounds for v in program.variables}
    for row in program.constraints:
        for sign in (1.0, -1.0):
            # The least that sign * activity can be, and the most that it may be.
            if row.sense is (Sense.GREATER_EQUAL if sign > 0 else Sense.LESS_EQUAL):
                continue
            least = math.fsum(sign * a * bounds[name][sign * a < 0] for name, a in row.terms)
            weight = 1.0 + sum(abs(a) for _, a in row.terms)
            if least - sign * row.rhs > SURE_EXCESS * weight:
                sides = [(ConflictPart.UPPER if sign * a < 0 else ConflictPart.LOWER, name) for name, a in row.terms]
                return [ConflictMember(ConflictPart.ROW, row.name), *(ConflictMember(*side) for side in sides)]
    return None


def without_blocks(
    members: Sequence[ConflictMember],
    is_infeasible: Callable[[Sequence[ConflictMember]], bool],
    max_tests: int,
) -> list[ConflictMember]:
    """What is left after trying to do without blocks of requirements, half of them at first, then ever fewer.

    Args:
        members: Requirements that cannot be met together.
        is_infeasible: Whether some of them cannot be; False where that is not known.
        max_tests: The most questions asked.
    """
    left = list(members)
    size, num_tests = len(left) // 2, 0
    while size >= LEAST_BLOCK:
        start = 0
        while start < len(left):
            if num_tests == max_tests:
                return left
            num_tests += 1
            fewer = left[:start] + left[start + size :]
            if is_infeasible(fewer):
                left = fewer
            else:
                start += size
        size = min(size, len(left)) // 2
    return left
