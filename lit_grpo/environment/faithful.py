"""Is a program the original one? Structural equality, row by row; the solver is asked only about superfluous rows.

Called by scoring.py. When numbers are equal is said in agreement.py; a row is up to positive scaling (``3 x <= 6`` is
``x <= 2``; a row negated together with its sense counts as another row, no edit leads there unawares); binary is
integer within [0, 1]. What whole numbers cannot tell apart is the same (``x <= 10.5`` is ``x <= 10``); what they can is
not, however close (9.99999). Rows and variables are matched by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Set
from dataclasses import replace
from functools import partial
from typing import TypeVar

from lit_grpo.environment.agreement import MOST_SCALING, RELATIVE_TOLERANCE, agree
from lit_grpo.environment.program import (
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
from lit_grpo.environment.solver import Solver, SolverStatus

UNDECIDED = 1e-5
"""To HiGHS an integer may miss a bound or a row by 1e-6: it takes -1 to be within a lower bound of -0.99999999."""


def is_faithful(program: LinearProgram, original: LinearProgram, solver: Solver) -> bool:
    """Whether the program says what the original says: nothing less, and nothing more that is not proven redundant.

    Raises:
        SolverFailure: the solver broke on a superfluous row.
    """
    if not _same_objective(program, original):
        return False
    known = {row.name for row in original.constraints}
    extra = [row for row in program.constraints if row.name not in known]
    different = set(differing_elements(program, original)) - {row_element(row.name) for row in extra}
    return not different and all(is_redundant(row, original, solver) for row in extra)


def differing_elements(program: LinearProgram, original: LinearProgram) -> tuple[Element, ...]:
    """The rows and variables in which the two differ, those that only one of them has included."""
    whole = _whole_variables(original)
    rows, true_rows = ({row.name: _on_whole_numbers(row, whole) for row in p.constraints} for p in (program, original))
    variables, true_variables = ({v.name: v for v in p.variables} for p in (program, original))
    names = dict.fromkeys([*true_rows, *rows])
    same = partial(same_row, whole=whole)
    different = [row_element(n) for n in names if not _both(rows.get(n), true_rows.get(n), same)]
    names = dict.fromkeys([*true_variables, *variables])
    different += [
        variable_element(n) for n in names if not _both(variables.get(n), true_variables.get(n), same_variable)
    ]
    return tuple(different)


def same_row(row: Constraint, other: Constraint, whole: Set[str]) -> bool:
    """Whether two rows are the same requirement, up to positive scaling; ``whole``: the integer variables."""
    if row == other:
        return True
    if row.sense is not other.sense or [name for name, _ in row.terms] != [name for name, _ in other.terms]:
        return False
    largest = max(range(len(other.terms)), key=lambda i: abs(other.terms[i][1]), default=None)
    scale = 1.0 if largest is None else row.terms[largest][1] / other.terms[largest][1]
    if not 1 / MOST_SCALING <= scale <= MOST_SCALING:
        return False
    exactly = any(name in whole for name, _ in other.terms)
    pairs = [(a, b) for (_, a), (_, b) in zip(row.terms, other.terms, strict=True)]
    return all(agree(a, b, scale, exactly) for a, b in [*pairs, (row.rhs, other.rhs)])


def same_variable(variable: Variable, other: Variable) -> bool:
    """Whether two variables range over the same set."""
    if (variable.type is VariableType.CONTINUOUS) is not (other.type is VariableType.CONTINUOUS):
        return False
    exactly = other.type is not VariableType.CONTINUOUS
    return all(agree(a, b, exactly=exactly) for a, b in zip(_range(variable), _range(other), strict=True))


def is_redundant(row: Constraint, original: LinearProgram, solver: Solver) -> bool:
    """Whether every solution of the original satisfies the row, by optimising the row's activity over it."""
    whole = _whole_variables(original)
    if _is_always_whole(row, whole) and _is_undecided(row.rhs) and not row.rhs.is_integer():
        return False  # >= 70.00000009 forbids 70, though the solver forgives it: nothing is proven on such an edge
    row = _scaled_without_fixed_variables(_on_whole_numbers(row, whole), original)
    # A large right-hand side forgives no more where variables are whole: among them half a piece is a piece.
    size = 1.0 if any(name in whole for name, _ in row.terms) else max(1.0, abs(row.rhs))
    margin = RELATIVE_TOLERANCE * size
    highest, lowest = (
        _extreme_activity(row, original, direction, solver) if row.sense in senses else row.rhs
        for direction, senses in (
            (Direction.MAXIMIZE, (Sense.LESS_EQUAL, Sense.EQUAL)),
            (Direction.MINIMIZE, (Sense.GREATER_EQUAL, Sense.EQUAL)),
        )
    )
    return highest is not None and lowest is not None and highest <= row.rhs + margin and lowest >= row.rhs - margin


