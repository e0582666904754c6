"""Running means of the training numbers: reward, components, groups with signal, clipped share, mismatch, entropy.

Updated by the GRPO and SFT modules; each number is weighted by the count it is a mean of, over micro-batches and ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import override

from lit_grpo.advantages import groups_with_spread


class PolicyMetrics(Metric):
    """Weighted running means of named numbers.

    Every rank names the same numbers, so that the sums can be added up. Example: the loss statistic ``clipped`` is 0.1
    over 300 tokens on one rank and 0.4 over 100 on the other; the mean is (0.1 * 300 + 0.4 * 100) / 400 = 0.175.
    """

    full_state_update = False
    sums: Tensor
    """[len(names)] float64."""
    counts: Tensor
    """[len(names)] float64."""
    largest: Tensor
    """[len(maxima)] float64, minus infinity before the first."""

    def __init__(self, names: Sequence[str], maxima: Sequence[str] = (), **kwargs: Any) -> None:
        """Announce the numbers: those in ``names`` are averaged, those in ``maxima`` keep their largest value."""
        super().__init__(**kwargs)
        self.names, self.maxima = tuple(names), tuple(maxima)
        self.add_state("sums", default=torch.zeros(len(self.names), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", default=torch.zeros(len(self.names), dtype=torch.float64), dist_reduce_fx="sum")
        lowest = torch.full((len(self.maxima),), -torch.inf, dtype=torch.float64)
        self.add_state("largest", default=lowest, dist_reduce_fx="max")

    @override
    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> PolicyMetrics:
        """Move the sums, and keep their dtype: with ``bf16-true`` the module that holds them is cast as a whole."""

        def moved(tensor: Tensor) -> Tensor:
            changed = fn(tensor)
            return changed if changed.dtype == tensor.dtype else tensor.to(changed.device)

        super()._apply(moved, exclude_state)
        return self

    @override
    def update(
        self, means: Mapping[str, Tensor | float], count: float, maxima: Mapping[str, Tensor | float] | None = None
    ) -> None:
        """Add means, and the largest of some numbers, over ``count`` tokens, episodes or groups.

        Raises:
            ValueError: A name was not announced at construction, or the count is negative.
        """
        maxima = maxima or {}
        unknown = sorted(set(means) - set(self.names)) + sorted(set(maxima) - set(self.maxima))
        if unknown:
            known = [*self.names, *self.maxima]
            raise ValueError(f"expected names among {known}, got {unknown}; add them to `names` or `maxima`")
        if count < 0:
            raise ValueError(f"expected count >= 0, got {count}; pass how many tokens or episodes were averaged")
        if count == 0:
            return
        for name, mean in means.items():
            index = self.names.index(name)
            self.sums[index] += torch.as_tensor(mean, dtype=torch.float64).detach().to(self.sums.device) * count
            self.counts[index] += count
        for name, value in maxima.items():
            index = self.maxima.index(name)
            value = torch.as_tensor(value, dtype=torch.float64).detach().to(self.largest.device)
            # What is not a number stays one.
            self.largest[index] = torch.maximum(self.largest[index], value)

    def so_far(self) -> tuple[Tensor, Tensor, Tensor]:
        """The present sums, counts and maxima of this rank, for `go_back`."""
        return self.sums.clone(), self.counts.clone(), self.largest.clone()

    def go_back(self, earlier: tuple[Tensor, Tensor, Tensor]) -> None:
        """Forget what was added since `so_far` gave this."""
        self.sums, self.counts, self.largest = (tensor.clone() for tensor in earlier)

    @override
    def compute(self) -> dict[str, float]:
        """The mean or maximum by name, in the order of the names; those that were never counted are absent."""
        means = (self.sums / self.counts).tolist()
        counted = zip(self.names, means, self.counts.tolist(), strict=True)
        largest = zip(self.maxima, self.largest.tolist(), strict=True)
        return {name: mean for name, mean, count in counted if count} | {
            name: value for name, value in largest if value != -torch.inf
        }


@dataclass(frozen=True, slots=True)
class RewardStatistics:
    """Statistics of one rollout's rewards, which show how much signal there is in it."""

    mean: float
    """The mean over verified episodes; NaN if there is none."""
    std_within_groups: float
    """Mean over groups of the sample standard deviation; NaN if no group has two verified episodes."""
    num_spreads: int
    """Groups with two verified episodes, which that is a mean over."""
    groups_with_signal: float
    """Share of groups whose verified rewards differ: the others have zero advantage."""


def reward_statistics(rewards_PG: Tensor, verified_PG: Tensor) -> RewardStatistics:
    """Statistics of a rollout's rewards.

    Args:
        rewards_PG: [num_groups, group_size] total rewards.
        verified_PG: [num_groups, group_size] bool; episodes without a verdict take no part.
    """
    rewards = [group[verified].double() for group, verified in zip(rewards_PG, verified_PG, strict=True)]
    deviations = [group.std() for group in rewards if group.numel() > 1]
    group_index = torch.arange(len(rewards)).repeat_interleave(rewards_PG.shape[1])
    spread = groups_with_spread(rewards_PG.flatten(), group_index, verified_PG.flatten())
    return RewardStatistics(
        mean=torch.cat(rewards).mean().item(),
        std_within_groups=torch.stack(deviations).mean().item() if deviations else float("nan"),
        num_spreads=len(deviations),
        groups_with_signal=spread.double().mean().item(),
    )
