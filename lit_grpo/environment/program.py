"""Linear and mixed-integer programs as immutable data, and edits that have an exact inverse.

Everything in the environment speaks in these types: domains build programs, faults and agents edit them, the
solver judges them, and scoring compares them with the original. Nothing here solves anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NewType, assert_never

Element = NewType("Element", str)
"""A part of a program that can be held responsible: ``row:NAME``, or ``var:NAME`` for its bounds and its type."""

NUMBER_LIMIT = 1e9
"""Numbers that an edit may write are finite and below this in magnitude."""


class Sense(StrEnum):
    """How a row's activity relates to its right-hand side."""

    LESS_EQUAL = "<="
    GREATER_EQUAL = ">="
    EQUAL = "="

    @property
    def reversed(self) -> Sense:
        """The opposite inequality; an equality is its own."""
        return {"<=": Sense.GREATER_EQUAL, ">=": Sense.LESS_EQUAL, "=": Sense.EQUAL}[self.value]


class VariableType(StrEnum):
    """The set a variable takes its values from; binary is integer within [0, 1]."""

    CONTINUOUS = "continuous"
    INTEGER = "integer"
    BINARY = "binary"


class Direction(StrEnum):
    """Direction of optimisation."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


class ProgramError(ValueError):
    """A program, or an edit of one, that is not well-formed: says what was expected, what was got, what to change."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A decision variable, e.g. ``Variable("x", 0.0, 40.0)``."""

    name: str
    """Without white space, unique among the variables."""
    lower: float = 0.0
    """Lower bound; ``-inf`` for none."""
    upper: float = math.inf
    """Upper bound; ``inf`` for none."""
    type: VariableType = VariableType.CONTINUOUS

    @property
    def effective_bounds(self) -> tuple[float, float]:
        """The bounds that hold once the type is taken into account."""
        if self.type is VariableType.BINARY:
            return max(self.lower, 0.0), min(self.upper, 1.0)
        return self.lower, self.upper


@dataclass(frozen=True, slots=True)
class Constraint:
    """A row, e.g. ``Constraint("ra", (("x", 3.0), ("y", 2.0)), Sense.LESS_EQUAL, 19.0)`` for ``3 x + 2 y <= 19``."""

    name: str
    """Without white space, unique among the rows."""
    terms: tuple[tuple[str, float], ...]
    """(variable, coefficient) in the order of the program's variables, no coefficient zero."""
    sense: Sense
    rhs: float
    """Right-hand side, finite."""


@dataclass(frozen=True, slots=True)
class LinearProgram:
    """A linear program, mixed-integer where a variable's type says so."""

    direction: Direction
    objective: tuple[tuple[str, float], ...]
    """(variable, coefficient) in the order of the variables, no coefficient zero."""
    variables: tuple[Variable, ...]
    constraints: tuple[Constraint, ...]
    objective_offset: float = 0.0

    @property
    def is_integer(self) -> bool:
        """Whether any variable must be integral."""
        return any(v.type is not VariableType.CONTINUOUS for v in self.variables)

    def variable(self, name: str) -> Variable:
        """The variable of that name; ProgramError if there is none."""
        return self.variables[self.variable_position(name)]

    def constraint(self, name: str) -> Constraint:
        """The row of that name; ProgramError if there is none."""
        return self.constraints[self.constraint_position(name)]

    def variable_position(self, name: str) -> int:
        """Index into ``variables``; ProgramError if the name is unknown."""
        for i, variable in enumerate(self.variables):
            if variable.name == name:
                return i
        raise ProgramError(f"expected the name of a variable, got {name!r}; inspect the program's variables")

    def constraint_position(self, name: str) -> int:
        """Index into ``constraints``; ProgramError if the name is unknown."""
        for i, constraint in enumerate(self.constraints):
            if constraint.name == name:
                return i
        raise ProgramError(f"expected the name of a row, got {name!r}; inspect the program's rows")


