"""The elastic form of a program: every row and bound may give way, at a price of 1 per unit.

Called by highs.py. Written out as a program of its own, because HiGHS's feasibility relaxation cannot widen crossed
bounds. See Chinneck (2008), Feasibility and Infeasibility in Optimization, chapter 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from lit_grpo.environment.programs.program import LinearProgram, Sense, row_element, variable_element
from lit_grpo.environment.solver.model_arrays import ModelArrays
from lit_grpo.environment.solver.solver import ConflictPart, Violation

NEGLIGIBLE_VIOLATION = 1e-7
"""HiGHS calls a point feasible that violates by no more."""


def elastic_arrays(arrays: ModelArrays) -> ModelArrays:
    """Minimise the sum of all slacks: the columns are the variables, now free, then one slack per finite side.

    Sides come in the order of rows, then bounds: below before above. Integrality stays. Always feasible.
    """
    num_columns = len(arrays.costs)
    soft: list[tuple[list[int], list[float], float, float]] = []
    for i, (start, end) in enumerate(zip(arrays.starts, arrays.starts[1:], strict=False)):
        entries = (arrays.columns[start:end], arrays.values[start:end])
        soft.append((*entries, arrays.row_lower[i], arrays.row_upper[i]))
    for j, (lower, upper) in enumerate(zip(arrays.column_lower, arrays.column_upper, strict=True)):
        # One row each: a single row between crossed bounds would have no solution however wide the slacks.
        soft += [([j], [1.0], lower, math.inf)] if math.isfinite(lower) else []
        soft += [([j], [1.0], -math.inf, upper)] if math.isfinite(upper) else []
    starts, columns, values = [0], [], []
    num_slacks = 0
    for row_columns, row_values, lower, upper in soft:
        signs = [sign for sign, side in ((1.0, lower), (-1.0, upper)) if math.isfinite(side)]
        columns += [*row_columns, *range(num_columns + num_slacks, num_columns + num_slacks + len(signs))]
        values += [*row_values, *signs]
        starts.append(len(columns))
        num_slacks += len(signs)
    return ModelArrays(
        maximize=False,
        offset=0.0,
        costs=[0.0] * num_columns + [1.0] * num_slacks,
        column_lower=[-math.inf] * num_columns + [0.0] * num_slacks,
        column_upper=[math.inf] * (num_columns + num_slacks),
        row_lower=[lower for _, _, lower, _ in soft],
        row_upper=[upper for _, _, _, upper in soft],
        starts=starts,
        columns=columns,
        values=values,
        integral=arrays.integral + [0] * num_slacks,
    )


def with_integers_fixed(elastic: ModelArrays, values: Sequence[float]) -> ModelArrays:
    """An LP that gives some integral relaxation: the integral columns stay at the values, rounded."""
    fixed = {j: float(round(values[j])) for j in elastic.integral_columns}
    return replace(
        elastic.relaxed(),
        column_lower=[fixed.get(j, lower) for j, lower in enumerate(elastic.column_lower)],
        column_upper=[fixed.get(j, upper) for j, upper in enumerate(elastic.column_upper)],
    )


def with_integers_within(elastic: ModelArrays, arrays: ModelArrays, amount: float) -> ModelArrays:
    """The same optimum in a bounded search: no bound gives way by more than some relaxation costs in all."""
    amount = math.ceil(amount) + 1.0
    lower, upper = list(elastic.column_lower), list(elastic.column_upper)
    for j in elastic.integral_columns:
        lower[j], upper[j] = arrays.column_lower[j] - amount, arrays.column_upper[j] + amount
    return replace(elastic, column_lower=lower, column_upper=upper)


def violations(program: LinearProgram, values: Sequence[float]) -> tuple[Violation, ...]:
    """The slacks that are not zero, read off the elastic form's optimal values, in the program's order."""
    slacks = iter(values[len(program.variables) :])
    amounts: list[Violation] = []
    for row in program.constraints:
        amount = next(slacks) + (next(slacks) if row.sense is Sense.EQUAL else 0.0)
        amounts.append(Violation(row_element(row.name), amount, ConflictPart.ROW))
    for variable in program.variables:
        lower, upper = variable.effective_bounds
        for part, bound in ((ConflictPart.LOWER, lower), (ConflictPart.UPPER, upper)):
            if math.isfinite(bound):
                amounts.append(Violation(variable_element(variable.name), next(slacks), part))
    return tuple(violation for violation in amounts if violation.amount > NEGLIGIBLE_VIOLATION)
