"""The results of playing: turns of token ids, attempts with the environment's record of them, groups of one task.

Made by play.py, with scores and rewards by collect.py; consumed by experience.py, the callbacks and transcripts.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Generic

from lit_grpo.environment.episodes.record import EpisodeRecord
from lit_grpo.environment.episodes.scoring import RepairScore
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.protocol import ProblemT, RecordT, ScoreT
from lit_grpo.rewards.base import RewardBreakdown


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn as tokens. Its context: the prompt, every earlier turn's two parts, and its own ``observation_ids``."""

    observation_ids: tuple[int, ...]
    """Tokens the environment appended before this turn (closing the last one); empty in the first turn."""
    completion_ids: tuple[int, ...]
    """Tokens the policy sampled: those, and only those, have a log-prob and are trained on."""
    sampler_logprobs: tuple[float, ...]
    policy_version: int
    """NO_WEIGHTS (engines/engine.py) where a teacher spoke in the policy's place."""
    text: str
    """The completion decoded, without special tokens: what the environment read."""
    answer: str
    """The environment's reply to it; that to the last turn is for transcripts alone."""
    lesson_ids: tuple[int, ...] = ()
    """Tokens of the turn that a teacher would have said in its place; empty without one."""


@dataclass(frozen=True, slots=True)
class Attempt(Generic[RecordT]):
    """One attempt at a task, played to its end."""

    turns: tuple[Turn, ...]
    stop_reason: str
    """Why the attempt ended, in the environment's words."""
    truncated: bool
    """Whether a turn or the context hit a token limit."""
    record: RecordT
    """The environment's own record of the attempt."""

    @property
    def num_sampled_tokens(self) -> int:
        """The number of sampled tokens over all turns."""
        return sum(len(turn.completion_ids) for turn in self.turns)

    @property
    def is_too_long_to_begin(self) -> bool:
        """Whether the prompt left no room for a turn: then nothing is known of the policy."""
        return self.truncated and not self.turns

    @property
    def has_finite_logprobs(self) -> bool:
        """Whether the sampler's log-probs are all finite."""
        return all(math.isfinite(value) for turn in self.turns for value in turn.sampler_logprobs)


@dataclass(frozen=True, slots=True)
class Group(Generic[ProblemT, RecordT]):
    """All attempts at one task, from one prompt."""

    task: ProblemT
    observation: str
    """The first observation, which the prompt holds."""
    prompt_ids: tuple[int, ...]
    attempts: tuple[Attempt[RecordT], ...]


@dataclass(frozen=True, slots=True)
class ScoredGroup(Group[ProblemT, RecordT], Generic[ProblemT, RecordT, ScoreT]):
    """A group with what its attempts are worth, and what they are paid for it."""

    scores: tuple[ScoreT, ...]
    """The score of each attempt."""
    rewards: tuple[RewardBreakdown[Any], ...]
    """The reward of each attempt."""
    refill_round: int = 0
    """The round of dynamic sampling that drew the task; 0 for a task of the batch itself."""
    place: int = 0
    """Where the task stands in this process's share of the batch."""

    @property
    def are_finite(self) -> tuple[bool, ...]:
        """Which attempts have a reward and log-probs that are finite numbers; nothing is learned from the others."""
        pairs = zip(self.attempts, self.rewards, strict=True)
        return tuple(reward.is_finite and attempt.has_finite_logprobs for attempt, reward in pairs)


AnyGroup = Group[Any, Any]
"""A group, for whoever looks at tokens alone."""
AnyScoredGroup = ScoredGroup[Any, Any, Any]
"""A scored group, for whoever needs neither the problem, nor the record, nor more of a score than `Score` has."""
RepairGroup = ScoredGroup[GradedProblem, EpisodeRecord, RepairScore]
"""Attempts at repairing a program."""