def row_element(name: str) -> Element:
    """The element for a row; a coefficient and a right-hand side count as their row."""
    return Element(f"row:{name}")


def variable_element(name: str) -> Element:
    """The element for a variable's bounds and type."""
    return Element(f"var:{name}")


def validate(program: LinearProgram) -> LinearProgram:
    """Return the program if it keeps every promise of its types, else raise ProgramError.

    For builders and readers; ``apply`` keeps a valid program valid.
    """
    order = {v.name: i for i, v in enumerate(program.variables)}
    if not order:
        raise ProgramError("expected at least one variable, got none")
    _require_names([v.name for v in program.variables], "variable")
    _require_names([c.name for c in program.constraints], "row")
    for v in program.variables:
        if math.isnan(v.lower) or math.isnan(v.upper) or v.lower == math.inf or v.upper == -math.inf:
            raise ProgramError(f"variable {v.name}: expected bounds that are numbers, got [{v.lower}, {v.upper}]")
    for c in program.constraints:
        if not math.isfinite(c.rhs):
            raise ProgramError(f"row {c.name}: expected a finite right-hand side, got {c.rhs}")
        _require_terms(c.terms, order, f"row {c.name}")
    _require_terms(program.objective, order, "objective")
    if not math.isfinite(program.objective_offset):
        raise ProgramError(f"expected a finite objective offset, got {program.objective_offset}")
    return program


def ordered_terms(
    program_variables: Iterable[Variable], coefficients: dict[str, float]
) -> tuple[tuple[str, float], ...]:
    """Terms in canonical form: in the order of the variables, zeros left out."""
    return tuple((v.name, coefficients[v.name]) for v in program_variables if coefficients.get(v.name, 0.0) != 0.0)


# --- edits: data, applied by `apply`, undone by the edit that `inverse` returns -----------------------------------


@dataclass(frozen=True, slots=True)
class DropRow:
    """Delete a row."""

    row: str


@dataclass(frozen=True, slots=True)
class AddRow:
    """Insert a row at a position (how a dropped row comes back where it was, and how a fault adds one)."""

    constraint: Constraint
    position: int


@dataclass(frozen=True, slots=True)
class SetRhs:
    """Give a row another right-hand side."""

    row: str
    value: float


@dataclass(frozen=True, slots=True)
class SetSense:
    """Give a row another sense."""

    row: str
    sense: Sense


@dataclass(frozen=True, slots=True)
class SetCoefficient:
    """Give a variable another coefficient in a row; 0 takes the term out."""

    row: str
    variable: str
    value: float


@dataclass(frozen=True, slots=True)
class SetBounds:
    """Give a variable other bounds; an infinity means none."""

    variable: str
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class SetType:
    """Give a variable another type; its bounds stay as they are."""

    variable: str
    type: VariableType


Edit = DropRow | AddRow | SetRhs | SetSense | SetCoefficient | SetBounds | SetType
"""A change of a program. `apply(apply(p, e), inverse(p, e)) == p`, exactly."""


def apply(program: LinearProgram, edit: Edit) -> LinearProgram:
    """The program after the edit; ProgramError for an unknown name, the original is never touched."""
    match edit:
        case SetBounds(variable=name, lower=lower, upper=upper):
            return _with_variable(program, name, lower=lower, upper=upper)
        case SetType(variable=name, type=type_):
            return _with_variable(program, name, type=type_)
        case AddRow(constraint=constraint, position=position):
            if any(c.name == constraint.name for c in program.constraints):
                raise ProgramError(f"expected a new row name, got {constraint.name!r}, which the program already has")
            rows = program.constraints
            return _with_constraints(program, (*rows[:position], constraint, *rows[position:]))
        case DropRow(row=row):
            at = program.constraint_position(row)
            return _with_constraints(program, (*program.constraints[:at], *program.constraints[at + 1 :]))
        case SetRhs() | SetSense() | SetCoefficient():
            at = program.constraint_position(edit.row)
            changed = _edit_row(program, program.constraints[at], edit)
            return _with_constraints(program, (*program.constraints[:at], changed, *program.constraints[at + 1 :]))
        case _:
            assert_never(edit)


