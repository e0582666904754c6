"""The numbers of every rollout. Called by RolloutCallback at each batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lit_grpo.environment.episodes.record import StopReason
from lit_grpo.metrics.policy import PolicyMetrics, reward_statistics
from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.rollout.episodes import EpisodeGroup

METRICS = (
    "reward",
    "trained_reward",
    "outcome",
    "diagnosis",
    "efficiency",
    "faithful",
    "recovered",
    "turns",
    "truncated",
    "verified",
    "solver_failed",
    "inconclusive",
    "groups_with_signal",
    "std_within_groups",
    "staleness",
    "rollout_s",
    "wait_s",
)
"""Logged as ``rollout/NAME``; docs/metrics.md says what each is."""


@dataclass(frozen=True, slots=True)
class RolloutTimes:
    """Of one batch, in seconds."""

    rollout_s: float
    """Playing it took."""
    wait_s: float
    """The training waited for it: the same unless it was played ahead."""


class RolloutLog:
    """Logs each rollout, means over all ranks."""

    def __init__(self) -> None:
        self._metrics = PolicyMetrics(METRICS)

    def to(self, device: torch.device) -> None:
        """Sum on a device."""
        self._metrics.to(device)

    def log(
        self, module: GRPOModule, groups: Sequence[EpisodeGroup], times: RolloutTimes, staleness: tuple[float, int]
    ) -> None:
        """Log a step, as ``rollout/NAME``. Every rank must call it.

        Args:
            module: that logs.
            groups: that this rank played.
            times: what it took.
            staleness: mean age in batches of the tokens that are trained on, and their number.
        """
        episodes = [episode for group in groups for episode in group.episodes]
        unshaped = torch.tensor([[episode.reward.unshaped for episode in group.episodes] for group in groups])
        rewards = torch.tensor([[episode.reward.total for episode in group.episodes] for group in groups])
        verified = torch.tensor([[episode.score.verified for episode in group.episodes] for group in groups])
        statistics = reward_statistics(rewards, verified)
        num_episodes = len(episodes)
        means = {
            "outcome": sum(episode.reward.outcome for episode in episodes) / num_episodes,
            "diagnosis": sum(episode.reward.diagnosis for episode in episodes) / num_episodes,
            "efficiency": sum(episode.reward.efficiency for episode in episodes) / num_episodes,
            "faithful": sum(episode.score.faithful for episode in episodes) / num_episodes,
            "recovered": sum(episode.score.recovered for episode in episodes) / num_episodes,
            "turns": sum(len(episode.turns) for episode in episodes) / num_episodes,
            "truncated": sum(episode.truncated for episode in episodes) / num_episodes,
            "verified": verified.double().mean().item(),
            "solver_failed": sum(e.stop_reason is StopReason.SOLVER_FAILED for e in episodes) / num_episodes,
        }
        self._metrics.update(means, num_episodes)
        num_turns = sum(len(episode.turns) for episode in episodes)
        num_inconclusive = sum(episode.score.inconclusive_turns for episode in episodes)
        self._metrics.update({"inconclusive": num_inconclusive / max(num_turns, 1)}, num_turns)
        means = {"reward": unshaped[verified].double().mean().item(), "trained_reward": statistics.mean}
        self._metrics.update(means, int(verified.sum()))
        self._metrics.update({"groups_with_signal": statistics.groups_with_signal}, len(groups))
        if not math.isnan(statistics.std_within_groups):
            self._metrics.update({"std_within_groups": statistics.std_within_groups}, len(groups))
        self._metrics.update({"staleness": staleness[0]}, staleness[1])
        self._metrics.update({"rollout_s": times.rollout_s, "wait_s": times.wait_s}, 1)
        module.log_dict({f"rollout/{name}": value for name, value in self._metrics.compute().items()})
        self._metrics.reset()
