"""Plays tasks: many multi-turn episodes at once, over one engine and one solver.

Called by the rollout callback (training: several attempts per task) and by the evaluation (one greedy attempt each); a
plain function, as usable from a script. There is no barrier between turns: while an engine decodes in the background,
an episode's next turn goes out as soon as the solver has answered its last one, whatever else is being decoded or
solved. The engine is talked to in one thread, the solver is asked in others.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import Completion, FinishReason, RolloutEngine
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.observation import instructions
from lit_grpo.environment.episodes.record import TurnOutcome
from lit_grpo.environment.episodes.repairable import require_repairable
from lit_grpo.environment.episodes.scoring import RepairScore, score_episode
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.solver.solver import Solver, SolverFailure
from lit_grpo.rollout.attempt import Attempt, Seeds
from lit_grpo.rollout.episodes import Episode, EpisodeGroup
from lit_grpo.rollout.remembering_solver import RememberingSolver
from lit_grpo.rollout.settings import PlaySettings
from lit_grpo.rollout.solver_threads import Patience, SolverThreads

_log = logging.getLogger(__name__)


def collect_groups(
    tasks: Sequence[GradedProblem],
    engine: RolloutEngine,
    solver: Solver,
    conversation: ConversationFormat,
    settings: PlaySettings,
    run_seed: int,
    step: int,
    solver_threads: int = 1,
) -> list[EpisodeGroup]:
    """Play every task ``group_size`` times, to the end.

    Args:
        tasks: what is to be repaired.
        engine: samples the turns; its conversations are released at the end.
        solver: judges every step.
        conversation: the policy's chat format.
        settings: attempts, sampling, rules, reward.
        run_seed: of the run.
        step: of the run; together with run_seed, task id, attempt and turn it seeds each draw.
        solver_threads: questions that the solver is asked at a time; more than one only of a solver that any thread
            may ask.

    Returns:
        One group per task, in the order of ``tasks``, attempts in order, whatever the order in which turns came back.
        Where the solver breaks, that episode ends as SOLVER_FAILED; if it breaks on a task's own program, all attempts
        at the task do, without a turn.

    Raises:
        ValueError: a prompt that does not fit into the engine's context together with a completion (unless those are
            left out), or rules that leave a task no room for its repair.
    """
    for task in tasks:
        require_repairable(task.fault, settings.episode)
    with SolverThreads(solver_threads, on_answer=engine.wake) as threads:
        seeds = Seeds(run_seed, step)
        return _Collection(engine, RememberingSolver(solver), conversation, settings, seeds, threads).play(tasks)


@dataclass(slots=True)
class _Collection:
    """Tasks while they are played."""

    engine: RolloutEngine
    solver: Solver
    conversation: ConversationFormat
    settings: PlaySettings
    seeds: Seeds
    threads: SolverThreads
    attempts: dict[int, Attempt] = field(default_factory=dict)
    num_decoded: int = 0
    """Turns that the engine works on."""

    def play(self, tasks: Sequence[GradedProblem]) -> list[EpisodeGroup]:
        for place, task in enumerate(tasks):
            self.threads.ask(partial(self._episodes, task), partial(self._begin, place, task))
        while self.num_decoded or self.threads.num_asked:
            self.threads.take_up(self._patience())
            for completion in self.engine.wait() if self.num_decoded else ():
                self._take(completion)
        self.engine.release()
        return [self._group(place, task) for place, task in enumerate(tasks)]

    def _patience(self) -> Patience:
        if not self.engine.decodes_in_background:
            return Patience.ALL
        return Patience.NONE if self.num_decoded else Patience.FIRST

    # --- from answers of the solver to turns, and back --------------------------------------------------------------

    def _begin(self, place: int, task: GradedProblem, episodes: Sequence[RepairEpisode]) -> None:
        """Send out the first turns of a task."""
        rules, limit = instructions(self.settings.episode.style), self._context_limit
        prompt_ids = self.conversation.prompt_ids(rules, episodes[0].observation)
        for sample, episode in enumerate(episodes):
            key = place * self.settings.group_size + sample
            self.attempts[key] = attempt = Attempt(key, task, sample, prompt_ids, episode, prompt_ids)
            if self.settings.leave_out_long_prompts:
                attempt.end_for_lack_of_room(limit)
            self._continue(attempt)

    def _take(self, completion: Completion) -> None:
        """Let the environment answer a turn."""
        self.num_decoded -= 1
        attempt, text = self.attempts[completion.conversation], self.conversation.decode(completion.token_ids)
        is_cut_off = completion.finish_reason is FinishReason.LENGTH
        self.threads.ask(
            partial(attempt.episode.step, text, truncated=is_cut_off), partial(self._answer, attempt, completion, text)
        )

    def _answer(self, attempt: Attempt, completion: Completion, text: str, outcome: TurnOutcome) -> None:
        """Append a turn and its answer to the context, and send out the next one."""
        attempt.append(completion, text, outcome, self.conversation)
        attempt.end_for_lack_of_room(self._context_limit)
        self._continue(attempt)

    def _continue(self, attempt: Attempt) -> None:
        """Ask for the next turn, or for the verdict if there is none."""
        if attempt.is_over:
            self.threads.ask(partial(self._score, attempt), attempt.judge)
        else:
            self.engine.submit(attempt.request(self.seeds), self.settings.sampling)
            self.num_decoded += 1

    @property
    def _context_limit(self) -> int:
        """The longest context that has room for a turn."""
        return self.engine.max_context_tokens - self.settings.sampling.max_completion_tokens

    # --- what the solver is asked, in its threads -------------------------------------------------------------------

    def _episodes(self, task: GradedProblem) -> Sequence[RepairEpisode]:
        """Of all attempts at a task."""
        size, rules = self.settings.group_size, self.settings.episode
        try:
            first = RepairEpisode(task.problem, self.solver, rules)
        except SolverFailure as failure:
            _log.warning("task %s is left out: %s", task.id, failure)
            return [RepairEpisode.unplayable(task.problem, self.solver, rules)] * size
        return [first, *(first.another() for _ in range(size - 1))]

    def _score(self, attempt: Attempt) -> RepairScore:
        return score_episode(attempt.episode.record(), attempt.task.fault, self.solver)

    # --- results ----------------------------------------------------------------------------------------------------

    def _group(self, place: int, task: GradedProblem) -> EpisodeGroup:
        size = self.settings.group_size
        attempts = [self.attempts[key] for key in range(place * size, (place + 1) * size)]
        episodes = tuple(map(self._finished, attempts))
        return EpisodeGroup(task, attempts[0].episode.observation, attempts[0].prompt_ids, episodes)

    def _finished(self, attempt: Attempt) -> Episode:
        score, stop_reason = attempt.score, attempt.episode.stop_reason
        assert score is not None
        assert stop_reason is not None
        key = self.seeds.attempt(attempt.task.id, attempt.sample)
        return Episode(
            turns=tuple(attempt.turns),
            stop_reason=stop_reason,
            score=score,
            reward=self.settings.reward.of(score, self.settings.episode.max_turns, key),
            truncated=attempt.truncated,
        )
