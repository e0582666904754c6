"""In which elements two programs differ, up to how a row or a number is written.

Called by episodes/faithful.py (the verdict), by faults/injection.py and by repairs' reports. When numbers are equal is
said in agreement.py; a row is up to positive scaling (``3 x <= 6`` is ``x <= 2``; a row negated together with its sense
counts as another row, no edit leads there unawares); binary is integer within [0, 1]. What whole numbers cannot tell
apart is the same (``x <= 10.5`` is ``x <= 10``); what they can is not, however close (9.99999). Rows and variables are
matched by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Set
from dataclasses import replace
from functools import partial
from typing import TypeVar

from lit_grpo.environment.programs.agreement import MOST_SCALING, agree
from lit_grpo.environment.programs.program import (
    Constraint,
    Element,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    row_element,
    variable_element,
)

UNDECIDED = 1e-5
"""To HiGHS an integer may miss a bound or a row by 1e-6: it takes -1 to be within a lower bound of -0.99999999."""


def differing_elements(program: LinearProgram, original: LinearProgram) -> tuple[Element, ...]:
    """The rows and variables in which the two differ, those that only one of them has included."""
    whole = whole_variables(original)
    rows, true_rows = ({row.name: on_whole_numbers(row, whole) for row in p.constraints} for p in (program, original))
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


def whole_variables(program: LinearProgram) -> set[str]:
    """Names of the integer and binary variables."""
    return {v.name for v in program.variables if v.type is not VariableType.CONTINUOUS}


def _range(variable: Variable) -> tuple[float, float]:
    """The least and largest value a variable can take."""
    lower, upper = variable.effective_bounds
    if variable.type is VariableType.CONTINUOUS:
        return lower, upper
    return _up(lower), _down(upper)


def on_whole_numbers(row: Constraint, whole: Set[str]) -> Constraint:
    """The row; where its left-hand side is always whole, with the right-hand side rounded to what that allows."""
    if row.sense is Sense.EQUAL or not is_always_whole(row, whole):
        return row
    return replace(row, rhs=_down(row.rhs) if row.sense is Sense.LESS_EQUAL else _up(row.rhs))


def is_always_whole(row: Constraint, whole: Set[str]) -> bool:
    """Whether the left-hand side can only be a whole number."""
    return all(name in whole and value.is_integer() for name, value in row.terms)


def _up(value: float) -> float:
    return value if is_undecided(value) else float(math.ceil(value))


def _down(value: float) -> float:
    return value if is_undecided(value) else float(math.floor(value))


def is_undecided(value: float) -> bool:
    """Whether it is left to the solver's tolerance if the next whole number is allowed: such a limit stays as it is."""
    return math.isinf(value) or abs(value - round(value)) <= UNDECIDED


_Part = TypeVar("_Part", Constraint, Variable)


def _both(part: _Part | None, other: _Part | None, are_same: Callable[[_Part, _Part], bool]) -> bool:
    return part is not None and other is not None and are_same(part, other)
