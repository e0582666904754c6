"""One attempt at a task while it is played: its episode, and the tokens of its turns. Used by collect.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import Completion, FinishReason, GenerationRequest
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import StopReason, TurnOutcome
from lit_grpo.environment.episodes.scoring import RepairScore
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.rewards.base import AttemptKey
from lit_grpo.rollout.episodes import Turn


@dataclass(frozen=True, slots=True)
class Seeds:
    """Independent of the order in which turns are sampled."""

    run_seed: int
    step: int

    def of(self, task_id: str, sample: int, turn: int) -> int:
        """A 64-bit seed."""
        key = f"{self.run_seed}/{self.step}/{task_id}/{sample}/{turn}".encode()
        return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")

    def attempt(self, task_id: str, sample: int) -> AttemptKey:
        """What names an attempt to a reward."""
        return AttemptKey(self.run_seed, self.step, task_id, sample)


@dataclass(slots=True)
class Attempt:
    """One episode while it is played."""

    key: int
    """The engine's name for the conversation."""
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
    score: RepairScore | None = None
    """Of the episode; None until it is over and judged."""

    @property
    def is_over(self) -> bool:
        """Whether there is no next turn."""
        return self.episode.stop_reason is not None

    def request(self, seeds: Seeds) -> GenerationRequest:
        """For the next turn."""
        return GenerationRequest(self.key, self.context, seeds.of(self.task.id, self.sample, len(self.turns)))

    def append(self, completion: Completion, text: str, outcome: TurnOutcome, conversation: ConversationFormat) -> None:
        """Append a turn and, unless the episode is over, the environment's answer to it."""
        self.truncated |= completion.finish_reason is FinishReason.LENGTH
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
        if not self.is_over:
            closed = completion.token_ids[-1] in conversation.stop_ids
            self.observation_ids = conversation.continuation_ids(outcome.observation, closed)
            self.context += completion.token_ids + self.observation_ids

    def end_for_lack_of_room(self, context_limit: int) -> None:
        """End the episode if its context has no room for a turn: at a prompt that is too long, or later on."""
        if not self.is_over and len(self.context) > context_limit:
            self.episode.end(StopReason.TOKEN_LIMIT if self.turns else StopReason.PROMPT_LIMIT)
            self.truncated = True

    def judge(self, score: RepairScore) -> None:
        """Take the verdict on the episode."""
        self.score = score
