"""Advantages: hand-worked values, exactly 0 where a group teaches nothing, and one batch however many ranks hold it."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch

from lit_grpo.advantages import (
    AdvantageEstimator,
    GroupAdvantages,
    SumOverRanks,
    batch_deviation,
    component_advantages,
    group_advantages,
    success_advantages,
)

ONE_GROUP = torch.zeros(3, dtype=torch.int64)
OF_REWARDS = [estimator for estimator in AdvantageEstimator if estimator.is_of_totals]
"""PER_COMPONENT needs the components, SUCCESS the verified scores."""


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


@pytest.mark.parametrize("estimator", OF_REWARDS)
@pytest.mark.parametrize("reward", [0.1, 1 / 3, 0.5000001])
def test_2_equal_rewards_are_exactly_zero(estimator: AdvantageEstimator, reward: float) -> None:
    rewards = doubles(*[reward] * 7)
    rewards[3] += 9e-9
    result = group_advantages(rewards, torch.zeros(7, dtype=torch.int64), estimator=estimator)
    assert result.advantages.tolist() == [0.0] * 7
    assert result.has_signal.tolist() == [False]
    rewards[3] += 2e-9
    assert group_advantages(rewards, torch.zeros(7, dtype=torch.int64)).has_signal.tolist() == [True]


@pytest.mark.parametrize("estimator", OF_REWARDS)
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


def test_8_batch_by_hand() -> None:
    # Groups (1, 0) and (.5, .5): deviations .5, -.5 over the sample deviation of all four, mean .5: sqrt(.5 / 3).
    std = math.sqrt(0.5 / 3) + 1e-6
    result = group_advantages(doubles(1, 0, 0.5, 0.5), torch.tensor([0, 0, 1, 1]), estimator=AdvantageEstimator.BATCH)
    torch.testing.assert_close(result.advantages, doubles(0.5, -0.5, 0, 0) / std, rtol=1e-12, atol=0)
    assert result.advantages[2:].tolist() == [0.0, 0.0]
    # An unverified reward is in no deviation.
    other = group_advantages(
        doubles(1, 0, 0.5, 0.5, 99),
        torch.tensor([0, 0, 1, 1, 1]),
        torch.tensor([True, True, True, True, False]),
        AdvantageEstimator.BATCH,
    )
    torch.testing.assert_close(other.advantages[:4], result.advantages, rtol=1e-12, atol=0)


def test_9_per_component_by_hand() -> None:
    # Each column is (1.155, -.577, -.577) in some order; sums .289, .289, -.577 with squares 1/12 + 1/12 + 1/3 = 1/2
    # over 2: a deviation of 1/2.
    components = torch.tensor([[1.0, 0.0, 7.0], [0.0, 1.0, 7.0], [0.0, 0.0, 7.0]], dtype=torch.float64)
    result = component_advantages(components, doubles(0.5, 0.5, 2), ONE_GROUP)
    third = math.sqrt(1 / 3)
    torch.testing.assert_close(result.advantages, doubles(third, third, -2 * third), rtol=1e-5, atol=0)
    assert result.has_signal.tolist() == [True]
    # Weights .6 and .3, in units of .577: (2, -1, -1) * .6 + (-1, 2, -1) * .3 = (.9, 0, -.9), whose deviation is .9.
    unequal = component_advantages(components[:, :2], doubles(0.6, 0.3), ONE_GROUP).advantages
    torch.testing.assert_close(unequal, doubles(1, 0, -1), rtol=1e-5, atol=1e-9)
    # The totals of the first two are alike, their components are not; one weight alone is GROUP over its deviation.
    alone = component_advantages(components, doubles(1, 0, 0), ONE_GROUP).advantages
    group = group_advantages(doubles(1, 0, 0), ONE_GROUP).advantages
    torch.testing.assert_close(alone, group / (group.std() + 1e-6), rtol=1e-12, atol=0)


def test_10_per_component_is_exactly_zero_without_spread_or_verdict() -> None:
    components = torch.tensor([[0.3, 0.1]] * 3 + [[1.0, 0.0], [0.0, 0.0], [5.0, 5.0]], dtype=torch.float64)
    groups, verified = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([True] * 5 + [False])
    result = component_advantages(components, doubles(0.7, 0.3), groups, verified)
    assert result.advantages[[0, 1, 2, 5]].tolist() == [0.0] * 4
    assert result.advantages[3] > 0
    assert result.has_signal.tolist() == [False, True]
    # A component that is weighted with 0 gives no signal.
    assert component_advantages(components, doubles(0, 1), groups, verified).has_signal.tolist() == [False, False]


def test_11_rewards_without_components_are_refused() -> None:
    for estimator in (AdvantageEstimator.PER_COMPONENT, AdvantageEstimator.SUCCESS):
        with pytest.raises(ValueError, match=estimator.name):
            group_advantages(doubles(1, 0), torch.tensor([0, 0]), estimator=estimator)


def test_12_the_deviation_is_accurate_far_from_zero() -> None:
    values = doubles(1e8, 1e8 + 1, 1e8 + 2)
    assert batch_deviation(values, torch.ones(3, dtype=torch.float64)) == pytest.approx(1.0, rel=1e-12)
    assert batch_deviation(doubles(4), doubles(1)) == 0.0


def on_two_ranks(compute: Callable[[int, SumOverRanks], GroupAdvantages]) -> list[GroupAdvantages]:
    """Two threads that add up their numbers when both have come."""
    barrier, given = Barrier(2), [torch.zeros(0), torch.zeros(0)]

    def run(rank: int) -> GroupAdvantages:
        def sum_over_ranks(values: torch.Tensor) -> torch.Tensor:
            given[rank] = values
            barrier.wait(10)
            total = given[0] + given[1]
            barrier.wait(10)
            return total

        return compute(rank, sum_over_ranks)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, range(2)))


@pytest.mark.parametrize("estimator", AdvantageEstimator)
def test_13_two_ranks_are_one_batch(estimator: AdvantageEstimator) -> None:
    generator = torch.Generator().manual_seed(0)
    components = torch.rand(9, 2, generator=generator, dtype=torch.float64)
    groups, cut = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2]), 5

    def compute(which: slice, *of_ranks: SumOverRanks) -> GroupAdvantages:
        index = groups[which] - groups[which][0]
        if estimator is AdvantageEstimator.SUCCESS:
            return success_advantages(components[which, 0] > 0.5, index)
        if estimator is AdvantageEstimator.PER_COMPONENT:
            return component_advantages(components[which], doubles(0.7, 0.3), index, None, *of_ranks)
        return group_advantages(components[which].sum(dim=1), index, None, estimator, *of_ranks)

    whole = compute(slice(0, 9))
    parts = on_two_ranks(lambda rank, total: compute([slice(0, cut), slice(cut, 9)][rank], total))
    found = torch.cat([part.advantages for part in parts])
    torch.testing.assert_close(found, whole.advantages, rtol=1e-12, atol=0)
    assert torch.equal(torch.cat([part.has_signal for part in parts]), whole.has_signal)
    alone = torch.cat([compute(slice(0, cut)).advantages, compute(slice(cut, 9)).advantages])
    is_of_batch = estimator in (AdvantageEstimator.BATCH, AdvantageEstimator.PER_COMPONENT)
    assert torch.allclose(alone, whole.advantages) != is_of_batch


def test_14_rejection_sampling_by_hand() -> None:
    # Three groups, in no order: 0 has successes 1 and 3 of its verified ones, 1 none, 2 nothing but successes.
    groups = torch.tensor([0, 2, 0, 1, 0, 1, 0, 2])
    successes = torch.tensor([True, True, False, False, True, True, True, True])
    verified = torch.tensor([True, True, True, True, False, False, True, True])
    result = success_advantages(successes, groups, verified)
    assert result.advantages.tolist() == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    assert result.advantages.dtype is torch.float64
    # All of one sort teach something where that sort is success; a success without a verdict is none.
    assert result.has_signal.tolist() == [True, False, True]


def test_14_one_attempt_may_succeed_alone() -> None:
    result = success_advantages(torch.tensor([False, True]), torch.tensor([0, 1]))
    assert (result.advantages.tolist(), result.has_signal.tolist()) == ([0.0, 1.0], [False, True])
    empty = torch.zeros(0, dtype=torch.int64)
    assert success_advantages(empty.bool(), empty).has_signal.shape == (0,)
