"""CompositeReward: the weighted sum of outcome, diagnosis and efficiency, the default.

Called by rollout/collect.py through its base class; `composite_reward` by adapters/ and scripts, without attempts.
Presets: configs/reward/{composite,outcome,faithful_diagnosis}.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from typing_extensions import override

from lit_grpo.environment.episodes.scoring import RepairScore
from lit_grpo.rewards.base import AttemptKey
from lit_grpo.rewards.components import RewardComponents, RewardWeights, components_of
from lit_grpo.rewards.repair import RepairReward


@final
@dataclass(frozen=True)
class CompositeReward(RepairReward):
    """A weighted sum in [0, 1]; the weights are not negative and sum to 1.

    Example: a faithful repair in 2 turns of 5 where 1 would do, with the right diagnosis, has components 1, 1 and 0.75,
    and earns 0.5 + 0.3 + 0.2 * 0.75 = 0.95.
    """

    outcome: float = 0.5
    diagnosis: float = 0.3
    efficiency: float = 0.2

    def __post_init__(self) -> None:
        """ValueError for weights that make no sense."""
        RewardWeights(self.outcome, self.diagnosis, self.efficiency)

    @property
    @override
    def component_weights(self) -> RewardWeights:
        return RewardWeights(self.outcome, self.diagnosis, self.efficiency)

    @override
    def total(self, score: RepairScore, components: RewardComponents, key: AttemptKey) -> float:
        """The weighted sum."""
        return components.weighted(self.component_weights)

    @override
    def describe(self) -> str:
        """The reward in words."""
        weights = (self.outcome, self.diagnosis, self.efficiency)
        return "composite, {:g} outcome + {:g} diagnosis + {:g} efficiency".format(*weights)


def composite_reward(score: RepairScore, weights: RewardWeights, max_turns: int) -> float:
    """The weighted sum alone, of an episode of at most ``max_turns`` turns."""
    return components_of(score, max_turns).weighted(weights)
