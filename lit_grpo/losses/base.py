"""The seam of every policy loss: what it gets, what it returns, and the totals it is divided by.

Tokens are flat, shape [num_tokens]: only tokens the policy sampled are in here, decided once in rollout/experience.py,
so there is no padding and no mask, and a loss cannot depend on how a batch was packed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class LossInputs:
    """The sampled tokens of some whole sequences (a micro-batch). A sequence is never split over micro-batches."""

    policy_logprobs: Tensor
    """[num_tokens] of the current policy, with gradient."""
    proximal_logprobs: Tensor
    """[num_tokens] of the policy before the first optimizer step on this rollout, no gradient."""
    sampler_logprobs: Tensor
    """[num_tokens] the engine drew with, no gradient."""
    reference_logprobs: Tensor | None
    """[num_tokens] of the frozen reference; None when no KL is configured."""
    advantages: Tensor
    """[num_tokens] each token's sequence's advantage."""
    sequence_index: Tensor
    """[num_tokens] int64, which sequence of this micro-batch a token belongs to, 0-based, contiguous."""
    group_index: Tensor
    """[num_tokens] int64, which group of this micro-batch."""


@dataclass(frozen=True, slots=True)
class StepTotals:
    """Counts over the whole optimizer step: all micro-batches, all ranks. Reductions divide by these."""

    num_tokens: int
    num_sequences: int
    """Sequences with at least one sampled token."""
    num_groups: int


@dataclass(frozen=True, slots=True)
class LossOutput:
    """Loss per token, before the reduction, and what is worth logging."""

    token_losses: Tensor
    """[num_tokens] with gradient."""
    statistics: Mapping[str, Tensor]
    """Name -> [num_tokens] detached, averaged over the step's tokens by the caller, e.g. ``clipped``."""


class PolicyLoss(nn.Module, ABC):
    """Base class of the surrogates: a small final module per paper, configured by its arguments."""

    @abstractmethod
    def forward(self, inputs: LossInputs) -> LossOutput:
        """The loss of each token, to be minimised."""
