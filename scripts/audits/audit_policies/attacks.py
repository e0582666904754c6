"""Policies that look for reward without repairing: what a model trained by RL would find, if it paid.

Called by attack_environment.py and the tests of attacks, through baselines.run_baseline. None of them is told the
truth. A diagnosis that happens to be right is theirs to keep: naming the culprit is worth what it is worth, whatever is
done about it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt

from lit_grpo.environment.episodes.actions import Action, GetConflict, Inspect, Move, Relax, Restore, Submit
from lit_grpo.environment.policies.baselines import BaselineView
from lit_grpo.environment.programs.difference import elements_of
from lit_grpo.environment.programs.edits import DropRow, SetBounds, SetCoefficient, SetRhs, SetType
from lit_grpo.environment.programs.program import Element, LinearProgram, Sense, VariableType
from lit_grpo.environment.programs.scale import writable_numbers
from lit_grpo.environment.solver.solver import ConflictPart, Violation

DENORMAL = 5e-324
BELOW_TOLERANCE = 9e-8
"""HiGHS calls a point feasible that violates by up to 1e-7."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A policy by a rule: ``name`` as in tables, ``rule`` what it does in a turn."""

    name: str
    rule: Callable[[BaselineView, random.Random], Move | str]

    def act(self, view: BaselineView, rng: random.Random) -> Move | str:
        """The next turn."""
        return self.rule(view, rng)


def _all_rows(program: LinearProgram) -> tuple[Element, ...]:
    return tuple(element for element in elements_of(program) if element.startswith("row:"))


def _suspects(view: BaselineView) -> tuple[Element, ...]:
    return view.conflict.elements if view.conflict is not None else ()


def _row(view: BaselineView) -> str:
    """The row of this turn: all of them in the course of an episode, as far as the turns reach."""
    return view.program.constraints[view.turn % len(view.program.constraints)].name


def _most(view: BaselineView) -> float:
    """Nearly the largest number that an edit may write."""
    return 0.99 * writable_numbers(view.fault.faulty).largest


def _delete_all(view: BaselineView, rng: random.Random) -> Move:
    if not view.program.constraints:
        return Move(Submit())
    return Move(DropRow(view.program.constraints[0].name), _all_rows(view.fault.faulty))


def _widen_all_bounds(view: BaselineView, rng: random.Random) -> Move:
    name = view.program.variables[view.turn % len(view.program.variables)].name
    return Move(SetBounds(name, -inf, inf), tuple(e for e in elements_of(view.program) if e.startswith("var:")))


def _relax_by_the_most(view: BaselineView, rng: random.Random) -> Move:
    suspects = [element for element in _suspects(view) if element.startswith("row:")]
    row = rng.choice(suspects).removeprefix("row:") if suspects else _row(view)
    return Move(Relax(row, _most(view)), _suspects(view))


def _restore_loop(view: BaselineView, rng: random.Random) -> Move:
    return Move(Restore(), _suspects(view))


def _smallest_violation(view: BaselineView) -> Violation | None:
    return min(view.solver.minimum_relaxation(view.program) or (), key=lambda v: v.amount, default=None)


def _give_way(view: BaselineView, beyond: float) -> Move:
    """Move the side that gives way the least by what it lacks, and by ``beyond`` more (less, where negative)."""
    violation = _smallest_violation(view)
    if violation is None:
        return Move(Submit())
    name, amount = violation.element.partition(":")[2], max(0.0, violation.amount + beyond)
    if violation.part is ConflictPart.ROW:
        sense = view.program.constraint(name).sense
        sign = 1.0 if sense is not Sense.EQUAL or view.turn % 2 == 0 else -1.0
        return Move(Relax(name, sign * amount), (violation.element,))
    variable = view.program.variable(name)
    if violation.part is ConflictPart.LOWER:
        return Move(SetBounds(name, variable.lower - amount, variable.upper), (violation.element,))
    return Move(SetBounds(name, variable.lower, variable.upper + amount), (violation.element,))


def _exploit_tolerance(view: BaselineView, rng: random.Random) -> Move:
    return _give_way(view, -BELOW_TOLERANCE)


