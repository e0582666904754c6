"""RepairReward: the base class of all rewards for repairing programs. Extended by composite.py and hybrid.py."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

from typing_extensions import override

from lit_grpo.environment.episodes.scoring import RepairScore
from lit_grpo.rewards.base import AttemptKey, Reward, RewardBreakdown
from lit_grpo.rewards.components import RewardComponents, RewardWeights, components_of

UNSHAPED = RewardWeights()
"""The weights of the value that is logged whatever trains."""


class RepairReward(Reward[RepairScore]):
    """Pays repairs. An implementation chooses the ``total`` alone: the unshaped part is always the same."""

    __slots__ = ()

    pays = RepairScore
    components = RewardComponents

    @property
    @override
    def component_weights(self) -> RewardWeights | None:
        return None

    @abstractmethod
    def total(self, score: RepairScore, components: RewardComponents, key: AttemptKey) -> float:
        """The number that trains, for an attempt with a verdict."""

    @final
    @override
    def breakdown(self, score: RepairScore, max_turns: int, key: AttemptKey) -> RewardBreakdown[RewardComponents]:
        """The reward; without a verdict of the solver its total is 0 on every scale, and advantages leave it out."""
        parts = components_of(score, max_turns)
        total = self.total(score, parts, key) if score.verified else 0.0
        return RewardBreakdown(parts, total, parts.weighted(UNSHAPED))
