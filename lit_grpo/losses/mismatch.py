"""How far the trainer's own log-probs lie from those the sampler drew with. Measured in every step by
modules/mismatch_monitor.py.

rho is the proximal policy's probability of a token over the sampler's: 1 everywhere if engine and trainer agree.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lit_grpo.losses.ratio import clamped_log_ratio

LOWEST_RATIO, HIGHEST_RATIO = 0.5, 2.0


@dataclass(frozen=True, slots=True)
class MismatchStatistics:
    """Scalars without gradient, over some tokens. In brackets: their values if engine and trainer agree."""

    mean_abs_log_ratio: Tensor
    """Mean of |log rho| [0]."""
    max_abs_log_ratio: Tensor
    """Largest |log rho| [0]."""
    sampler_kl: Tensor
    """KL(sampler || proximal) in nats, from rho - 1 - log rho [0]."""
    mean_ratio: Tensor
    """Mean of rho [1]."""
    mean_square_ratio: Tensor
    """Mean of rho^2 [1]."""
    share_outside: Tensor
    """Share of tokens with rho outside [0.5, 2] [0]."""

    @property
    def effective_sample_share(self) -> Tensor:
        """(sum rho)^2 / (n sum rho^2), in (0, 1]: the share of n tokens that the weights rho leave [1]."""
        return self.mean_ratio.square() / self.mean_square_ratio


def mismatch_statistics(proximal_logprobs: Tensor, sampler_logprobs: Tensor) -> MismatchStatistics:
    """Compare the two policies on sampled tokens.

    Args:
        proximal_logprobs: [num_tokens], at least one.
        sampler_logprobs: [num_tokens].
    """
    log_ratio = clamped_log_ratio(proximal_logprobs.detach(), sampler_logprobs.detach())
    ratio = log_ratio.exp()
    outside = (ratio < LOWEST_RATIO) | (ratio > HIGHEST_RATIO)
    return MismatchStatistics(
        mean_abs_log_ratio=log_ratio.abs().mean(),
        max_abs_log_ratio=log_ratio.abs().max(),
        sampler_kl=(log_ratio.expm1() - log_ratio).mean(),
        mean_ratio=ratio.mean(),
        mean_square_ratio=ratio.square().mean(),
        share_outside=outside.to(ratio.dtype).mean(),
    )
