"""HybridReward: the scale of the reference study (OR-Debug-Bench, arXiv:2601.21008), for reproduction only.

Called by rollout/collect.py through its base class. Presets: configs/reward/{hybrid,asymmetric}.yaml. What it pays
beside the composite is measured by scripts/audits/scan_rewards.py.
"""

from __future__ import annotations

import math
import random
from dataclasses import astuple, dataclass
from typing import final

from typing_extensions import override

from lit_grpo.environment.episodes.scoring import RepairScore
from lit_grpo.rewards.base import AttemptKey
from lit_grpo.rewards.components import RewardComponents
from lit_grpo.rewards.repair import RepairReward


@final
@dataclass(frozen=True, slots=True)
class HybridReward(RepairReward):
    """(+100 if the program became optimal, by whatever means, else -50) - 1 per step + noise; if positive, x a factor.

    Whether a repair is faithful makes no difference: that is what the study paid. Example: optimal in 2 turns without
    noise is 98, and 137.2 with the factor 1.4; a failure in 5 turns is -55 with either.
    """

    recovered: float = 100.0
    """The pay for a program that became optimal."""
    failed: float = -50.0
    """The pay for one that did not."""
    per_turn: float = -1.0
    """The pay for every turn."""
    noise: float = 0.0
    """Standard deviation of a normal draw, a function of the attempt's key alone."""
    positive_factor: float = 1.0
    """The factor of the sum where that is above 0; 1.4 is the study's asymmetric shaping."""

    def __post_init__(self) -> None:
        """ValueError for a scale that makes no sense."""
        if not all(map(math.isfinite, astuple(self))):
            raise ValueError(f"expected finite numbers in HybridReward, got {self}")
        if self.recovered <= self.failed or self.per_turn > 0:
            raise ValueError(
                "expected HybridReward with recovered above failed and per_turn at most 0, got "
                f"{self.recovered:g}, {self.failed:g} and {self.per_turn:g}; failing, or taking longer, would pay"
            )
        if self.noise < 0 or self.positive_factor <= 0:
            raise ValueError(
                "expected HybridReward with noise of at least 0 and positive_factor above 0, got "
                f"{self.noise:g} and {self.positive_factor:g}"
            )

    @property
    @override
    def is_noisy(self) -> bool:
        """Whether the noise has a deviation above 0."""
        return self.noise > 0

    @override
    def total(self, score: RepairScore, components: RewardComponents, key: AttemptKey) -> float:
        """The pay for recovery, whether or not it is faithful."""
        paid = (self.recovered if score.recovered else self.failed) + self.per_turn * score.turns
        if self.noise > 0:
            paid += _draw(key, self.noise)
        return paid * self.positive_factor if paid > 0 else paid

    @override
    def describe(self) -> str:
        """The reward in words."""
        words = f"the study's scale, {self.recovered:g} if optimal by any means, else {self.failed:g}"
        words += f", {self.per_turn:g} per turn"
        words += f", noise of deviation {self.noise:g}" if self.noise > 0 else ""
        return words + (f", positive sums x {self.positive_factor:g}" if self.positive_factor != 1 else "")


def _draw(key: AttemptKey, deviation: float) -> float:
    text = f"reward/{key.run_seed}/{key.batch}/{key.task_id}/{key.sample}"
    return random.Random(text).gauss(0.0, deviation)
