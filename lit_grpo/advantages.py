"""Group-relative advantages: what an episode's reward says against the other attempts at the same task.

Called by rollout/experience.py, once per rollout; the tensor it returns is the one that is logged and the one that
trains. Formulas: docs/losses.md, "Advantages".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

SPREAD_TOLERANCE = 1e-8
"""A group whose rewards lie within this teaches nothing: its advantages are exactly 0."""

STD_EPSILON = 1e-6


class AdvantageEstimator(StrEnum):
    """What stands beside a group's reward R; mean and standard deviation are over the group."""

    GROUP = "group"
    """(R - mean) / (std + 1e-6), sample standard deviation (GRPO, arXiv:2402.03300)."""
    CENTRED = "centred"
    """R - mean (Dr. GRPO, arXiv:2503.20783)."""
    LEAVE_ONE_OUT = "leave_one_out"
    """R - mean of the others (RLOO, arXiv:2402.14740)."""


@dataclass(frozen=True, slots=True)
class GroupAdvantages:
    """Advantages of a rollout's episodes, and which of its groups can teach anything."""

    advantages: Tensor
    """[num_sequences], of the rewards' dtype."""
    has_signal: Tensor
    """[num_groups] bool: at least two verified episodes, and rewards that differ."""


def group_advantages(
    rewards: Tensor,
    group_index: Tensor,
    verified: Tensor | None = None,
    estimator: AdvantageEstimator = AdvantageEstimator.GROUP,
) -> GroupAdvantages:
    """Advantages within each group.

    Example: one group with rewards 1, 0, 0 has mean 1/3 and sample standard deviation 0.577, so advantages
    1.155, -0.577, -0.577.

    Args:
        rewards: [num_sequences].
        group_index: [num_sequences] int64, 0-based and contiguous; groups may be of different sizes, in any order.
        verified: [num_sequences] bool, false where the solver reached no verdict: those take no part in mean or
            spread, and get 0. None means that all are.
        estimator: of the advantage.

    Returns:
        Computed in float64. A group without spread, or with fewer than two verified episodes, is exactly 0; that is
        decided on the rewards themselves, since the standard deviation of equal numbers need not be 0.
    """
    values = rewards.double()
    weights = torch.ones_like(values) if verified is None else verified.double()
    num_groups = int(group_index.max()) + 1 if len(group_index) else 0
    counts = _sum(weights, group_index, num_groups)
    has_signal = (counts >= 2) & (_spread(values, weights, group_index, num_groups) > SPREAD_TOLERANCE)

    means = _sum(values * weights, group_index, num_groups) / counts.clamp(min=1)
    deviations = (values - means[group_index]) * weights
    others = (counts - 1).clamp(min=1)
    match estimator:
        case AdvantageEstimator.GROUP:
            scale = 1 / ((_sum(deviations.square(), group_index, num_groups) / others).sqrt() + STD_EPSILON)
        case AdvantageEstimator.CENTRED:
            scale = torch.ones_like(counts)
        case AdvantageEstimator.LEAVE_ONE_OUT:
            scale = counts / others
    advantages = torch.where(has_signal[group_index], deviations * scale[group_index], 0.0)
    return GroupAdvantages(advantages.to(rewards.dtype), has_signal)


def _sum(values: Tensor, group_index: Tensor, num_groups: int) -> Tensor:
    return values.new_zeros(num_groups).index_add(0, group_index, values)


def _spread(values: Tensor, weights: Tensor, group_index: Tensor, num_groups: int) -> Tensor:
    """Largest minus smallest verified reward of each group; -inf where there is none."""
    verified = weights > 0
    unset = values.new_full((num_groups,), -torch.inf)
    largest = unset.scatter_reduce(0, group_index[verified], values[verified], "amax")
    negated_smallest = unset.scatter_reduce(0, group_index[verified], -values[verified], "amax")
    return largest + negated_smallest
