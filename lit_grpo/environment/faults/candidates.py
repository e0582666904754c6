"""Candidate faults of each kind: edits of a true program that, by a range computed beforehand, should break it.

Called by injection.py for kinds A to D, and by kinds/slips.py, of which the other kinds are made. They come lazily and
in random order, and are constructed: the range that a row's activity or a variable can take without the fault is
computed first, and the wrong number is put outside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from random import Random
from typing import TypeVar

from lit_grpo.environment.faults.wrong_numbers import times, unit_of, wrong_number
from lit_grpo.environment.programs.edits import AddRow, Edit, SetBounds, SetCoefficient, SetRhs, SetSense, SetType
from lit_grpo.environment.programs.program import (
    Constraint,
    Element,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    ordered_terms,
    row_element,
    variable_element,
)
from lit_grpo.environment.programs.scale import largest_magnitude
from lit_grpo.environment.solver.relaxation import largest_value, linear_relaxation, smallest_value, without_row
from lit_grpo.environment.solver.solver import Solver

T = TypeVar("T")

LEAST_MARGIN = 1e-4
"""A number counts as outside a range from here on."""
LARGEST_TINY_NUMBER = 999
"""Programs of two variables keep to 3 digits, unless they are a user's own, with larger numbers."""
LARGEST_WRONG_NUMBER = 999_999
"""Likewise of larger programs."""
NARROW = 3
"""Numbers out of range, counted in the last decimal, that count as only just out of it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An edit that may make the program infeasible."""

    edit: Edit
    variant: str
    """Which form of the kind, as in the certificate."""
    margin: float | None = None
    """The kind's own property where it was measured on the way; None: it is the violation."""
    only_integrality: bool = False
    """Whether the LP relaxation may well be feasible still; of all other candidates it is known not to be."""


@dataclass(frozen=True, slots=True)
class CandidateSource:
    """What candidates are drawn from."""

    program: LinearProgram
    spare_row_names: Sequence[str]
    """Native names for an added row."""
    rng: Random
    solver: Solver
    only: frozenset[Element] | None = None
    """The elements that may be edited; None: all, and a row may be added."""
    narrow: bool = False
    """Whether wrong bounds and right-hand sides are only just out of range, so that all that sets it is in conflict."""
    largest_number: float = field(init=False)
    """Largest magnitude of a wrong number."""

    def __post_init__(self) -> None:
        usual = LARGEST_TINY_NUMBER if self.is_tiny else LARGEST_WRONG_NUMBER
        object.__setattr__(self, "largest_number", max(usual, largest_magnitude(self.program)))

    def admits(self, element: Element) -> bool:
        """Whether the element may be edited."""
        return self.only is None or element in self.only

    def number_above(self, right: float, reach: float, most: float) -> float | None:
        """A wrong number in ``(reach, most]``."""
        if self.narrow and math.isfinite(reach):
            unit = unit_of(right)
            most = min(most, (math.floor(reach / unit) + NARROW) * unit)
        return wrong_number(self.rng, right, above=reach, most=most, is_tiny=self.is_tiny)

    def number_below(self, right: float, reach: float, least: float) -> float | None:
        """A wrong number in ``[least, reach)``."""
        if self.narrow and math.isfinite(reach):
            unit = unit_of(right)
            least = max(least, (math.ceil(reach / unit) - NARROW) * unit)
        return wrong_number(self.rng, right, below=reach, least=least, is_tiny=self.is_tiny)

    @property
    def rows(self) -> list[int]:
        """Positions of the rows that may be edited."""
        return [i for i, row in enumerate(self.program.constraints) if self.admits(row_element(row.name))]

    @property
    def variables(self) -> list[Variable]:
        """The variables that may be edited."""
        return [v for v in self.program.variables if self.admits(variable_element(v.name))]

    @property
    def is_tiny(self) -> bool:
        """Whether the program is of TINY size."""
        return len(self.program.variables) <= 2


