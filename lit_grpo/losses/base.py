"""The seam of every policy loss: its inputs, its output, and the totals it is divided by.

Tokens are flat, shape [num_tokens]: only tokens the policy sampled are in here, decided once in rollout/experience.py,
so there is no padding and no mask, and a loss cannot depend on how a batch was packed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class LossInputs:
    """The sampled tokens of some whole sequences (a micro-batch). A sequence is never split over micro-batches."""

    policy_logprobs: Tensor
    """[num_tokens] under the current policy, with gradient."""
    proximal_logprobs: Tensor
    """[num_tokens] under the policy before the first optimizer step on this rollout, without gradient."""
    sampler_logprobs: Tensor
    """[num_tokens] under the distribution that the engine drew from, without gradient."""
    reference_logprobs: Tensor | None
    """[num_tokens] under the frozen reference; None when no KL is configured."""
    advantages: Tensor
    """[num_tokens], the advantage of each token's sequence."""
    sequence_index: Tensor
    """[num_tokens] int64, which sequence of this micro-batch a token belongs to, 0-based, contiguous."""
    group_index: Tensor
    """[num_tokens] int64, which group of this micro-batch."""
    group_num_tokens: Tensor | None = None
    """[num_tokens], the number of tokens of each token's group in the whole step, since a group may be spread over
    micro-batches; used by Reduction.PROMPT_MEAN alone."""
    entropies: Tensor | None = None
    """[num_tokens] in nats, of the distribution each token was drawn from, with gradient; used by an entropy bonus."""
    keep: Tensor | None = None
    """[num_tokens] bool, true where the entropy mask leaves a token in the surrogate; None without such a mask."""


@dataclass(frozen=True, slots=True)
class UpdateTotals:
    """Counts over the whole optimizer step: all micro-batches, all ranks. Reductions divide by these."""

    num_tokens: int
    num_sequences: int
    """Sequences with at least one sampled token."""
    num_groups: int
    """Groups with at least one sampled token."""
    max_sequence_tokens: int | None = None
    """L_max of Reduction.CONSTANT_LENGTH, which is configured, not counted: it is the same in every step."""


@dataclass(frozen=True, slots=True)
class LossOutput:
    """The loss per token, before the reduction, and statistics worth logging."""

    token_losses: Tensor
    """[num_tokens] with gradient."""
    statistics: Mapping[str, Tensor]
    """Name -> [num_tokens] detached, averaged over the step's tokens by the caller, e.g. ``clipped``."""


class PolicyLoss(nn.Module, ABC):
    """Base class of the surrogates: a small final module per paper, configured by its arguments."""

    is_sequence_level: ClassVar[bool] = False
    """Whether a token's loss holds the log-probs of all tokens of its sequence."""
    clips: ClassVar[bool] = False
    """Whether a range of the ratio decides which tokens have a gradient."""
    uses_ratio: ClassVar[bool] = True
    """Whether later updates of a rollout are corrected for the policy having moved since."""

    @abstractmethod
    def forward(self, inputs: LossInputs) -> LossOutput:
        """The loss of each token, to be minimised."""

    def describe(self) -> str:
        """The surrogate with its settings in a few words, for the log."""
        return type(self).__name__
