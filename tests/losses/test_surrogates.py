"""The surrogates, each by itself.

1. Values, gradients and clipped tokens by hand, on both sides of each range.
2. A clipped token has no gradient on the side its advantage pushes to, and the full one on the other.
3. At ratio 1 every surrogate's gradient is that of -A log pi, under every reduction.
4. gradcheck in float64.
5. The dual clip equals the two-sided clip with delta = c above 1 + clip_high: value and gradient.
6. float64 stays float64, float32 stays float32, bfloat16 becomes float32; far ratios stay finite.
7. Settings without a meaning are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from objectives import SURROGATES, on_policy, random_step
from torch import Tensor
from torch.autograd import gradcheck

from lit_grpo.losses.base import LossInputs, PolicyLoss
from lit_grpo.losses.cispo import CISPOLoss
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.dppo import DPPOLoss
from lit_grpo.losses.gmpo import GMPOLoss
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reinforce import ReinforceLoss
from lit_grpo.losses.sapo import SAPOLoss
from lit_grpo.losses.sequence_clipped import SequenceClippedLoss

EACH = pytest.mark.parametrize("loss", SURROGATES.values(), ids=SURROGATES.keys())


def tokens(
    ratios: list[float], advantages: list[float], sequences: list[int] | None = None, sampler: list[float] | None = None
) -> LossInputs:
    """Tokens of policy probability 0.5; the proximal probability makes the ratio."""
    index = torch.tensor(sequences or [0] * len(ratios))
    policy = torch.full((len(ratios),), math.log(0.5), dtype=torch.float64)
    proximal = policy - torch.tensor(ratios, dtype=torch.float64).log()
    drawn = proximal if sampler is None else torch.tensor(sampler, dtype=torch.float64).log()
    given = torch.tensor(advantages, dtype=torch.float64)
    return LossInputs(policy.requires_grad_(), proximal, drawn, None, given, index, index)


def evaluated(loss: PolicyLoss, inputs: LossInputs) -> tuple[list[float], list[float], list[float]]:
    """Losses, gradient of their sum, and which tokens were clipped."""
    output = loss(inputs)
    (gradient,) = torch.autograd.grad(output.token_losses.sum(), inputs.policy_logprobs)
    assert not any(statistic.requires_grad for statistic in output.statistics.values())
    clipped = output.statistics.get("clipped")
    return output.token_losses.tolist(), gradient.tolist(), [] if clipped is None else clipped.tolist()


def close(expected: list[float]) -> object:
    return pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_1_clipped_with_dual_clip() -> None:
    given = tokens([5, 2, 5, 0.5, 0.5], [-2, -2, 1, -1, 1])
    losses, gradient, clipped = evaluated(ClippedLoss(0.2, 0.28, dual_clip=3), given)
    # A < 0: 5 * 2 = 10 is cut to 3 * 2, 2 * 2 is not; A > 0: cut at 1.28; r = .5: -.8 cut for A < 0, -.5 otherwise.
    assert losses == close([6, 4, -1.28, 0.8, -0.5])
    assert gradient == close([0, 4, 0, 0, -0.5])
    assert clipped == [1, 0, 1, 1, 0]


def test_1_sequence_level() -> None:
    # Sequence 0: s = sqrt(2 * 0.5) = 1. Sequence 1: s = 1.5 > 1.28. Sequence 2: the same with A < 0.
    inputs = tokens([2, 0.5, 1.5, 1.5, 1.5], [1, 1, 1, 1, -1], [0, 0, 1, 1, 2])
    losses, gradient, clipped = evaluated(SequenceClippedLoss(0.2, 0.28), inputs)
    assert losses == close([-1, -1, -1.28, -1.28, 1.5])
    # Two tokens with loss -s, each with ds/dlog pi = s / 2: -1 at each.
    assert gradient == close([-1, -1, 0, 0, 1.5])
    assert clipped == [0, 0, 1, 1, 0]


def test_1_cispo() -> None:
    half = math.log(0.5)
    losses, gradient, clipped = evaluated(CISPOLoss(0.9, 0.28), tokens([1.5, 1.5, 0.05, 1], [1, -1, 2, 1]))
    # Weights 1.28, 1.28, 0.1, 1: no token loses its gradient, and none flows through the weight.
    assert losses == close([-1.28 * half, 1.28 * half, -0.2 * half, -half])
    assert gradient == close([-1.28, 1.28, -0.2, -1])
    assert clipped == [1, 1, 1, 0]


def test_1_sapo() -> None:
    losses, gradient, _ = evaluated(SAPOLoss(1.0, 2.0), tokens([1, 2, 2], [3, 1, -1]))

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    assert losses == close([-4 * 0.5 * 3, -4 * sigmoid(1), 2 * sigmoid(2)])
    # r (4 / tau) tau s (1 - s) A = 4 r s (1 - s) A.
    one, two = sigmoid(1), sigmoid(2)
    assert gradient == close([-3, -8 * one * (1 - one), 8 * two * (1 - two)])


def test_1_gmpo() -> None:
    far = math.exp(1)
    losses, gradient, clipped = evaluated(GMPOLoss(0.4), tokens([far, 1, far, 1 / far], [1, 1, -1, -1], [0, 0, 1, 1]))
    # A > 0: (0.4 + 0) / 2. A < 0: the large ratio stays, the small one is cut at -0.4: (1 - 0.4) / 2.
    up, down = math.exp(0.2), math.exp(0.3)
    assert losses == close([-up, -up, down, down])
    assert gradient == close([0, -up, down, 0])
    assert clipped == [1, 0, 0, 1]


def test_1_dppo() -> None:
    # Policy 0.5: moved by +0.1, +0.3, +0.3, -0.3, -0.3 since the sampler; ratios 2.
    inputs = tokens([2] * 5, [1, 1, -1, 1, -1], sampler=[0.4, 0.2, 0.2, 0.8, 0.8])
    losses, gradient, clipped = evaluated(DPPOLoss(0.2), inputs)
    assert losses == close([-2, 0, 2, -2, 0])
    assert gradient == losses
    assert clipped == [0, 1, 0, 0, 1]


def test_1_reinforce() -> None:
    losses, gradient, _ = evaluated(ReinforceLoss(), tokens([3, 0.2], [2, -1]))
    assert losses == close([-2 * math.log(0.5), math.log(0.5)])
    assert gradient == close([-2, 1])


@pytest.mark.parametrize("name", ["clipped", "dual", "sequence", "gmpo", "dppo"])
@pytest.mark.parametrize("advantage", [1.0, -1.0])
def test_2_the_gradient_is_gone_on_the_right_side_only(name: str, advantage: float) -> None:
    far = 9.0 if advantage > 0 else 1 / 9
    sampler = [0.05, 0.95] if advantage > 0 else [0.95, 0.05]
    inputs = tokens([far, 1 / far], [advantage, advantage], [0, 1], sampler)
    if name == "dual" and advantage < 0:
        inputs = tokens([far, 1.2], [advantage, advantage], [0, 1])
    _, gradient, clipped = evaluated(SURROGATES[name], inputs)
    assert gradient[0] == 0
    assert gradient[1] * advantage < 0
    assert clipped == [1, 0]


@EACH
@pytest.mark.parametrize("reduction", Reduction)
def test_3_at_ratio_1_the_gradient_is_that_of_reinforce(loss: PolicyLoss, reduction: Reduction) -> None:
    inputs, totals = random_step()
    inputs = on_policy(inputs)
    if isinstance(loss, DPPOLoss):
        # Its mask compares with the sampler, which has to agree as well.
        inputs.sampler_logprobs.copy_(inputs.proximal_logprobs)
    surrogate = reduction.reduce(loss(inputs).token_losses, inputs, totals)
    reinforce = reduction.reduce(-inputs.advantages * inputs.policy_logprobs, inputs, totals)
    expected, found = (torch.autograd.grad(value, inputs.policy_logprobs)[0] for value in (reinforce, surrogate))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)


@EACH
def test_4_gradcheck(loss: PolicyLoss) -> None:
    inputs, _ = random_step(seed=3)
    weights = torch.linspace(0.5, 1.5, len(inputs.policy_logprobs), dtype=torch.float64)

    def total(policy: Tensor) -> Tensor:
        given = LossInputs(
            policy,
            inputs.proximal_logprobs,
            inputs.sampler_logprobs,
            None,
            inputs.advantages,
            inputs.sequence_index,
            inputs.group_index,
        )
        return loss(given).token_losses @ weights

    if isinstance(loss, CISPOLoss):
        # Its gradient is not that of its value, on purpose: the weight is held still.
        frozen = loss(inputs).token_losses.detach() / inputs.policy_logprobs.detach()
        (found,) = torch.autograd.grad(total(inputs.policy_logprobs), inputs.policy_logprobs)
        torch.testing.assert_close(found, frozen * weights, rtol=1e-12, atol=1e-15)
        return
    assert gradcheck(total, inputs.policy_logprobs)


@pytest.mark.parametrize("delta", [1.3, 2.0, 4.0])
def test_5_dual_clip_equals_the_two_sided_clip(delta: float) -> None:
    def two_sided(ratio: Tensor, advantages: Tensor) -> Tensor:
        return -torch.minimum(ratio.clamp(max=delta) * advantages, ratio.clamp(0.8, 1.28) * advantages)

    ratios = torch.linspace(0.1, 6, 601).tolist()
    for advantage in (-1.5, 0.7):
        inputs = tokens(ratios, [advantage] * len(ratios))
        ratio = (inputs.policy_logprobs - inputs.proximal_logprobs).exp()
        expected = two_sided(ratio, inputs.advantages)
        found = ClippedLoss(0.2, 0.28, dual_clip=delta)(inputs).token_losses
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
        one, other = (torch.autograd.grad(x.sum(), inputs.policy_logprobs)[0] for x in (expected, found))
        torch.testing.assert_close(other, one, rtol=1e-12, atol=0)


@EACH
def test_6_dtypes_and_far_ratios(loss: PolicyLoss) -> None:
    for dtype, expected in ((torch.float64,) * 2, (torch.float32,) * 2, (torch.bfloat16, torch.float32)):
        inputs, _ = random_step(dtype=dtype)
        assert loss(inputs).token_losses.dtype == expected
    policy = torch.tensor([-300.0, -0.1, -300.0, -0.1], requires_grad=True)
    other, index = torch.tensor([-0.1, -300.0, -0.1, -300.0]), torch.arange(4)
    inputs = LossInputs(policy, other, other, None, torch.tensor([1.0, 1.0, -1.0, -1.0]), index, index)
    losses = loss(inputs).token_losses
    losses.sum().backward()
    assert losses.isfinite().all()
    assert policy.grad is not None
    assert policy.grad.isfinite().all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClippedLoss(1.1), r"expected 0 <= clip_low <= 1"),
        (lambda: ClippedLoss(dual_clip=1.0), r"expected dual_clip above 1"),
        (lambda: SequenceClippedLoss(-0.1), r"expected 0 <= clip_low <= 1"),
        (lambda: SequenceClippedLoss(dual_clip=0.9), r"expected dual_clip above 1"),
        (lambda: CISPOLoss(clip_high=-0.1), r"clip_high >= 0"),
        (lambda: SAPOLoss(tau_neg=0.0), r"expected tau_pos and tau_neg above 0"),
        (lambda: GMPOLoss(0.0), r"expected log_clip above 0"),
        (lambda: DPPOLoss(1.5), r"expected delta in \(0, 1\]"),
    ],
)
def test_7_settings_without_a_meaning(make: Callable[[], PolicyLoss], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
