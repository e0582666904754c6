# pyright: reportMissingImports=false
"""Draws each token inside vLLM with this package's own sampling: same settings, same seed, same draw as anywhere else.

vLLM loads the class, which core.py names, and then decodes greedily: of every row's logits only the drawn token is
left, and its logit is its log-prob, which the sampler hands back as it is (``processed_logits``, set by worker.py).
Importing this file needs vLLM, so nothing else of this package does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor, MoveDirectionality

from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.engines.sampling import RowSampling, draw, uniforms_at

SEED, SAMPLING = "lit_grpo_seed", "lit_grpo_sampling"
"""Keys of ``SamplingParams.extra_args``."""

SCORED = SamplingSettings(temperature=0.0)
"""The settings of a request that is only scored: its one token is thrown away."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One request in the batch."""

    seed: int
    sampling: SamplingSettings
    drawn: list[int]
    """The request's tokens so far; vLLM appends to it."""


class CounterDraws(LogitsProcessor):
    """Draws once per row and step, at the position that the row's tokens have reached."""

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self._device = device
        self._rows: dict[int, _Row] = {}
        self._sampling: RowSampling | None = None

    def is_argmax_invariant(self) -> bool:
        """False: it decides which logit is the greatest."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow the requests through the batch: removed, added, moved, in this order."""
        if batch_update is None:
            return
        for index in batch_update.removed:
            self._rows.pop(index, None)
        for index, params, _, drawn in batch_update.added:
            self._rows[index] = _row(params, drawn)
        for one, other, direction in batch_update.moved:
            row, replaced = self._rows.pop(one, None), self._rows.pop(other, None)
            if row is not None:
                self._rows[other] = row
            if replaced is not None and direction is MoveDirectionality.SWAP:
                self._rows[one] = replaced
        self._sampling = None

    def apply(self, logits: Tensor) -> Tensor:
        """[rows, vocabulary] float32, the log-prob of the drawn token at its place and minus infinity elsewhere."""
        rows = [self._rows[index] for index in range(logits.shape[0])]
        if self._sampling is None:
            self._sampling = RowSampling.of([row.sampling for row in rows], self._device)
        seeds = np.array([row.seed for row in rows], dtype=np.uint64)
        positions = np.array([len(row.drawn) for row in rows], dtype=np.uint64)
        tokens, logprobs = draw(logits, self._sampling, uniforms_at(seeds, positions).to(self._device))
        return torch.full_like(logits, -torch.inf).scatter_(1, tokens[:, None], logprobs[:, None])


def _row(params: SamplingParams, drawn: list[int]) -> _Row:
    if params.extra_args is None:
        return _Row(0, SCORED, drawn)
    return _Row(params.extra_args[SEED] % 2**64, params.extra_args[SAMPLING], drawn)
