"""The reward of an episode, from its verified score. Shaping never reaches a reported metric.

Called by rollout/collect.py. Formula: environment.md of docs/, "Reward".
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RewardWeights:
    """Weights of the composite reward; they sum to 1."""

    outcome: float = 0.5
    diagnosis: float = 0.3
    efficiency: float = 0.2


@dataclass(frozen=True, slots=True)
class RewardBreakdown:
    """One episode's reward and its components, each in [0, 1]."""

    outcome: float
    """1 for a faithful recovery, else 0."""
    diagnosis: float
    """F1 of the last stated diagnosis."""
    efficiency: float
    """1 - (steps - s*) / (max_steps - s*) for a faithful recovery, else 0."""
    total: float
    """The weighted sum."""
