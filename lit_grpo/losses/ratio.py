"""The ratio of two policies' probabilities of a token. Called by the surrogates, reference_kl.py and mismatch.py."""

from __future__ import annotations

from torch import Tensor

LOG_RATIO_LIMIT = 20.0
"""Log-ratios are clamped to plus or minus this (a ratio of 4.9e8), so that exp stays finite in float32."""


def clamped_log_ratio(numerator_logprobs: Tensor, denominator_logprobs: Tensor) -> Tensor:
    """[num_tokens] difference of log-probs within plus or minus 20; no gradient beyond."""
    return (numerator_logprobs - denominator_logprobs).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)


def likelihood_ratio(numerator_logprobs: Tensor, denominator_logprobs: Tensor) -> Tensor:
    """[num_tokens] ratio of probabilities; exactly 1 where the log-probs are equal."""
    return clamped_log_ratio(numerator_logprobs, denominator_logprobs).exp()
