"""In which elements two programs differ, up to how a row or a number is written.

Called by episodes/faithful.py (the verdict), by faults/injection.py and by repairs' reports. A row is up to scaling
(``3 x <= 6`` is ``x <= 2``, and so is ``-x >= -2``); binary is integer within [0, 1]. Wherever whole numbers have a
part, numbers are compared exactly, in rational arithmetic, and as what they allow: ``2 x + 4 y <= 11`` is
``x + 2 y <= 5``, and ``x <= 9.99999`` is not ``x <= 10``. Elsewhere agreement.py says when numbers are equal. Rows and
variables are matched by name.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import partial
from typing import TypeVar

from lit_grpo.environment.programs.agreement import MOST_SCALING, agree
from lit_grpo.environment.programs.program import (
    Constraint,
    Element,
    LinearProgram,
    Variable,
    VariableType,
    row_element,
    variable_element,
)
from lit_grpo.environment.programs.rationals import canonical_row, coupled_variables, exact_range, whole_variables


def differing_elements(program: LinearProgram, original: LinearProgram) -> tuple[Element, ...]:
    """The rows and variables in which the two differ, those that only one of them has included."""
    rows, true_rows = ({row.name: row for row in p.constraints} for p in (program, original))
    variables, true_variables = ({v.name: v for v in p.variables} for p in (program, original))
    whole, true_whole = whole_variables(program), whole_variables(original)
    exactly: Set[str] = frozenset()
    if whole or true_whole:
        exactly = coupled_variables(program, whole | true_whole) | coupled_variables(original, whole | true_whole)
    # Of a variable whose type differs, neither type may be counted on.
    are_same_rows = partial(same_row, whole=whole & true_whole, exactly=exactly)
    are_same_variables = partial(same_variable, exactly=exactly)
    names = dict.fromkeys([*true_rows, *rows])
    different = [row_element(n) for n in names if not _both(rows.get(n), true_rows.get(n), are_same_rows)]
    names = dict.fromkeys([*true_variables, *variables])
    different += [
        variable_element(n) for n in names if not _both(variables.get(n), true_variables.get(n), are_same_variables)
    ]
    return tuple(different)


def same_row(row: Constraint, other: Constraint, whole: Set[str], exactly: Set[str]) -> bool:
    """Whether two rows are the same requirement.

    ``whole``: the variables that are whole numbers; ``exactly``: those whose rows are compared without a tolerance.
    """
    if row == other:
        return True
    if [name for name, _ in row.terms] != [name for name, _ in other.terms]:
        return False
    if not row.terms or any(name in exactly for name, _ in other.terms):
        return canonical_row(row, whole) == canonical_row(other, whole)
    pairs = [(a, b) for (_, a), (_, b) in zip(row.terms, other.terms, strict=True)]
    # A coefficient that is off must not pass for a scale of the rest: 3.000001 is not 3, so every one of them is tried.
    scales = {a / b for a, b in pairs}
    if row.sense is not (other.sense if min(scales) > 0 else other.sense.reversed):
        return False
    if not all(1 / MOST_SCALING <= abs(scale) <= MOST_SCALING for scale in scales):
        return canonical_row(row, whole) == canonical_row(other, whole)
    return all(agree(a, b, scale) for a, b in [*pairs, (row.rhs, other.rhs)] for scale in scales)


def same_variable(variable: Variable, other: Variable, exactly: Set[str]) -> bool:
    """Whether two variables range over the same set; ``exactly``: those that are compared without a tolerance."""
    if variable == other:
        return True
    (lower, upper), (true_lower, true_upper) = exact_range(variable), exact_range(other)
    is_continuous, is_truly = (v.type is VariableType.CONTINUOUS for v in (variable, other))
    if is_continuous is not is_truly:
        # A type is nothing that is required of a variable that can only be one whole number.
        is_fixed = lower is not None and lower == upper and lower.denominator == 1
        return is_fixed and (lower, upper) == (true_lower, true_upper)
    if not is_continuous or variable.name in exactly:
        return (lower, upper) == (true_lower, true_upper)
    pairs = zip(variable.effective_bounds, other.effective_bounds, strict=True)
    return all(agree(a, b) for a, b in pairs)


_Part = TypeVar("_Part", Constraint, Variable)


def _both(part: _Part | None, other: _Part | None, are_same: Callable[[_Part, _Part], bool]) -> bool:
    return part is not None and other is not None and are_same(part, other)
