"""Plays tasks: many multi-turn episodes at once, over one engine and one solver.

Called by the rollout callback (training: several attempts per task) and by the evaluation (one greedy attempt each); a
plain function, as usable from a script. There is no barrier between turns: whichever completion comes back, its episode
takes its step and asks for its next turn.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.environment.episode import RepairEpisode
from lit_grpo.environment.episode_record import EpisodeSettings, StopReason
from lit_grpo.environment.ground_truth import GradedProblem
from lit_grpo.environment.observation import instructions
from lit_grpo.environment.repairable import require_repairable
from lit_grpo.environment.scoring import score_episode
from lit_grpo.environment.solver import Solver, SolverFailure
from lit_grpo.rewards.base import AttemptKey, Reward
from lit_grpo.rewards.composite import CompositeReward
from lit_grpo.rollout.engine import Completion, FinishReason, GenerationRequest, RolloutEngine, SamplingSettings
from lit_grpo.rollout.episodes import Episode, EpisodeGroup, Turn
from lit_grpo.rollout.refill import DynamicSampling
from lit_grpo.rollout.remembering_solver import RememberingSolver

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """How tasks are played. Validation is the same with ``group_size`` 1 and temperature 0."""

    group_size: int = 8
    """Attempts per task."""
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    episode: EpisodeSettings = field(default_factory=EpisodeSettings)
    reward: Reward = field(default_factory=CompositeReward)
    """What trains; no metric depends on it."""
    dynamic_sampling: DynamicSampling | None = None
    """In training: groups without signal are replaced; None: they stay, and teach nothing."""
    max_staleness: int = 0
    """In training: batches that the weights which draw a rollout may be old when it is trained on (not optimizer steps,
    of which a batch has ``updates_per_rollout``). 0: a rollout is drawn with the weights it trains; above, the next
    ones are played while this one is trained on."""
    leave_out_long_prompts: bool = False
    """End the episodes of a task whose prompt does not fit as PROMPT_LIMIT, without a turn. For evaluation, where the
    tasks are given; in training such a task is a wrong setting, and a ValueError."""

    def __post_init__(self) -> None:
        """ValueError for a number without a meaning."""
        if self.group_size < 1:
            raise ValueError(f"expected group_size >= 1, got {self.group_size}; it is the number of attempts per task")
        if self.max_staleness < 0:
            raise ValueError(
                f"rollout.max_staleness: expected at least 0, got {self.max_staleness}; 0 plays each batch with the "
                "weights that it trains"
            )


def collect_groups(
    tasks: Sequence[GradedProblem],
    engine: RolloutEngine,
    solver: Solver,
    conversation: ConversationFormat,
    settings: RolloutSettings,
    run_seed: int,
    step: int,
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

    Returns:
        One group per task, in the order of ``tasks``, attempts in order, whatever the order in which turns came back.
        Where the solver breaks, that episode ends as SOLVER_FAILED; if it breaks on a task's own program, all attempts
        at the task do, without a turn.

    Raises:
        ValueError: a prompt that does not fit into the engine's context together with a completion (unless those are
            left out), or rules that leave a task no room for its repair.
    """
    solver = RememberingSolver(solver)
    attempts: list[_Attempt] = []
    for task in tasks:
        attempts += _first_turns(task, solver, conversation, settings)
    seeds, context_limit = _Seeds(run_seed, step), engine.max_context_tokens - settings.sampling.max_completion_tokens
    if settings.leave_out_long_prompts:
        _leave_out(attempts, context_limit)
    playable = [(key, attempt) for key, attempt in enumerate(attempts) if attempt.episode.stop_reason is None]
    for key, attempt in playable:
        engine.submit(attempt.request(key, seeds), settings.sampling)
    pending = len(playable)
    while pending:
        for completion in engine.wait():
            attempt = attempts[completion.conversation]
            attempt.take(completion, conversation)
            if attempt.continues(context_limit):
                engine.submit(attempt.request(completion.conversation, seeds), settings.sampling)
            else:
                pending -= 1
    engine.release()
    starts = range(0, len(attempts), settings.group_size)
    return [_group(attempts[at : at + settings.group_size], settings, solver, seeds) for at in starts]