def sense_candidates(source: CandidateSource) -> Iterator[Candidate]:
    """Kind A: rows that the others imply strictly, reversed."""
    relaxed = linear_relaxation(source.program)
    anywhere = source.solver.solve(relaxed).values
    if anywhere is None:
        return
    at = dict(zip((v.name for v in relaxed.variables), anywhere, strict=True))
    for position in _shuffled(source.rng, source.rows):
        row = relaxed.constraints[position]
        activity = sum(value * at[name] for name, value in row.terms)
        if row.sense is Sense.EQUAL or abs(activity - row.rhs) < LEAST_MARGIN:
            continue
        rest = without_row(relaxed, position)
        if row.sense is Sense.LESS_EQUAL:
            margin = row.rhs - largest_value(source.solver, rest, row.terms)
        else:
            margin = smallest_value(source.solver, rest, row.terms) - row.rhs
        if LEAST_MARGIN <= margin < math.inf:
            yield Candidate(SetSense(row.name, row.sense.reversed), "reversed_sense", margin)


def bound_and_type_candidates(source: CandidateSource) -> Iterator[Candidate]:
    """Kind B: a bound outside what the rows allow, or, in an integer program, a type that is too narrow."""
    bounds = _bound_candidates(source)
    if not source.program.is_integer:
        return bounds
    types = _type_candidates(source)
    return chain(types, bounds) if source.rng.random() < 0.5 else chain(bounds, types)


def coefficient_candidates(source: CandidateSource) -> Iterator[Candidate]:
    """Kind C: a coefficient dropped, negated, or ten or a thousand times too large, where that tightens the row."""
    relaxed = linear_relaxation(source.program)
    lowers = {v.name: v.lower for v in relaxed.variables}
    places = [(i, name, value) for i in source.rows for name, value in relaxed.constraints[i].terms]
    slips = (("dropped", 0), ("negated", -1), ("unit_slip_10", 10), ("unit_slip_1000", 1000))
    for (position, name, value), (variant, factor) in _shuffled(source.rng, [(p, s) for p in places for s in slips]):
        row, wrong = relaxed.constraints[position], times(value, factor)
        last_term = factor == 0 and len(row.terms) == 1
        if last_term or abs(wrong) > source.largest_number:
            continue
        if lowers[name] >= 0 and not _tightens(row.sense, wrong - value):
            continue
        terms = ordered_terms(relaxed.variables, dict(row.terms) | {name: wrong})
        if _is_out_of_reach(source.solver, without_row(relaxed, position), terms, row):
            yield Candidate(SetCoefficient(row.name, name, wrong), variant)


def right_hand_side_candidates(source: CandidateSource) -> Iterator[Candidate]:
    """Kind D: a right-hand side that the rest cannot meet, or one more row that contradicts."""
    wrong, added = _wrong_rhs_candidates(source), _added_row_candidates(source)
    return chain(wrong, added) if source.rng.random() < 0.5 else chain(added, wrong)


def _bound_candidates(source: CandidateSource) -> Iterator[Candidate]:
    relaxed = linear_relaxation(source.program)
    sides = [(v, side) for v in source.variables for side in ("lower", "upper")]
    for variable, side in _shuffled(source.rng, sides):
        lower, upper = variable.effective_bounds
        terms = ((variable.name, 1.0),)
        if variable.type is VariableType.BINARY:
            yield from _binary_bound_candidates(source, relaxed, variable, side)
        elif side == "lower":
            reach = largest_value(source.solver, relaxed, terms)
            value = source.number_above(lower, reach, min(upper, source.largest_number))
            if value is not None:
                yield Candidate(SetBounds(variable.name, value, variable.upper), "wrong_lower_bound")
        else:
            reach = smallest_value(source.solver, relaxed, terms)
            value = source.number_below(upper, reach, lower)
            if value is not None:
                yield Candidate(SetBounds(variable.name, variable.lower, value), "wrong_upper_bound")


def _binary_bound_candidates(
    source: CandidateSource, relaxed: LinearProgram, variable: Variable, side: str
) -> Iterator[Candidate]:
    """A yes-or-no decision that is fixed: to 1 where that cannot be afforded, or to 0 where it cannot be missed."""
    terms = ((variable.name, 1.0),)
    if side == "lower" and largest_value(source.solver, relaxed, terms) < 1 - LEAST_MARGIN:
        yield Candidate(SetBounds(variable.name, 1.0, variable.upper), "wrong_lower_bound")
    if side == "upper" and smallest_value(source.solver, relaxed, terms) > LEAST_MARGIN:
        yield Candidate(SetBounds(variable.name, variable.lower, 0.0), "wrong_upper_bound")