def apply_all(program: LinearProgram, edits: Iterable[Edit]) -> LinearProgram:
    """The program after all the edits, in their order."""
    for edit in edits:
        program = apply(program, edit)
    return program


def inverse(program: LinearProgram, edit: Edit) -> Edit:
    """The edit that undoes ``edit`` once it has been applied to ``program``."""
    match edit:
        case AddRow(constraint=constraint):
            return DropRow(constraint.name)
        case DropRow(row=row):
            at = program.constraint_position(row)
            return AddRow(program.constraints[at], at)
        case SetRhs(row=row):
            return SetRhs(row, program.constraint(row).rhs)
        case SetSense(row=row):
            return SetSense(row, program.constraint(row).sense)
        case SetCoefficient(row=row, variable=variable):
            program.variable_position(variable)
            return SetCoefficient(row, variable, coefficient(program.constraint(row), variable))
        case SetBounds(variable=name):
            variable_ = program.variable(name)
            return SetBounds(name, variable_.lower, variable_.upper)
        case SetType(variable=name):
            return SetType(name, program.variable(name).type)
        case _:
            assert_never(edit)


def edited_element(edit: Edit) -> Element:
    """The element that an edit acts on."""
    match edit:
        case SetBounds() | SetType():
            return variable_element(edit.variable)
        case AddRow():
            return row_element(edit.constraint.name)
        case DropRow() | SetRhs() | SetSense() | SetCoefficient():
            return row_element(edit.row)
        case _:
            assert_never(edit)


def coefficient(constraint: Constraint, variable: str) -> float:
    """The variable's coefficient in the row, 0.0 if it does not occur."""
    return next((value for name, value in constraint.terms if name == variable), 0.0)


def _edit_row(program: LinearProgram, row: Constraint, edit: SetRhs | SetSense | SetCoefficient) -> Constraint:
    match edit:
        case SetRhs(value=value):
            return Constraint(row.name, row.terms, row.sense, value)
        case SetSense(sense=sense):
            return Constraint(row.name, row.terms, sense, row.rhs)
        case SetCoefficient(variable=variable, value=value):
            program.variable_position(variable)
            terms = ordered_terms(program.variables, dict(row.terms) | {variable: value})
            return Constraint(row.name, terms, row.sense, row.rhs)


def _with_constraints(program: LinearProgram, constraints: tuple[Constraint, ...]) -> LinearProgram:
    return LinearProgram(program.direction, program.objective, program.variables, constraints, program.objective_offset)


def _with_variable(program: LinearProgram, name: str, **changes: float | VariableType) -> LinearProgram:
    at = program.variable_position(name)
    changed = replace(program.variables[at], **changes)
    variables = (*program.variables[:at], changed, *program.variables[at + 1 :])
    return LinearProgram(program.direction, program.objective, variables, program.constraints, program.objective_offset)


def _require_names(names: list[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if not name or any(ch.isspace() or not ch.isprintable() for ch in name):
            raise ProgramError(f"expected a {what} name without white space or control characters, got {name!r}")
        if name in seen:
            raise ProgramError(f"expected every {what} name once, got {name!r} twice")
        seen.add(name)


def _require_terms(terms: tuple[tuple[str, float], ...], order: dict[str, int], where: str) -> None:
    last = -1
    for name, value in terms:
        if name not in order:
            raise ProgramError(f"{where}: expected the name of a variable, got {name!r}")
        if not math.isfinite(value) or value == 0.0:
            raise ProgramError(f"{where}: expected a finite non-zero coefficient for {name}, got {value}")
        if order[name] <= last:
            raise ProgramError(f"{where}: expected terms in the order of the variables, each once; {name} is not")
        last = order[name]
