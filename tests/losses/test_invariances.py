"""What must not change a step's loss or gradient, for every surrogate, reduction, weight and term.

1. Cutting it into micro-batches or ranks, of unequal length, in any order, a group over several of them.
2. The order of groups and a constant added to all rewards, for every estimator.
3. float32 agrees with float64.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
import torch
from objectives import objectives, part, random_step

from lit_grpo.advantages import AdvantageEstimator, component_advantages, group_advantages
from lit_grpo.losses.objective import Objective

OBJECTIVES = objectives()
EACH = pytest.mark.parametrize("chosen", OBJECTIVES.values(), ids=OBJECTIVES.keys())
CUTS = [[[5, 1, 2], [0, 3], [4]], [[i] for i in range(6)]]


@EACH
@pytest.mark.parametrize("cut", CUTS)
def test_1_cuts_change_nothing(chosen: Objective, cut: list[Sequence[int]]) -> None:
    inputs, totals = random_step()
    whole = chosen.update_loss(inputs, totals).loss
    parts = torch.stack([chosen.update_loss(part(inputs, sequences), totals).loss for sequences in cut]).sum()
    torch.testing.assert_close(parts, whole, rtol=1e-11, atol=1e-15)
    expected, found = (torch.autograd.grad(loss, inputs.policy_logprobs)[0] for loss in (whole, parts))
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-15)


REWARDS = torch.tensor([1.0, 0.25, 0.5, 0.5, 0.0, 0.75, 1.0], dtype=torch.float64)
GROUPS = torch.tensor([0, 0, 1, 1, 2, 2, 2])


@pytest.mark.parametrize("estimator", [e for e in AdvantageEstimator if e.compares_attempts])
def test_2_order_of_groups_and_reward_shift(estimator: AdvantageEstimator) -> None:
    def advantages(rewards: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
        if estimator is AdvantageEstimator.PER_COMPONENT:
            components = torch.stack([rewards, rewards.square()], dim=1)
            return component_advantages(components, torch.tensor([0.7, 0.3]), groups).advantages
        return group_advantages(rewards, groups, estimator=estimator).advantages

    expected = advantages(REWARDS, GROUPS)
    order = torch.tensor([6, 2, 0, 4, 1, 3, 5])
    torch.testing.assert_close(advantages(REWARDS[order], (2 - GROUPS)[order]), expected[order], rtol=1e-12, atol=0)
    if estimator is not AdvantageEstimator.PER_COMPONENT:
        torch.testing.assert_close(advantages(REWARDS + 0.5, GROUPS), expected, rtol=1e-12, atol=1e-15)


@EACH
def test_3_float32_agrees_with_float64(chosen: Objective) -> None:
    exact, totals = random_step(seed=1)
    values = {f.name: getattr(exact, f.name) for f in dataclasses.fields(exact)}
    single = {n: v.detach().float() if v is not None and v.is_floating_point() else v for n, v in values.items()}
    inputs = dataclasses.replace(exact, **single)
    found = chosen.update_loss(inputs, totals).loss
    assert found.dtype == torch.float32
    step = chosen.update_loss(exact, totals)
    # Relative to what is added up: positive and negative losses may cancel.
    scale = (step.token_losses.detach().abs() * chosen.reduction.token_weights(exact, totals)).sum().item()
    assert abs(found.item() - step.loss.item()) <= 1e-5 * scale
