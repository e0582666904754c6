"""The seam to whatever samples tokens: token ids in, token ids and their log-probs out.

Implemented by transformers/engine.py, vllm/engine.py and scripted.py; called by collect.py. Requests are
submitted one by one and come back when they are done, so an engine without a turn barrier fits as well as one that
decodes in batches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class EngineFailure(RuntimeError):
    """The engine is of no more use to this run; the message says what happened, and what to change."""


class FinishReason(StrEnum):
    """Why a completion ended. Members are all truthy: compare with ``is``."""

    STOP = "stop"
    """The model ended its turn itself (the stop token is in ``token_ids``)."""
    LENGTH = "length"
    """``max_completion_tokens`` was reached."""


class LogprobsOf(StrEnum):
    """The distribution that a sampled token's log-prob belongs to."""

    PROCESSED = "processed"
    """The distribution it was drawn from: temperature applied, truncated and renormalised."""
    RAW = "raw"
    """The model's own distribution: temperature 1, the whole vocabulary."""


@dataclass(frozen=True)
class SamplingSettings:
    """The distribution that tokens are drawn from, and which log-probs come back: the same from every engine."""

    temperature: float = 1.0
    """Logits are divided by it; 0 takes the most probable token (its log-prob is then that at temperature 1)."""
    max_completion_tokens: int = 64
    """The most tokens that a turn may have."""
    top_p: float = 1.0
    """Keeps only the most probable tokens that together reach it, of those that top_k and min_p leave; 1: all."""
    top_k: int = 0
    """Keeps only so many most probable tokens, of those that min_p leaves; 0: all."""
    min_p: float = 0.0
    """Keeps only tokens with at least this share of the most probable one's probability; 0: all."""
    stop: tuple[int, ...] = ()
    """Token ids that end a turn, besides the chat format's own."""
    logprobs: LogprobsOf = LogprobsOf.PROCESSED

    def __post_init__(self) -> None:
        """ValueError for a number without a meaning."""
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"expected temperature >= 0, got {self.temperature}; 0 decodes greedily")
        if self.max_completion_tokens < 1:
            raise ValueError(f"expected max_completion_tokens >= 1, got {self.max_completion_tokens}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"expected 0 < top_p <= 1, got {self.top_p}; 1 keeps every token")
        if self.top_k < 0:
            raise ValueError(f"expected top_k >= 0, got {self.top_k}; 0 keeps every token")
        if not 0 <= self.min_p <= 1:
            raise ValueError(f"expected 0 <= min_p <= 1, got {self.min_p}; 0 keeps every token")

    @property
    def truncates(self) -> bool:
        """Whether some tokens cannot be drawn."""
        return self.top_p < 1 or self.top_k > 0 or self.min_p > 0

    def trained_temperature(self) -> float:
        """The temperature at which a trainer computes the very log-probs that come back.

        Raises:
            ValueError: A trainer cannot compute them, since it sums over the whole vocabulary.
        """
        if self.logprobs is LogprobsOf.RAW:
            return 1.0
        if self.truncates:
            raise ValueError(
                "sampling: expected top_p 1, top_k 0 and min_p 0 with logprobs PROCESSED, got "
                f"{self.top_p}, {self.top_k} and {self.min_p}; the trainer's log-probs are those of the whole "
                "vocabulary, so train without truncation or set logprobs to RAW"
            )
        return self.temperature


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One turn to be sampled."""

    conversation: int
    """Key under which the engine may keep this context's KV cache for the next turn; unique within a collection."""
    token_ids: tuple[int, ...]
    """The whole context: prompt and all turns so far. Requests with equal ids share one prefill."""
    seed: int
    """The seed of (run, task, sample, turn): the draw depends on it and on the position, never on the order of arrival.
    """


NO_WEIGHTS = -1
"""The ``policy_version`` of a turn that no policy drew: an oracle's."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled turn."""

    conversation: int
    token_ids: tuple[int, ...]
    """The sampled tokens, the stop token included where the model ended its turn."""
    logprobs: tuple[float, ...]
    """The log-prob of each sampled token, under the distribution that ``SamplingSettings.logprobs`` names."""
    finish_reason: FinishReason
    policy_version: int
    """The version of the weights that drew the turn."""


class RolloutEngine(Protocol):
    """Samples completions with the weights that it has; publishing.py says how it gets them."""

    @property
    def max_context_tokens(self) -> int:
        """Most tokens a context and its completion may have together."""
        ...

    @property
    def decodes_in_background(self) -> bool:
        """Whether it decodes outside ``wait``, too: if so, a request is best submitted at once, else with others."""
        ...

    def submit(self, request: GenerationRequest, sampling: SamplingSettings) -> None:
        """Queue a request; ValueError if context and completion cannot fit."""
        ...

    def wait(self) -> Sequence[Completion]:
        """Block until at least one queued request is done, and return those that are, in order of submission if known.

        Nothing comes back if ``wake`` was called and no request is done.
        """
        ...

    def wake(self) -> None:
        """Let the ``wait`` that blocks, or else the next one, return. Any thread may call it."""
        ...

    def release(self) -> None:
        """Forget every conversation (its KV cache); called when a collection ends."""
        ...
