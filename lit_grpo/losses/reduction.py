"""Reduces a loss per token to the scalar that is differentiated. Called by objective.py, once per micro-batch.

Every normaliser is a total of the whole optimizer step. The scalars of all micro-batches of all ranks therefore add up
to one and the same loss however the step was cut, packed or padded; a strategy that averages gradients over ranks needs
them multiplied by the number of ranks.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor

from lit_grpo.losses.base import LossInputs, UpdateTotals


class Reduction(StrEnum):
    """How much each token counts. l is a token's loss, n_i the tokens of sequence i, B the step's sequences."""

    TOKEN_MEAN = "token_mean"
    """sum l / N, N the step's tokens (DAPO, arXiv:2503.14476): long sequences weigh more."""
    SEQUENCE_MEAN = "sequence_mean"
    """(1/B) sum_i (sum_t l) / n_i (GRPO, arXiv:2402.03300): a token of a short sequence weighs more."""
    CONSTANT_LENGTH = "constant_length"
    """sum l / (B L_max), L_max a configured constant (Dr. GRPO, arXiv:2503.20783): no weight depends on a length."""
    SEQUENCE_SUM = "sequence_sum"
    """(1/B) sum_i sum_t l: CONSTANT_LENGTH with L_max = 1. A sequence's log-prob is the sum of its tokens'."""
    PROMPT_MEAN = "prompt_mean"
    """(1/G) sum_g (sum_{i in g} l) / N_g, G the step's groups, N_g the tokens of group g: each task weighs the same."""

    def reduce(self, token_losses: Tensor, inputs: LossInputs, totals: UpdateTotals) -> Tensor:
        """This micro-batch's share of the step's loss, a scalar; 0 without tokens."""
        return (token_losses * self.token_weights(inputs, totals)).sum()

    def token_weights(self, inputs: LossInputs, totals: UpdateTotals) -> Tensor:
        """[num_tokens], at least float32; the weights of the means sum to 1 over the whole step."""
        match self:
            case Reduction.TOKEN_MEAN:
                return _everywhere(1 / totals.num_tokens, inputs)
            case Reduction.SEQUENCE_MEAN:
                return sequence_mean(inputs, totals)
            case Reduction.CONSTANT_LENGTH:
                assert totals.max_sequence_tokens is not None, "CONSTANT_LENGTH needs max_sequence_tokens in the totals"
                return _everywhere(1 / (totals.num_sequences * totals.max_sequence_tokens), inputs)
            case Reduction.SEQUENCE_SUM:
                return _everywhere(1 / totals.num_sequences, inputs)
            case Reduction.PROMPT_MEAN:
                return prompt_mean(inputs, totals)


def sequence_mean(inputs: LossInputs, totals: UpdateTotals) -> Tensor:
    """1 / (B n_i) for each token of sequence i, which is whole in this micro-batch."""
    tokens_of_sequence = inputs.sequence_index.bincount()[inputs.sequence_index]
    return 1 / (totals.num_sequences * tokens_of_sequence.to(_dtype(inputs)))


def prompt_mean(inputs: LossInputs, totals: UpdateTotals) -> Tensor:
    """1 / (G N_g) for each token of group g, which may go on in other micro-batches."""
    assert inputs.group_num_tokens is not None, "PROMPT_MEAN needs the tokens of each group in the inputs"
    return 1 / (totals.num_groups * inputs.group_num_tokens.to(_dtype(inputs)))


def _everywhere(weight: float, inputs: LossInputs) -> Tensor:
    return torch.full_like(inputs.policy_logprobs, weight, dtype=_dtype(inputs), requires_grad=False)


def _dtype(inputs: LossInputs) -> torch.dtype:
    return torch.promote_types(inputs.policy_logprobs.dtype, torch.float32)
