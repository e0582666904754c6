"""From a loss per token to the scalar that is differentiated. Called by modules/grpo.py, once per micro-batch.

Every normaliser is a total of the whole optimizer step. The scalars of all micro-batches of all ranks therefore add up
to one and the same loss however the step was cut, packed or padded; a strategy that averages gradients over ranks needs
them multiplied by the number of ranks.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor

from lit_grpo.losses.base import LossInputs, StepTotals


class Reduction(StrEnum):
    """How much each token counts. l is a token's loss, n_i the tokens of sequence i."""

    TOKEN_MEAN = "token_mean"
    """sum l / N, N the step's tokens (DAPO, arXiv:2503.14476): long sequences weigh more."""
    SEQUENCE_MEAN = "sequence_mean"
    """(1/B) sum_i (sum_t l) / n_i, B the step's sequences (GRPO, arXiv:2402.03300)."""

    def reduce(self, token_losses: Tensor, inputs: LossInputs, totals: StepTotals) -> Tensor:
        """This micro-batch's share of the step's loss, a scalar; 0 without tokens."""
        return (token_losses * self.token_weights(inputs, totals)).sum()

    def token_weights(self, inputs: LossInputs, totals: StepTotals) -> Tensor:
        """[num_tokens], at least float32; they sum to 1 over the whole step."""
        match self:
            case Reduction.TOKEN_MEAN:
                return token_mean(inputs, totals)
            case Reduction.SEQUENCE_MEAN:
                return sequence_mean(inputs, totals)


def token_mean(inputs: LossInputs, totals: StepTotals) -> Tensor:
    """1 / N for each token."""
    return torch.full_like(inputs.policy_logprobs, 1 / totals.num_tokens, requires_grad=False)


def sequence_mean(inputs: LossInputs, totals: StepTotals) -> Tensor:
    """1 / (B n_i) for each token of sequence i, which is whole in this micro-batch."""
    tokens_of_sequence = inputs.sequence_index.bincount()[inputs.sequence_index]
    return 1 / (totals.num_sequences * tokens_of_sequence.to(inputs.policy_logprobs.dtype))
