"""RepairEnvironment: the episodes of this package as an `Environment`, for rollouts, evaluation and `predict`.

Made by callbacks/, repair/ and experiments/; called by rollout/play.py and rollout/collect.py, in threads.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Protocol

from typing_extensions import override

from lit_grpo.environment.episodes.actions import render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import EpisodeRecord, EpisodeSettings, StopReason
from lit_grpo.environment.episodes.repairable import require_repairable
from lit_grpo.environment.episodes.right_move import right_move
from lit_grpo.environment.episodes.room import TokenCount
from lit_grpo.environment.episodes.scoring import RepairScore, score_episode
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.protocol import Environment, Episode, Measure, Oracle
from lit_grpo.environment.solver.remembering import RememberingSolver
from lit_grpo.environment.solver.solver import Solver, SolverFailure
from lit_grpo.environment.solver.workers import SolverSettings, WorkerSolver, make_solver

_log = logging.getLogger(__name__)

MEASURES: tuple[Measure[EpisodeRecord, RepairScore], ...] = (
    Measure("faithful", lambda record, score: score.faithful),
    Measure("recovered", lambda record, score: score.recovered),
    Measure("solver_failed", lambda record, score: record.stop_reason is StopReason.SOLVER_FAILED),
    Measure("inconclusive", lambda record, score: score.inconclusive_turns, lambda record, score: len(record.turns)),
)
"""Logged of every rollout; docs/metrics.md says what each is."""


class PosedProblem(Protocol):
    """A program to be repaired, whether somebody knows its original or not."""

    @property
    def id(self) -> str:
        """A name that no other problem has."""
        ...

    @property
    def problem(self) -> RepairProblem:
        """What the agent sees."""
        ...


class RepairEnvironment(Environment[GradedProblem, EpisodeRecord, RepairScore]):
    """Infeasible programs, with a solver that answers every turn and judges the end.

    Playing needs a `PosedProblem` alone, scoring its ground truth. What the solver was asked is remembered over all
    attempts. Where it breaks, that attempt ends as SOLVER_FAILED; where it breaks on a problem's own program, all
    attempts at it do, without a turn.

    Args:
        rules: Rules and rendering.
        solver: Is asked.
        num_threads: Threads that ask it at a time; more than one only of a solver that any thread may ask.
        spare_turns: Turns beyond the fewest that repair a program, which has to come with its ground truth; None: each
            has those of the rules, which are the most in any case.
    """

    def __init__(
        self, rules: EpisodeSettings, solver: Solver, num_threads: int = 1, spare_turns: int | None = None
    ) -> None:
        self.rules, self.max_turns, self.num_threads = rules, rules.max_turns, num_threads
        self._spare_turns = spare_turns
        self._solver, self._remembering = solver, RememberingSolver(solver)
        self._count_tokens: TokenCount | None = None

    @classmethod
    def of(
        cls, rules: EpisodeSettings, solver: SolverSettings | None, spare_turns: int | None = None
    ) -> RepairEnvironment:
        """The environment with a solver as its settings say; None: the default ones."""
        settings = solver or SolverSettings()
        return cls(rules, make_solver(settings), settings.threads, spare_turns)

    @property
    @override
    def measures(self) -> Sequence[Measure[EpisodeRecord, RepairScore]]:
        """Repairs, and what the solver could not say."""
        return MEASURES

    @property
    @override
    def oracle(self) -> Oracle[GradedProblem, EpisodeRecord]:
        """The move that leads to the original program on the shortest way."""
        return _right_turn

    @override
    def read_by(self, count_tokens: TokenCount) -> RepairEnvironment:
        """The same environment, whose focused views are counted in these tokens."""
        counting = copy(self)
        counting._count_tokens = count_tokens
        return counting

    @override
    def begin(self, problem: PosedProblem, num_attempts: int) -> Sequence[RepairEpisode]:
        """Find the first conflict and choose what is shown, once for all attempts; ValueError as `RepairEpisode`."""
        rules = self._rules_of(problem)
        try:
            first = RepairEpisode(problem.problem, self._remembering, rules, self._count_tokens)
        except SolverFailure as failure:
            _log.warning("task %s is left out: %s", problem.id, failure)
            unplayable = RepairEpisode.unplayable(problem.problem, self._remembering, rules, self._count_tokens)
            return [unplayable] * num_attempts
        return [first, *(first.another() for _ in range(num_attempts - 1))]

    def _rules_of(self, problem: PosedProblem) -> EpisodeSettings:
        if self._spare_turns is None:
            return self.rules
        assert isinstance(problem, GradedProblem), "the turns it has depend on its ground truth"
        fewest = len(problem.fault.inverse)
        return replace(self.rules, max_turns=min(self.rules.max_turns, fewest + self._spare_turns))

    @override
    def score(self, problem: GradedProblem, record: EpisodeRecord) -> RepairScore:
        """Judge by the original program; the solver is asked whether superfluous rows are redundant."""
        return score_episode(record, problem.fault, self._remembering)

    @override
    def require_playable(self, problem: GradedProblem) -> None:
        """ValueError if the rules leave no room for the repair."""
        require_repairable(problem.fault, self.rules)

    @override
    def labels(self, problem: GradedProblem) -> Mapping[str, str]:
        """Domain, kind and difficulty."""
        fault = problem.fault
        return {"domain": problem.domain, "kind": fault.kind.value, "difficulty": fault.difficulty.value}

    @override
    def turn_labels(self, record: EpisodeRecord, turn: int) -> Mapping[str, str]:
        """What became of a turn, and the solver's verdict on the program after it."""
        outcome = record.turns[turn]
        return {"result": outcome.result.value, "status": outcome.status.value}

    @override
    def close(self) -> None:
        """End the solver's workers, where it has some."""
        if isinstance(self._solver, WorkerSolver):
            self._solver.close()


def _right_turn(problem: GradedProblem, episode: Episode[EpisodeRecord]) -> str:
    assert isinstance(episode, RepairEpisode), f"expected an episode of a repair, got {type(episode).__name__}"
    return render(right_move(episode.program, problem.fault))
