"""Rollouts and build_experience where the solver breaks.

1. One attempt's edit breaks the solver: that attempt alone is SOLVER_FAILED, has advantage 0, and takes no part in its
   group's mean and spread.
2. A task whose own program breaks it: all attempts at it are over without a turn, nothing is sampled for them, and the
   other tasks are played as ever.
3. If it breaks on everything, the rollout is there and teaches nothing.
4. Attempts that make the same intractable edit wait for the solver once, and earn 0 with the rest of the group.
5. Such a group can be written down and shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from repair_rollouts import collect, played

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.environment.episodes.actions import Action, Move, Submit, render
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.programs.edits import SetRhs
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import (
    Conflict,
    ProgramIntractable,
    Solution,
    SolverFailure,
    SolverStatus,
    Violation,
)
from lit_grpo.losses.base import UpdateTotals
from lit_grpo.rollout.attempts import RepairGroup
from lit_grpo.rollout.experience import build_experience
from lit_grpo.rollout.settings import PlaySettings
from lit_grpo.rollout.transcripts import format_transcript, write_transcripts

SETTINGS = PlaySettings(
    group_size=4,
    sampling=SamplingSettings(1.0, 120),
    episode=EpisodeSettings(max_turns=2, undo_if_still_infeasible=True, style=ObservationStyle.COMPACT),
)
TROUBLE = 66601.0
"""No generated program has this right-hand side."""


@dataclass
class Breaking:
    """HiGHS that raises when it is asked about certain programs."""

    failure: SolverFailure
    breaks_on: Callable[[LinearProgram], bool]
    num_failures: int = 0
    highs: HighsSolver = field(default_factory=HighsSolver)

    def solve(self, program: LinearProgram) -> Solution:
        self._break(program)
        return self.highs.solve(program)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        self._break(program)
        return self.highs.conflict(program)

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        self._break(program)
        return self.highs.minimum_relaxation(program)

    def _break(self, program: LinearProgram) -> None:
        if self.breaks_on(program):
            self.num_failures += 1
            raise self.failure


def is_troubled(program: LinearProgram) -> bool:
    return any(row.rhs == TROUBLE for row in program.constraints)


def turns_of(task: Task) -> list[str]:
    """Of four attempts: trouble, the repair with its diagnosis, nothing, the repair without."""
    row = task.fault.faulty.constraints[0].name
    (repair,) = task.fault.inverse
    diagnosis = task.fault.faulty_elements
    moves: Sequence[tuple[Action, bool]] = [
        (SetRhs(row, TROUBLE), True),
        (repair, True),
        (Submit(), False),
        (repair, False),
    ]
    return [render(Move(action, diagnosis if names else None)) for action, names in moves]


@pytest.fixture
def play(
    tasks: list[Task], conversation: ConversationFormat, scripted: Callable[..., ScriptedEngine]
) -> Callable[[Breaking], tuple[list[RepairGroup], ScriptedEngine]]:
    texts = [text for task in tasks for text in turns_of(task)]

    def policy(request: GenerationRequest) -> str:
        return texts[request.conversation]

    def run(solver: Breaking) -> tuple[list[RepairGroup], ScriptedEngine]:
        engine = scripted(policy)
        return collect(tasks, engine, solver, conversation, SETTINGS), engine

    return run


Play = Callable[[Breaking], tuple[list[RepairGroup], ScriptedEngine]]

# Rewards 1, 0 and 0.5 + 0.2 = 0.7: mean 17/30, deviations 13/30, -17/30 and 4/30.
CENTRED = [0.0, 13 / 30, -17 / 30, 4 / 30]


def test_1_one_episode_fails_alone(play: Play) -> None:
    groups, _ = play(Breaking(SolverFailure("killed twice"), is_troubled))
    for group in groups:
        failed, *others = group.attempts
        assert failed.stop_reason is StopReason.SOLVER_FAILED
        assert [attempt.stop_reason for attempt in others] == [
            StopReason.RECOVERED,
            StopReason.SUBMITTED,
            StopReason.RECOVERED,
        ]
        assert [score.verified for score in group.scores] == [False, True, True, True]
        assert [reward.total for reward in group.rewards] == pytest.approx([0.0, 1.0, 0.0, 0.7])
    experience = build_experience(groups, AdvantageEstimator.CENTRED, 4000)
    assert experience.advantages.tolist() == pytest.approx(CENTRED * 4)
    assert experience.advantages[0] == 0.0


def test_2_a_task_that_cannot_be_begun(play: Play, tasks: list[Task]) -> None:
    broken = tasks[1].fault.faulty
    groups, engine = play(Breaking(SolverFailure("killed twice"), lambda p: is_troubled(p) or p == broken))
    assert [group.task for group in groups] == tasks
    assert not {request.conversation for request in engine.requests} & set(range(4, 8))
    for attempt, score, reward in played(groups[1]):
        assert attempt.stop_reason is StopReason.SOLVER_FAILED
        assert (attempt.turns, score.verified, reward.total) == ((), False, 0.0)
    experience = build_experience(groups, AdvantageEstimator.CENTRED, 4000)
    assert experience.advantages.tolist() == pytest.approx(CENTRED + [0.0] * 4 + CENTRED * 2)
    assert (experience.totals.num_sequences, experience.totals.num_groups) == (12, 3)


def test_3_nothing_can_be_begun(play: Play) -> None:
    groups, engine = play(Breaking(SolverFailure("no worker starts"), lambda program: True))
    assert engine.requests == []
    assert {attempt.stop_reason for group in groups for attempt in group.attempts} == {StopReason.SOLVER_FAILED}
    experience = build_experience(groups, AdvantageEstimator.GROUP, 4000)
    assert experience.batches == ()
    assert experience.totals == UpdateTotals(0, 0, 0)


def test_4_stalling_is_waited_for_once_and_earns_nothing(
    tasks: list[Task], conversation: ConversationFormat, scripted: Callable[..., ScriptedEngine]
) -> None:
    stall, repair, *_ = turns_of(tasks[0])
    solver = Breaking(ProgramIntractable("no answer within 60 s"), is_troubled)
    engine = scripted(lambda request: repair if request.conversation == 3 else stall)
    (group,) = collect(tasks[:1], engine, solver, conversation, SETTINGS)
    assert solver.num_failures == 1
    assert [len(attempt.turns) for attempt in group.attempts] == [2, 2, 2, 1]
    stalled = group.attempts[0]
    assert [turn.status for turn in stalled.record.turns] == [SolverStatus.INCONCLUSIVE] * 2
    assert (stalled.stop_reason, group.scores[0].verified) == (StopReason.TURN_LIMIT, True)
    assert [reward.total for reward in group.rewards] == pytest.approx([0.0, 0.0, 0.0, 1.0])
    # Mean 1/4: to stall is worse than average, and learned from.
    experience = build_experience([group], AdvantageEstimator.CENTRED, 4000)
    assert experience.advantages.tolist() == pytest.approx([-0.25, -0.25, -0.25, 0.75])
    assert group.scores[3].faithful


def test_5_on_paper(play: Play, tmp_path: Path) -> None:
    groups, _ = play(Breaking(SolverFailure("killed twice"), lambda program: True))
    environment = RepairEnvironment(SETTINGS.episode, HighsSolver())
    assert "solver_failed, not solved, reward 0.00" in format_transcript(groups[0], environment)
    write_transcripts(tmp_path / "episodes.jsonl", groups, environment, batch=0)
    assert (tmp_path / "episodes.jsonl").read_text().count('"stop_reason": "solver_failed"') == 16
