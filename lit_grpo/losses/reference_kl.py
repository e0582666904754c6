"""The pull towards a frozen reference policy, added to any surrogate. Called by modules/grpo.py when beta > 0."""

from __future__ import annotations

import torch
from torch import Tensor

from lit_grpo.losses.base import LossInputs, LossOutput
from lit_grpo.losses.ratio import clamped_log_ratio


def k3(policy_logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Estimate of KL(policy || reference) from tokens of the policy: e^x - x - 1 with x = log reference - log policy.

    Never negative, unbiased in value (Schulman 2020, "Approximating KL divergence"). Example: policy 0.5 and reference
    0.25 give x = -0.693 and 0.5 + 0.693 - 1 = 0.193.

    Args:
        policy_logprobs: [num_tokens] with gradient.
        reference_logprobs: [num_tokens].

    Returns:
        [num_tokens] in nats.
    """
    x = clamped_log_ratio(reference_logprobs, policy_logprobs)
    return torch.expm1(x) - x


def add_reference_kl(output: LossOutput, inputs: LossInputs, beta: float) -> LossOutput:
    """``output`` with ``beta`` times k3 on each token's loss, and k3 itself as the statistic ``reference_kl``."""
    assert inputs.reference_logprobs is not None, "beta > 0 needs the reference's log-probs in the experience"
    divergence = k3(inputs.policy_logprobs, inputs.reference_logprobs)
    statistics = {**output.statistics, "reference_kl": divergence.detach()}
    return LossOutput(output.token_losses + beta * divergence, statistics)
