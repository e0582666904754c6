"""RepairReward: what all rewards for repairing programs share. Extended by composite.py and hybrid.py."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

from typing_extensions import override

from lit_grpo.environment.episodes.scoring import RepairScore
from lit_grpo.rewards.base import AttemptKey, Reward, RewardBreakdown
from lit_grpo.rewards.components import RewardComponents, RewardWeights, components_of

UNSHAPED = RewardWeights()
"""Of the value that is logged whatever trains."""


class RepairReward(Reward[RepairScore]):
    """What a repair earns. An implementation chooses the ``total`` alone: the unshaped part is always the same."""

    __slots__ = ()

    pays = RepairScore
    components = RewardComponents

    @property
    @override
    def component_weights(self) -> RewardWeights | None:
        return None

    @abstractmethod
    def total(self, score: RepairScore, components: RewardComponents, key: AttemptKey) -> float:
        """What trains, of an attempt with a verdict."""

    @final
    @override
    def breakdown(self, score: RepairScore, max_turns: int, key: AttemptKey) -> RewardBreakdown[RewardComponents]:
        """Without a verdict of the solver the total is 0 on every scale; advantages leave such an attempt out."""
        parts = components_of(score, max_turns)
        total = self.total(score, parts, key) if score.verified else 0.0
        return RewardBreakdown(parts, total, parts.weighted(UNSHAPED))
