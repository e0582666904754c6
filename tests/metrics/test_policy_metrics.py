"""Running means are weighted by what they are means of."""

import math

import pytest
import torch

from lit_grpo.metrics.policy import PolicyMetrics, reward_statistics


def test_1_a_mean_is_weighted_by_its_count() -> None:
    metrics = PolicyMetrics(["clipped", "entropy", "never"])
    metrics.update({"clipped": torch.tensor(0.1)}, count=300)
    metrics.update({"clipped": 0.4, "entropy": 2.0}, count=100)
    # (0.1 * 300 + 0.4 * 100) / 400 = 0.175
    assert metrics.compute() == pytest.approx({"clipped": 0.175, "entropy": 2.0}, rel=1e-6)


def test_2_an_empty_population_adds_nothing_not_even_nan() -> None:
    metrics = PolicyMetrics(["clipped"])
    metrics.update({"clipped": float("nan")}, count=0)
    metrics.update({"clipped": 1.0}, count=2)
    assert metrics.compute() == {"clipped": 1.0}


def test_3_unknown_names_and_negative_counts_are_refused() -> None:
    metrics = PolicyMetrics(["clipped"])
    with pytest.raises(ValueError, match=r"got \['cliped'\]"):
        metrics.update({"cliped": 1.0}, count=1)
    with pytest.raises(ValueError, match="count >= 0"):
        metrics.update({"clipped": 1.0}, count=-1)


def test_4_reward_statistics_by_hand() -> None:
    rewards = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.5, 0.25], [0.0, 0.7]])
    verified = torch.tensor([[True, True], [True, True], [True, True], [True, False]])
    statistics = reward_statistics(rewards, verified)
    # Seven verified: (1 + 0 + 1 + 1 + .5 + .25 + 0) / 7 = 3.75 / 7.
    assert statistics.mean == pytest.approx(3.75 / 7, abs=1e-12)
    # Sample deviations: 1/sqrt(2), 0, .25/sqrt(2); the last group has one verified episode and none.
    assert statistics.std_within_groups == pytest.approx(1.25 / math.sqrt(2) / 3, abs=1e-12)
    # Groups 1 and 3 of four differ.
    assert statistics.groups_with_signal == 0.5


def test_5_without_a_verified_episode_the_mean_is_not_a_number() -> None:
    statistics = reward_statistics(torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.bool))
    assert math.isnan(statistics.mean)
    assert math.isnan(statistics.std_within_groups)
    assert statistics.groups_with_signal == 0.0


def test_6_back_to_the_same_numbers_twice() -> None:
    metrics = PolicyMetrics(["clipped"])
    metrics.update({"clipped": 0.25}, count=4)
    earlier = metrics.so_far()
    for _ in range(2):
        metrics.update({"clipped": 1.0}, count=4)
        metrics.go_back(earlier)
        assert metrics.compute() == pytest.approx({"clipped": 0.25})
