"""The ratio of two policies' probabilities, of a token or of a whole sequence. Called by every surrogate and weight."""

from __future__ import annotations

import torch
from torch import Tensor

LOG_RATIO_LIMIT = 20.0
"""Log-ratios are clamped to plus or minus this (a ratio of 4.9e8), so that exp stays finite in float32."""


def at_least_float32(values: Tensor) -> Tensor:
    """float16 and bfloat16 as float32, anything wider as it is."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def clamped_log_ratio(numerator_logprobs: Tensor, denominator_logprobs: Tensor) -> Tensor:
    """[num_tokens], at least float32: the difference of log-probs, clamped to plus or minus 20; no gradient beyond."""
    difference = at_least_float32(numerator_logprobs) - at_least_float32(denominator_logprobs)
    return difference.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)


def likelihood_ratio(numerator_logprobs: Tensor, denominator_logprobs: Tensor) -> Tensor:
    """[num_tokens], the ratio of probabilities; exactly 1 where the log-probs are equal."""
    return clamped_log_ratio(numerator_logprobs, denominator_logprobs).exp()


def sequence_sums(values: Tensor, sequence_index: Tensor) -> Tensor:
    """[num_tokens], at each token the sum over its sequence, which is whole in the micro-batch.

    Example: 1, 2, 4 in sequences 0, 0, 1 give 3, 3, 4.
    """
    num_sequences = int(sequence_index.max()) + 1 if sequence_index.numel() else 0
    return values.new_zeros(num_sequences).index_add(0, sequence_index, values)[sequence_index]


def sequence_means(values: Tensor, sequence_index: Tensor) -> Tensor:
    """[num_tokens], at each token the mean of its sequence. Example: 1, 2, 4 in sequences 0, 0, 1 give 1.5, 1.5, 4."""
    return sequence_sums(values, sequence_index) / sequence_sums(torch.ones_like(values), sequence_index)
