"""CISPO: a clipped importance weight on REINFORCE (MiniMax-M1, arXiv:2506.13585). Configured on modules/grpo.py."""

from __future__ import annotations

from typing import ClassVar

from lit_grpo.losses.base import LossInputs, LossOutput, PolicyLoss
from lit_grpo.losses.clipped import describe_range, require_clip_range
from lit_grpo.losses.ratio import at_least_float32, likelihood_ratio


class CISPOLoss(PolicyLoss):
    """``-sg(clip(r, 1 - clip_low, 1 + clip_high)) A log pi`` per token: every token keeps a gradient.

    The clip acts on the weight, so a rare token whose probability moved far still learns. The paper leaves the lower
    side open: ``clip_low=1``. The upper bound is ``1 + clip_high`` here; some libraries take the number itself for
    the bound. Example: r = 1.5, A = 1, clip_high = 0.28, log pi = -1 gives a loss of 1.28 and a gradient of -1.28.
    """

    clips: ClassVar[bool] = True

    def __init__(self, clip_low: float = 1.0, clip_high: float = 0.28) -> None:
        """Set the range of the weight.

        Raises:
            ValueError: The range does not hold the ratio 1, or reaches below 0.
        """
        super().__init__()
        require_clip_range(clip_low, clip_high)
        self.clip_low, self.clip_high = clip_low, clip_high

    def forward(self, inputs: LossInputs) -> LossOutput:
        """The loss; of its statistics ``clipped`` is 1 where the weight is not r itself, and ``ratio`` is r."""
        ratio = likelihood_ratio(inputs.policy_logprobs.detach(), inputs.proximal_logprobs)
        weight = ratio.clamp(1 - self.clip_low, 1 + self.clip_high)
        token_losses = -weight * inputs.advantages * at_least_float32(inputs.policy_logprobs)
        return LossOutput(token_losses, {"clipped": (weight != ratio).to(ratio.dtype), "ratio": ratio})

    def describe(self) -> str:
        """``REINFORCE weighted by the ratio of a token, clipped to [0, 1.28] (CISPO)``."""
        within = describe_range(self.clip_low, self.clip_high)
        return f"REINFORCE weighted by the ratio of a token, clipped to {within} (CISPO)"
