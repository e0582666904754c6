"""The seam to whatever samples tokens: token ids in, token ids and their log-probs out.

Implemented by transformers_engine.py and scripted_engine.py; called by collect.py. Requests are submitted one by one
and come back when they are done, so an engine without a turn barrier fits as well as one that decodes in batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from torch import Tensor


class FinishReason(StrEnum):
    """Why a completion ended. Members are all truthy: compare with ``is``."""

    STOP = "stop"
    """The model ended its turn itself (the stop token is in ``token_ids``)."""
    LENGTH = "length"
    """``max_completion_tokens`` was reached."""


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """The distribution that tokens are drawn from. Log-probs are always those of this distribution."""

    temperature: float = 1.0
    """Logits are divided by it; 0 takes the most probable token (its log-prob is then that at temperature 1)."""
    max_completion_tokens: int = 64
    """Per turn."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One turn to be sampled."""

    conversation: int
    """Key under which the engine may keep this context's KV cache for the next turn; unique within a collection."""
    token_ids: tuple[int, ...]
    """The whole context: prompt and all turns so far. Requests with equal ids share one prefill."""
    seed: int
    """Of (run, task, sample, turn): the draw depends on it and on the position, never on the order of arrival."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled turn."""

    conversation: int
    token_ids: tuple[int, ...]
    """What was sampled, the stop token included where the model ended its turn."""
    logprobs: tuple[float, ...]
    """Of each sampled token under the sampling distribution."""
    finish_reason: FinishReason
    policy_version: int
    """Of the weights that drew it."""


class RolloutEngine(Protocol):
    """Samples completions with the weights it was last given."""

    @property
    def max_context_tokens(self) -> int:
        """Most tokens a context and its completion may have together."""
        ...

    def submit(self, request: GenerationRequest, sampling: SamplingSettings) -> None:
        """Queue a request; ValueError if context and completion cannot fit."""
        ...

    def wait(self) -> Sequence[Completion]:
        """Block until at least one queued request is done; those that are, in order of submission where it knows."""
        ...

    def release(self) -> None:
        """Forget every conversation (its KV cache); called when a collection ends."""
        ...

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], policy_version: int) -> None:
        """Take new weights, by the names of the policy's own ``state_dict``; KeyError for a name it does not have."""
        ...
