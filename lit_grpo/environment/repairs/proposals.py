"""Single edits of an element that undo what people get wrong, each with how likely such a slip is.

Called by candidates.py. Nothing is solved here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from lit_grpo.environment.programs.edits import (
    AgentEdit,
    DropRow,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
)
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
from lit_grpo.environment.repairs.evidence import Evidence
from lit_grpo.environment.repairs.slips import PRIOR, SlipKind, slips_of

RHS, COEFFICIENT, SENSE, BOUND, TYPE, SUPERFLUOUS = 0.35, 0.2, 0.15, 0.15, 0.05, 0.1
"""How often a slip in a program is of each sort: what is plausible, not measured on anyone's models."""

TEXT_PROBABILITY = 0.3
"""Of a number that the text has for this element and the program has not; those of an element share it."""

DROPPED_SHARE = 0.25
"""Of wrong coefficients: terms that were left out."""

TYPICAL_COEFFICIENTS = 3
"""Coefficients of a left-out term that are thought of: the commonest of the variable, and of the row."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An edit, not yet known to help."""

    edit: AgentEdit
    element: Element
    why: str
    """The slip that it undoes."""
    log_probability: float


def row_proposals(program: LinearProgram, row: Constraint, evidence: Evidence | None) -> Iterator[Proposal]:
    """Everything that may have happened to a row."""
    element = row_element(row.name)
    yield Proposal(DropRow(row.name), element, "a row too many", math.log(SUPERFLUOUS))
    others = [row.sense.reversed] if row.sense is not Sense.EQUAL else [Sense.LESS_EQUAL, Sense.GREATER_EQUAL]
    for sense in others:
        yield Proposal(SetSense(row.name, sense), element, "the sense", math.log(SENSE / len(others)))
    if row.sense is not Sense.EQUAL:
        yield Proposal(SetSense(row.name, Sense.EQUAL), element, "the sense", math.log(SENSE / 10))
    told = _told(evidence, element, Counter([*(abs(v) for _, v in row.terms), abs(row.rhs)]))
    for value, why, probability in _numbers(row.rhs, told):
        yield Proposal(SetRhs(row.name, value), element, why, math.log(RHS * probability))
    for name, old in row.terms:
        for value, why, probability in _numbers(old, told):
            log = math.log(COEFFICIENT * (1 - DROPPED_SHARE) * probability / len(row.terms))
            yield Proposal(SetCoefficient(row.name, name, value), element, why, log)
    named = set() if evidence is None else evidence.variables_named_about(element)
    yield from _dropped_terms(program, row, told, named)


def variable_proposals(variable: Variable, evidence: Evidence | None) -> Iterator[Proposal]:
    """Everything that may have happened to a variable's bounds and type."""
    element, name = variable_element(variable.name), variable.name
    lower, upper = variable.lower, variable.upper
    told = _told(evidence, element, Counter(abs(b) for b in (lower, upper) if math.isfinite(b)))
    if math.isfinite(lower):
        for value, why, probability in _numbers(lower, told):
            yield Proposal(SetBounds(name, value, upper), element, why, math.log(BOUND * probability))
        if lower:
            yield Proposal(SetBounds(name, 0.0, upper), element, "a lower bound too many", math.log(BOUND * 0.2))
        yield Proposal(SetBounds(name, -math.inf, upper), element, "any sign was meant", math.log(BOUND * 0.1))
    if math.isfinite(upper):
        for value, why, probability in _numbers(upper, told):
            yield Proposal(SetBounds(name, lower, value), element, why, math.log(BOUND * probability))
        yield Proposal(SetBounds(name, lower, math.inf), element, "an upper bound too many", math.log(BOUND * 0.1))
    if math.isfinite(lower) and math.isfinite(upper) and lower > upper:
        yield Proposal(SetBounds(name, upper, lower), element, "the bounds swapped", math.log(BOUND * 0.3))
    if variable.type is not VariableType.CONTINUOUS:
        # A binary's limits go with its type.
        yield Proposal(SetType(name, VariableType.CONTINUOUS), element, "the type", math.log(TYPE / 2))
    if variable.type is VariableType.BINARY:
        yield Proposal(SetType(name, VariableType.INTEGER), element, "the type", math.log(TYPE / 2))
        yield Proposal(SetBounds(name, 0.0, 1.0), element, "the bounds", math.log(BOUND * 0.2))


def _numbers(old: float, told: list[float]) -> Iterator[tuple[float, str, float]]:
    """Numbers that may have been meant, from slips and from the text, with the slip's name and probability."""
    for slip in slips_of(old):
        yield slip.value, slip.kind.value, slip.probability
    for number in told:
        value = -number if old < 0 else number
        if value != old:
            yield value, SlipKind.TEXT.value, TEXT_PROBABILITY / len(told)
    if old == 0.0 and not told:
        yield from ((value, SlipKind.NOUGHT.value, PRIOR[SlipKind.NOUGHT] / 2) for value in (1.0, -1.0))


def _told(evidence: Evidence | None, element: Element, written: Counter[float]) -> list[float]:
    """The numbers that the text has about the element and that are not written."""
    if evidence is None or element not in evidence.sentences:
        return []
    return list((evidence.numbers_about(element) - written).keys())


def _dropped_terms(program: LinearProgram, row: Constraint, told: list[float], named: set[str]) -> Iterator[Proposal]:
    """Terms that the row may have lost: of variables that share another row with one of its own, or that the text
    names.
    """
    own = {name for name, _ in row.terms}
    uses: dict[str, Counter[float]] = {}
    for other in program.constraints:
        if own & {name for name, _ in other.terms}:
            for name, value in other.terms:
                uses.setdefault(name, Counter())[abs(value)] += 1
    for name in named:
        uses.setdefault(name, Counter())
    for name in own:
        uses.pop(name, None)
    of_row = Counter(abs(value) for _, value in row.terms)
    for name, values in uses.items():
        guesses = told or [v for v, _ in (values + of_row).most_common(TYPICAL_COEFFICIENTS)]
        for value in guesses:
            for signed in (value, -value):
                log = math.log(COEFFICIENT * DROPPED_SHARE / (len(uses) * len(guesses) * 2))
                edit = SetCoefficient(row.name, name, signed)
                yield Proposal(edit, row_element(row.name), f"{name} left out", log)
