"""Drawing tokens, all rows at once, with random numbers that are a function of (seed, position) alone.

Called by transformers/engine.py, and inside vLLM by vllm/draws.py: the same settings and seed draw the same
tokens from the same logits in both. A draw does not depend on which other rows are in the batch or on the order of
requests. Counter-based numbers: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (SplitMix64).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lit_grpo.engines.engine import LogprobsOf, SamplingSettings

_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_UNIFORM_BITS = 24
_ALL = np.iinfo(np.int64).max


def counter_uniforms(seeds: np.ndarray, num_positions: int) -> Tensor:
    """Uniform numbers in [0, 1), one per seed and position.

    Args:
        seeds: [rows] uint64.
        num_positions: The number of positions in the completion, counted from its first token.

    Returns:
        [rows, num_positions] float32, multiples of 2^-24, so that each is exact and below 1.
    """
    return uniforms_at(seeds[:, None], np.arange(num_positions, dtype=np.uint64)[None, :])


def uniforms_at(seeds: np.ndarray, positions: np.ndarray) -> Tensor:
    """Uniform numbers as in ``counter_uniforms``, for any seeds (uint64) and positions (uint64) that broadcast."""
    mixed = _mixed(_mixed(seeds) + (positions + np.uint64(1)) * _GOLDEN_GAMMA)
    return torch.from_numpy((mixed >> np.uint64(64 - _UNIFORM_BITS)).astype(np.float32) * np.float32(2**-_UNIFORM_BITS))


def _mixed(state: np.ndarray) -> np.ndarray:
    """SplitMix64's output function."""
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


@dataclass(frozen=True, slots=True)
class Truncation:
    """The bounds on the tokens that can be drawn in each row; [rows] each."""

    top_p: Tensor
    """float32 in (0, 1]."""
    top_k: Tensor
    """int64, at least 1."""
    min_p: Tensor
    """float32 in [0, 1]."""


@dataclass(frozen=True, slots=True)
class RowSampling:
    """The distribution of each row."""

    temperature: Tensor
    """[rows] float32; 1 where the row is greedy."""
    greedy: Tensor
    """[rows] bool."""
    raw: Tensor
    """[rows] bool, true where the log-prob is the model's own."""
    truncation: Truncation | None
    """The truncation of the rows; None if no row has one."""
    any_greedy: bool
    all_greedy: bool
    any_raw: bool

    @classmethod
    def of(cls, settings: Sequence[SamplingSettings], device: torch.device) -> RowSampling:
        """Gather the settings of all rows into tensors."""
        temperature = torch.tensor([each.temperature for each in settings], dtype=torch.float32, device=device)
        greedy = temperature == 0
        raw = [each.logprobs is LogprobsOf.RAW for each in settings]
        flags = [each.temperature == 0 for each in settings]
        return cls(
            temperature=torch.where(greedy, 1.0, temperature),
            greedy=greedy,
            raw=torch.tensor(raw, device=device),
            truncation=_truncation(settings, device) if any(each.truncates for each in settings) else None,
            any_greedy=any(flags),
            all_greedy=all(flags),
            any_raw=any(raw),
        )

    def select(self, rows: Tensor) -> RowSampling:
        """The distributions of some rows."""
        cut = self.truncation
        if cut is not None:
            cut = Truncation(cut.top_p[rows], cut.top_k[rows], cut.min_p[rows])
        return replace(
            self, temperature=self.temperature[rows], greedy=self.greedy[rows], raw=self.raw[rows], truncation=cut
        )


def _truncation(settings: Sequence[SamplingSettings], device: torch.device) -> Truncation:
    return Truncation(
        top_p=torch.tensor([each.top_p for each in settings], dtype=torch.float32, device=device),
        top_k=torch.tensor([each.top_k or _ALL for each in settings], dtype=torch.int64, device=device),
        min_p=torch.tensor([each.min_p for each in settings], dtype=torch.float32, device=device),
    )


def draw(logits: Tensor, sampling: RowSampling, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Draw one token per row by inverting the cumulative distribution; the most probable one where greedy.

    Args:
        logits: [rows, vocabulary] of any float type.
        sampling: The distributions of the same rows.
        uniforms: [rows] in [0, 1).

    Returns:
        Token ids [rows] int64, and their float32 log-probs [rows] under the distribution drawn from (at temperature 1
        where greedy), or under the model's own where the row is ``raw``.
    """
    scaled = logits.float() / sampling.temperature[:, None]
    if sampling.truncation is not None:
        scaled = scaled.masked_fill(~_kept(scaled, sampling.truncation), -torch.inf)
    log_partition = scaled.logsumexp(dim=1, keepdim=True)
    if sampling.all_greedy:
        tokens = scaled.argmax(dim=1)
    else:
        tokens = _inverse_cdf((scaled - log_partition).exp_(), uniforms)
        if sampling.any_greedy:
            tokens = torch.where(sampling.greedy, scaled.argmax(dim=1), tokens)
    logprobs = (scaled.gather(1, tokens[:, None]) - log_partition).squeeze(1)
    if sampling.any_raw:
        own = logits.float().log_softmax(dim=1).gather(1, tokens[:, None]).squeeze(1)
        logprobs = torch.where(sampling.raw, own, logprobs)
    return tokens, logprobs


def _kept(scaled: Tensor, cut: Truncation) -> Tensor:
    """[rows, vocabulary] bool, true for tokens that are kept by min_p, then top_k, then top_p of what these leave.

    Among equally probable tokens the one with the lower id counts as the more probable.
    """
    ordered, order = scaled.sort(dim=1, descending=True, stable=True)
    ranks = torch.arange(scaled.shape[1], device=scaled.device)
    kept = (ordered >= ordered[:, :1] + cut.min_p[:, None].log()) & (ranks < cut.top_k[:, None])
    probabilities = ordered.masked_fill(~kept, -torch.inf).softmax(dim=1)
    # The mass before a token: the one that reaches top_p is kept itself. At 1, rounding must not drop the tail.
    before = probabilities.cumsum(dim=1) - probabilities
    kept &= (before < cut.top_p[:, None]) | (cut.top_p[:, None] == 1)
    return torch.empty_like(kept).scatter_(1, order, kept)


def _inverse_cdf(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """The first token whose cumulative probability exceeds the uniform: never one of probability zero."""
    cumulative = probabilities.cumsum(dim=1)
    threshold = uniforms[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, threshold, right=True).squeeze(1)
