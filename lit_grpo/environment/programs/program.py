"""Linear and mixed-integer programs as immutable data.

Everything in the environment speaks in these types: domains build programs, faults and agents edit them (edits.py), the
solver judges them, and scoring compares them with the original. Nothing here solves anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

MAX_NAME_CHARACTERS = 2000
"""The longest name of a row or a variable: an action and its diagnosis hold four such names within the length of one
object.
"""

Element = NewType("Element", str)
"""A part of a program that can be held responsible: ``row:NAME``, or ``var:NAME`` for its bounds and its type."""


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


def _require_names(names: list[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if not name or any(ch.isspace() or not ch.isprintable() for ch in name):
            raise ProgramError(f"expected a {what} name without white space or control characters, got {name!r}")
        if len(name) > MAX_NAME_CHARACTERS:
            raise ProgramError(
                f"expected a {what} name of at most {MAX_NAME_CHARACTERS} characters, got one of {len(name)}, "
                f"{name[:40]!r}...; shorten it"
            )
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
