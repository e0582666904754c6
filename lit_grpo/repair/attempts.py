"""Attempts of a policy at a user's program: played by the one loop, kept where the solver calls the end feasible.

Called by prediction.py. Without the original program nobody can score an attempt; what it ended with can be verified.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import RolloutEngine, SamplingSettings
from lit_grpo.environment.episodes.actions import Move, Relax
from lit_grpo.environment.episodes.record import EpisodeRecord, StopReason, TurnOutcome, TurnResult
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.programs.comparison import differing_elements
from lit_grpo.environment.programs.difference import true_edits
from lit_grpo.environment.programs.edits import (
    AgentEdit,
    DropRow,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
    edited_element,
)
from lit_grpo.environment.programs.program import Element, LinearProgram, row_element
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.solver.solver import SolverStatus
from lit_grpo.packing import PromptGroup
from lit_grpo.rollout.open_attempt import Seeds
from lit_grpo.rollout.play import Players, play


@dataclass(frozen=True, slots=True)
class UserProblem:
    """A problem whose original is unknown: it can be played, not scored."""

    problem: RepairProblem
    id: str = "user"
    """The same for all: a run has only one problem."""


@dataclass(frozen=True, slots=True)
class AskedPolicy:
    """A policy to whom a program is put."""

    engine: RolloutEngine
    """Samples its turns."""
    conversation: ConversationFormat
    continuation_logprobs: Callable[[PromptGroup], Sequence[float]]
    """The summed log-prob, in nats at temperature 1, of each continuation of a prompt."""
    max_completion_tokens: int
    """Most tokens of a turn."""
    stop: tuple[int, ...] = ()
    """Token ids that end a turn, besides the chat format's own."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """What came of the attempts."""

    num_attempts: int
    found: tuple[tuple[AgentEdit, ...], ...] = ()
    """For each attempt that ended feasible, the edits that lead from the user's program to its last one."""
    fits: bool = True
    """False: the program does not fit the policy's context together with a turn, and none was played."""


def play_attempts(
    problem: RepairProblem, policy: AskedPolicy, environment: RepairEnvironment, num_attempts: int, seed: int
) -> Attempts:
    """Play attempts together: the first greedy, the others sampled at temperature 1."""
    samplings = [
        SamplingSettings(float(sample > 0), policy.max_completion_tokens, stop=policy.stop)
        for sample in range(num_attempts)
    ]
    players = Players(
        environment, policy.engine, policy.conversation, samplings, Seeds(seed, 0), leave_out_long_prompts=True
    )
    (group,) = play([UserProblem(problem)], players)
    records = [attempt.record for attempt in group.attempts]
    return Attempts(
        num_attempts,
        tuple(edits_of(problem.program, r) for r in records if r.final_status is SolverStatus.OPTIMAL),
        fits=all(record.stop_reason is not StopReason.PROMPT_LIMIT for record in records),
    )


def edits_of(written: LinearProgram, record: EpisodeRecord) -> tuple[AgentEdit, ...]:
    """The edits that make a program what an attempt left, those of the element that was changed last at the end.

    What was tried and taken back is not among them, nor what changes nothing: another form of the same row.
    """
    last: dict[Element, int] = {}
    for number, outcome in enumerate(record.turns):
        element = _acted_on(outcome)
        if element is not None:
            last[element] = number
    changed = sorted(differing_elements(record.final_program, written), key=lambda element: last[element])
    return tuple(edit for element in changed for edit in true_edits(element, written, record.final_program))


def _acted_on(outcome: TurnOutcome) -> Element | None:
    if outcome.result is not TurnResult.APPLIED or not isinstance(outcome.move, Move):
        return None
    match outcome.move.action:
        case Relax(row=row):
            return row_element(row)
        case DropRow() | SetRhs() | SetSense() | SetCoefficient() | SetBounds() | SetType() as edit:
            return edited_element(edit)
        case _:
            return None