@dataclass(frozen=True, slots=True)
class _Seeds:
    """Independent of the order in which turns are sampled."""

    run_seed: int
    step: int

    def of(self, task_id: str, sample: int, turn: int) -> int:
        """A 64-bit seed."""
        key = f"{self.run_seed}/{self.step}/{task_id}/{sample}/{turn}".encode()
        return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")


@dataclass(slots=True)
class _Attempt:
    """One episode while it is played."""

    task: GradedProblem
    sample: int
    prompt_ids: tuple[int, ...]
    episode: RepairEpisode
    context: tuple[int, ...]
    """Every token so far."""
    observation_ids: tuple[int, ...] = ()
    """The last tokens of the context, if the environment appended them and no turn has followed yet."""
    turns: list[Turn] = field(default_factory=list)
    truncated: bool = False

    def request(self, key: int, seeds: _Seeds) -> GenerationRequest:
        return GenerationRequest(key, self.context, seeds.of(self.task.id, self.sample, len(self.turns)))

    def take(self, completion: Completion, conversation: ConversationFormat) -> None:
        """Let the environment answer a turn, and append both to the context."""
        text = conversation.decode(completion.token_ids)
        cut_off = completion.finish_reason is FinishReason.LENGTH
        outcome = self.episode.step(text, truncated=cut_off)
        self.truncated |= cut_off
        self.turns.append(
            Turn(
                observation_ids=self.observation_ids,
                completion_ids=completion.token_ids,
                sampler_logprobs=completion.logprobs,
                policy_version=completion.policy_version,
                text=text,
                outcome=outcome,
            )
        )
        self.observation_ids = ()
        if self.episode.stop_reason is None:
            closed = completion.token_ids[-1] in conversation.stop_ids
            self.observation_ids = conversation.continuation_ids(outcome.observation, closed)
            self.context += completion.token_ids + self.observation_ids

    def continues(self, context_limit: int) -> bool:
        """Whether there is a next turn; the episode is ended if its context has no room for one."""
        if self.episode.stop_reason is None and len(self.context) > context_limit:
            self.episode.end(StopReason.TOKEN_LIMIT)
            self.truncated = True
        return self.episode.stop_reason is None


def _first_turns(
    task: GradedProblem, solver: Solver, conversation: ConversationFormat, settings: RolloutSettings
) -> list[_Attempt]:
    require_repairable(task.fault, settings.episode)
    try:
        first = RepairEpisode(task.problem, solver, settings.episode)
        episodes = [first, *(first.another() for _ in range(settings.group_size - 1))]
    except SolverFailure as failure:
        _log.warning("task %s is left out: %s", task.id, failure)
        episodes = [RepairEpisode.unplayable(task.problem, solver, settings.episode)] * settings.group_size
    prompt_ids = conversation.prompt_ids(instructions(settings.episode.style), episodes[0].observation)
    return [_Attempt(task, sample, prompt_ids, episode, prompt_ids) for sample, episode in enumerate(episodes)]


def _leave_out(attempts: Sequence[_Attempt], context_limit: int) -> None:
    for attempt in attempts:
        if attempt.episode.stop_reason is None and len(attempt.prompt_ids) > context_limit:
            attempt.episode.end(StopReason.PROMPT_LIMIT)
            attempt.truncated = True


def _group(attempts: Sequence[_Attempt], settings: RolloutSettings, solver: Solver, seeds: _Seeds) -> EpisodeGroup:
    first = attempts[0]
    episodes = tuple(_finished(attempt, settings, solver, seeds) for attempt in attempts)
    return EpisodeGroup(first.task, first.episode.observation, first.prompt_ids, episodes)


def _finished(attempt: _Attempt, settings: RolloutSettings, solver: Solver, seeds: _Seeds) -> Episode:
    record = attempt.episode.record()
    score = score_episode(record, attempt.task.fault, solver)
    key = AttemptKey(seeds.run_seed, seeds.step, attempt.task.id, attempt.sample)
    return Episode(
        turns=tuple(attempt.turns),
        stop_reason=record.stop_reason,
        score=score,
        reward=settings.reward.of(score, settings.episode.max_steps, key),
        truncated=attempt.truncated,
    )
