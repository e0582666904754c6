"""Group-relative advantages: what an episode's reward says against the other attempts at the same task.

Called by rollout/estimation.py, once per rollout; the tensor it returns is the one that is logged and the one that
trains. `groups_with_spread` alone says which groups can teach anything. Formulas: docs/losses.md, "Advantages".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

SPREAD_TOLERANCE = 1e-8
"""A group whose rewards lie within this teaches nothing: its advantages are exactly 0."""

STD_EPSILON = 1e-6

SumOverRanks = Callable[[Tensor], Tensor]
"""Float64 numbers of this rank to their sums over all ranks. Every rank calls it equally often."""


class AdvantageEstimator(StrEnum):
    """How a reward R becomes an advantage. Means are over the group; the batch is the whole rollout, on all ranks."""

    GROUP = "group"
    """(R - mean) / (std + 1e-6), sample standard deviation of the group (GRPO, arXiv:2402.03300)."""
    CENTRED = "centred"
    """R - mean (Dr. GRPO, arXiv:2503.20783)."""
    LEAVE_ONE_OUT = "leave_one_out"
    """R - mean of the others (RLOO, arXiv:2402.14740)."""
    BATCH = "batch"
    """(R - mean) / (std + 1e-6), sample standard deviation of the batch's rewards (arXiv:2508.08221)."""
    PER_COMPONENT = "per_component"
    """GROUP of each reward component, weighted sum, over the sums' deviation in the batch (GDPO, arXiv:2601.05242)."""
    SUCCESS = "success"
    """1 for a verified success, else 0, whatever the reward: rejection sampling (RAFT, arXiv:2304.06767)."""

    @property
    def compares_attempts(self) -> bool:
        """Whether an episode is compared with others of its group, which then has to have at least two."""
        return self is not AdvantageEstimator.SUCCESS

    @property
    def is_of_totals(self) -> bool:
        """Whether the total reward alone decides; `group_advantages` computes these estimators."""
        return self not in (AdvantageEstimator.PER_COMPONENT, AdvantageEstimator.SUCCESS)


@dataclass(frozen=True, slots=True)
class GroupAdvantages:
    """Advantages of a rollout's episodes, and which of its groups can teach anything."""

    advantages: Tensor
    """[num_sequences], of the rewards' dtype."""
    has_signal: Tensor
    """[num_groups] bool: at least two verified episodes, and rewards that differ; for SUCCESS any success."""


def on_one_rank(values: Tensor) -> Tensor:
    """The sum over ranks where there is only one: the values themselves."""
    return values


def group_advantages(
    rewards: Tensor,
    group_index: Tensor,
    verified: Tensor | None = None,
    estimator: AdvantageEstimator = AdvantageEstimator.GROUP,
    sum_over_ranks: SumOverRanks = on_one_rank,
) -> GroupAdvantages:
    """Advantages within each group.

    Example: one group with rewards 1, 0, 0 has mean 1/3 and sample standard deviation 0.577, so advantages
    1.155, -0.577, -0.577.

    Args:
        rewards: [num_sequences].
        group_index: [num_sequences] int64, 0-based and contiguous; groups may be of different sizes, in any order.
        verified: [num_sequences] bool, false where the solver reached no verdict: those take no part in mean or
            spread, and get 0. None means that all are.
        estimator: The estimator; PER_COMPONENT is `component_advantages`, SUCCESS `success_advantages`.
        sum_over_ranks: Used by BATCH, whose standard deviation is over the rewards of all ranks.

    Returns:
        Advantages, computed in float64. They are exactly 0 in a group without spread or with fewer than two verified
        episodes; that is decided on the rewards themselves, since equal numbers may have a deviation other than 0.
        A reward that is not finite counts as one without a verdict, so that it reaches no other attempt.
    """
    values, is_finite = finite_rewards(rewards)
    weights = (is_finite if verified is None else is_finite & verified).double()
    num_groups = int(group_index.max()) + 1 if len(group_index) else 0
    counts = _sum(weights, group_index, num_groups)
    has_signal = groups_with_spread(values, group_index, weights > 0)

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
        case AdvantageEstimator.BATCH:
            scale = torch.full_like(counts, 1 / (batch_deviation(values, weights, sum_over_ranks) + STD_EPSILON))
        case AdvantageEstimator.PER_COMPONENT:
            raise ValueError("expected another estimator than PER_COMPONENT, got rewards without components")
        case AdvantageEstimator.SUCCESS:
            raise ValueError("expected another estimator than SUCCESS, got rewards; it judges verified scores")
    advantages = torch.where(has_signal[group_index], deviations * scale[group_index], 0.0)
    return GroupAdvantages(advantages.to(rewards.dtype), has_signal)


def finite_rewards(rewards: Tensor) -> tuple[Tensor, Tensor]:
    """The rewards in float64, with 0 for those that are not finite, and which are.

    What float32 cannot hold is not finite either: its square would not be, and advantages are float32 in a loss.
    """
    is_finite = rewards.float().isfinite()
    return torch.where(is_finite, rewards.double(), 0.0), is_finite


