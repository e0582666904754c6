"""The pull towards a frozen reference policy: three estimators of KL(policy || reference) from the policy's own tokens.

In all of them x = log reference - log policy (Schulman 2020, "Approximating KL divergence"). Called by objective.py,
where the KL is a term of the loss, and by modules/grpo.py, where it is part of the reward.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor

from lit_grpo.losses.base import LossInputs, LossOutput
from lit_grpo.losses.ratio import clamped_log_ratio


class KLEstimator(StrEnum):
    """An estimate per token, in nats."""

    K1 = "k1"
    """-x: unbiased in value, of either sign. Its gradient has mean 0 whatever the reference: of no use in a loss."""
    K2 = "k2"
    """x^2 / 2: biased in value, but its gradient is an unbiased estimate of the KL's (on-policy)."""
    K3 = "k3"
    """e^x - x - 1: unbiased in value, never negative; its gradient is not that of the KL (GRPO, arXiv:2402.03300)."""

    def divergence(self, policy_logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
        """[num_tokens] in nats, differentiable in the policy's log-probs."""
        match self:
            case KLEstimator.K1:
                return k1(policy_logprobs, reference_logprobs)
            case KLEstimator.K2:
                return k2(policy_logprobs, reference_logprobs)
            case KLEstimator.K3:
                return k3(policy_logprobs, reference_logprobs)


class KLPlace(StrEnum):
    """The place that beta times the estimate goes to."""

    LOSS = "loss"
    """It is added to each token's loss, after the mismatch weight, which does not weigh it."""
    REWARD = "reward"
    """It lowers an episode's reward by beta times its tokens' sum of k1, at the proximal policy, without gradient."""


def k1(policy_logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """log policy - log reference. Example: policy 0.5 and reference 0.25 give 0.693."""
    return clamped_log_ratio(policy_logprobs, reference_logprobs)


def k2(policy_logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """x^2 / 2. Example: policy 0.5 and reference 0.25 give 0.693^2 / 2 = 0.240."""
    return clamped_log_ratio(reference_logprobs, policy_logprobs).square() / 2


def k3(policy_logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """e^x - x - 1. Example: policy 0.5 and reference 0.25 give x = -0.693 and 0.5 + 0.693 - 1 = 0.193."""
    x = clamped_log_ratio(reference_logprobs, policy_logprobs)
    return torch.expm1(x) - x


def add_reference_kl(
    output: LossOutput, inputs: LossInputs, beta: float, estimator: KLEstimator = KLEstimator.K3
) -> LossOutput:
    """``output`` with ``beta`` times the KL on each token's loss, and the KL as the statistic ``reference_kl``."""
    assert inputs.reference_logprobs is not None, "beta > 0 needs the reference's log-probs in the experience"
    divergence = estimator.divergence(inputs.policy_logprobs, inputs.reference_logprobs)
    statistics = {**output.statistics, "reference_kl": divergence.detach()}
    return LossOutput(output.token_losses + beta * divergence, statistics)
