"""How tasks are played: in any run (PlaySettings), and in training beside that (RolloutSettings).

RolloutSettings is the section ``rollout`` of a config; its fields are the keys, its docstrings the help of the command
line. PlaySettings is what rollout/collect.py is handed, by callbacks and scripts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.rewards.base import Reward
from lit_grpo.rewards.composite import CompositeReward
from lit_grpo.rollout.refill import DynamicSampling


@dataclass(frozen=True, slots=True)
class PlaySettings:
    """How tasks are played. Evaluation is the same with ``group_size`` 1 and temperature 0."""

    group_size: int = 8
    """Attempts per task."""
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    episode: EpisodeSettings = field(default_factory=EpisodeSettings)
    reward: Reward = field(default_factory=CompositeReward)
    """The reward that the attempts are paid by; no metric depends on it."""
    leave_out_long_prompts: bool = False
    """If a prompt does not fit, end the task's attempts as ``prompt_limit``, without a turn, instead of raising
    ValueError."""

    def __post_init__(self) -> None:
        """ValueError for a number without a meaning, or a reward that could not pay."""
        _require_group(self.group_size)
        self.reward.require_complete()


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """How tasks are played and paid in training."""

    group_size: int = 8
    """Attempts per task."""
    max_turns: int | None = None
    """Most turns of an attempt in training; None: those of the episode, which evaluation always has."""
    spare_turns: int | None = None
    """Turns of an attempt in training beyond the fewest that repair its program. With 0 an attempt that errs is over,
    and its time goes to another program. ``max_turns`` is the most in any case. None: every attempt has that many."""
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    reward: Reward = field(default_factory=CompositeReward)
    """The reward that trains; no metric depends on it."""
    dynamic_sampling: DynamicSampling | None = None
    """Replaces groups without signal by new ones; None: they stay, and teach nothing."""
    max_staleness: int = 0
    """How many batches old the weights that drew a rollout may be when it is trained on (not updates, of which a batch
    has ``updates_per_rollout``). 0: a rollout is drawn with the weights it trains; above 0, the next ones are played
    while this one is trained on."""

    def __post_init__(self) -> None:
        """ValueError for a number without a meaning, or a reward that could not pay."""
        _require_group(self.group_size)
        self.reward.require_complete()
        if self.spare_turns is not None and self.spare_turns < 0:
            raise ValueError(
                f"rollout.spare_turns: expected at least 0, got {self.spare_turns}; 0 leaves the turns that a repair "
                "takes, and null as many as the episode has"
            )
        if self.max_staleness < 0:
            raise ValueError(
                f"rollout.max_staleness: expected at least 0, got {self.max_staleness}; 0 plays each batch with the "
                "weights that it trains"
            )

    def played_under(self, episode: EpisodeSettings) -> PlaySettings:
        """These settings with the rules of an episode, whose number of turns ``max_turns`` may lower."""
        rules = episode if self.max_turns is None else replace(episode, max_turns=self.max_turns)
        return PlaySettings(self.group_size, self.sampling, rules, self.reward, leave_out_long_prompts=True)


def _require_group(group_size: int) -> None:
    if group_size < 1:
        raise ValueError(f"expected group_size >= 1, got {group_size}; it is the number of attempts per task")