def groups_with_spread(rewards: Tensor, group_index: Tensor, verified: Tensor) -> Tensor:
    """Which groups have at least two verified episodes, and rewards that differ by more than `SPREAD_TOLERANCE`.

    Example: of two groups with rewards 0.3, 0.3 and 0.3, 0.4 only the second does; without a verdict on its last, none.

    Args:
        rewards: [num_sequences].
        group_index: [num_sequences], as for `group_advantages`.
        verified: [num_sequences] bool.

    Returns:
        [num_groups] bool.
    """
    num_groups = int(group_index.max()) + 1 if len(group_index) else 0
    values, is_finite = finite_rewards(rewards)
    counted = verified & is_finite
    counts = _sum(counted.double(), group_index, num_groups)
    return (counts >= 2) & (_spread(values, counted, group_index, num_groups) > SPREAD_TOLERANCE)


def component_advantages(
    components: Tensor,
    component_weights: Tensor,
    group_index: Tensor,
    verified: Tensor | None = None,
    sum_over_ranks: SumOverRanks = on_one_rank,
) -> GroupAdvantages:
    """Advantages from reward components: each normalised in its group, weighted, added up, whitened over the batch.

    Thus a component with a large spread does not drown the others, and two episodes with equal totals from different
    components differ. The sums have mean 0 in every group, hence in the batch: whitening divides by
    their standard deviation alone, and a group in which no component differs stays at exactly 0.

    Example: components (1, 0), (0, 1), (0, 0) with weights 0.5, 0.5 are each (1.155, -0.577, -0.577) normalised, in
    another order; the sums 0.289, 0.289, -0.577 have deviation 0.5, so the advantages are 0.577, 0.577, -1.155.

    Args:
        components: [num_sequences, num_components].
        component_weights: [num_components].
        group_index: [num_sequences], as for `group_advantages`.
        verified: [num_sequences], as for `group_advantages`.
        sum_over_ranks: Used for the standard deviation, which is over the verified episodes of all ranks.

    Returns:
        Advantages, computed in float64; a group has signal if any weighted component differs within it. An episode with
        any component that is not finite counts as one without a verdict.
    """
    is_finite = finite_rewards(components)[1].all(dim=1)
    verified = is_finite if verified is None else is_finite & verified
    parts = [
        group_advantages(column, group_index, verified)
        for column, weight in zip(components.double().T, component_weights.tolist(), strict=True)
        if weight != 0
    ]
    weighted = zip(parts, component_weights[component_weights != 0].tolist(), strict=True)
    sums = torch.stack([part.advantages * weight for part, weight in weighted]).sum(dim=0)
    weights = verified.double()
    advantages = sums / (batch_deviation(sums, weights, sum_over_ranks) + STD_EPSILON)
    has_signal = torch.stack([part.has_signal for part in parts]).any(dim=0)
    return GroupAdvantages(advantages.to(components.dtype), has_signal)


def success_advantages(successes: Tensor, group_index: Tensor, verified: Tensor | None = None) -> GroupAdvantages:
    """1 for each success, 0 for any other episode, with no baseline.

    With ReinforceLoss the gradient is that of supervised fine-tuning on the policy's own successes: rejection sampling
    (RAFT, arXiv:2304.06767, keeps the best of a group; here all that succeeded are kept). Failures push nothing away.

    Example: two groups of three, successes 1, 0, 1 and 0, 0, 0: advantages 1, 0, 1, 0, 0, 0; the first has signal.

    Args:
        successes: [num_sequences] bool.
        group_index: [num_sequences], as for `group_advantages`.
        verified: [num_sequences], as for `group_advantages`: without a verdict there is no success.

    Returns:
        Float64 advantages; a group has signal if any of its episodes succeeded, even if all did.
    """
    advantages = successes.double() if verified is None else successes.double() * verified.double()
    num_groups = int(group_index.max()) + 1 if len(group_index) else 0
    return GroupAdvantages(advantages, _sum(advantages, group_index, num_groups) > 0)


def batch_deviation(values: Tensor, weights: Tensor, sum_over_ranks: SumOverRanks = on_one_rank) -> float:
    """Sample standard deviation of the values with weight 1 on all ranks; 0 with fewer than two.

    There are two passes, since the sum of squared deviations from the mean of all ranks loses no digits.
    """
    count, total = sum_over_ranks(torch.stack([weights.sum(), (values * weights).sum()])).tolist()
    mean = total / max(count, 1.0)
    (squares,) = sum_over_ranks(((values - mean).square() * weights).sum()[None]).tolist()
    return (squares / max(count - 1.0, 1.0)) ** 0.5


def _sum(values: Tensor, group_index: Tensor, num_groups: int) -> Tensor:
    return values.new_zeros(num_groups).index_add(0, group_index, values)


def _spread(values: Tensor, verified: Tensor, group_index: Tensor, num_groups: int) -> Tensor:
    """Largest minus smallest verified reward of each group; -inf where there is none."""
    unset = values.new_full((num_groups,), -torch.inf)
    largest = unset.scatter_reduce(0, group_index[verified], values[verified], "amax")
    negated_smallest = unset.scatter_reduce(0, group_index[verified], -values[verified], "amax")
    return largest + negated_smallest
