"""Importance weights and masks for tokens that the sampler drew from another distribution than the trainer's.

Called by objective.py.

rho is the proximal policy's probability of a token over the sampler's; no gradient flows through any weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from lit_grpo.losses.base import LossInputs
from lit_grpo.losses.ratio import LOG_RATIO_LIMIT, clamped_log_ratio, sequence_means, sequence_sums


class MismatchRule(StrEnum):
    """The ratio that weighs a token, and what happens outside the bounds. A mask gives the weight 0."""

    TOKEN_TRUNCATE = "token_truncate"
    """min(rho, highest): truncated importance sampling (Ionides 2008), per token."""
    TOKEN_MASK = "token_mask"
    """rho where lowest <= rho <= highest, else 0 (IcePop, arXiv:2510.18855)."""
    SEQUENCE_TRUNCATE = "sequence_truncate"
    """min(p, highest), p the product of rho over the sequence."""
    SEQUENCE_MASK = "sequence_mask"
    """p where lowest <= p <= highest, else 0."""
    SEQUENCE_GEOMETRIC = "sequence_geometric"
    """g where lowest <= g <= highest, else 0, g = p^(1/n) the geometric mean of rho over the sequence's n tokens."""

    @property
    def masks(self) -> bool:
        """Whether a ratio outside the bounds weighs 0."""
        return self not in (MismatchRule.TOKEN_TRUNCATE, MismatchRule.SEQUENCE_TRUNCATE)


@dataclass(frozen=True, slots=True)
class MismatchWeight:
    """Multiplies the surrogate's loss of each token.

    Example: rho = 0.4, 1, 3 with bounds 0.5 and 2 weigh 0.4, 1, 2 truncated and 0, 1, 0 masked.
    """

    rule: MismatchRule
    lowest: float = 0.5
    """A mask's lower bound; a truncation has none."""
    highest: float = 2.0
    """A mask's upper bound, or the value that a truncation cuts to."""

    def __post_init__(self) -> None:
        """ValueError for bounds that leave out 1, the weight where sampler and trainer agree."""
        if not 0 <= self.lowest <= 1 <= self.highest:
            raise ValueError(f"mismatch: expected 0 <= lowest <= 1 <= highest, got {self.lowest} and {self.highest}")

    def weights(self, inputs: LossInputs) -> Tensor:
        """The weights, [num_tokens], at least float32, without gradient."""
        log_ratio = clamped_log_ratio(inputs.proximal_logprobs.detach(), inputs.sampler_logprobs.detach())
        match self.rule:
            case MismatchRule.TOKEN_TRUNCATE:
                return log_ratio.exp().clamp(max=self.highest)
            case MismatchRule.TOKEN_MASK:
                return self._masked(log_ratio.exp())
            case MismatchRule.SEQUENCE_TRUNCATE:
                return _product(log_ratio, inputs.sequence_index).clamp(max=self.highest)
            case MismatchRule.SEQUENCE_MASK:
                return self._masked(_product(log_ratio, inputs.sequence_index))
            case MismatchRule.SEQUENCE_GEOMETRIC:
                return self._masked(sequence_means(log_ratio, inputs.sequence_index).exp())

    def keeps(self, inputs: LossInputs) -> Tensor:
        """[num_tokens] bool, true where a mask leaves the token in."""
        assert self.rule.masks, f"{self.rule} leaves everything in"
        return self.weights(inputs) > 0

    def _masked(self, ratio: Tensor) -> Tensor:
        return torch.where((ratio >= self.lowest) & (ratio <= self.highest), ratio, 0.0)

    def describe(self) -> str:
        """``token_mask with bounds [0.5, 2]``."""
        if not self.rule.masks:
            return f"{self.rule} at {self.highest:g}"
        return f"{self.rule} with bounds [{self.lowest:g}, {self.highest:g}]"


def _product(log_ratio: Tensor, sequence_index: Tensor) -> Tensor:
    return sequence_sums(log_ratio, sequence_index).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT).exp()
