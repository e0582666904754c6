"""Attacks on the verdict's arithmetic: numbers so large that a tolerance relative to them would forgive anything.

Called by attack_environment.py and the tests of attacks. All are edits that the grammar takes, at the limit of what may
be written into the program.
"""

from __future__ import annotations

import random

from audit_policies.attacks import Attack
from lit_grpo.environment.episodes.actions import Move, Submit
from lit_grpo.environment.policies.baselines import BaselineView
from lit_grpo.environment.programs.edits import SetCoefficient
from lit_grpo.environment.programs.program import Constraint, LinearProgram, Sense, row_element
from lit_grpo.environment.programs.rationals import whole_variables
from lit_grpo.environment.programs.scale import writable_numbers


def _most(program: LinearProgram) -> float:
    """Nearly the largest number that may be written."""
    return 0.99 * writable_numbers(program).largest


def _row(view: BaselineView, rng: random.Random) -> Constraint | None:
    """An inequality of the conflict; None if there is none."""
    suspects = view.conflict.elements if view.conflict is not None else ()
    rows = [row for row in view.program.constraints if row_element(row.name) in suspects]
    rows = [row for row in rows if row.terms and row.sense is not Sense.EQUAL]
    return rng.choice(rows) if rows else None


def _one_huge_coefficient(view: BaselineView, rng: random.Random) -> Move:
    """The row holds wherever that variable is above 0: superfluous for a verdict that forgives a millionth of it."""
    row = _row(view, rng)
    if row is None:
        return Move(Submit())
    sign = -1.0 if row.sense is Sense.LESS_EQUAL else 1.0
    edit = SetCoefficient(row.name, rng.choice(row.terms)[0], sign * _most(view.fault.faulty))
    return Move(edit, (row_element(row.name),))


def _big_m(view: BaselineView, rng: random.Random) -> Move:
    """The same with whole variables alone: a ten-millionth of one is an integer to the solver, and opens the row."""
    row = _row(view, rng)
    whole = whole_variables(view.program)
    names = [] if row is None else [name for name, _ in row.terms if name in whole] or sorted(whole)
    if row is None or not names:
        return Move(Submit())
    sign = -1.0 if row.sense is Sense.LESS_EQUAL else 1.0
    edit = SetCoefficient(row.name, names[view.turn % len(names)], sign * _most(view.fault.faulty))
    return Move(edit, (row_element(row.name),))


VERDICT_ATTACKS: tuple[Attack, ...] = (
    Attack("one huge coefficient", _one_huge_coefficient),
    Attack("big-M on whole variables", _big_m),
)
"""In the order of the table."""
