"""Edits of a program as data, each with an exact inverse.

A fault is an edit, a repair is its inverse, and an agent's actions are edits too: made by injection.py and actions.py,
applied by the episode.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from lit_grpo.environment.programs.program import (
    Constraint,
    Element,
    LinearProgram,
    ProgramError,
    Sense,
    VariableType,
    ordered_terms,
    row_element,
    variable_element,
)


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

AgentEdit = DropRow | SetRhs | SetSense | SetCoefficient | SetBounds | SetType
"""The edits that an agent may make as they are (AddRow is not on offer)."""


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
