"""Rows, bounds, edits and shifts of a program as a person writes them, in the program's own names.

Called by as_text.py, as_json.py and as_html.py.
"""

from __future__ import annotations

import math
from typing import assert_never

from lit_grpo.environment.programs.edits import (
    AgentEdit,
    DropRow,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
    coefficient,
)
from lit_grpo.environment.programs.program import Constraint, Element, LinearProgram, Variable, VariableType
from lit_grpo.environment.repairs.relaxations import Shift
from lit_grpo.environment.solver.solver import ConflictMember, ConflictPart

MOST_TERMS = 12
"""Terms of a row that are shown; the rest are counted."""


def number(value: float) -> str:
    """With as many digits as it takes, and no ``.0``."""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(value)


def terms_text(terms: tuple[tuple[str, float], ...], most: int = MOST_TERMS) -> str:
    """``3 x - y``; beyond ``most`` terms the others are counted."""
    pieces: list[str] = []
    for name, value in terms[:most]:
        sign = ("- " if value < 0 else "+ ") if pieces else ("-" if value < 0 else "")
        pieces.append(sign + (name if abs(value) == 1 else f"{number(abs(value))} {name}"))
    if len(terms) > most:
        pieces.append(f"+ ... ({len(terms) - most} terms more)")
    return " ".join(pieces) or "0"


def row_text(row: Constraint) -> str:
    """``3 x - y <= 9``."""
    return f"{terms_text(row.terms)} {row.sense.value} {number(row.rhs)}"


def bounds_text(variable: Variable) -> str:
    """``0 <= x <= 40, whole``."""
    lower, upper = variable.lower, variable.upper
    text = variable.name
    if math.isinf(lower) and math.isinf(upper):
        text = f"{text} free"
    else:
        text = (f"{number(lower)} <= " if math.isfinite(lower) else "") + text
        text += f" <= {number(upper)}" if math.isfinite(upper) else ""
    kind = {VariableType.CONTINUOUS: "", VariableType.INTEGER: ", whole", VariableType.BINARY: ", 0 or 1"}
    return text + kind[variable.type]


def element_text(program: LinearProgram, element: Element) -> str:
    """The algebra of a row or a variable."""
    kind, _, name = element.partition(":")
    return row_text(program.constraint(name)) if kind == "row" else bounds_text(program.variable(name))


def member_text(program: LinearProgram, member: ConflictMember) -> str:
    """The requirement of a conflict: a row, one bound, or that a variable is whole."""
    if member.part is ConflictPart.ROW:
        return row_text(program.constraint(member.name))
    lower, upper = program.variable(member.name).effective_bounds
    match member.part:
        case ConflictPart.LOWER:
            return f"{member.name} >= {number(lower)}"
        case ConflictPart.UPPER:
            return f"{member.name} <= {number(upper)}"
        case ConflictPart.INTEGRALITY:
            return f"{member.name} is whole"


def edit_text(program: LinearProgram, edit: AgentEdit) -> str:
    """What an edit changes: ``row:oven: 9 -> 90 (right-hand side)``."""
    match edit:
        case DropRow(row=name):
            return f"row:{name}: leave it out"
        case SetRhs(row=name, value=value):
            return f"row:{name}: right-hand side {number(program.constraint(name).rhs)} -> {number(value)}"
        case SetSense(row=name, sense=sense):
            return f"row:{name}: {program.constraint(name).sense.value} -> {sense.value}"
        case SetCoefficient(row=name, variable=variable, value=value):
            old = coefficient(program.constraint(name), variable)
            return f"row:{name}: coefficient of {variable} {number(old)} -> {number(value)}"
        case SetBounds(variable=name, lower=lower, upper=upper):
            old = program.variable(name)
            parts = [f"lower bound {number(old.lower)} -> {number(lower)}"] if lower != old.lower else []
            parts += [f"upper bound {number(old.upper)} -> {number(upper)}"] if upper != old.upper else []
            return f"var:{name}: " + ", ".join(parts)
        case SetType(variable=name, type=type_):
            return f"var:{name}: {program.variable(name).type.value} -> {type_.value}"
        case _:
            assert_never(edit)


def shift_text(shift: Shift) -> str:
    """``row:oven: right-hand side 9 -> 14``."""
    what = {ConflictPart.ROW: "right-hand side", ConflictPart.LOWER: "lower bound", ConflictPart.UPPER: "upper bound"}
    return f"{shift.element}: {what[shift.part]} {number(shift.old)} -> {number(shift.new)}"
