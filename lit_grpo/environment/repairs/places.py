"""The places of a program that can give way, and the elastic program at a price for each.

Called by relaxations.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lit_grpo.environment.programs.program import Element, LinearProgram, row_element, variable_element
from lit_grpo.environment.solver.model_arrays import ModelArrays
from lit_grpo.environment.solver.solver import ConflictPart


@dataclass(frozen=True, slots=True)
class Side:
    """One place that can give way: a row downwards or upwards, or a bound."""

    element: Element
    part: ConflictPart
    """ROW, LOWER or UPPER."""
    limit: float
    """What is written."""
    direction: float
    """-1 where giving way makes the number smaller, 1 where larger."""

    @property
    def name(self) -> str:
        """Of the row or the variable."""
        return self.element.partition(":")[2]


def sides_of(program: LinearProgram) -> list[Side]:
    """The slacks of `elastic_arrays`, in its order: below before above, rows before bounds."""
    sides: list[Side] = []
    for row in program.constraints:
        element = row_element(row.name)
        if row.sense.value != "<=":
            sides.append(Side(element, ConflictPart.ROW, row.rhs, -1.0))
        if row.sense.value != ">=":
            sides.append(Side(element, ConflictPart.ROW, row.rhs, 1.0))
    for variable in program.variables:
        lower, upper = variable.effective_bounds
        element = variable_element(variable.name)
        if math.isfinite(lower):
            sides.append(Side(element, ConflictPart.LOWER, lower, -1.0))
        if math.isfinite(upper):
            sides.append(Side(element, ConflictPart.UPPER, upper, 1.0))
    return sides


def with_points(elastic: ModelArrays, num_columns: int, points: Sequence[Mapping[int, float]]) -> ModelArrays:
    """The elastic program with a copy of its variables for each point, in which some have their values.

    The copies share the slacks: what gives way for the program gives way for its copies, all of which have to be met.

    Args:
        elastic: Of `elastic_arrays`: variables, then slacks.
        num_columns: Its variables.
        points: By position of the variable.
    """
    own = elastic
    num_own = len(own.row_lower)
    for point in points:
        shift = len(elastic.costs)
        fixed = [point.get(j) for j in range(num_columns)]
        elastic = replace(
            elastic,
            costs=elastic.costs + [0.0] * num_columns,
            column_lower=elastic.column_lower + [-math.inf if value is None else value for value in fixed],
            column_upper=elastic.column_upper + [math.inf if value is None else value for value in fixed],
            row_lower=elastic.row_lower + own.row_lower,
            row_upper=elastic.row_upper + own.row_upper,
            starts=elastic.starts + [elastic.starts[-1] + start for start in own.starts[1 : num_own + 1]],
            columns=elastic.columns + [j + shift if j < num_columns else j for j in own.columns],
            values=elastic.values + own.values,
            integral=elastic.integral + own.integral[:num_columns],
        )
    return elastic


def with_prices(elastic: ModelArrays, num_columns: int, prices: list[float]) -> ModelArrays:
    """The elastic program at these prices; what is not for sale cannot give way."""
    first, end = num_columns, num_columns + len(prices)
    return replace(
        elastic,
        costs=[*elastic.costs[:first], *(0.0 if math.isinf(p) else p for p in prices), *elastic.costs[end:]],
        column_upper=[
            *elastic.column_upper[:first],
            *(0.0 if math.isinf(p) else math.inf for p in prices),
            *elastic.column_upper[end:],
        ],
    )
