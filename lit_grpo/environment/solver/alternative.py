"""The alternative polyhedron of an infeasible LP, whose vertices are its irreducible conflicts.

Called by conflict_search.py for programs of thousands of requirements. A point of it is a proof of infeasibility: how
often each requirement is taken so that the sum says ``0 <= -1``. The requirements that a vertex takes cannot spare any
of theirs, so one LP finds a conflict, and a polyhedron of a single point shows one to be irreducible without a solve
per member. Gleeson and Ryan (1990), Identifying minimally infeasible subsystems, ORSA Journal on Computing 2(1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from lit_grpo.environment.solver.highs_model import HighsModel, Verdict
from lit_grpo.environment.solver.model_arrays import ModelArrays
from lit_grpo.environment.solver.requirements import Numbering

NEGLIGIBLE_SHARE = 1e-9
"""Of the largest: smaller multiples are rounding errors."""

SAME_VALUE = 1e-6
"""Relative: two optima that differ by less are of one point."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """The polyhedron as a program: one column per side of a requirement, all at least zero."""

    requirements: list[int]
    """The requirement of each column; that of an equality stands twice."""
    arrays: ModelArrays


def alternative(arrays: ModelArrays) -> Alternative:
    """The alternative polyhedron of a program's LP relaxation; minimises the sum of all multiples."""
    number = Numbering(len(arrays.row_lower), len(arrays.costs))
    requirements: list[int] = []
    entries: list[dict[int, float]] = []
    """Of each column: by variable, and under -1 the right-hand side."""
    for i, (lower, upper) in enumerate(zip(arrays.row_lower, arrays.row_upper, strict=True)):
        span = slice(arrays.starts[i], arrays.starts[i + 1])
        terms = dict(zip(arrays.columns[span], arrays.values[span], strict=True))
        for sign, limit in ((1.0, upper), (-1.0, lower)):
            if math.isfinite(limit):
                requirements.append(i)
                entries.append({-1: sign * limit} | {j: sign * value for j, value in terms.items()})
    for j, (lower, upper) in enumerate(zip(arrays.column_lower, arrays.column_upper, strict=True)):
        for requirement, sign, limit in ((number.lower(j), -1.0, lower), (number.upper(j), 1.0, upper)):
            if math.isfinite(limit):
                requirements.append(requirement)
                entries.append({-1: sign * limit, j: sign})
    return Alternative(requirements, _program_of(entries, len(arrays.costs)))


def vertex(found: Alternative, lp: HighsModel) -> set[int] | None:
    """The requirements that a vertex of least sum takes, an irreducible conflict; None if the LP was not solved."""
    if lp.solve(found.arrays) is not Verdict.OPTIMAL:
        return None
    values = lp.values
    least = NEGLIGIBLE_SHARE * max(values, default=0.0)
    return {requirement for requirement, value in zip(found.requirements, values, strict=True) if value > least}


def is_single_point(found: Alternative, lp: HighsModel) -> bool:
    """Whether the polyhedron has one point: all requirements that it takes are then needed.

    By a linear function with random coefficients, whose least and greatest value differ on any two points but by an
    accident of probability zero. The draws are always the same.
    """
    rng = Random(0)
    costs = [rng.uniform(1.0, 2.0) for _ in found.requirements]
    if lp.solve(replace(found.arrays, costs=costs)) is not Verdict.OPTIMAL:
        return False
    least = lp.objective
    lp.maximize()
    return lp.run() is Verdict.OPTIMAL and lp.objective - least <= SAME_VALUE * max(1.0, abs(least))


def _program_of(entries: Sequence[dict[int, float]], num_variables: int) -> ModelArrays:
    """Columns turned into rows: one for each variable, which must cancel, and the last for the right-hand sides."""
    rows: list[list[tuple[int, float]]] = [[] for _ in range(num_variables + 1)]
    for column, found in enumerate(entries):
        for j, value in found.items():
            if value:
                rows[j].append((column, value))
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))
    limits = [0.0] * num_variables + [-1.0]
    return ModelArrays(
        maximize=False,
        offset=0.0,
        costs=[1.0] * len(entries),
        column_lower=[0.0] * len(entries),
        column_upper=[math.inf] * len(entries),
        row_lower=limits,
        row_upper=limits,
        starts=starts,
        columns=[column for row in rows for column, _ in row],
        values=[value for row in rows for _, value in row],
        integral=[0] * len(entries),
    )