def _whole_variables(program: LinearProgram) -> set[str]:
    return {v.name for v in program.variables if v.type is not VariableType.CONTINUOUS}


def _range(variable: Variable) -> tuple[float, float]:
    """The least and largest value a variable can take."""
    lower, upper = variable.effective_bounds
    if variable.type is VariableType.CONTINUOUS:
        return lower, upper
    return _up(lower), _down(upper)


def _on_whole_numbers(row: Constraint, whole: Set[str]) -> Constraint:
    """The row; where its left-hand side is always whole, with the right-hand side rounded to what that allows."""
    if row.sense is Sense.EQUAL or not _is_always_whole(row, whole):
        return row
    return replace(row, rhs=_down(row.rhs) if row.sense is Sense.LESS_EQUAL else _up(row.rhs))


def _is_always_whole(row: Constraint, whole: Set[str]) -> bool:
    """Whether the left-hand side can only be a whole number."""
    return all(name in whole and value.is_integer() for name, value in row.terms)


def _up(value: float) -> float:
    return value if _is_undecided(value) else float(math.ceil(value))


def _down(value: float) -> float:
    return value if _is_undecided(value) else float(math.floor(value))


def _is_undecided(value: float) -> bool:
    """Whether it is left to the solver's tolerance if the next whole number is allowed: such a limit stays as it is."""
    return math.isinf(value) or abs(value - round(value)) <= UNDECIDED


def _scaled_without_fixed_variables(row: Constraint, original: LinearProgram) -> Constraint:
    """The same requirement over what can vary, its largest coefficient 1: margins then mean the same for every row."""
    fixed = {v.name: v.lower for v in original.variables if v.effective_bounds[0] == v.effective_bounds[1]}
    rhs = row.rhs - sum(value * fixed[name] for name, value in row.terms if name in fixed)
    terms = [(name, value) for name, value in row.terms if name not in fixed]
    scale = max((abs(value) for _, value in terms), default=1.0)
    return replace(row, terms=tuple((name, value / scale) for name, value in terms), rhs=rhs / scale)


def _extreme_activity(row: Constraint, original: LinearProgram, direction: Direction, solver: Solver) -> float | None:
    """Largest or smallest left-hand side over the original; None if unbounded or undecided."""
    solution = solver.solve(LinearProgram(direction, row.terms, original.variables, original.constraints))
    return solution.objective if solution.status is SolverStatus.OPTIMAL else None


def _same_objective(program: LinearProgram, original: LinearProgram) -> bool:
    if program.direction is not original.direction or len(program.objective) != len(original.objective):
        return False
    pairs = zip(program.objective, original.objective, strict=True)
    terms_agree = all(name == true_name and agree(value, true) for (name, value), (true_name, true) in pairs)
    return terms_agree and agree(program.objective_offset, original.objective_offset)


_Part = TypeVar("_Part", Constraint, Variable)


def _both(part: _Part | None, other: _Part | None, are_same: Callable[[_Part, _Part], bool]) -> bool:
    return part is not None and other is not None and are_same(part, other)
