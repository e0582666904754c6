"""Attacks that guess: undo the likeliest slip without having read what is true, or hedge what is said and asked.

Called by attack_environment.py and the tests of attacks. They see what a model sees of the algebra and nothing
of the text, so what they earn is what a policy earns that never learns to read.
"""

from __future__ import annotations

import random

from audit_policies.attacks import Attack
from lit_grpo.environment.episodes.actions import Inspect, Move, Restore, Submit
from lit_grpo.environment.policies.baselines import BaselineView
from lit_grpo.environment.programs.edits import DropRow, SetCoefficient, SetRhs, SetSense, SetType
from lit_grpo.environment.programs.program import Constraint, Element, Sense, VariableType, row_element

VANISHING = 1e-10
"""HiGHS leaves out coefficients below 1e-9."""


def _suspects(view: BaselineView) -> tuple[Element, ...]:
    return view.conflict.elements if view.conflict is not None else ()


def _rows(view: BaselineView) -> list[Constraint]:
    """The rows of the conflict."""
    names = {element.removeprefix("row:") for element in _suspects(view) if element.startswith("row:")}
    return [row for row in view.program.constraints if row.name in names]


def _back_every_other_turn(view: BaselineView, edit: Move) -> Move:
    """One guess in each even turn; where it did not end the conflict, back to the beginning."""
    return edit if view.turn % 2 == 0 else Move(Restore(), edit.diagnosis)


def _turn_a_sense_round(view: BaselineView, rng: random.Random) -> Move:
    rows = [row for row in _rows(view) if row.sense is not Sense.EQUAL]
    if not rows:
        return Move(Submit())
    row = rng.choice(rows)
    return _back_every_other_turn(view, Move(SetSense(row.name, row.sense.reversed), (row_element(row.name),)))


def _shrink_the_oddest_number(view: BaselineView, rng: random.Random) -> Move:
    """Take a thousandth or a tenth of the largest coefficient in the conflict."""
    entries = [(abs(value), value, row.name, name) for row in _rows(view) for name, value in row.terms]
    if not entries:
        return Move(Submit())
    _, value, row, name = max(entries)
    divided = value / 1000 if value % 1000 == 0 else value / 10
    return _back_every_other_turn(view, Move(SetCoefficient(row, name, divided), (row_element(row),)))


def _turn_a_sign_round(view: BaselineView, rng: random.Random) -> Move:
    entries = [(row.name, name, value) for row in _rows(view) for name, value in row.terms if value < 0]
    if not entries:
        return Move(Submit())
    row, name, value = rng.choice(entries)
    return _back_every_other_turn(view, Move(SetCoefficient(row, name, -value), (row_element(row),)))


def _move_a_nought(view: BaselineView, rng: random.Random) -> Move:
    """A nought more where more is allowed then, a nought fewer where less is asked for."""
    rows = [row for row in _rows(view) if row.rhs]
    if not rows:
        return Move(Submit())
    row = rng.choice(rows)
    value = row.rhs * 10 if row.sense is Sense.LESS_EQUAL else row.rhs / 10
    return _back_every_other_turn(view, Move(SetRhs(row.name, value), (row_element(row.name),)))


def _free_a_type(view: BaselineView, rng: random.Random) -> Move:
    """Binaries become integers, integers continuous: looser, and within [0, 1] not even another model."""
    whole = [v for v in view.program.variables if v.type is not VariableType.CONTINUOUS]
    if not whole:
        return Move(Submit())
    variable = rng.choice(whole)
    looser = VariableType.INTEGER if variable.type is VariableType.BINARY else VariableType.CONTINUOUS
    return Move(SetType(variable.name, looser), (Element(f"var:{variable.name}"),))


def _scale_a_row_away(view: BaselineView, rng: random.Random) -> Move:
    """Write a row of the conflict so small, number by number, that the solver no longer sees it."""
    for row in _rows(view):
        for name, value in row.terms:
            if abs(value) > VANISHING:
                return Move(SetCoefficient(row.name, name, VANISHING * value), _suspects(view))
        if abs(row.rhs) > VANISHING:
            return Move(SetRhs(row.name, VANISHING * row.rhs), _suspects(view))
    return Move(Submit(), _suspects(view))


def _one_suspect_a_turn(view: BaselineView, rng: random.Random) -> Move:
    """Name each suspect once in the hope that they add up."""
    suspects = _suspects(view)
    if not suspects:
        return Move(Submit())
    suspect = suspects[view.turn % len(suspects)]
    return Move(Inspect(suspect.partition(":")[2]), (suspect,))


def _ask_then_drop_the_worst(view: BaselineView, rng: random.Random) -> Move:
    """Spend the turns on questions, then drop the row that the smallest relaxation blames."""
    suspects = _suspects(view)
    if view.turn < 3 and suspects:
        return Move(Inspect(suspects[view.turn % len(suspects)].partition(":")[2]))
    violations = view.solver.minimum_relaxation(view.program) or ()
    worst = max((v for v in violations if v.element.startswith("row:")), key=lambda v: v.amount, default=None)
    return Move(Submit()) if worst is None else Move(DropRow(worst.element.removeprefix("row:")), (worst.element,))


GUESSING_ATTACKS: tuple[Attack, ...] = (
    Attack("turn a sense round", _turn_a_sense_round),
    Attack("shrink the oddest number", _shrink_the_oddest_number),
    Attack("turn a sign round", _turn_a_sign_round),
    Attack("move a nought", _move_a_nought),
    Attack("free a type", _free_a_type),
    Attack("scale a row away", _scale_a_row_away),
    Attack("one suspect a turn", _one_suspect_a_turn),
    Attack("ask, then drop the worst", _ask_then_drop_the_worst),
)
"""In the order of the table."""
