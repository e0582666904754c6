"""Do two programs have the same feasible set and objective? A judge of its own, to check the score's verdict by.

Called by attack_environment.py and the tests of attacks. faithful.py compares what is written and proves the rest; this
file compares what is allowed. Where all variables are whole numbers within small bounds it looks at every point, in
integer arithmetic. Anywhere else each requirement of either program is put to HiGHS over the other one, and its answer
believed only so far as exact arithmetic bears it out. No line is shared with the verdict, so that a mistake of the one
does not hide in the other. It asks less than faithful: a redundant row may be missing here, and may not there. Hence
faithful has to imply equivalent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import product
from math import ceil, floor, gcd, isfinite, lcm, prod

import numpy as np

from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, VariableType
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Solver, SolverStatus

MOST_POINTS = 200_000
"""So many points of a box are looked at one by one."""
TOLERANCE = 1e-5
"""Of continuous requirements, relative to the true program's numbers: ten times what a score forgives."""


def differences(program: LinearProgram, original: LinearProgram, solver: Solver | None = None) -> list[str]:
    """What tells the two apart, one line each; empty if they allow the same points and rate them alike.

    A question that cannot be decided counts as a difference: equivalence has to be shown.
    """
    found = list(_unlike_objectives(program, original))
    if {v.name for v in program.variables} != {v.name for v in original.variables}:
        return [*found, "the variables differ"]
    boxes = _box(program), _box(original)
    if boxes[0] is not None and boxes[1] is not None:
        return [*found, *_unlike_points(program, original, boxes[0], boxes[1])]
    for variable in program.variables:
        true = original.variable(variable.name)
        if (variable.type is VariableType.CONTINUOUS) is not (true.type is VariableType.CONTINUOUS):
            found.append(f"{variable.name} is {variable.type}, not {true.type}")
    solver = HighsSolver() if solver is None else solver
    found += [f"allows what the original forbids: {text}" for text in _violations(program, original, solver)]
    found += [f"forbids what the original allows: {text}" for text in _violations(original, program, solver)]
    return found


def _unlike_objectives(program: LinearProgram, original: LinearProgram) -> Iterator[str]:
    if program.direction is not original.direction:
        yield f"direction {program.direction}, not {original.direction}"
    if (dict(program.objective), program.objective_offset) != (dict(original.objective), original.objective_offset):
        yield "the objective differs"


# --- every point of a box -----------------------------------------------------------------------------------------


def _box(program: LinearProgram) -> dict[str, range] | None:
    """The values of each variable; None if one is continuous or unbounded, or there are too many points."""
    ranges: dict[str, range] = {}
    for variable in program.variables:
        lower, upper = variable.effective_bounds
        if variable.type is VariableType.CONTINUOUS or not (isfinite(lower) and isfinite(upper)):
            return None
        ranges[variable.name] = range(ceil(lower), floor(upper) + 1)
    return ranges if prod(map(len, ranges.values())) <= MOST_POINTS else None


def _unlike_points(
    program: LinearProgram, original: LinearProgram, box: dict[str, range], true_box: dict[str, range]
) -> Iterator[str]:
    names = [variable.name for variable in program.variables]
    here, there = _allowed(program, box, names), _allowed(original, true_box, names)
    if more := here - there:
        yield f"allows {len(more)} points that the original forbids, {names} = {min(more)} among them"
    if fewer := there - here:
        yield f"forbids {len(fewer)} points that the original allows, {names} = {min(fewer)} among them"


def _allowed(program: LinearProgram, box: dict[str, range], names: list[str]) -> set[tuple[int, ...]]:
    points = np.array(list(product(*(box[name] for name in names))), dtype=object).reshape(-1, len(names))
    for row in program.constraints:
        coefficients, rhs = _in_integers(row)
        if not len(points):
            break
        activity = points.dot(np.array([coefficients.get(name, 0) for name in names], dtype=object))
        kept = {Sense.LESS_EQUAL: activity <= rhs, Sense.GREATER_EQUAL: activity >= rhs, Sense.EQUAL: activity == rhs}
        points = points[kept[row.sense].astype(bool)]
    return {tuple(point) for point in points.tolist()}


def _in_integers(row: Constraint) -> tuple[dict[str, int], int]:
    """The row times a positive number, its decimals as integers of any size."""
    fractions = {name: Decimal(repr(value)).as_integer_ratio() for name, value in row.terms}
    numerator, denominator = Decimal(repr(row.rhs)).as_integer_ratio()
    scale = lcm(denominator, *(below for _, below in fractions.values()))
    return {name: above * (scale // below) for name, (above, below) in fractions.items()}, numerator * (
        scale // denominator
    )


# --- every requirement over the other program ---------------------------------------------------------------------


def _violations(allowing: LinearProgram, requiring: LinearProgram, solver: Solver) -> Iterator[str]:
    """The requirements of ``requiring`` that some point of ``allowing`` breaks."""
    whole = {v.name for v in allowing.variables if v.type is not VariableType.CONTINUOUS}
    stated = set(_requirements(allowing))
    for row in _requirements(requiring):
        if row in stated:
            continue
        coefficients, rhs = _in_integers(row)
        if row.terms and all(name in whole for name in coefficients):
            # Multiples of the divisor alone are reached; half of one is the margin, whatever the row's numbers are.
            divisor = gcd(*coefficients.values())
            most, least, margin = rhs // divisor * divisor, -(-rhs // divisor) * divisor, divisor / 2
        else:
            most = least = rhs
            margin = TOLERANCE * max([abs(rhs), *map(abs, coefficients.values())], default=1.0)
        size = max(map(abs, coefficients.values()), default=1)
        terms = {name: value / size for name, value in coefficients.items()}
        if row.sense is not Sense.GREATER_EQUAL:
            worst = _extreme(allowing, terms, Direction.MAXIMIZE, solver)
            if worst is None or worst > (most + margin) / size:
                yield f"{row.name} <= {row.rhs:.9g}, reaches {worst} of {size}"
        if row.sense is not Sense.LESS_EQUAL:
            worst = _extreme(allowing, terms, Direction.MINIMIZE, solver)
            if worst is None or worst < (least - margin) / size:
                yield f"{row.name} >= {row.rhs:.9g}, reaches {worst} of {size}"


def _requirements(program: LinearProgram) -> Iterator[Constraint]:
    """The rows, and each finite bound as a row."""
    yield from program.constraints
    for variable in program.variables:
        for sense, bound in zip((Sense.GREATER_EQUAL, Sense.LESS_EQUAL), variable.effective_bounds, strict=True):
            if isfinite(bound):
                yield Constraint(f"bound of {variable.name}", ((variable.name, 1.0),), sense, bound)


def _extreme(program: LinearProgram, terms: dict[str, float], direction: Direction, solver: Solver) -> float | None:
    """The largest or smallest value over the program; None if unbounded or undecided."""
    objective = tuple((variable.name, terms[variable.name]) for variable in program.variables if variable.name in terms)
    solution = solver.solve(replace(program, objective=objective, objective_offset=0.0, direction=direction))
    return solution.objective if solution.status is SolverStatus.OPTIMAL else None
