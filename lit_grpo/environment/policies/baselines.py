"""Trivial policies that every table must show beside a model, played through the same episode code.

Called by `lit-grpo suite baselines` and the quickstart's comparison. A policy that a model does not beat is the result.

Three of them are told the truth: the two informed ones and the oracle read the fault. The others see what a model sees.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar

from lit_grpo.environment.episodes.actions import Action, Move, Relax, Submit, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import EpisodeRecord, EpisodeSettings
from lit_grpo.environment.episodes.repairable import require_repairable
from lit_grpo.environment.episodes.right_move import right_move
from lit_grpo.environment.episodes.scoring import RepairScore, score_episode
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.policies.ranked import RankedCandidates
from lit_grpo.environment.policies.view import BaselinePolicy, BaselineView
from lit_grpo.environment.programs.difference import random_edit, true_edits
from lit_grpo.environment.programs.edits import (
    DropRow,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
    apply,
    coefficient,
)
from lit_grpo.environment.programs.program import Element, LinearProgram, Sense, VariableType
from lit_grpo.environment.solver.solver import ConflictMember, ConflictPart, Solver, Violation


@dataclass(frozen=True, slots=True)
class DropFirst:
    """Delete the first row of the conflict; if it holds none, free its first bound."""

    name: str = "drop-first"

    def act(self, view: BaselineView, rng: random.Random) -> Move:
        """The literature's strongest shortcut: nearly always optimal again, almost never the original."""
        if view.conflict is None:
            return Move(Submit())
        first = view.conflict.members[0]
        return _naming(first.element, _removal(first, view.program))


@dataclass(frozen=True, slots=True)
class RandomInConflict:
    """A random edit of a random element of the conflict."""

    name: str = "random-in-conflict"

    def act(self, view: BaselineView, rng: random.Random) -> Move:
        """Half of the edits remove or free the element, half are another plausible number, sense or type."""
        if view.conflict is None:
            return Move(Submit())
        member = rng.choice(view.conflict.members)
        if rng.random() < 0.5:
            return _naming(member.element, _removal(member, view.program))
        return _naming(member.element, random_edit(member.element, view.program, rng))


@dataclass(frozen=True, slots=True)
class MinimumRelaxation:
    """Give way where the solver's own smallest relaxation does, one element a turn."""

    name: str = "minimum-relaxation"

    def act(self, view: BaselineView, rng: random.Random) -> Move:
        """Takes the violations in turn, so that it goes on to the next one whether or not the last was taken back."""
        violations = view.solver.minimum_relaxation(view.program)
        if not violations:
            return Move(Submit())
        violation = violations[view.turn % len(violations)]
        return _naming(violation.element, _give_way(violation, view))


@dataclass(frozen=True, slots=True)
class InformedElement:
    """Set a random element of the conflict to what it truly is: one edit a turn, drawn anew each turn.

    Told which attribute is wrong, it guesses among two or three elements with five tries: not a trivial policy but a
    measure of how far guessing the place alone would go.
    """

    name: str = "informed-element"

    def act(self, view: BaselineView, rng: random.Random) -> Move:
        """Knows every true value and not which element is wrong; an element that is right already costs the turn."""
        if view.conflict is None:
            return Move(Submit())
        element = rng.choice(view.conflict.elements)
        edits = true_edits(element, view.program, view.fault.original)
        return _naming(element, edits[0] if edits else _as_it_is(element, view.program))


@dataclass(frozen=True, slots=True)
class InformedRandom:
    """Set a random value of a random element of the conflict to what it truly is.

    The bar for a model: whoever reads every value right and compares nothing does as well. It knows less than
    `InformedElement`, which goes straight to the value that is wrong.
    """

    name: str = "informed-random"

    def act(self, view: BaselineView, rng: random.Random) -> Move:
        """A row's attributes are right-hand side, sense and each coefficient; a variable's its bounds and its type."""
        if view.conflict is None:
            return Move(Submit())
        element = rng.choice(view.conflict.elements)
        return _naming(element, rng.choice(_true_attributes(element, view.fault.original)))


@dataclass(frozen=True, slots=True)
class Oracle:
    """The fault's inverse, edit by edit."""

    name: str = "oracle"

    def act(self, view: BaselineView, rng: random.Random) -> Move:
        """The gold answer: faithful in the smallest number of steps."""
        return right_move(view.program, view.fault)


BASELINES: tuple[BaselinePolicy, ...] = (
    DropFirst(),
    RandomInConflict(),
    MinimumRelaxation(),
    RankedCandidates("ranked-candidates-blind", reads_text=False),
    RankedCandidates(),
    InformedRandom(),
    InformedElement(),
    Oracle(),
)
"""All of them, in the order of the tables."""


