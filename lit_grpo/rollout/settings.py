"""How tasks are played: the settings that training, evaluation and a script hand to rollout/collect.py."""

from __future__ import annotations

from dataclasses import dataclass, field

from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.rewards.base import Reward
from lit_grpo.rewards.composite import CompositeReward
from lit_grpo.rollout.refill import DynamicSampling


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
