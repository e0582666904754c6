"""The length penalty of DAPO (arXiv:2503.14476, "soft overlong punishment"). Called by rollout/estimation.py.

Its sibling, the overlong filter, has no formula: a truncated episode's tokens leave the loss.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OverlongPenalty:
    """A penalty on an episode's reward for the advantage alone: no reported metric ever holds it.

    It is 0 up to ``max_tokens - buffer_tokens`` sampled tokens, falls linearly to -1 at ``max_tokens``, and is -1
    beyond. Example: with 100 and 20, an episode of 90 tokens gets -0.5.
    """

    max_tokens: int
    buffer_tokens: int

    def __post_init__(self) -> None:
        """ValueError for a buffer that does not fit."""
        if not 0 < self.buffer_tokens <= self.max_tokens:
            raise ValueError(
                f"overlong_penalty: expected 0 < buffer_tokens <= max_tokens, got {self.buffer_tokens} and "
                f"{self.max_tokens}"
            )

    def of(self, num_tokens: int) -> float:
        """The penalty for an episode of so many sampled tokens, in [-1, 0]."""
        over = num_tokens - (self.max_tokens - self.buffer_tokens)
        return -min(max(over / self.buffer_tokens, 0.0), 1.0)
