"""The study's scale, by hand.

1. +100 if optimal by any means, else -50, -1 a step; positive sums times 1.4, negative ones as they are.
2. Faithful or not makes no difference to it; the unshaped part is the composite all the same.
3. Noise is a function of run seed, step, task and attempt: of nothing else, and of each of them.
4. An episode without a verdict earns 0, noise or not.
5. A scale that makes no sense is refused, with what was got.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import mean, stdev

import pytest

from lit_grpo.environment.episodes.scoring import DiagnosisScore, RepairScore
from lit_grpo.rewards.base import AttemptKey
from lit_grpo.rewards.composite import CompositeReward
from lit_grpo.rewards.hybrid import HybridReward

KEY = AttemptKey(run_seed=3, batch=7, task_id="task", sample=1)
NAMED = DiagnosisScore(1.0, 1.0, 1.0, True)
FAITHFUL = RepairScore(True, True, 2, 1, NAMED, 0, 0, 0, None, 0, 0, True)
DELETED = replace(FAITHFUL, faithful=False)
FAILED = replace(DELETED, recovered=False, turns=5)
NOISY = HybridReward(noise=1.0)


@pytest.mark.parametrize(
    ("score", "plain", "asymmetric"),
    [
        (FAITHFUL, 98.0, 137.2),  # 100 - 2, times 1.4
        (DELETED, 98.0, 137.2),
        (FAILED, -55.0, -55.0),  # -50 - 5
    ],
)
def test_1_the_scale(score: RepairScore, plain: float, asymmetric: float) -> None:
    assert HybridReward().of(score, 5, KEY).total == pytest.approx(plain, abs=1e-12)
    assert HybridReward(positive_factor=1.4).of(score, 5, KEY).total == pytest.approx(asymmetric, abs=1e-12)


def test_1_other_numbers() -> None:
    # 10 - 2 * 0.5 = 9, times 3; 2 - 5 * 0.5 = -0.5 stays.
    reward = HybridReward(recovered=10.0, failed=2.0, per_turn=-0.5, positive_factor=3.0)
    assert reward.of(FAITHFUL, 5, KEY).total == pytest.approx(27.0)
    assert reward.of(FAILED, 5, KEY).total == pytest.approx(-0.5)


@pytest.mark.parametrize("reward", [HybridReward(), NOISY, HybridReward(positive_factor=1.4)])
def test_2_the_unshaped_part(reward: HybridReward) -> None:
    # Faithful in 2 of 5 steps, named: 0.5 + 0.3 + 0.2 * 3/4. Unfaithful: its diagnosis.
    assert reward.of(FAITHFUL, 5, KEY).unshaped == pytest.approx(0.95)
    assert reward.of(DELETED, 5, KEY).unshaped == pytest.approx(0.3)
    assert reward.of(FAITHFUL, 5, KEY).total == reward.of(DELETED, 5, KEY).total
    assert reward.component_weights is None
    composite = CompositeReward(1.0, 0.0, 0.0).of(DELETED, 5, KEY)
    assert (composite.total, composite.unshaped) == (0.0, pytest.approx(0.3))


def test_3_noise_depends_on_the_attempt_alone() -> None:
    keys = [AttemptKey(3, 7, f"task {number}", sample) for number in range(200) for sample in range(4)]
    paid = {key: NOISY.of(FAITHFUL, 5, key).total for key in keys}
    assert {key: NOISY.of(FAITHFUL, 5, key).total for key in reversed(keys)} == paid
    draws = [total - 98.0 for total in paid.values()]
    # 800 draws: the mean is within 5 of its standard errors, 1 / sqrt(800), the deviation within 5 of 1 / sqrt(1600).
    assert abs(mean(draws)) < 5 / 800**0.5
    assert abs(stdev(draws) - 1.0) < 5 / 1600**0.5
    assert len(set(draws)) == len(keys)


@pytest.mark.parametrize("changed", [{"run_seed": 4}, {"batch": 8}, {"task_id": "other"}, {"sample": 2}])
def test_3_and_on_each_part_of_it(changed: Mapping[str, int | str]) -> None:
    assert NOISY.of(FAITHFUL, 5, replace(KEY, **changed)).total != NOISY.of(FAITHFUL, 5, KEY).total


def test_4_without_a_verdict() -> None:
    assert NOISY.of(replace(FAILED, verified=False), 5, KEY).total == 0.0


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"recovered": -60.0}, "recovered above failed and per_turn at most 0, got -60, -50 and -1"),
        ({"per_turn": 1.0}, "per_turn at most 0, got 100, -50 and 1"),
        ({"noise": -1.0}, "noise of at least 0 and positive_factor above 0, got -1 and 1"),
        ({"positive_factor": -1.4}, "positive_factor above 0, got 0 and -1.4"),
        ({"failed": float("nan")}, "expected finite numbers"),
    ],
)
def test_5_nonsense_is_refused(settings: dict[str, float], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        HybridReward(**settings)
