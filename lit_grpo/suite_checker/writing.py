"""A program as a record writes it: one text for each, so that any other text is refused.

Called by records.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from lit_grpo.suite_checker.actions import action_text
from lit_grpo.suite_checker.programs import Program, Variable

LETTERS = {"<=": "L", ">=": "G", "=": "E"}


def mps_text(program: Program) -> str:
    """The program in free MPS, with bounds as they hold."""
    costs = "OBJECTIVE"
    while costs in program.rows:
        costs += "_"
    lines = ["NAME lit_grpo", "OBJSENSE", "    MAX" if program.maximize else "    MIN", "ROWS", f" N {costs}"]
    lines += [f" {LETTERS[row.sense]} {name}" for name, row in program.rows.items()]
    lines += ["COLUMNS", *_columns(program, costs), "RHS"]
    lines += [f"    RHS {costs} {-program.offset!r}"] if program.offset else []
    lines += [f"    RHS {name} {row.rhs!r}" for name, row in program.rows.items() if row.rhs]
    lines += ["BOUNDS", *(line for name, v in program.variables.items() for line in _bounds(name, v)), "ENDATA", ""]
    return "\n".join(lines)


def declarations(program: Program) -> list[str]:
    """Types and bounds that MPS cannot say: a binary with bounds other than [0, 1], an integer with just these."""
    unsaid = {
        name: v
        for name, v in program.variables.items()
        if v.type != "continuous" and (v.type == "binary") != ((v.lower, v.upper) == (0.0, 1.0))
    }
    types = [action_text({"action": "set_type", "variable": name, "type": v.type}) for name, v in unsaid.items()]
    bounds = [
        action_text({"action": "set_bounds", "variable": name, "lower": _limit(v.lower), "upper": _limit(v.upper)})
        for name, v in unsaid.items()
    ]
    return types + bounds


def _columns(program: Program, costs: str) -> Iterator[str]:
    is_within = False
    for name, variable in program.variables.items():
        is_integer = variable.type != "continuous"
        if is_integer != is_within:
            yield f"    MARKER 'MARKER' '{'INTORG' if is_integer else 'INTEND'}'"
            is_within = is_integer
        entries = [(costs, program.costs[name])] if name in program.costs else []
        entries += [(row, program.rows[row].terms[name]) for row in program.rows if name in program.rows[row].terms]
        for row, value in entries or [(costs, 0.0)]:
            yield f"    {name} {row} {value!r}"
    if is_within:
        yield "    MARKER 'MARKER' 'INTEND'"


def _bounds(name: str, variable: Variable) -> Iterator[str]:
    lower, upper = variable.bounds
    if math.isinf(lower):
        yield f" MI BOUND {name}"
    yield f" PL BOUND {name}" if math.isinf(upper) else f" UP BOUND {name} {upper!r}"
    if math.isfinite(lower):
        yield f" LO BOUND {name} {lower!r}"


def _limit(value: float) -> float | None:
    return None if math.isinf(value) else value
