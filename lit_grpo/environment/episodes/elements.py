"""How one element is written: its name, its algebra, and the marks of its parts in a conflict.

Used by observation.py (the whole program) and focused_view.py (a part of it). Numbers parse back to the same float.
"""

from __future__ import annotations

import math

from lit_grpo.environment.episodes.actions import number_text
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    Element,
    LinearProgram,
    Variable,
    VariableType,
    row_element,
    variable_element,
)
from lit_grpo.environment.solver.solver import Conflict, ConflictPart

_MARK = {ConflictPart.ROW: "*", ConflictPart.LOWER: ">", ConflictPart.UPPER: "<", ConflictPart.INTEGRALITY: "#"}
MEANING = {
    ConflictPart.ROW: "",
    ConflictPart.LOWER: " (lower bound)",
    ConflictPart.UPPER: " (upper bound)",
    ConflictPart.INTEGRALITY: " (must be integral)",
}
"""What stands behind an element in a conflict, in the full style."""
_DIRECTION = {Direction.MINIMIZE: "min", Direction.MAXIMIZE: "max"}


def name_of(element: Element) -> str:
    """The name alone."""
    return element.partition(":")[2]


def bound_text(value: float) -> str:
    """A bound, ``null`` for none, as in the actions."""
    return "null" if math.isinf(value) else number_text(value)


def marks_of(conflict: Conflict | None) -> dict[Element, str]:
    """Each element of the conflict with the marks of its parts, e.g. ``>#``; empty without a conflict."""
    marks: dict[Element, str] = {}
    for member in conflict.members if conflict is not None else ():
        marks[member.element] = marks.get(member.element, "") + _MARK[member.part]
    return marks


def linear_pieces(terms: tuple[tuple[str, float], ...], offset: float = 0.0) -> list[str]:
    """``3 x`` and ``- 2 y``, to be joined by blanks: every coefficient is written, also 1; ``0`` for no term."""
    pieces: list[str] = []
    for name, value in (*terms, ("", offset)) if offset else terms:
        sign = ("- " if value < 0 else "+ ") if pieces else ("-" if value < 0 else "")
        pieces.append(f"{sign}{number_text(abs(value))} {name}".rstrip())
    return pieces or ["0"]


def row_text(left_side: str, row: Constraint) -> str:
    """The algebra of a row whose left-hand side is written already."""
    return f"{left_side} {row.sense.value} {number_text(row.rhs)}"


def variable_text(variable: Variable) -> str:
    """``0 .. 40 integer``."""
    kind = "" if variable.type is VariableType.CONTINUOUS else f" {variable.type.value}"
    return f"{bound_text(variable.lower)} .. {bound_text(variable.upper)}{kind}"


def algebra_of(program: LinearProgram) -> dict[Element, str]:
    """Every element's algebra, rows before variables."""
    rows = {row_element(c.name): row_text(" ".join(linear_pieces(c.terms)), c) for c in program.constraints}
    return rows | {variable_element(v.name): variable_text(v) for v in program.variables}


def objective_pieces(program: LinearProgram) -> list[str]:
    """``max``, then its terms, to be joined by blanks."""
    return [_DIRECTION[program.direction], *linear_pieces(program.objective, program.objective_offset)]


def beside(text: str | None, name: str = "") -> str:
    """A sentence behind the algebra; where it opens with the element's name, the line has said it already."""
    return "" if text is None else f" | {text.removeprefix(f'{name} : ')}"
