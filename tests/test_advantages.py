"""Group advantages: hand-worked values, and exactly 0 where a group teaches nothing."""

from __future__ import annotations

import math

import pytest
import torch

from lit_grpo.advantages import AdvantageEstimator, group_advantages

ONE_GROUP = torch.zeros(3, dtype=torch.int64)


def doubles(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_1_hand_worked() -> None:
    # Mean 1/3; squares (4 + 1 + 1)/9 = 2/3 over 2 gives a variance of 1/3.
    std = math.sqrt(1 / 3) + 1e-6
    result = group_advantages(doubles(1, 0, 0), ONE_GROUP)
    torch.testing.assert_close(result.advantages, doubles(2 / 3, -1 / 3, -1 / 3) / std, rtol=1e-12, atol=0)
    assert result.has_signal.tolist() == [True]
    centred = group_advantages(doubles(1, 0, 0), ONE_GROUP, estimator=AdvantageEstimator.CENTRED)
    torch.testing.assert_close(centred.advantages, doubles(2 / 3, -1 / 3, -1 / 3), rtol=1e-12, atol=0)
    others = group_advantages(doubles(1, 0, 0), ONE_GROUP, estimator=AdvantageEstimator.LEAVE_ONE_OUT)
    torch.testing.assert_close(others.advantages, doubles(1, -0.5, -0.5), rtol=1e-12, atol=0)


@pytest.mark.parametrize("estimator", AdvantageEstimator)
@pytest.mark.parametrize("reward", [0.1, 1 / 3, 0.5000001])
def test_2_equal_rewards_are_exactly_zero(estimator: AdvantageEstimator, reward: float) -> None:
    rewards = doubles(*[reward] * 7)
    rewards[3] += 9e-9
    result = group_advantages(rewards, torch.zeros(7, dtype=torch.int64), estimator=estimator)
    assert result.advantages.tolist() == [0.0] * 7
    assert result.has_signal.tolist() == [False]
    rewards[3] += 2e-9
    assert group_advantages(rewards, torch.zeros(7, dtype=torch.int64)).has_signal.tolist() == [True]


@pytest.mark.parametrize("estimator", AdvantageEstimator)
def test_3_unverified_episodes_take_no_part(estimator: AdvantageEstimator) -> None:
    verified = torch.tensor([True, False, True, True])
    with_it = group_advantages(doubles(1, 77, 0, 0), torch.zeros(4, dtype=torch.int64), verified, estimator)
    without = group_advantages(doubles(1, 0, 0), ONE_GROUP, estimator=estimator)
    assert with_it.advantages[1] == 0
    assert torch.equal(with_it.advantages[verified], without.advantages)


def test_4_one_or_no_verified_episode_is_zero() -> None:
    groups = torch.tensor([0, 0, 1, 1, 2])
    verified = torch.tensor([True, False, False, False, True])
    result = group_advantages(doubles(1, 0, 1, 0, 1), groups, verified)
    assert result.advantages.tolist() == [0.0] * 5
    assert result.has_signal.tolist() == [False] * 3


def test_5_groups_are_independent_in_any_order_and_size() -> None:
    rewards, groups = doubles(1, 0.2, 0, 0.7, 0.1), torch.tensor([1, 0, 1, 0, 0])
    mixed = group_advantages(rewards, groups).advantages
    for group in (0, 1):
        alone = group_advantages(rewards[groups == group], torch.zeros(int((groups == group).sum()), dtype=torch.int64))
        torch.testing.assert_close(mixed[groups == group], alone.advantages, rtol=1e-12, atol=0)


def test_6_a_constant_reward_changes_nothing_and_they_sum_to_zero() -> None:
    rewards = doubles(1, 0, 0.25)
    first, second = (group_advantages(r, ONE_GROUP).advantages for r in (rewards, rewards + 0.5))
    torch.testing.assert_close(first, second, rtol=1e-12, atol=1e-15)
    assert abs(first.sum().item()) < 1e-12


def test_7_the_rewards_dtype_is_kept_and_no_episode_is_fine() -> None:
    assert group_advantages(doubles(1, 0, 0).float(), ONE_GROUP).advantages.dtype == torch.float32
    empty = group_advantages(doubles(), ONE_GROUP[:0])
    assert (empty.advantages.shape, empty.has_signal.shape) == ((0,), (0,))
