"""The numbers of every rollout. Called by RolloutCallback at each batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import torch

from lit_grpo.environment.protocol import AnyEnvironment
from lit_grpo.metrics.policy import PolicyMetrics, reward_statistics
from lit_grpo.modules.base import PolicyModule
from lit_grpo.rewards.base import Reward
from lit_grpo.rollout.attempts import AnyScoredGroup

METRICS = (
    "reward",
    "trained_reward",
    "turns",
    "truncated",
    "verified",
    "not_finite",
    "groups_with_signal",
    "std_within_groups",
    "staleness",
    "rollout_s",
    "wait_s",
)
"""Logged as ``rollout/NAME`` beside the reward's components and the environment's measures (docs/metrics.md)."""


@dataclass(frozen=True, slots=True)
class RolloutTimes:
    """The times of one batch, in seconds."""

    rollout_s: float
    """The time that playing it took."""
    wait_s: float
    """The time that the training waited for it: the same unless it was played ahead."""


class RolloutLog:
    """Logs each rollout, means over all ranks.

    Args:
        environment: The environment whose measures are logged.
        reward: The reward whose components are logged.

    Raises:
        ValueError: Two of the numbers have the same name.
    """

    def __init__(self, environment: AnyEnvironment, reward: Reward[Any]) -> None:
        self._measures, self._components = tuple(environment.measures), reward.component_names
        names = (*METRICS, *self._components, *(measure.name for measure in self._measures))
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(
                f"rollout/{twice}: expected one number of this name, got two; rename the environment's measure or the "
                "reward's component"
            )
        self._metrics = PolicyMetrics(names)

    def to(self, device: torch.device) -> None:
        """Keep the sums on a device."""
        self._metrics.to(device)

    def log(
        self, module: PolicyModule, groups: Sequence[AnyScoredGroup], times: RolloutTimes, staleness: tuple[float, int]
    ) -> None:
        """Log a batch, as ``rollout/NAME``. Every rank must call it.

        Args:
            module: The module that logs.
            groups: The groups that this rank played, perhaps none.
            times: The times that the batch took.
            staleness: Mean age in batches of the tokens that are trained on, and their number.
        """
        if groups:
            self._add(groups)
        self._metrics.update({"staleness": staleness[0]}, staleness[1])
        self._metrics.update({"rollout_s": times.rollout_s, "wait_s": times.wait_s}, 1)
        module.log_dict({f"rollout/{name}": value for name, value in self._metrics.compute().items()})
        self._metrics.reset()

    def _add(self, groups: Sequence[AnyScoredGroup]) -> None:
        """Add what is known of at least one group."""
        attempts = [attempt for group in groups for attempt in group.attempts]
        unshaped = torch.tensor([[reward.unshaped for reward in group.rewards] for group in groups])
        rewards = torch.tensor([[reward.total for reward in group.rewards] for group in groups])
        verified = torch.tensor([[score.verified for score in group.scores] for group in groups])
        is_finite = torch.tensor([group.are_finite for group in groups])
        judged = verified & is_finite
        statistics = reward_statistics(rewards, judged)
        num_attempts = len(attempts)
        self._metrics.update(
            {
                "turns": sum(len(attempt.turns) for attempt in attempts) / num_attempts,
                "truncated": sum(attempt.truncated for attempt in attempts) / num_attempts,
                "verified": verified.double().mean().item(),
                "not_finite": 1 - is_finite.double().mean().item(),
            },
            num_attempts,
        )
        self._add_components(groups)
        self._measure(groups)
        means = {"reward": unshaped[judged].double().mean().item(), "trained_reward": statistics.mean}
        self._metrics.update(means, int(judged.sum()))
        self._metrics.update({"groups_with_signal": statistics.groups_with_signal}, len(groups))
        self._metrics.update({"std_within_groups": statistics.std_within_groups}, statistics.num_spreads)

    def _add_components(self, groups: Sequence[AnyScoredGroup]) -> None:
        """Add the components of the rewards that are finite."""
        pairs = [pair for group in groups for pair in zip(group.rewards, group.are_finite, strict=True)]
        parts = [astuple(reward.components) for reward, is_finite in pairs if is_finite]
        sums = {name: sum(column) for name, column in zip(self._components, zip(*parts, strict=True), strict=False)}
        self._metrics.update({name: value / len(parts) for name, value in sums.items()}, len(parts))

    def _measure(self, groups: Sequence[AnyScoredGroup]) -> None:
        """Add the environment's own numbers."""
        judged = [pair for g in groups for pair in zip(g.attempts, g.scores, strict=True)]
        for measure in self._measures:
            weight = sum(measure.weight(attempt.record, score) for attempt, score in judged)
            total = sum(measure.value(attempt.record, score) for attempt, score in judged)
            self._metrics.update({measure.name: total / max(weight, 1)}, weight)
