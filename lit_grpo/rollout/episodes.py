"""What a rollout yields: turns of token ids, episodes with their verified score and reward, groups of one task.

Made by collect.py; consumed by experience.py, the metrics, and transcripts.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from lit_grpo.environment.episodes.record import StopReason, TurnOutcome
from lit_grpo.environment.episodes.scoring import RepairScore
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.rewards.components import RewardBreakdown


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn as tokens. Its context: the prompt, every earlier turn's two parts, and its own ``observation_ids``."""

    observation_ids: tuple[int, ...]
    """Tokens the environment appended before this turn (closing the last one); empty in the first turn."""
    completion_ids: tuple[int, ...]
    """Tokens the policy sampled: those, and only those, have a log-prob and are trained on."""
    sampler_logprobs: tuple[float, ...]
    policy_version: int
    text: str
    """The completion decoded, without special tokens: what the environment parsed."""
    outcome: TurnOutcome


@dataclass(frozen=True, slots=True)
class Episode:
    """One attempt at a task."""

    turns: tuple[Turn, ...]
    stop_reason: StopReason
    score: RepairScore
    reward: RewardBreakdown
    truncated: bool
    """Whether a turn or the context hit a token limit."""


@dataclass(frozen=True, slots=True)
class EpisodeGroup:
    """All attempts at one task, from one prompt."""

    task: GradedProblem
    observation: str
    """The first one, which the prompt holds."""
    prompt_ids: tuple[int, ...]
    episodes: tuple[Episode, ...]
    refill_round: int = 0
    """Under dynamic sampling the round that drew the task; 0 for a task of the batch itself."""
