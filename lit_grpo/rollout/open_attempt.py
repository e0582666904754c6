"""One attempt at a task while it is played: its episode, and the tokens of its turns. Used by play.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Generic

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import Completion, FinishReason, GenerationRequest, SamplingSettings
from lit_grpo.environment.protocol import Cutoff, Episode, ProblemT, RecordT
from lit_grpo.rewards.base import AttemptKey
from lit_grpo.rollout.attempts import Attempt, Turn


@dataclass(frozen=True, slots=True)
class Seeds:
    """The seeds of the draws of one batch, independent of the order in which turns are sampled."""

    run_seed: int
    batch: int
    """The batch's number in the run; 0 where there is only one."""

    def of(self, task_id: str, sample: int, turn: int) -> int:
        """A 64-bit seed."""
        key = f"{self.run_seed}/{self.batch}/{task_id}/{sample}/{turn}".encode()
        return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")

    def attempt(self, task_id: str, sample: int) -> AttemptKey:
        """The key that names an attempt to a reward."""
        return AttemptKey(self.run_seed, self.batch, task_id, sample)


@dataclass(slots=True)
class OpenAttempt(Generic[ProblemT, RecordT]):
    """An attempt with turns to come."""

    key: int
    """The engine's name for the conversation."""
    task: ProblemT
    sample: int
    sampling: SamplingSettings
    prompt_ids: tuple[int, ...]
    episode: Episode[RecordT]
    context: tuple[int, ...]
    """Every token so far."""
    observation_ids: tuple[int, ...] = ()
    """The last tokens of the context, if the environment appended them and no turn has followed yet."""
    lesson_ids: tuple[int, ...] = ()
    """What a teacher would say in the turn that is to come; empty without one."""
    turns: list[Turn] = field(default_factory=list)
    truncated: bool = False

    @property
    def is_over(self) -> bool:
        """Whether there is no next turn."""
        return self.episode.stop_reason is not None

    def request(self, seeds: Seeds) -> GenerationRequest:
        """The request for the next turn."""
        return GenerationRequest(self.key, self.context, seeds.of(self.task.id, self.sample, len(self.turns)))

    def append(self, completion: Completion, text: str, answer: str, conversation: ConversationFormat) -> None:
        """Append a turn and, unless the episode is over, the environment's answer to it."""
        self.truncated |= completion.finish_reason is FinishReason.LENGTH
        self.turns.append(
            Turn(
                observation_ids=self.observation_ids,
                completion_ids=completion.token_ids,
                sampler_logprobs=completion.logprobs,
                policy_version=completion.policy_version,
                text=text,
                answer=answer,
                lesson_ids=self.lesson_ids,
            )
        )
        self.observation_ids = ()
        if not self.is_over:
            closed = completion.token_ids[-1] in conversation.stop_ids
            self.observation_ids = conversation.continuation_ids(answer, closed)
            self.context += completion.token_ids + self.observation_ids

    def end_for_lack_of_room(self, max_context_tokens: int) -> None:
        """End the episode if its context has no room for a turn: at a prompt that is too long, or later on."""
        if not self.is_over and len(self.context) > max_context_tokens - self.sampling.max_completion_tokens:
            self.episode.end(Cutoff.TOKENS if self.turns else Cutoff.PROMPT)
            self.truncated = True

    def finished(self) -> Attempt[RecordT]:
        """The finished attempt, once it is over."""
        stop_reason = self.episode.stop_reason
        assert stop_reason is not None, "the attempt is not over"
        return Attempt(tuple(self.turns), stop_reason, self.truncated, self.episode.record())
