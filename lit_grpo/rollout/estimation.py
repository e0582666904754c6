"""The advantages of a rollout's attempts, from their rewards and what an objective adds to these.

Called by experience.py. Whatever is added here trains and nothing else: every reported metric is computed from the
attempts themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lit_grpo.advantages import (
    AdvantageEstimator,
    GroupAdvantages,
    SumOverRanks,
    component_advantages,
    group_advantages,
    on_one_rank,
    success_advantages,
)
from lit_grpo.losses.overlong import OverlongPenalty
from lit_grpo.rewards.base import Reward
from lit_grpo.rollout.attempts import AnyScoredGroup, Attempt

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def estimate_advantages(
    groups: Sequence[AnyScoredGroup],
    estimator: AdvantageEstimator,
    reward: Reward[Any],
    overlong_penalty: OverlongPenalty | None = None,
    reward_kl: Tensor | None = None,
    sum_over_ranks: SumOverRanks = on_one_rank,
) -> GroupAdvantages:
    """The advantages of all attempts in this process's part of a rollout.

    Args:
        groups: The whole rollout.
        estimator: The estimator, which says what a reward is compared with.
        reward: The reward that the attempts were paid by; PER_COMPONENT has its weights.
        overlong_penalty: Added to the reward; for PER_COMPONENT a component of its own, of weight 1; none with SUCCESS.
        reward_kl: [num_attempts] float64, group by group, subtracted in the same way.
        sum_over_ranks: Used by BATCH and PER_COMPONENT.

    Returns:
        Advantages [num_attempts] and signal [num_groups], in the order of ``groups``. Attempts whose reward or
        log-probs are not finite, and those without room for a turn, count as those without a verdict.
    """
    attempts = list(chain.from_iterable(group.attempts for group in groups))
    scores = list(chain.from_iterable(group.scores for group in groups))
    breakdowns = list(chain.from_iterable(group.rewards for group in groups))
    sizes = torch.tensor([len(group.attempts) for group in groups], dtype=torch.int64)
    group_index = torch.arange(len(groups)).repeat_interleave(sizes)
    verified = torch.tensor([score.verified for score in scores], dtype=torch.bool)
    verified &= torch.tensor(list(chain.from_iterable(group.are_finite for group in groups)), dtype=torch.bool)
    # What was never played is no failure of the policy.
    verified &= torch.tensor([not attempt.is_too_long_to_begin for attempt in attempts], dtype=torch.bool)
    added = _added(attempts, overlong_penalty, reward_kl)
    if estimator is AdvantageEstimator.SUCCESS:
        assert not added, "an objective adds nothing to the rewards with SUCCESS, which looks at none"
        # The verified score itself: a reward may pay for something else.
        successes = torch.tensor([score.success for score in scores], dtype=torch.bool)
        return success_advantages(successes, group_index, verified)
    if estimator is AdvantageEstimator.PER_COMPONENT:
        own_weights = astuple(require_components(estimator, reward))
        parts = [astuple(breakdown.components) for breakdown in breakdowns]
        of_reward = torch.tensor(parts, dtype=torch.float64).reshape(-1, len(own_weights))
        components = torch.cat([of_reward, *(values[:, None] for values in added)], dim=1)
        weights = torch.tensor([*own_weights, *[1.0] * len(added)])
        return component_advantages(components, weights.double(), group_index, verified, sum_over_ranks)
    rewards = torch.tensor([breakdown.total for breakdown in breakdowns], dtype=torch.float64)
    for values in added:
        rewards = rewards + values
    return group_advantages(rewards, group_index, verified, estimator, sum_over_ranks)


def require_steady(reward: Reward[Any]) -> None:
    """ValueError if attempts that did the same are paid differently: no group would ever be without signal."""
    if reward.is_noisy:
        raise ValueError(
            "rollout.dynamic_sampling: expected a reward without noise, got one with; every group then differs, and "
            "none would be replaced: set rollout.reward.init_args.noise to 0, or dynamic_sampling to null"
        )


def groups_with_signal(
    groups: Sequence[AnyScoredGroup], estimator: AdvantageEstimator, reward: Reward[Any]
) -> list[bool]:
    """Which groups the estimator could learn from, judged by what the environment alone pays.

    What an objective adds to the rewards does not count: a length penalty or a KL differs in nearly every group, also
    where all attempts have solved the task.
    """
    return estimate_advantages(groups, estimator, reward).has_signal.tolist()


def require_components(estimator: AdvantageEstimator, reward: Reward[Any]) -> DataclassInstance:
    """The weights of the reward's components.

    Raises:
        ValueError: The reward has no components.
    """
    weights = reward.component_weights
    if weights is None:
        raise ValueError(
            f"advantage: expected a reward with components for {estimator.name}, got {type(reward).__name__}, which "
            "has none; take CompositeReward as rollout.reward, or another advantage"
        )
    return weights


def _added(
    attempts: Sequence[Attempt[Any]], overlong_penalty: OverlongPenalty | None, reward_kl: Tensor | None
) -> list[Tensor]:
    """The terms that the objective adds to the rewards, [num_attempts] each."""
    added: list[Tensor] = []
    if overlong_penalty is not None:
        penalties = [overlong_penalty.of(attempt.num_sampled_tokens) for attempt in attempts]
        added.append(torch.tensor(penalties, dtype=torch.float64))
    if reward_kl is not None:
        added.append(-reward_kl)
    return added
