"""The clipped surrogate with the ratio of whole sequences: GSPO (arXiv:2507.18071). Configured on modules/grpo.py."""

from __future__ import annotations

from typing import ClassVar

from lit_grpo.losses.base import LossInputs, LossOutput, PolicyLoss
from lit_grpo.losses.clipped import clipped_surrogate, describe_range, require_clip_range, require_dual_clip
from lit_grpo.losses.ratio import clamped_log_ratio, sequence_means


class SequenceClippedLoss(PolicyLoss):
    """``-min(s A, clip(s, 1 - clip_low, 1 + clip_high) A)`` with ``s = exp(mean over the sequence of log r)``.

    Every token of a sequence has the same loss, through which the gradient reaches all its log-probs: with
    Reduction.SEQUENCE_MEAN that is the paper's objective. s is a geometric mean and stays far closer to 1 than r does,
    hence the paper's narrow range, the default here. Example: ratios 2 and 0.5 of a sequence give s = 1.
    """

    is_sequence_level: ClassVar[bool] = True
    clips: ClassVar[bool] = True

    def __init__(self, clip_low: float = 3e-4, clip_high: float = 4e-4, dual_clip: float | None = None) -> None:
        """Set the range of s; ``dual_clip`` as in ClippedLoss.

        Raises:
            ValueError: The range does not hold 1 or reaches below 0, or the dual clip acts at 1.
        """
        super().__init__()
        require_clip_range(clip_low, clip_high)
        require_dual_clip(dual_clip)
        self.clip_low, self.clip_high, self.dual_clip = clip_low, clip_high, dual_clip

    def forward(self, inputs: LossInputs) -> LossOutput:
        """The loss; of its statistics ``clipped`` is 1 on all tokens of a sequence with a clipped s, ``ratio`` is s."""
        log_ratio = clamped_log_ratio(inputs.policy_logprobs, inputs.proximal_logprobs)
        ratio = sequence_means(log_ratio, inputs.sequence_index).exp()
        return clipped_surrogate(ratio, inputs.advantages, self.clip_low, self.clip_high, self.dual_clip)

    def describe(self) -> str:
        """``clipped surrogate, ratio of a sequence (geometric mean) within [0.9997, 1.0004]``."""
        within = describe_range(self.clip_low, self.clip_high)
        return f"clipped surrogate, ratio of a sequence (geometric mean of its tokens') within {within}" + (
            "" if self.dual_clip is None else f", dual clip at {self.dual_clip:g}"
        )