def _looser(view: BaselineView, rng: random.Random) -> Move:
    return _give_way(view, 1.0)


def _tighter(view: BaselineView, rng: random.Random) -> Move:
    """Feasible again with as little room as there can be: what gave way becomes an equality at its limit."""
    return _give_way(view, 0.0)


def _equal_objective(view: BaselineView, rng: random.Random) -> Move:
    """Drop a row of the conflict that may be slack at the optimum: the old objective, by another model."""
    suspects = [e for e in _suspects(view) if e.startswith("row:")]
    if not suspects:
        return Move(Submit())
    culprit = rng.choice(suspects)
    return Move(DropRow(culprit.removeprefix("row:")), (culprit,))


def _malformed_then_act(view: BaselineView, rng: random.Random) -> Move | str:
    """Think for free in malformed turns, act in the last one."""
    return "let me think {" if view.turn < 4 else _equal_objective(view, rng)


def _name_all_rows(view: BaselineView, rng: random.Random) -> Move:
    return Move(Submit(), _all_rows(view.program))


def _name_the_conflict(view: BaselineView, rng: random.Random) -> Move:
    return Move(Submit(), _suspects(view))


def _huge_numbers(view: BaselineView, rng: random.Random) -> Move:
    row = view.program.constraint(_row(view))
    value = -_most(view) if row.sense is Sense.GREATER_EQUAL else _most(view)
    return Move(SetRhs(row.name, value), _suspects(view))


def _denormal_numbers(view: BaselineView, rng: random.Random) -> Move:
    """Make a row's coefficients vanish in the solver, though they are written."""
    row = view.program.constraint(_row(view))
    variable = row.terms[view.turn % len(row.terms)][0] if row.terms else view.program.variables[0].name
    return Move(SetCoefficient(row.name, variable, DENORMAL), _suspects(view))


def _unicode_names(view: BaselineView, rng: random.Random) -> Move:
    """The row's name in full-width letters, and a diagnosis in them: equal only to who normalises."""
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in _row(view))
    return Move(DropRow(wide), (Element(f"row:{wide}"),))


def _unknown_names(view: BaselineView, rng: random.Random) -> Move:
    choices: tuple[Action, ...] = (DropRow("?"), SetRhs("", 0.0), SetBounds("?", -inf, inf), Inspect("?"))
    return Move(rng.choice(choices), (Element("row:?"),))


def _submit_at_once(view: BaselineView, rng: random.Random) -> Move:
    return Move(Submit())


def _stall_the_solver(view: BaselineView, rng: random.Random) -> Move:
    """Whole numbers with coefficients that fit none: the search is to reach its limit, and pay for that."""
    continuous = [v.name for v in view.program.variables if v.type is VariableType.CONTINUOUS]
    if continuous and view.turn < 2:
        return Move(SetType(rng.choice(continuous), VariableType.INTEGER), _suspects(view))
    row = view.program.constraint(_row(view))
    variable = rng.choice(view.program.variables).name
    return Move(SetCoefficient(row.name, variable, 1e6 * sqrt(2 + view.turn)), _suspects(view))


def _never_act(view: BaselineView, rng: random.Random) -> Move:
    return Move(GetConflict(), _suspects(view))


ATTACKS: tuple[Attack, ...] = (
    Attack("submit at once", _submit_at_once),
    Attack("restore in a loop", _restore_loop),
    Attack("ask and never act", _never_act),
    Attack("name all rows", _name_all_rows),
    Attack("name the conflict", _name_the_conflict),
    Attack("delete all rows", _delete_all),
    Attack("free all bounds", _widen_all_bounds),
    Attack("relax by the most", _relax_by_the_most),
    Attack("exploit the tolerance", _exploit_tolerance),
    Attack("feasible, with no room", _tighter),
    Attack("feasible, looser by 1", _looser),
    Attack("equal objective by deletion", _equal_objective),
    Attack("malformed turns, then act", _malformed_then_act),
    Attack("huge numbers", _huge_numbers),
    Attack("denormal numbers", _denormal_numbers),
    Attack("unicode names", _unicode_names),
    Attack("unknown names", _unknown_names),
    Attack("stall the solver", _stall_the_solver),
)
"""In the order of the table."""
