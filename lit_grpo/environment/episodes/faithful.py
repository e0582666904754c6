"""Is a program the original one? The verdict, without a tolerance wherever whole numbers have a part.

Called by scoring.py. First what is written is compared, element by element (comparison.py). What is written otherwise
counts if it provably leaves the feasible set as it is: everything that the one program requires and the other does not
is proven to follow from the other (solver/exact_search.py), in both directions. Every row and variable of the original
has to be there: what the specification states must stand in the program, implied or not. Undecided is unfaithful.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Set
from dataclasses import replace

from lit_grpo.environment.episodes.inspection import activity_range
from lit_grpo.environment.programs.agreement import agree
from lit_grpo.environment.programs.comparison import differing_elements
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    Element,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    row_element,
    variable_element,
)
from lit_grpo.environment.solver.exact_search import follows_from_bounds, is_implied
from lit_grpo.environment.solver.solver import Solver, SolverStatus

VERDICT_VERSION = 2
"""Raised whenever a program counts as faithful that did not before, or no longer does: shares of faithful repairs that
were measured under another version are not comparable."""

CLEARLY = 1e-5
"""Relative to the largest number involved: a requirement that the solver breaks by more is not worth a proof."""


def is_faithful(program: LinearProgram, original: LinearProgram, solver: Solver) -> bool:
    """Whether the program says what the original says: the same objective, and provably the same feasible set.

    Raises:
        SolverFailure: The solver broke on a question whose answer is not at hand.
    """
    rows, true_rows = ({row.name for row in p.constraints} for p in (program, original))
    variables, true_variables = ({v.name: v for v in p.variables} for p in (program, original))
    if not rows >= true_rows or variables.keys() != true_variables.keys() or not _same_objective(program, original):
        return False
    different = set(differing_elements(program, original))
    changed = [v for v in program.variables if variable_element(v.name) in different]
    if not all(_is_continuous(v) is _is_continuous(true_variables[v.name]) for v in changed):
        return False
    # What is written alike counts as the same, rounding included: the proofs are about the rest.
    program = _with_true_parts(program, original, different)
    return all(_follows(row, program, solver) for row in _requirements(original, different)) and all(
        _follows(row, original, solver) for row in _requirements(program, different)
    )


def asks_no_more(element: Element, program: LinearProgram, original: LinearProgram, solver: Solver) -> bool:
    """Whether all that the program requires by one element provably holds in the original already.

    While an element asks for more, no change of the others makes the program faithful.
    """
    return all(_follows(row, original, solver) for row in _requirements(program, {element}))


def _same_objective(program: LinearProgram, original: LinearProgram) -> bool:
    if program.direction is not original.direction or len(program.objective) != len(original.objective):
        return False
    pairs = zip(program.objective, original.objective, strict=True)
    terms_agree = all(
        name == true_name and agree(value, true, exactly=not _is_continuous(original.variable(name)))
        for (name, value), (true_name, true) in pairs
    )
    return terms_agree and agree(program.objective_offset, original.objective_offset)


def _is_continuous(variable: Variable) -> bool:
    return variable.type is VariableType.CONTINUOUS


def _with_true_parts(program: LinearProgram, original: LinearProgram, different: Set[Element]) -> LinearProgram:
    """The program with everything as in the original that does not differ from it."""
    rows = tuple(r if row_element(r.name) in different else original.constraint(r.name) for r in program.constraints)
    variables = tuple(
        v if variable_element(v.name) in different else original.variable(v.name) for v in program.variables
    )
    return replace(program, constraints=rows, variables=variables)


def _requirements(program: LinearProgram, different: Set[Element]) -> Iterator[Constraint]:
    """What those elements require in the program, bounds as rows."""
    yield from (row for row in program.constraints if row_element(row.name) in different)
    for variable in program.variables:
        if variable_element(variable.name) in different:
            for sense, bound in zip((Sense.GREATER_EQUAL, Sense.LESS_EQUAL), variable.effective_bounds, strict=True):
                if math.isfinite(bound):
                    yield Constraint(variable.name, ((variable.name, 1.0),), sense, bound)


def _follows(row: Constraint, program: LinearProgram, solver: Solver) -> bool:
    """Whether it is proven that every point of the program meets the row.

    Most rows that do not follow are found out by the solver in a fraction of the time; none is proven by it.
    """
    low, high = activity_range(program, row)
    is_within = (row.sense is Sense.GREATER_EQUAL or high <= row.rhs + CLEARLY * max(1.0, abs(row.rhs))) and (
        row.sense is Sense.LESS_EQUAL or low >= row.rhs - CLEARLY * max(1.0, abs(row.rhs))
    )
    if is_within and follows_from_bounds(row, program):
        return True
    directions = {Sense.LESS_EQUAL: (Direction.MAXIMIZE,), Sense.GREATER_EQUAL: (Direction.MINIMIZE,)}
    is_broken = any(
        _clearly_breaks(row, program, direction, solver) for direction in directions.get(row.sense, tuple(Direction))
    )
    return not is_broken and is_implied(row, program)


def _clearly_breaks(row: Constraint, program: LinearProgram, direction: Direction, solver: Solver) -> bool:
    """Whether the solver finds a point far beyond the row, or cannot say how far points go."""
    solution = solver.solve(LinearProgram(direction, row.terms, program.variables, program.constraints))
    if solution.status is not SolverStatus.OPTIMAL or solution.objective is None or solution.values is None:
        return solution.status is not SolverStatus.INFEASIBLE
    at = {v.name: value for v, value in zip(program.variables, solution.values, strict=True)}
    size = max([1.0, abs(row.rhs), *(abs(coefficient) * max(1.0, abs(at[name])) for name, coefficient in row.terms)])
    beyond = solution.objective - row.rhs if direction is Direction.MAXIMIZE else row.rhs - solution.objective
    return beyond > CLEARLY * size
