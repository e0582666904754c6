"""The clipped surrogate of PPO (arXiv:1707.06347), as GRPO and DAPO use it. Configured on modules/grpo.py."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lit_grpo.losses.base import LossInputs, LossOutput, PolicyLoss
from lit_grpo.losses.ratio import likelihood_ratio


class ClippedLoss(PolicyLoss):
    """``-min(r A, clip(r, 1 - clip_low, 1 + clip_high) A)`` per token, r = policy over proximal probability.

    Example: r = 1.5, A = 1, clip_high = 0.2 gives -1.2 and no gradient; with A = -1 it gives 1.5 and a gradient.
    ``clip_high=0.28`` is the clip-higher of DAPO (arXiv:2503.14476). ``dual_clip=c`` bounds the loss of a token with
    A < 0 by c |A| (arXiv:1912.09729), which otherwise grows with the ratio without bound; with c > 1 + clip_high that
    is the two-sided clip of INTELLECT-2 (arXiv:2505.07291) with delta = c.
    """

    clips: ClassVar[bool] = True

    def __init__(self, clip_low: float = 0.2, clip_high: float = 0.2, dual_clip: float | None = None) -> None:
        """Set the range of the ratio within which a token has a gradient whatever the sign of its advantage.

        Raises:
            ValueError: The range does not hold the ratio 1 or reaches below 0, or the dual clip acts at ratio 1.
        """
        super().__init__()
        require_clip_range(clip_low, clip_high)
        require_dual_clip(dual_clip)
        self.clip_low, self.clip_high, self.dual_clip = clip_low, clip_high, dual_clip

    def forward(self, inputs: LossInputs) -> LossOutput:
        """The loss; of its statistics ``clipped`` is 1 where a clip took the gradient away, and ``ratio`` is r."""
        ratio = likelihood_ratio(inputs.policy_logprobs, inputs.proximal_logprobs)
        return clipped_surrogate(ratio, inputs.advantages, self.clip_low, self.clip_high, self.dual_clip)

    def describe(self) -> str:
        """``clipped surrogate, ratio of a token within [0.8, 1.28]``."""
        return f"clipped surrogate, ratio of a token within {describe_range(self.clip_low, self.clip_high)}" + (
            "" if self.dual_clip is None else f", dual clip at {self.dual_clip:g}"
        )


def clipped_surrogate(
    ratio: Tensor, advantages: Tensor, clip_low: float, clip_high: float, dual_clip: float | None
) -> LossOutput:
    """The clipped loss for a ratio of tokens or of sequences, [num_tokens] in either case."""
    lowest, highest = 1 - clip_low, 1 + clip_high
    token_losses = -torch.minimum(ratio * advantages, ratio.clamp(lowest, highest) * advantages)
    detached = ratio.detach()
    clipped = ((advantages > 0) & (detached > highest)) | ((advantages < 0) & (detached < lowest))
    if dual_clip is not None:
        bounded = torch.minimum(token_losses, -dual_clip * advantages)
        token_losses = torch.where(advantages < 0, bounded, token_losses)
        clipped |= (advantages < 0) & (detached > dual_clip)
    return LossOutput(token_losses, {"clipped": clipped.to(detached.dtype), "ratio": detached})


def require_clip_range(clip_low: float, clip_high: float) -> None:
    """ValueError for a range that does not hold the ratio 1, or reaches below 0."""
    if not 0 <= clip_low <= 1 or clip_high < 0:
        raise ValueError(f"expected 0 <= clip_low <= 1 and clip_high >= 0, got {clip_low} and {clip_high}")


def require_dual_clip(dual_clip: float | None) -> None:
    """ValueError for a bound that takes away gradients at ratio 1."""
    if dual_clip is not None and dual_clip <= 1:
        raise ValueError(f"expected dual_clip above 1, the ratio of an unchanged policy, got {dual_clip}; 3 is usual")


def describe_range(clip_low: float, clip_high: float) -> str:
    """``[0.8, 1.28]``."""
    return f"[{1 - clip_low:g}, {1 + clip_high:g}]"
