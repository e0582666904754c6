"""GMPO: the geometric mean of a sequence's clipped ratios (arXiv:2507.20673). Configured on modules/grpo.py."""

from __future__ import annotations

from typing import ClassVar

import torch

from lit_grpo.losses.base import LossInputs, LossOutput, PolicyLoss
from lit_grpo.losses.ratio import clamped_log_ratio, sequence_means


class GMPOLoss(PolicyLoss):
    """``-A exp(mean over the sequence of l)``, l = min(log r, log_clip) where A > 0, max(log r, -log_clip) where A < 0.

    Each token is clipped by itself, in the direction that its advantage pushes, before the mean: one outlier can
    neither carry the sequence nor, as in GSPO, take it out of the step. Every token of a sequence has the same
    loss; with Reduction.SEQUENCE_MEAN that is the paper's objective. Example: log r = 1 and 0 with A = 1 and
    log_clip = 0.4 give -exp(0.2).
    """

    is_sequence_level: ClassVar[bool] = True
    clips: ClassVar[bool] = True

    def __init__(self, log_clip: float = 0.4) -> None:
        """Set the largest log-ratio of a token with a gradient; 0.4 is the paper's.

        Raises:
            ValueError: The bound is not positive.
        """
        super().__init__()
        if log_clip <= 0:
            raise ValueError(f"expected log_clip above 0, got {log_clip}; 0.4 is usual")
        self.log_clip = log_clip

    def forward(self, inputs: LossInputs) -> LossOutput:
        """The loss; of its statistics ``clipped`` is 1 where a log-ratio was cut, and ``ratio`` is r of the token."""
        advantages = inputs.advantages
        log_ratio = clamped_log_ratio(inputs.policy_logprobs, inputs.proximal_logprobs)
        bounded = torch.where(advantages > 0, log_ratio.clamp(max=self.log_clip), log_ratio.clamp(min=-self.log_clip))
        token_losses = -advantages * sequence_means(bounded, inputs.sequence_index).exp()
        clipped = ((bounded != log_ratio) & (advantages != 0)).to(log_ratio.dtype)
        return LossOutput(token_losses, {"clipped": clipped, "ratio": log_ratio.detach().exp()})

    def describe(self) -> str:
        """``geometric mean of a sequence's ratios, each cut one-sidedly at a log-ratio of 0.4 (GMPO)``."""
        return f"geometric mean of a sequence's ratios, each cut one-sidedly at a log-ratio of {self.log_clip:g} (GMPO)"
