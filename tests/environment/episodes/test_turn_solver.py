"""What an intractable program is in an episode, with HiGHS in a worker whose deadline really strikes.

1. An agent's edit that makes the program intractable is INCONCLUSIVE: verified, and a reward of 0, whatever was stated.
2. The episode goes on: after `restore` the true repair still counts. Questions about the intractable program have no
   answer, and end nothing.
3. A program that is intractable as it was given is a failure of the machinery, before any turn.
4. Any other failure within a turn passes: SOLVER_FAILED, not verified.
5. A repair that cannot be judged in time is not proven faithful; the episode stays verified.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from desk_problem import turn
from intractable_program import FAULT, FAULTY, INTRACTABLE, ORIGINAL, REPAIRING_EDIT, SPOILING_EDIT, SWITCH

from lit_grpo.environment.episodes.actions import GetConflict, Inspect, Restore, Submit
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import EpisodeRecord, EpisodeSettings, StopReason, TurnResult
from lit_grpo.environment.episodes.scoring import RepairScore, score_episode
from lit_grpo.environment.episodes.turn_solver import TurnSolver
from lit_grpo.environment.programs.edits import AddRow, SetRhs, apply
from lit_grpo.environment.programs.program import Constraint, LinearProgram
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import (
    Conflict,
    ProgramIntractable,
    Solution,
    SolverFailure,
    SolverStatus,
    Violation,
)
from lit_grpo.environment.solver.workers import SolverSettings, WorkerSolver
from lit_grpo.rewards.components import RewardWeights
from lit_grpo.rewards.composite import composite_reward


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerSolver]:
    """HiGHS would need 1.5 s of a processor to its limit on the intractable program, and milliseconds for the rest."""
    solver = WorkerSolver(SolverSettings(deadline_s=0.3))
    yield solver
    solver.close()


def played(solver: WorkerSolver, *texts: str) -> tuple[EpisodeRecord, RepairScore, float]:
    episode = RepairEpisode(RepairProblem(FAULTY), solver, EpisodeSettings(max_turns=len(texts)))
    for text in texts:
        episode.step(text)
    record = episode.record()
    score = score_episode(record, FAULT, solver)
    return record, score, composite_reward(score, RewardWeights(), 5)


def test_1_an_edit_that_stalls_the_solver_earns_nothing(workers: WorkerSolver) -> None:
    record, score, reward = played(workers, turn(SPOILING_EDIT, SWITCH))
    assert record.turns[0].result is TurnResult.APPLIED
    assert record.turns[0].status is SolverStatus.INCONCLUSIVE
    assert record.stop_reason is StopReason.TURN_LIMIT
    assert (score.verified, score.recovered, score.inconclusive_turns, score.diagnosis.f1) == (True, False, 1, 1.0)
    assert reward == 0.0


def test_2_the_episode_goes_on(workers: WorkerSolver) -> None:
    questions = (turn(GetConflict()), turn(Inspect("free")))
    record, score, reward = played(
        workers, turn(SPOILING_EDIT), *questions, turn(Restore()), turn(REPAIRING_EDIT, SWITCH)
    )
    assert [step.result for step in record.turns] == [
        TurnResult.APPLIED,
        *[TurnResult.INFORMED] * 3,
        TurnResult.APPLIED,
    ]
    assert record.stop_reason is StopReason.RECOVERED
    assert (score.faithful, score.inconclusive_turns) == (True, 1)
    # Five steps of five: 0.5 for the outcome, 0.3 for the diagnosis, nothing for efficiency.
    assert reward == pytest.approx(0.8)


def test_3_intractable_as_it_was_given(workers: WorkerSolver) -> None:
    with pytest.raises(ProgramIntractable):
        RepairEpisode(RepairProblem(INTRACTABLE), workers, EpisodeSettings())


class Breaking:
    """HiGHS that raises on a program with a certain right-hand side."""

    def __init__(self, failure: SolverFailure, rhs: float) -> None:
        self._highs, self._failure, self._rhs = HighsSolver(), failure, rhs

    def solve(self, program: LinearProgram) -> Solution:
        self._break(program)
        return self._highs.solve(program)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        self._break(program)
        return self._highs.conflict(program)

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        self._break(program)
        return self._highs.minimum_relaxation(program)

    def _break(self, program: LinearProgram) -> None:
        if any(row.rhs == self._rhs for row in program.constraints):
            raise self._failure


def test_4_other_failures_pass() -> None:
    solver = Breaking(SolverFailure("killed twice"), rhs=-2.0)
    episode = RepairEpisode(RepairProblem(FAULTY), solver, EpisodeSettings())
    assert episode.step(turn(SetRhs("switch", -2.0), SWITCH)).result is TurnResult.FAILED
    assert episode.record().stop_reason is StopReason.SOLVER_FAILED
    score = score_episode(episode.record(), FAULT, solver)
    assert not score.verified
    assert composite_reward(score, RewardWeights(), 5) == 0.0
    assert episode.another().stop_reason is None


def test_4_an_unplayable_episode_has_no_turn() -> None:
    solver = Breaking(SolverFailure("killed twice"), rhs=-1.0)
    with pytest.raises(SolverFailure):
        RepairEpisode(RepairProblem(FAULTY), solver, EpisodeSettings())
    episode = RepairEpisode.unplayable(RepairProblem(FAULTY), solver, EpisodeSettings())
    assert "switch" in episode.observation
    assert episode.record().turns == ()
    assert not score_episode(episode.record(), FAULT, solver).verified
    with pytest.raises(AssertionError):
        episode.step(turn(Submit()))


def test_5_not_proven_faithful() -> None:
    # A row that the original lacks is left over: most0 with 1 more. Whether it is redundant needs the original's rows.
    most = ORIGINAL.constraint("most0")
    extra = Constraint("extra", most.terms, most.sense, most.rhs + 1.0)
    with_extra = apply(FAULTY, AddRow(extra, 0))
    solver = HighsSolver()
    episode = RepairEpisode(RepairProblem(with_extra), solver, EpisodeSettings())
    episode.step(turn(REPAIRING_EDIT, SWITCH))
    assert score_episode(episode.record(), FAULT, solver).faithful
    late = score_episode(episode.record(), FAULT, Breaking(ProgramIntractable("late"), rhs=1.0))
    assert (late.faithful, late.verified, late.recovered) == (False, True, True)
    broken = score_episode(episode.record(), FAULT, Breaking(SolverFailure("gone"), rhs=1.0))
    assert (broken.faithful, broken.verified) == (False, False)


@pytest.mark.parametrize("question", ["solve", "conflict", "minimum_relaxation"])
def test_5_what_a_turn_is_told(question: str) -> None:
    late = TurnSolver(Breaking(ProgramIntractable("late"), rhs=-1.0))
    expected = Solution(SolverStatus.INCONCLUSIVE) if question == "solve" else None
    assert getattr(late, question)(FAULTY) == expected
    with pytest.raises(SolverFailure, match="gone"):
        getattr(TurnSolver(Breaking(SolverFailure("gone"), rhs=-1.0)), question)(FAULTY)
