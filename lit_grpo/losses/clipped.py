"""The clipped surrogate of PPO (arXiv:1707.06347), as GRPO and DAPO use it. Configured on modules/grpo.py."""

from __future__ import annotations

import torch

from lit_grpo.losses.base import LossInputs, LossOutput, PolicyLoss
from lit_grpo.losses.ratio import likelihood_ratio


class ClippedLoss(PolicyLoss):
    """``-min(r A, clip(r, 1 - clip_low, 1 + clip_high) A)`` per token, r = policy over proximal probability.

    Example: r = 1.5, A = 1, clip_high = 0.2 gives -1.2 and no gradient; with A = -1 it gives 1.5 and a gradient.
    ``clip_high=0.28`` is the clip-higher of DAPO (arXiv:2503.14476).
    """

    def __init__(self, clip_low: float = 0.2, clip_high: float = 0.2) -> None:
        """Set the range of the ratio within which a token has a gradient whatever the sign of its advantage.

        Raises:
            ValueError: a range that does not hold the ratio 1, or reaches below 0.
        """
        super().__init__()
        if not 0 <= clip_low <= 1 or clip_high < 0:
            raise ValueError(f"expected 0 <= clip_low <= 1 and clip_high >= 0, got {clip_low} and {clip_high}")
        self.clip_low = clip_low
        self.clip_high = clip_high

    def forward(self, inputs: LossInputs) -> LossOutput:
        """Statistics: ``clipped`` is 1 where the clip took the gradient away, ``ratio`` is r."""
        ratio = likelihood_ratio(inputs.policy_logprobs, inputs.proximal_logprobs)
        lowest, highest = 1 - self.clip_low, 1 + self.clip_high
        advantages = inputs.advantages
        token_losses = -torch.minimum(ratio * advantages, ratio.clamp(lowest, highest) * advantages)
        detached = ratio.detach()
        clipped = ((advantages > 0) & (detached > highest)) | ((advantages < 0) & (detached < lowest))
        return LossOutput(token_losses, {"clipped": clipped.to(detached.dtype), "ratio": detached})
