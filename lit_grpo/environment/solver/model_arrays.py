"""A program as the arrays that HiGHS takes, and what of it HiGHS would misread.

Made by `model_arrays` for whoever solves, relaxes or searches; highs_model.py passes it on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from lit_grpo.environment.programs.program import Direction, LinearProgram, ProgramError, Sense, VariableType

COEFFICIENT_LIMIT = 1e15
"""HiGHS refuses matrix entries from here on; costs and right-hand sides share the limit."""

BOUND_LIMIT = 1e20
"""HiGHS reads bounds from here on as infinite."""


@dataclass(frozen=True, slots=True)
class ModelArrays:
    """A program as HiGHS takes it: row-wise matrix, ``row_lower <= A x <= row_upper``, bounds with the type applied."""

    maximize: bool
    offset: float
    costs: list[float]
    column_lower: list[float]
    column_upper: list[float]
    row_lower: list[float]
    row_upper: list[float]
    starts: list[int]
    """First entry of each row in ``columns`` and ``values``; one more than rows."""
    columns: list[int]
    values: list[float]
    integral: list[int]
    """1 for a variable that must be integral, 0 otherwise."""

    @property
    def is_integer(self) -> bool:
        """Whether any variable must be integral."""
        return 1 in self.integral

    @property
    def integral_columns(self) -> list[int]:
        """The variables that must be integral."""
        return [j for j, integral in enumerate(self.integral) if integral]

    def without_costs(self) -> ModelArrays:
        """The feasibility problem: the same region, nothing to optimise."""
        return replace(self, costs=[0.0] * len(self.costs), offset=0.0)

    def with_whole_bounds(self) -> ModelArrays:
        """The same points, with bounds of integral variables that are integers: HiGHS errs between others.

        Told that x is integral within [1.25, 4.25], it may find nothing where there is a point, or take x = 1.25.
        """
        columns = list(zip(self.integral, self.column_lower, self.column_upper, strict=True))
        if not any(i and any(math.isfinite(b) and b % 1.0 for b in pair) for i, *pair in columns):
            return self
        return replace(
            self,
            column_lower=[math.ceil(low) if i and math.isfinite(low) else low for i, low, _ in columns],
            column_upper=[math.floor(high) if i and math.isfinite(high) else high for i, _, high in columns],
        )

    def relaxed(self) -> ModelArrays:
        """The LP relaxation: the same program with every variable continuous."""
        return replace(self, integral=[0] * len(self.integral))


def model_arrays(program: LinearProgram) -> ModelArrays:
    """The program's arrays; ProgramError for a number that HiGHS would misread (it calls a NaN optimal)."""
    position = {variable.name: j for j, variable in enumerate(program.variables)}
    bounds = [variable.effective_bounds for variable in program.variables]
    costs = [0.0] * len(position)
    for name, cost in program.objective:
        costs[position[name]] = cost
    starts, columns, values = [0], [], []
    row_lower, row_upper = [], []
    for row in program.constraints:
        for name, coefficient in row.terms:
            columns.append(position[name])
            values.append(coefficient)
        starts.append(len(columns))
        row_lower.append(-math.inf if row.sense is Sense.LESS_EQUAL else row.rhs)
        row_upper.append(math.inf if row.sense is Sense.GREATER_EQUAL else row.rhs)
    _require_magnitude([row.rhs for row in program.constraints], "right-hand side")
    _require_magnitude(values, "coefficient")
    _require_magnitude([*costs, program.objective_offset], "objective coefficient")
    _require_bounds(bounds)
    return ModelArrays(
        maximize=program.direction is Direction.MAXIMIZE,
        offset=program.objective_offset,
        costs=costs,
        column_lower=[lower for lower, _ in bounds],
        column_upper=[upper for _, upper in bounds],
        row_lower=row_lower,
        row_upper=row_upper,
        starts=starts,
        columns=columns,
        values=values,
        integral=[int(variable.type is not VariableType.CONTINUOUS) for variable in program.variables],
    )


def _require_magnitude(numbers: list[float], what: str) -> None:
    # A sum is NaN or infinite if any term is; min and max alone would let a NaN through.
    if numbers and not (math.isfinite(sum(numbers)) and max(numbers) < COEFFICIENT_LIMIT > -min(numbers)):
        worst = next(x for x in numbers if not abs(x) < COEFFICIENT_LIMIT)
        raise ProgramError(
            f"{what}: expected a number below {COEFFICIENT_LIMIT:g} in magnitude, got {worst}; rescale it"
        )


def _require_bounds(bounds: Iterable[tuple[float, float]]) -> None:
    for lower, upper in bounds:
        for bound, infinity in ((lower, -math.inf), (upper, math.inf)):
            if not (bound == infinity or abs(bound) < BOUND_LIMIT):
                raise ProgramError(
                    f"bound: expected {infinity} or a number below {BOUND_LIMIT:g} in magnitude, got {bound}; "
                    f"write {infinity} for no bound"
                )
