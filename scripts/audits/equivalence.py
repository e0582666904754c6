"""Do two programs have the same feasible set and objective? A judge of its own, to check the score's verdict by.

Called by attack_environment.py and the tests of attacks. faithful.py compares what is written, row by row; this
file compares what is allowed: each requirement of either program is put to the solver over the other one. The two share
no code, so that a mistake of the one does not hide in the other. It asks less than faithful: a redundant row may be
missing here, and may not there. Hence faithful has to imply equivalent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import isfinite

from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, VariableType
from lit_grpo.environment.solver.solver import Solver, SolverStatus

TOLERANCE = 1e-5
"""Of a requirement whose largest coefficient is 1: ten times what a score forgives. Times max(1, |right-hand side|) too
where all variables are continuous; among whole numbers a large right-hand side forgives no more than a small one."""


def differences(program: LinearProgram, original: LinearProgram, solver: Solver) -> list[str]:
    """What tells the two apart, one line each; empty if they allow the same points and rate them alike.

    A question that the solver cannot decide counts as a difference: equivalence has to be shown.
    """
    found = list(_unlike_objectives(program, original))
    if {v.name for v in program.variables} != {v.name for v in original.variables}:
        return [*found, "the variables differ"]
    for variable in program.variables:
        true = original.variable(variable.name)
        if (variable.type is VariableType.CONTINUOUS) is not (true.type is VariableType.CONTINUOUS):
            found.append(f"{variable.name} is {variable.type}, not {true.type}")
    found += [f"allows what the original forbids: {text}" for text in _violations(program, original, solver)]
    found += [f"forbids what the original allows: {text}" for text in _violations(original, program, solver)]
    return found


def _unlike_objectives(program: LinearProgram, original: LinearProgram) -> Iterator[str]:
    if program.direction is not original.direction:
        yield f"direction {program.direction}, not {original.direction}"
    if (dict(program.objective), program.objective_offset) != (dict(original.objective), original.objective_offset):
        yield "the objective differs"


def _violations(allowing: LinearProgram, requiring: LinearProgram, solver: Solver) -> Iterator[str]:
    """The requirements of ``requiring`` that some point of ``allowing`` breaks."""
    continuous = {v.name for v in requiring.variables if v.type is VariableType.CONTINUOUS}
    for row in _requirements(requiring):
        scale = max((abs(value) for _, value in row.terms), default=1.0)
        terms = tuple((name, value / scale) for name, value in row.terms)
        limit = row.rhs / scale
        size = max(1.0, abs(limit)) if all(name in continuous for name, _ in terms) else 1.0
        margin = TOLERANCE * size
        if row.sense is not Sense.GREATER_EQUAL:
            worst = _extreme(allowing, terms, Direction.MAXIMIZE, solver)
            if worst is None or worst > limit + margin:
                yield f"{row.name} <= {limit:.9g}, reaches {worst}"
        if row.sense is not Sense.LESS_EQUAL:
            worst = _extreme(allowing, terms, Direction.MINIMIZE, solver)
            if worst is None or worst < limit - margin:
                yield f"{row.name} >= {limit:.9g}, reaches {worst}"


def _requirements(program: LinearProgram) -> Iterator[Constraint]:
    """The rows, and each finite bound as a row."""
    yield from program.constraints
    for variable in program.variables:
        for sense, bound in zip((Sense.GREATER_EQUAL, Sense.LESS_EQUAL), variable.effective_bounds, strict=True):
            if isfinite(bound):
                yield Constraint(f"bound of {variable.name}", ((variable.name, 1.0),), sense, bound)


def _extreme(
    program: LinearProgram, terms: tuple[tuple[str, float], ...], direction: Direction, solver: Solver
) -> float | None:
    """The largest or smallest value over the program; None if unbounded or undecided."""
    at = {variable.name: i for i, variable in enumerate(program.variables)}
    objective = tuple(sorted(terms, key=lambda term: at[term[0]]))
    solution = solver.solve(replace(program, objective=objective, objective_offset=0.0, direction=direction))
    return solution.objective if solution.status is SolverStatus.OPTIMAL else None