TaskT = TypeVar("TaskT", bound=GradedProblem)


class BaselineEpisode(NamedTuple, Generic[TaskT]):
    """One task as a trivial policy played it."""

    task: TaskT
    record: EpisodeRecord
    score: RepairScore


def run_baseline(
    policy: BaselinePolicy, tasks: Iterable[TaskT], solver: Solver, settings: EpisodeSettings, seed: int
) -> list[BaselineEpisode[TaskT]]:
    """Play one episode per task, in their order. The draws depend on the seed and the task, not on the order.

    These policies read programs and not texts, so how much of a program is shown (``view_tokens``) plays no part.

    Raises:
        ValueError: The rules leave a task no room for its repair.
    """
    return [_play(policy, task, solver, settings, seed) for task in tasks]


def _play(
    policy: BaselinePolicy, task: TaskT, solver: Solver, settings: EpisodeSettings, seed: int
) -> BaselineEpisode[TaskT]:
    rng = random.Random(f"{seed}:{task.id}")
    require_repairable(task.fault, settings)
    episode = RepairEpisode(task.problem, solver, replace(settings, view_tokens=None))
    turn = 0
    while episode.stop_reason is None:
        view = BaselineView(
            episode.program, episode.current_conflict(), turn, task.fault, solver, task.problem.specification
        )
        answer = policy.act(view, rng)
        episode.step(answer if isinstance(answer, str) else render(answer))
        turn += 1
    record = episode.record()
    return BaselineEpisode(task, record, score_episode(record, task.fault, solver))


# --- the edits they make ------------------------------------------------------------------------------------------


def _naming(element: Element, action: Action) -> Move:
    return Move(action, (element,))


def _removal(member: ConflictMember, program: LinearProgram) -> Action:
    """Delete the row, free the bound, or give up the integrality."""
    if member.part is ConflictPart.ROW:
        return DropRow(member.name)
    variable = program.variable(member.name)
    match member.part:
        case ConflictPart.LOWER:
            return SetBounds(variable.name, -math.inf, variable.upper)
        case ConflictPart.UPPER:
            return SetBounds(variable.name, variable.lower, math.inf)
        case ConflictPart.INTEGRALITY:
            return SetType(variable.name, VariableType.CONTINUOUS)


def _give_way(violation: Violation, view: BaselineView) -> Action:
    name = violation.element.partition(":")[2]
    if violation.part is ConflictPart.ROW:
        return _relaxed_row(name, violation.amount, view)
    variable = view.program.variable(name)
    if variable.type is VariableType.BINARY:
        return SetType(name, VariableType.INTEGER)  # a binary's own limits give way with its type alone
    if violation.part is ConflictPart.LOWER:
        return SetBounds(name, variable.lower - violation.amount, variable.upper)
    return SetBounds(name, variable.lower, variable.upper + violation.amount)


def _relaxed_row(name: str, amount: float, view: BaselineView) -> Action:
    """An equality gives way upwards or downwards, whichever leaves less to relax."""
    if view.program.constraint(name).sense is not Sense.EQUAL:
        return Relax(name, amount)
    return min((Relax(name, amount), Relax(name, -amount)), key=lambda relax: _left_to_relax(relax, view))


def _left_to_relax(relax: Relax, view: BaselineView) -> float:
    shifted = apply(view.program, SetRhs(relax.row, view.program.constraint(relax.row).rhs + relax.amount))
    violations = view.solver.minimum_relaxation(shifted)
    return math.inf if violations is None else sum(violation.amount for violation in violations)


def _true_attributes(element: Element, original: LinearProgram) -> list[Action]:
    """One edit for each attribute; a row that the original does not have can only be dropped."""
    kind, _, name = element.partition(":")
    if kind == "var":
        variable = original.variable(name)
        return [SetBounds(name, variable.lower, variable.upper), SetType(name, variable.type)]
    row = next((c for c in original.constraints if c.name == name), None)
    if row is None:
        return [DropRow(name)]
    coefficients = [SetCoefficient(name, v.name, coefficient(row, v.name)) for v in original.variables]
    return [SetRhs(name, row.rhs), SetSense(name, row.sense), *coefficients]


def _as_it_is(element: Element, program: LinearProgram) -> Action:
    """An edit that changes nothing."""
    kind, _, name = element.partition(":")
    if kind == "row":
        return SetRhs(name, program.constraint(name).rhs)
    variable = program.variable(name)
    return SetBounds(name, variable.lower, variable.upper)
