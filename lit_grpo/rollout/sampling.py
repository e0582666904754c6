"""Drawing tokens, all rows at once, with random numbers that are a function of (seed, position) alone.

Called by transformers_engine.py. A draw does not depend on which other rows are in the batch or on the order of
requests. Counter-based numbers: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (SplitMix64).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_UNIFORM_BITS = 24


def counter_uniforms(seeds: np.ndarray, num_positions: int) -> Tensor:
    """Uniform numbers in [0, 1), one per seed and position.

    Args:
        seeds: [rows] uint64.
        num_positions: of the completion, counted from its first token.

    Returns:
        [rows, num_positions] float32, multiples of 2^-24, so that each is exact and below 1.
    """
    counters = np.arange(1, num_positions + 1, dtype=np.uint64) * _GOLDEN_GAMMA
    mixed = _mixed(_mixed(seeds)[:, None] + counters[None, :])
    return torch.from_numpy((mixed >> np.uint64(64 - _UNIFORM_BITS)).astype(np.float32) * np.float32(2**-_UNIFORM_BITS))


def _mixed(state: np.ndarray) -> np.ndarray:
    """SplitMix64's output function."""
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


@dataclass(frozen=True, slots=True)
class RowSampling:
    """The distribution of each row."""

    temperature: Tensor
    """[rows] float32; 1 where the row is greedy."""
    greedy: Tensor
    """[rows] bool."""
    any_greedy: bool
    all_greedy: bool

    @classmethod
    def of(cls, temperatures: list[float], device: torch.device) -> RowSampling:
        """From ``SamplingSettings.temperature`` of each row."""
        temperature = torch.tensor(temperatures, dtype=torch.float32, device=device)
        greedy = temperature == 0
        flags = [value == 0 for value in temperatures]
        return cls(torch.where(greedy, 1.0, temperature), greedy, any(flags), all(flags))

    def select(self, rows: Tensor) -> RowSampling:
        """The distributions of some rows."""
        return RowSampling(self.temperature[rows], self.greedy[rows], self.any_greedy, self.all_greedy)


def draw(logits: Tensor, sampling: RowSampling, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Draw one token per row by inverting the cumulative distribution; the most probable one where greedy.

    Args:
        logits: [rows, vocabulary] of any float type.
        sampling: of the same rows.
        uniforms: [rows] in [0, 1).

    Returns:
        token ids [rows] int64, and their float32 log-probs [rows] under the distribution drawn from (at temperature 1
        where greedy).
    """
    scaled = logits.float() / sampling.temperature[:, None]
    log_partition = scaled.logsumexp(dim=1, keepdim=True)
    if sampling.all_greedy:
        tokens = scaled.argmax(dim=1)
    else:
        tokens = _inverse_cdf((scaled - log_partition).exp_(), uniforms)
        if sampling.any_greedy:
            tokens = torch.where(sampling.greedy, scaled.argmax(dim=1), tokens)
    return tokens, (scaled.gather(1, tokens[:, None]) - log_partition).squeeze(1)


def _inverse_cdf(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """The first token whose cumulative probability exceeds the uniform: never one of probability zero."""
    cumulative = probabilities.cumsum(dim=1)
    threshold = uniforms[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, threshold, right=True).squeeze(1)
