"""SAPO: a smooth gate in place of a clip (arXiv:2511.20347). Configured on modules/grpo.py."""

from __future__ import annotations

import torch

from lit_grpo.losses.base import LossInputs, LossOutput, PolicyLoss
from lit_grpo.losses.ratio import likelihood_ratio


class SAPOLoss(PolicyLoss):
    """``-(4 / tau) sigmoid(tau (r - 1)) A`` per token, tau = tau_pos where A > 0, else tau_neg.

    The gradient falls smoothly on both sides of r = 1, where it equals PPO's: 4 sigmoid'(0) = 1. Tokens with A < 0 push
    up all the others in the vocabulary, hence the larger tau_neg, under which they fade sooner. Example: at r = 1 with
    tau = 1 the loss is -2 A and its gradient in log pi is -A.
    """

    def __init__(self, tau_pos: float = 1.0, tau_neg: float = 1.05) -> None:
        """Set how fast the gradient fades away from r = 1.

        Raises:
            ValueError: A tau is not positive.
        """
        super().__init__()
        if min(tau_pos, tau_neg) <= 0:
            raise ValueError(
                f"expected tau_pos and tau_neg above 0, got {tau_pos} and {tau_neg}; 1.0 and 1.05 are usual"
            )
        self.tau_pos, self.tau_neg = tau_pos, tau_neg

    def forward(self, inputs: LossInputs) -> LossOutput:
        """The loss; its statistic ``ratio`` is r."""
        ratio = likelihood_ratio(inputs.policy_logprobs, inputs.proximal_logprobs)
        tau = torch.full_like(ratio, self.tau_neg, requires_grad=False)
        tau = tau.masked_fill(inputs.advantages > 0, self.tau_pos)
        token_losses = -(4 / tau) * torch.sigmoid(tau * (ratio - 1)) * inputs.advantages
        return LossOutput(token_losses, {"ratio": ratio.detach()})

    def describe(self) -> str:
        """``soft gate on the ratio of a token, tau 1 where A > 0, else 1.05 (SAPO)``."""
        return f"soft gate on the ratio of a token, tau {self.tau_pos:g} where A > 0, else {self.tau_neg:g} (SAPO)"
