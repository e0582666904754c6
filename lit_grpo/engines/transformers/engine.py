"""A rollout engine on a Hugging Face causal language model, in this process, on any device.

Called by the rollout callback through collect.py. It keeps a copy of the policy for inference. Everything submitted is
decoded together; each distinct prompt is run once and its keys and values are shared, not copied, by its conversations,
whose own keys and values stay from turn to turn (kv_cache.py, shared_prefix.py, decoding.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from lit_grpo.engines.engine import Completion, FinishReason, GenerationRequest, SamplingSettings
from lit_grpo.engines.sampling import RowSampling, counter_uniforms
from lit_grpo.engines.transformers.decoding import (
    RowLimits,
    Samples,
    Stepping,
    decode,
    extend,
    plain_steps,
    prefill,
)
from lit_grpo.engines.transformers.graphs import GraphedStepping
from lit_grpo.engines.transformers.kv_cache import Conversations, Place
from lit_grpo.engines.transformers.shared_prefix import ATTENTION_NAME

PREFILL_TOKENS = 4096
"""Prompt tokens run at a time: more would only move activations out of the processor's cache."""
GPU_PREFILL_TOKENS = 32768
"""Prompt tokens run at a time on a GPU: fewer would leave it waiting for work."""

_Ids = tuple[int, ...]
_Queue = Sequence[tuple[GenerationRequest, SamplingSettings]]


@dataclass(frozen=True, slots=True)
class _Cached:
    """The place of a conversation's keys and values, and the tokens that they are of."""

    place: Place
    token_ids: _Ids


