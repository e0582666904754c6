"""A policy in training that learns from what it plays itself: what RolloutCallback needs to know of a module.

Extended by GRPOModule (through ReferencedModule) and DAggerModule. Both may replay demonstrations beside it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from lit_grpo.environment.protocol import AnyEnvironment
from lit_grpo.modules.base import PolicyModule, PolicySettings
from lit_grpo.modules.microbatch import MicroBatch
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.packing import PromptGroup
from lit_grpo.rewards.base import Reward
from lit_grpo.rollout.attempts import AnyScoredGroup
from lit_grpo.rollout.experience import Rollout
from lit_grpo.rollout.lessons import Lessons
from lit_grpo.rollout.settings import RolloutSettings
from lit_grpo.rollout.teacher import AnyTeacher


class PlayingModule(PolicyModule, ABC):
    """A policy that plays.

    Args:
        policy: The network.
        optimizer: How its weights are updated.
        microbatch_tokens: Positions, padding included, of one forward pass at most.
        demonstration_loss_weight: Weight of the answer cross-entropy on the demonstrations in the batch.
        longest_row_tokens: Tokens of a single sequence, with its prompt, at most.
    """

    def __init__(
        self,
        policy: PolicySettings,
        optimizer: OptimizerSettings,
        microbatch_tokens: int,
        demonstration_loss_weight: float,
        longest_row_tokens: int | None,
    ) -> None:
        super().__init__(policy, optimizer, microbatch_tokens, longest_row_tokens)
        if demonstration_loss_weight < 0:
            raise ValueError(f"expected demonstration_loss_weight >= 0, got {demonstration_loss_weight}")
        self.demonstration_loss_weight = demonstration_loss_weight

    @abstractmethod
    def require_rollouts(self, settings: RolloutSettings, environment: AnyEnvironment) -> None:
        """ValueError, before anything is played, if nothing could be learned from what is played in this way."""

    @abstractmethod
    def rollout_of(self, groups: Sequence[AnyScoredGroup], settings: RolloutSettings) -> Rollout | Lessons:
        """Groups of attempts, played under ``settings``, as what a training step learns from."""

    @abstractmethod
    def groups_with_signal(self, groups: Sequence[AnyScoredGroup], reward: Reward[Any]) -> list[bool]:
        """Which groups teach something; dynamic sampling replaces the others."""

    def teacher(self, environment: AnyEnvironment, batch: int) -> AnyTeacher | None:
        """Who is beside the policy in a batch; None for nobody."""
        return None

    def replay_microbatches(self, demonstrations: Sequence[PromptGroup]) -> list[MicroBatch]:
        """Weighted answer cross-entropy, averaged over these demonstrations' answer tokens on all ranks.

        Raises:
            ValueError: Demonstrations are to be replayed, and there is none.
        """
        if self.demonstration_loss_weight == 0.0:
            return []
        if self.over_ranks([len(demonstrations)]) == [0]:
            raise ValueError(
                "demonstration_loss_weight: expected demonstrations in the batch, got none; set data.replay, with a "
                "batch_size of at least updates_per_rollout x ranks"
            )
        kept = self.fitting(demonstrations)
        microbatches, _ = self.cross_entropy(kept, "demonstration_loss", self.demonstration_loss_weight)
        return microbatches
