"""Surrogate, reductions, KL and mismatch, each by itself, on hand-worked numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from lit_grpo.losses.base import LossInputs, LossOutput, UpdateTotals
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.mismatch import mismatch_statistics
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reference_kl import add_reference_kl, k1, k2, k3


def inputs_of(
    policy: Tensor, advantages: list[float], sequences: list[int] | None = None, proximal: Tensor | None = None
) -> LossInputs:
    """Tokens whose proximal probability is 1 unless given, so that exp(policy) is the ratio."""
    index = torch.tensor(sequences or [0] * len(policy), dtype=torch.int64)
    anchor = torch.zeros_like(policy.detach()) if proximal is None else proximal
    given = torch.tensor(advantages, dtype=policy.dtype)
    return LossInputs(policy, anchor, anchor, anchor, given, index, index)


def log(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).log().requires_grad_()


def test_1_clipped_values_statistics_and_gradients_on_both_sides() -> None:
    policy = log(1.5, 1.5, 0.5, 0.5, 1.1, 1.25)
    output = ClippedLoss(0.2, 0.28)(inputs_of(policy, [1, -1, 1, -1, -2, 1]))
    # min(1.5, 1.28) = 1.28; min(-1.5, -1.28) = -1.5; min(.5, .8) = .5; min(-.5, -.8) = -.8; inside; inside of .28.
    expected = torch.tensor([-1.28, 1.5, -0.5, 0.8, 2.2, -1.25], dtype=torch.float64)
    torch.testing.assert_close(output.token_losses, expected, rtol=1e-12, atol=0)
    assert output.statistics["clipped"].tolist() == [1, 0, 0, 1, 0, 0]
    output.token_losses.sum().backward()
    # dr/dlog pi = r, so -r A where the clip does not act and exactly 0 where it does.
    gradient = torch.tensor([0, 1.5, -0.5, 0, 2.2, -1.25], dtype=torch.float64)
    torch.testing.assert_close(policy.grad, gradient, rtol=1e-12, atol=0)
    assert not any(statistic.requires_grad for statistic in output.statistics.values())


def test_2_on_policy_the_ratio_is_exactly_one() -> None:
    policy = torch.randn(50, requires_grad=True)
    output = ClippedLoss()(inputs_of(policy, [0.7] * 50, proximal=policy.detach()))
    assert output.statistics["ratio"].tolist() == [1.0] * 50
    assert output.statistics["clipped"].sum() == 0


def test_3_far_ratios_stay_finite() -> None:
    policy = torch.tensor([200.0, -200.0, 200.0], requires_grad=True)
    output = ClippedLoss()(inputs_of(policy, [-1, 1, 1]))
    assert output.token_losses[0].item() == pytest.approx(math.exp(20))
    output.token_losses.sum().backward()
    assert policy.grad is not None
    assert policy.grad.isfinite().all()


def test_4_gradcheck_away_from_the_kinks() -> None:
    policy = log(1.5, 1.4, 0.5, 0.6, 1.1, 0.9)
    advantages = [1.0, -1.0, 1.0, -1.0, 0.3, -0.4]

    def losses(policy: Tensor) -> Tensor:
        inputs = inputs_of(policy, advantages)
        return add_reference_kl(ClippedLoss()(inputs), inputs, 0.1).token_losses

    assert gradcheck(losses, policy)


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.2), (1.1, 0.2), (0.2, -0.1)])
def test_5_an_impossible_clip_range_is_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="expected 0 <= clip_low <= 1 and clip_high >= 0"):
        ClippedLoss(low, high)


def test_6_reductions_by_hand() -> None:
    # Losses 1, 2, 3 of one sequence and 10 of another, in a step of 8 tokens and 5 sequences.
    inputs = inputs_of(torch.zeros(4, dtype=torch.float64), [0.0] * 4, [0, 0, 0, 1])
    losses = torch.tensor([1, 2, 3, 10], dtype=torch.float64)
    # Both are of one group, which has 6 tokens in the step, and the step has 2 groups; L_max is 10.
    inputs = replace(inputs, group_num_tokens=torch.full((4,), 6))
    totals = UpdateTotals(num_tokens=8, num_sequences=5, num_groups=2, max_sequence_tokens=10)
    found = {reduction: reduction.reduce(losses, inputs, totals).item() for reduction in Reduction}
    assert found == pytest.approx(
        {
            Reduction.TOKEN_MEAN: 16 / 8,
            Reduction.SEQUENCE_MEAN: (2 + 10) / 5,
            Reduction.CONSTANT_LENGTH: 16 / (5 * 10),
            Reduction.SEQUENCE_SUM: 16 / 5,
            Reduction.PROMPT_MEAN: 16 / 6 / 2,
        },
        rel=1e-12,
    )


@pytest.mark.parametrize("reduction", Reduction)
def test_7_weights_of_a_whole_step_sum_to_one_and_no_token_is_zero(reduction: Reduction) -> None:
    inputs = inputs_of(torch.zeros(4, requires_grad=True), [0.0] * 4, [0, 1, 1, 1])
    inputs = replace(inputs, group_num_tokens=torch.tensor([1, 3, 3, 3]))
    totals = UpdateTotals(4, 2, 2, max_sequence_tokens=8)
    weights = reduction.token_weights(inputs, totals)
    # The sums over sequences do not: 4 tokens over 2 sequences, and that over L_max = 8.
    total = {Reduction.SEQUENCE_SUM: 2.0, Reduction.CONSTANT_LENGTH: 0.25}.get(reduction, 1.0)
    assert weights.sum().item() == pytest.approx(total)
    assert not weights.requires_grad
    empty = inputs_of(torch.zeros(0, requires_grad=True), [])
    empty = replace(empty, group_num_tokens=torch.zeros(0))
    assert reduction.reduce(empty.policy_logprobs, empty, totals).item() == 0


def test_8_k1_k2_k3_by_hand_k3_never_negative_and_zero_at_equality() -> None:
    # x = log(.25 / .5) = -.693: .693, .693^2 / 2 = .240, and .5 + .693 - 1 = .193.
    assert k1(log(0.5), log(0.25)).item() == pytest.approx(math.log(2), rel=1e-12)
    assert k2(log(0.5), log(0.25)).item() == pytest.approx(math.log(2) ** 2 / 2, rel=1e-12)
    assert k3(log(0.5), log(0.25)).item() == pytest.approx(0.5 + math.log(2) - 1, rel=1e-12)
    near = torch.linspace(-1e-3, 1e-3, 2001)
    assert (k3(torch.zeros(2001), near) >= 0).all()
    policy = log(0.5)
    k3(policy, policy.detach()).sum().backward()
    assert policy.grad is not None
    assert policy.grad.item() == 0


def test_9_reference_kl_is_added_to_the_loss_and_logged() -> None:
    inputs = inputs_of(log(0.5), [0.0])
    output = add_reference_kl(LossOutput(torch.tensor([3.0]), {"ratio": torch.ones(1)}), inputs, beta=0.1)
    # The reference has probability 1: x = log 2, 2 - log 2 - 1 = .307.
    assert output.token_losses.item() == pytest.approx(3 + 0.1 * (1 - math.log(2)))
    assert output.statistics.keys() == {"ratio", "reference_kl"}


def test_10_mismatch_by_hand() -> None:
    # rho = 1, 1, 2.5, 0.5 (the last on the edge, inside).
    found = mismatch_statistics(log(0.5, 0.2, 0.5, 0.2), log(0.5, 0.2, 0.2, 0.4))
    logs = [math.log(2.5), math.log(2)]
    assert found.mean_abs_log_ratio.item() == pytest.approx(sum(logs) / 4)
    assert found.max_abs_log_ratio.item() == pytest.approx(logs[0])
    assert found.sampler_kl.item() == pytest.approx((1.5 - logs[0] + (-0.5) + logs[1]) / 4)
    assert found.effective_sample_share.item() == pytest.approx(5**2 / (4 * (1 + 1 + 6.25 + 0.25)))
    assert found.share_outside.item() == 0.25
    assert not found.sampler_kl.requires_grad
