"""A program as the text of an MPS or an LP file, every number with all its digits.

Called by programs/files.py. The text is written here instead of by HiGHS, whose writers round to 15 digits, lose
the order of the variables (LP) and cannot say crossed bounds; HiGHS reads it back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from lit_grpo.environment.programs.program import Direction, LinearProgram, Sense, Variable, VariableType

_OBJECTIVE = "OBJECTIVE"
_MPS_SENSE = {Sense.LESS_EQUAL: "L", Sense.GREATER_EQUAL: "G", Sense.EQUAL: "E"}


def mps_text(program: LinearProgram) -> str:
    """The program in free MPS format. The objective's row has a name that no other row has."""
    objective = _objective_name(program)
    lines = ["NAME lit_grpo", "OBJSENSE", "    MAX" if program.direction is Direction.MAXIMIZE else "    MIN"]
    lines += ["ROWS", f" N {objective}", *(f" {_MPS_SENSE[row.sense]} {row.name}" for row in program.constraints)]
    lines += ["COLUMNS", *_mps_columns(program, objective), "RHS"]
    lines += [f"    RHS {objective} {-program.objective_offset!r}"] if program.objective_offset else []
    lines += [f"    RHS {row.name} {row.rhs!r}" for row in program.constraints if row.rhs]
    lines += ["BOUNDS", *(line for variable in program.variables for line in _mps_bounds(variable)), "ENDATA", ""]
    return "\n".join(lines)


def lp_text(program: LinearProgram) -> str:
    """The program in LP format. The objective names every variable, which fixes their order."""
    first = program.variables[0].name
    costs = dict(program.objective)
    lines = [program.direction.value]
    lines += [f" {_objective_name(program)}: {_lp_terms((v.name, costs.get(v.name, 0.0)) for v in program.variables)}"]
    lines += [f" {program.objective_offset:+}"] if program.objective_offset else []
    lines += ["subject to"]
    for row in program.constraints:
        lines.append(f" {row.name}: {_lp_terms(row.terms or ((first, 0.0),))} {row.sense.value} {row.rhs!r}")
    lines += ["bounds", *(line for variable in program.variables for line in _lp_bounds(variable))]
    integral = [v.name for v in program.variables if v.type is not VariableType.CONTINUOUS]
    lines += ["general", *(f" {name}" for name in integral)] if integral else []
    return "\n".join([*lines, "end", ""])


def _objective_name(program: LinearProgram) -> str:
    taken = {row.name for row in program.constraints}
    name = _OBJECTIVE
    while name in taken:
        name += "_"
    return name


def _mps_columns(program: LinearProgram, objective: str) -> Iterator[str]:
    entries: dict[str, list[tuple[str, float]]] = {variable.name: [] for variable in program.variables}
    for name, cost in program.objective:
        entries[name].append((objective, cost))
    for row in program.constraints:
        for name, coefficient in row.terms:
            entries[name].append((row.name, coefficient))
    in_integers = False
    for variable in program.variables:
        is_integer = variable.type is not VariableType.CONTINUOUS
        if is_integer is not in_integers:
            yield f"    MARKER 'MARKER' 'INT{'ORG' if is_integer else 'END'}'"
            in_integers = is_integer
        # A variable in no row is declared by a zero in the objective.
        for row, coefficient in entries[variable.name] or [(objective, 0.0)]:
            yield f"    {variable.name} {row} {coefficient!r}"
    if in_integers:
        yield "    MARKER 'MARKER' 'INTEND'"


def _mps_bounds(variable: Variable) -> Iterator[str]:
    lower, upper = variable.effective_bounds
    if lower == -math.inf:
        yield f" MI BOUND {variable.name}"
    # Upper first: some readers take a negative upper bound to mean no lower one.
    yield f" PL BOUND {variable.name}" if upper == math.inf else f" UP BOUND {variable.name} {upper!r}"
    if lower != -math.inf:
        yield f" LO BOUND {variable.name} {lower!r}"


def _lp_terms(terms: Iterable[tuple[str, float]]) -> str:
    return " ".join(f"{coefficient:+} {name}" for name, coefficient in terms)


def _lp_bounds(variable: Variable) -> Iterator[str]:
    lower, upper = variable.effective_bounds
    yield f" {variable.name} >= {lower!r}"
    yield f" {variable.name} <= {upper!r}"
