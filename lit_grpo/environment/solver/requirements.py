"""The requirements of a program, numbered in the frozen order in which the conflict's deletion filter tries them.

Called by feasibility.py, conflict.py and highs.py. A requirement is a row, one bound of a variable, or its integrality.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass, replace

from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.model_arrays import ModelArrays
from lit_grpo.environment.solver.solver import ConflictMember, ConflictPart


@dataclass(frozen=True, slots=True)
class Numbering:
    """Requirements as integers in the frozen order: rows, then (lower, upper) per variable, then integralities."""

    num_rows: int
    num_columns: int

    def lower(self, column: int) -> int:
        """The requirement that the variable respects its lower bound."""
        return self.num_rows + 2 * column

    def upper(self, column: int) -> int:
        """The requirement that the variable respects its upper bound."""
        return self.num_rows + 2 * column + 1

    def integrality(self, column: int) -> int:
        """The requirement that the variable is integral."""
        return self.num_rows + 2 * self.num_columns + column

    def column_of_bound(self, requirement: int) -> int:
        """The variable that this bound belongs to."""
        return (requirement - self.num_rows) // 2

    def is_integrality(self, requirement: int) -> bool:
        """Whether the requirement is the integrality of a variable."""
        return requirement >= self.integrality(0)

    def all(self, arrays: ModelArrays) -> list[int]:
        """Every requirement that restricts anything, in the frozen order."""
        bounds = [
            requirement
            for j, (lower, upper) in enumerate(zip(arrays.column_lower, arrays.column_upper, strict=True))
            for requirement, bound in ((self.lower(j), lower), (self.upper(j), upper))
            if math.isfinite(bound)
        ]
        integralities = [self.integrality(j) for j, integral in enumerate(arrays.integral) if integral]
        return [*range(self.num_rows), *bounds, *integralities]

    def member(self, requirement: int, program: LinearProgram) -> ConflictMember:
        """The requirement in the program's words."""
        if requirement < self.num_rows:
            return ConflictMember(ConflictPart.ROW, program.constraints[requirement].name)
        if self.is_integrality(requirement):
            return ConflictMember(ConflictPart.INTEGRALITY, program.variables[requirement - self.integrality(0)].name)
        column, is_upper = divmod(requirement - self.num_rows, 2)
        return ConflictMember(ConflictPart.UPPER if is_upper else ConflictPart.LOWER, program.variables[column].name)

    def restricted(self, arrays: ModelArrays, active: Set[int]) -> ModelArrays:
        """The feasibility problem of the active requirements alone."""
        rows, columns = range(self.num_rows), range(self.num_columns)
        return replace(
            arrays.without_costs(),
            row_lower=[arrays.row_lower[i] if i in active else -math.inf for i in rows],
            row_upper=[arrays.row_upper[i] if i in active else math.inf for i in rows],
            column_lower=[arrays.column_lower[j] if self.lower(j) in active else -math.inf for j in columns],
            column_upper=[arrays.column_upper[j] if self.upper(j) in active else math.inf for j in columns],
            integral=[int(self.integrality(j) in active) for j in columns],
        ).with_whole_bounds()
