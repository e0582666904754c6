"""The seam to whatever an episode is paid by in training: a verified score in, a breakdown out.

Implemented by composite.py and hybrid.py; called by rollout/collect.py. A config chooses one as ``rollout.reward``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from lit_grpo.environment.episodes.scoring import RepairScore
from lit_grpo.rewards.components import RewardBreakdown, RewardComponents, RewardWeights, components_of

UNSHAPED = RewardWeights()
"""The weights of the value that is logged whatever trains."""


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """Which attempt an episode is. Whatever a reward draws is a function of it, never of the order of episodes."""

    run_seed: int
    step: int
    """Of the run: the same task may come again."""
    task_id: str
    sample: int
    """0-based, among the attempts at the task."""


class Reward(ABC):
    """What an episode earns. An implementation chooses the ``total`` alone: the unshaped part is always the same."""

    __slots__ = ()

    @property
    def component_weights(self) -> RewardWeights | None:
        """The weights where the total is the weighted sum of the components, for the advantage PER_COMPONENT."""
        return None

    @property
    def is_noisy(self) -> bool:
        """Whether attempts that did the same are paid differently."""
        return False

    @abstractmethod
    def total(self, score: RepairScore, components: RewardComponents, key: AttemptKey) -> float:
        """What trains, of an episode with a verdict."""

    @abstractmethod
    def describe(self) -> str:
        """The reward in words, for the start of a run."""

    @final
    def of(self, score: RepairScore, max_turns: int, key: AttemptKey) -> RewardBreakdown:
        """The breakdown of an episode of at most ``max_turns`` turns.

        Without a verdict of the solver the total is 0 on every scale; advantages leave such an episode out.
        """
        parts = components_of(score, max_turns)
        total = self.total(score, parts, key) if score.verified else 0.0
        return RewardBreakdown(parts.outcome, parts.diagnosis, parts.efficiency, total, parts.weighted(UNSHAPED))
