"""DPPO with total variation: a trust region on probabilities (arXiv:2602.04879). Configured on modules/grpo.py."""

from __future__ import annotations

from lit_grpo.losses.base import LossInputs, LossOutput, PolicyLoss
from lit_grpo.losses.ratio import at_least_float32, likelihood_ratio


class DPPOLoss(PolicyLoss):
    """``-A r M`` per token; M = [pi - mu <= delta] where A > 0, [pi - mu >= -delta] where A < 0, mu the sampler.

    A ratio says little about how far a rare token moved: from 0.001 to 0.002 the ratio is 2 and the change is tiny.
    Here a token loses its gradient once its probability itself moved by more than delta in the direction of its
    advantage. The ratio is taken to the proximal policy; the mask compares with the sampler. Example: pi = 0.6,
    mu = 0.4, delta = 0.15 give no gradient for A = 1, and one for A = -1.
    """

    def __init__(self, delta: float = 0.2) -> None:
        """Set how far a token's probability may move.

        Raises:
            ValueError: The bound is outside (0, 1].
        """
        super().__init__()
        if not 0 < delta <= 1:
            raise ValueError(f"expected delta in (0, 1], a difference of probabilities, got {delta}; 0.2 is usual")
        self.delta = delta

    def forward(self, inputs: LossInputs) -> LossOutput:
        """The loss; of its statistics ``clipped`` is 1 where the mask took the gradient away, and ``ratio`` is r."""
        ratio = likelihood_ratio(inputs.policy_logprobs, inputs.proximal_logprobs)
        policy, sampler = (at_least_float32(x.detach()) for x in (inputs.policy_logprobs, inputs.sampler_logprobs))
        moved, advantages = policy.exp() - sampler.exp(), inputs.advantages
        outside = ((advantages > 0) & (moved > self.delta)) | ((advantages < 0) & (moved < -self.delta))
        token_losses = -advantages * ratio * (~outside).to(ratio.dtype)
        return LossOutput(token_losses, {"clipped": outside.to(ratio.dtype), "ratio": ratio.detach()})

    def describe(self) -> str:
        """``ratio of a token, masked where its probability moved by more than 0.2 (DPPO-TV)``."""
        return f"ratio of a token, masked where its probability moved by more than {self.delta:g} (DPPO-TV)"
