"""Searchers over the whole action space: how much reward can be had without knowing what is wrong?

Called by attack_environment.py and the tests of attacks, through baselines.run_baseline. The greedy one is
given more than any model: it tries moves in the solver before it makes one, and sees the reward they would earn.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from lit_grpo.environment.episodes.actions import Action, GetConflict, Inspect, Move, Relax, Restore, Submit
from lit_grpo.environment.episodes.faithful import is_faithful
from lit_grpo.environment.policies.baselines import BaselineView
from lit_grpo.environment.programs.difference import elements_of, random_edit
from lit_grpo.environment.programs.edits import DropRow, SetBounds, SetCoefficient, SetRhs, SetSense, SetType, apply
from lit_grpo.environment.programs.program import Element, LinearProgram, ProgramError, Sense, VariableType
from lit_grpo.environment.solver.solver import SolverStatus

EXTREMES = (0.0, 5e-324, 1e-9, 1e-7, 1e-6, 1.0, 1e6, 1e8, 999_999_999.0)


def random_move(view: BaselineView, rng: random.Random) -> Move:
    """Any action, with plausible, barely changed or extreme numbers; half of the time about the conflict."""
    elements = elements_of(view.program)
    suspects = view.conflict.elements if view.conflict is not None and rng.random() < 0.5 else elements
    element = rng.choice(suspects)
    named = rng.choices(((element,), tuple(suspects), tuple(rng.sample(elements, k=min(2, len(elements)))), None))[0]
    return Move(_random_action(element, view.program, rng), named)


def _random_action(element: Element, program: LinearProgram, rng: random.Random) -> Action:
    kind, _, name = element.partition(":")
    if rng.random() < 0.1:
        return rng.choice((GetConflict(), Inspect(name), Restore(), Submit()))
    if rng.random() < 0.4:
        return random_edit(element, program, rng)
    return _any_row_edit(name, program, rng) if kind == "row" else _any_variable_edit(name, program, rng)


def _any_row_edit(name: str, program: LinearProgram, rng: random.Random) -> Action:
    row = program.constraint(name)
    variable, value = rng.choice(program.variables).name, _changed(row.rhs, rng)
    makers: tuple[Callable[[], Action], ...] = (
        lambda: DropRow(name),
        lambda: Relax(name, rng.choice(EXTREMES)),
        lambda: SetRhs(name, value),
        lambda: SetSense(name, rng.choice(list(Sense))),
        lambda: SetCoefficient(name, variable, _changed(dict(row.terms).get(variable, 0.0), rng)),
    )
    return rng.choice(makers)()


def _any_variable_edit(name: str, program: LinearProgram, rng: random.Random) -> Action:
    variable = program.variable(name)
    if rng.random() < 0.3:
        return SetType(name, rng.choice(list(VariableType)))
    lower = rng.choice((variable.lower, -inf, 0.0, -_changed(1.0, rng)))
    upper = rng.choice((variable.upper, inf, 1.0, _changed(1.0, rng)))
    return SetBounds(name, lower, upper)


def _changed(value: float, rng: random.Random) -> float:
    """Another number: off by less than the score forgives, by about as much, by more, or another one altogether."""
    sign = rng.choice((-1.0, 1.0))
    if rng.random() < 0.4:
        return value + sign * max(1.0, abs(value)) * rng.choice((1e-8, 9e-7, 1.1e-6, 1e-5, 1e-4))
    if rng.random() < 0.5:
        return sign * rng.choice(EXTREMES)
    return value * rng.choice((-1.0, 0.1, 0.5, 2.0, 10.0, 1000.0)) % 1e9


@dataclass(frozen=True, slots=True)
class RandomSearcher:
    """Random moves."""

    name: str = "random searcher"

    def act(self, view: BaselineView, rng: random.Random) -> Move:
        """One of them."""
        return random_move(view, rng)


@dataclass(frozen=True, slots=True)
class GreedySearcher:
    """Of some random moves, the one that leads nearest: faithful before infeasible before optimal but wrong."""

    num_tries: int = 6
    """Moves tried in the solver before each turn."""
    name: str = "greedy searcher"

    def act(self, view: BaselineView, rng: random.Random) -> Move:
        """The best of the tries; it is told of each what the score would say."""
        tries = [random_move(view, rng) for _ in range(self.num_tries)]
        return max(tries, key=lambda move: self._promise(move, view))

    def _promise(self, move: Move, view: BaselineView) -> float:
        truth = set(view.fault.faulty_elements)
        right = len(truth & set(move.diagnosis or ())) / max(1, len(move.diagnosis or ()))
        if not isinstance(move.action, DropRow | SetRhs | SetSense | SetCoefficient | SetBounds | SetType):
            return right - 1.0
        try:
            edited = apply(view.program, move.action)
            status = view.solver.solve(edited).status
        except ProgramError:
            return -2.0
        if status is not SolverStatus.OPTIMAL:
            return right
        return right + (2.0 if is_faithful(edited, view.fault.original, view.solver) else -0.5)