class TransformersEngine:
    """Implements ``RolloutEngine`` in this process."""

    def __init__(
        self,
        model: nn.Module,
        stop_ids: Collection[int],
        max_context_tokens: int | None = None,
        dtype: torch.dtype | None = None,
        stepping: Stepping | None = None,
    ) -> None:
        """Copy the model, but for the weights below adapters: nobody changes those, and they may be all of its size.

        Args:
            model: A ``PreTrainedModel`` for causal language modelling with plain causal attention, or a peft model
                around one.
            stop_ids: Tokens that end a turn.
            max_context_tokens: Context and completion together at most; None: the model's ``max_position_embeddings``.
            dtype: The dtype of the copy's weights, and so of its keys and values; None: that of the model.
            stepping: How a token of each row is run; None: with CUDA graphs on a GPU, plainly elsewhere.

        Raises:
            ValueError: There is no stop token.
        """
        if not stop_ids:
            raise ValueError("expected at least one stop token, got none; pass ConversationFormat.stop_ids")
        self._model = deepcopy(model, _shared(model, dtype)).eval().requires_grad_(False)
        language_model = next(module for module in self._model.modules() if isinstance(module, PreTrainedModel))
        language_model.set_attn_implementation(ATTENTION_NAME)
        for parameter in self._model.parameters() if dtype is not None else ():
            # The parameters alone: rotary frequencies are buffers, and in bfloat16 positions would run together.
            if parameter.is_floating_point():
                parameter.data = parameter.data.to(dtype)
        self._weights = self._model.state_dict()
        self._device = language_model.device
        default: Stepping = GraphedStepping(self._device) if self._device.type == "cuda" else plain_steps
        self._stepping: Stepping = stepping or default
        self._stop_ids = frozenset(stop_ids)
        self._max_context_tokens: int = max_context_tokens or language_model.config.max_position_embeddings
        self._policy_version = 0
        self._queue: list[tuple[GenerationRequest, SamplingSettings]] = []
        self._cached: dict[int, _Cached] = {}

    @property
    def max_context_tokens(self) -> int:
        """Most tokens a context and its completion may have together."""
        return self._max_context_tokens

    @property
    def decodes_in_background(self) -> bool:
        """False: it decodes in ``wait``."""
        return False

    def submit(self, request: GenerationRequest, sampling: SamplingSettings) -> None:
        """Queue a request; ValueError if context and completion cannot fit."""
        context, completion = len(request.token_ids), sampling.max_completion_tokens
        if context + completion > self._max_context_tokens:
            raise ValueError(
                f"expected context and completion within max_context_tokens={self._max_context_tokens}, got {context} "
                f"+ {completion} tokens; lower max_completion_tokens, shorten the prompt (compact observations, "
                f"smaller programs), or take a model with a longer context"
            )
        self._queue.append((request, sampling))

    @torch.inference_mode()
    def wait(self) -> Sequence[Completion]:
        """Decode all queued requests to their end; the completions come in order of submission."""
        queue, self._queue = self._queue, []
        if not queue:
            return []
        continuing = [at for at, (request, _) in enumerate(queue) if self._continues(request)]
        begun, begun_logits = self._begin(queue, set(range(len(queue))) - set(continuing))
        conversations = self._gathered(queue)
        resumed_logits = self._resume(conversations, queue, continuing)
        order = torch.tensor(begun + continuing, device=self._device).argsort()
        logits = torch.cat([*begun_logits, *resumed_logits])[order]
        samples = decode(self._model, conversations, logits, self._limits(queue), self._stepping)
        return list(self._completions(queue, samples))

    def wake(self) -> None:
        """Do nothing: ``wait`` does not block."""

    def release(self) -> None:
        """Forget every conversation, and what is queued."""
        self._queue = []
        self._cached = {}

    @torch.inference_mode()
    def update_weights(self, weights: Iterable[tuple[str, Tensor]], policy_version: int) -> None:
        """Copy new weights in place, by ``state_dict`` name (KeyError if unknown), and forget every conversation."""
        for name, tensor in weights:
            self._weights[name].copy_(tensor)
        self._policy_version = policy_version
        self.release()

    def _continues(self, request: GenerationRequest) -> bool:
        cached = self._cached.get(request.conversation)
        return cached is not None and request.token_ids[: len(cached.token_ids)] == cached.token_ids

    def _begin(self, queue: _Queue, new: Collection[int]) -> tuple[list[int], list[Tensor]]:
        """Run the prompts of new conversations; returns their places in the queue, and logits in the same order."""
        by_prompt: dict[_Ids, list[int]] = {}
        for at in sorted(new):
            by_prompt.setdefault(queue[at][0].token_ids, []).append(at)
        begun: list[int] = []
        logits: list[Tensor] = []
        most = GPU_PREFILL_TOKENS if self._device.type == "cuda" else PREFILL_TOKENS
        for prompts in _chunks(list(by_prompt), most):
            prompt_of = [number for number, prompt in enumerate(prompts) for _ in by_prompt[prompt]]
            conversations, chunk_logits = prefill(self._model, prompts, torch.tensor(prompt_of, device=self._device))
            logits.append(chunk_logits)
            rows = [at for prompt in prompts for at in by_prompt[prompt]]
            for row, at in enumerate(rows):
                request = queue[at][0]
                self._cached[request.conversation] = _Cached(Place(conversations, row), request.token_ids)
            begun += rows
        return begun, logits

    def _gathered(self, queue: _Queue) -> Conversations:
        """The queue's conversations, with room for what will be appended to them."""
        cached = [self._cached[request.conversation] for request, _ in queue]
        appended = [
            len(request.token_ids) - len(entry.token_ids) + sampling.max_completion_tokens
            for (request, sampling), entry in zip(queue, cached, strict=True)
        ]
        return Conversations.gathered([entry.place for entry in cached], max(appended))

    def _resume(self, conversations: Conversations, queue: _Queue, continuing: Sequence[int]) -> list[Tensor]:
        """Run the tokens that are new in known conversations; returns their logits, in order."""
        if not continuing:
            return []
        counts = [0] * len(queue)
        stream: list[int] = []
        for at in continuing:
            request = queue[at][0]
            new = request.token_ids[len(self._cached[request.conversation].token_ids) :]
            counts[at] = len(new)
            stream += new
        tokens, per_row = torch.tensor(stream, device=self._device), torch.tensor(counts, device=self._device)
        return [extend(self._model, conversations, tokens, per_row)]

    def _limits(self, queue: _Queue) -> RowLimits:
        seeds = np.array([request.seed % 2**64 for request, _ in queue], dtype=np.uint64)
        most = [sampling.max_completion_tokens for _, sampling in queue]
        stops = [sorted(self._stop_ids.union(sampling.stop)) for _, sampling in queue]
        width = max(map(len, stops))
        return RowLimits(
            sampling=RowSampling.of([sampling for _, sampling in queue], self._device),
            uniforms=counter_uniforms(seeds, max(most)).to(self._device),
            max_tokens=torch.tensor(most, device=self._device),
            stop_ids=torch.tensor([ids + [-1] * (width - len(ids)) for ids in stops], device=self._device),
        )

    def _completions(self, queue: _Queue, samples: Samples) -> Iterator[Completion]:
        drawn = zip(samples.tokens.tolist(), samples.logprobs.tolist(), samples.lengths.tolist(), strict=True)
        rows = zip(queue, drawn, samples.places, strict=True)
        for (request, sampling), (tokens, logprobs, length), place in rows:
            token_ids = tuple(tokens[:length])
            # The last token is drawn but has not been an input: it has no keys and values yet.
            self._cached[request.conversation] = _Cached(place, request.token_ids + token_ids[:-1])
            stopped = token_ids[-1] in self._stop_ids or token_ids[-1] in sampling.stop
            finish = FinishReason.STOP if stopped else FinishReason.LENGTH
            yield Completion(
                request.conversation, token_ids, tuple(logprobs[:length]), finish, policy_version=self._policy_version
            )


def _shared(model: nn.Module, dtype: torch.dtype | None) -> dict[int, object]:
    """What ``deepcopy`` leaves as it is: frozen weights beside trained ones, unless another dtype is wanted."""
    parameters = list(model.parameters())
    if not any(parameter.requires_grad for parameter in parameters):
        return {}
    frozen = [parameter for parameter in parameters if not parameter.requires_grad]
    return {id(p): p for p in frozen if dtype is None or not p.is_floating_point() or p.dtype == dtype}


def _chunks(prompts: Sequence[_Ids], most_tokens: int) -> Iterator[list[_Ids]]:
    """Prompts in portions of at most so many tokens, padding included; a longer prompt is a portion by itself."""
    chunk: list[_Ids] = []
    for prompt in prompts:
        longest = max([len(prompt), *map(len, chunk)])
        if chunk and longest * (len(chunk) + 1) > most_tokens:
            yield chunk
            chunk = []
        chunk.append(prompt)
    if chunk:
        yield chunk