def _type_candidates(source: CandidateSource) -> Iterator[Candidate]:
    """Too narrow a type: binary where more than 1 is needed; whole numbers where an equality needs fractions."""
    relaxed = linear_relaxation(source.program)
    in_equality = {name for c in source.program.constraints if c.sense is Sense.EQUAL for name, _ in c.terms}
    for variable in _shuffled(source.rng, source.variables):
        if variable.type is VariableType.BINARY:
            continue
        if variable.type is VariableType.CONTINUOUS and variable.name in in_equality:
            yield Candidate(SetType(variable.name, VariableType.INTEGER), "wrong_type", only_integrality=True)
        crossed = variable.lower > 1 or variable.upper < 0
        if not crossed and smallest_value(source.solver, relaxed, ((variable.name, 1.0),)) > 1 + LEAST_MARGIN:
            yield Candidate(SetType(variable.name, VariableType.BINARY), "wrong_type")


def _wrong_rhs_candidates(source: CandidateSource) -> Iterator[Candidate]:
    relaxed = linear_relaxation(source.program)
    for position in _shuffled(source.rng, source.rows):
        row = relaxed.constraints[position]
        value = _contradicting_rhs(source, without_row(relaxed, position), row.terms, row.sense, row.rhs)
        if value is not None:
            yield Candidate(SetRhs(row.name, value), "wrong_rhs")


def _added_row_candidates(source: CandidateSource) -> Iterator[Candidate]:
    """Rows built on the pattern of a true one, with a right-hand side that the program cannot meet."""
    if source.only is not None:
        return
    relaxed = linear_relaxation(source.program)
    rows = source.program.constraints
    for pattern in _shuffled(source.rng, rows):
        values = [abs(value) for row in rows for _, value in row.terms]
        coefficients = {name: math.copysign(source.rng.choice(values), value) for name, value in pattern.terms}
        terms = ordered_terms(source.program.variables, coefficients)
        sense = source.rng.choice((Sense.LESS_EQUAL, Sense.GREATER_EQUAL))
        rhs = _contradicting_rhs(source, relaxed, terms, sense, pattern.rhs)
        if rhs is not None:
            added = Constraint(source.rng.choice(source.spare_row_names), terms, sense, rhs)
            yield Candidate(AddRow(added, source.rng.randint(0, len(rows))), "added_row")


def _contradicting_rhs(
    source: CandidateSource, rest: LinearProgram, terms: tuple[tuple[str, float], ...], sense: Sense, rhs: float
) -> float | None:
    """A right-hand side that no point of ``rest`` meets; None if there is no native one."""
    if sense is Sense.LESS_EQUAL or (sense is Sense.EQUAL and source.rng.random() < 0.5):
        reach = smallest_value(source.solver, rest, terms)
        return source.number_below(rhs, reach, min(unit_of(rhs), rhs))
    reach = largest_value(source.solver, rest, terms)
    return source.number_above(rhs, reach, source.largest_number)


def _is_out_of_reach(
    solver: Solver, rest: LinearProgram, terms: tuple[tuple[str, float], ...], row: Constraint
) -> bool:
    """Whether no point of ``rest`` brings the terms to the row's right-hand side."""
    if row.sense is not Sense.GREATER_EQUAL and smallest_value(solver, rest, terms) > row.rhs + LEAST_MARGIN:
        return True
    return row.sense is not Sense.LESS_EQUAL and largest_value(solver, rest, terms) < row.rhs - LEAST_MARGIN


def _tightens(sense: Sense, change: float) -> bool:
    """Whether adding ``change`` to the coefficient of a non-negative variable can make the row harder to meet."""
    return sense is Sense.EQUAL or (change > 0) is (sense is Sense.LESS_EQUAL)


def _shuffled(rng: Random, items: Sequence[T]) -> list[T]:
    return rng.sample(items, len(items))
