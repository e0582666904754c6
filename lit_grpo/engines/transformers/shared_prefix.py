"""Attention over a prompt that several conversations share, and over each conversation's own tokens, without copies.

Called by transformers/engine.py, which feeds a causal language model one packed stream of tokens [1, num_tokens]; the
model's own layers run on it as they are, and only attention is replaced, through transformers' ``AttentionInterface``.
Softmax over prompt and own tokens is computed in two parts and joined by their maxima and sums, which is exact.

Shapes: P prompts, R rows (conversations), N tokens in the stream, H query heads, K key/value heads, D head size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from lit_grpo.engines.transformers.kv_cache import Conversations, KeyValues, PromptBlock, block_multiple
from lit_grpo.engines.transformers.partial_attention import (
    Part,
    Partial,
    additive,
    attend,
    attend_apart,
    gathered,
    merged,
    places,
)

ATTENTION_NAME = "lit_grpo_shared_prefix"

MOST_PADDING = 1.25
"""Above this ratio of padded to real work, a CPU is faster taking each entry by itself: it computes padding like
anything else, and one more operation costs little. Never on a GPU, whose graphs need shapes that are the same whatever
the lengths are."""


class Attention(Protocol):
    """The attention of one forward pass, in each layer."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """Store key and value [N, K, D] of the stream, and return the attention output of query [N, H, D]."""
        ...


def shared_prefix_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    attention: Attention,
    **unused: Any,
) -> tuple[Tensor, None]:
    """The function registered with transformers: query [1, H, N, D], key and value [1, K, N, D] -> [1, N, H, D]."""
    refused = {name for name in ("sliding_window", "softcap", "s_aux") if unused.get(name) is not None}
    if refused:
        raise ValueError(f"expected a model with plain causal attention, got one with {sorted(refused)}; use vLLM")
    queries, keys, values = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    assert isinstance(module.layer_idx, int)
    return attention.attend(module.layer_idx, queries, keys, values, scaling)[None], None


AttentionInterface.register(ATTENTION_NAME, shared_prefix_attention)


class Prefill:
    """Causal attention of prompts to themselves; keeps their keys and values."""

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        """Lay out prompts of these lengths, which follow each other in the stream."""
        self.layers: list[KeyValues] = []
        """One entry per layer after the pass, [P, K, columns, D]."""
        self.lengths = torch.tensor(lengths, device=device)
        """[P] int64."""
        self._columns = block_multiple(max(lengths))
        self.position_ids = torch.cat([torch.arange(length) for length in lengths]).to(device)
        self._prompts = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths)).to(device)
        is_padded = self._columns * len(lengths) > MOST_PADDING * sum(lengths)
        self._apart = list(lengths) if is_padded and device.type == "cpu" else None

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """Attend as ``Attention`` says; layers come in order."""
        assert layer == len(self.layers)
        keys, values = (self._by_prompt(tensor) for tensor in (key, value))
        self.layers.append(KeyValues(keys, values))
        if self._apart is None:
            # Padding comes after a prompt, where no query of the prompt looks.
            return _causal(self._by_prompt(query), keys, values, scaling)[self._prompts, self.position_ids]
        streams = (tensor.transpose(0, 1)[None].split(self._apart, dim=2) for tensor in (query, key, value))
        return torch.cat([_causal(q, k, v, scaling)[0] for q, k, v in zip(*streams, strict=True)])

    def _by_prompt(self, stream: Tensor) -> Tensor:
        """[N, heads, D] -> [P, heads, columns, D]."""
        padded = stream.new_zeros(len(self.lengths), stream.shape[1], self._columns, stream.shape[2])
        padded.transpose(1, 2)[self._prompts, self.position_ids] = stream
        return padded


class Extension:
    """Attention of new tokens to their conversation's prompt, its own earlier tokens, and each other, causally.

    Attributes:
        position_ids: [N] int64.
        last_tokens: Int64, the place in the stream of the last token of each row that has any.
    """

    def __init__(self, conversations: Conversations, counts: Tensor) -> None:
        """Lay out ``counts`` [R] new tokens, which stand row by row in the stream; a row may have none."""
        self._conversations = conversations
        self._counts = counts
        rows = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
        ends = counts.cumsum(0)
        offsets = torch.arange(len(rows), device=counts.device) - (ends - counts)[rows]
        self._rows, self._offsets = rows, offsets
        prompts = conversations.prompt_of[rows]
        self._prompt_lengths = conversations.prompt_lengths[prompts]
        self.last_tokens = ends[counts > 0] - 1
        self._num_offsets = int(counts.max())
        self._own_place = rows * self._num_offsets + offsets
        self._is_on_cpu = counts.device.type == "cpu"
        self._looks = list(_looks(conversations.blocks, prompts))
        self.lay_out_columns()

    def lay_out_columns(self) -> None:
        """Place the tokens behind those that each row holds now; called before each further pass with the same counts.

        Shapes do not depend on any value, and nothing waits for the device.
        """
        self._columns = self._conversations.own_lengths[self._rows] + self._offsets
        self.position_ids = self._prompt_lengths + self._columns
        # A single token of each row has little to pad, and there are many rows.
        self._own_parts = self._part_own() if self._is_on_cpu and self._num_offsets > 1 else None
        self._own_mask = self._mask_own() if self._own_parts is None else None

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """Attend as ``Attention`` says."""
        own = self._conversations.own[layer]
        own.keys.transpose(1, 2)[self._rows, self._columns] = key
        own.values.transpose(1, 2)[self._rows, self._columns] = value
        query = (query * scaling).view(len(query), key.shape[1], -1, query.shape[2])
        if self._own_parts is not None:
            to_own = attend_apart(query, own, self._own_parts)
        else:
            assert self._own_mask is not None
            to_own = attend(query, own, self._own_mask, self._own_place, self._num_offsets)
        to_prompt = gathered(query, [(look.tokens, look.attend(layer, query[look.tokens])) for look in self._looks])
        return merged(to_own, to_prompt).flatten(1, 2).to(key.dtype)

    def finish(self) -> None:
        """Count the tokens as written, after the pass."""
        self._conversations.own_lengths += self._counts

    def _part_own(self) -> list[Part]:
        """The tokens of each row, which see its earlier ones, and each other causally."""
        parts: list[Part] = []
        start = 0
        for row, (count, held) in enumerate(
            zip(self._counts.tolist(), self._conversations.own_lengths.tolist(), strict=True)
        ):
            if count:
                parts.append(Part(row, slice(start, start + count), held + count, is_causal=True))
            start += count
        return parts

    def _mask_own(self) -> Tensor:
        """An additive mask [R, 1, offsets, 1, columns]: a token sees the columns up to its own."""
        conversations = self._conversations
        kv = conversations.own[0]
        columns = torch.arange(kv.keys.shape[2], device=kv.keys.device)
        offsets = torch.arange(self._num_offsets, device=kv.keys.device)
        last = conversations.own_lengths[:, None] + offsets
        return additive(columns <= last[:, :, None], kv.keys.dtype)[:, None, :, None]


class _Look:
    """The stream's tokens that look at the prompts of one block, each at the whole of its own."""

    def __init__(self, block: PromptBlock, tokens: Tensor, prompts: Tensor) -> None:
        """Lay out ``tokens`` [N] of the stream, whose prompts are number ``prompts`` [N] of the block."""
        self.tokens = tokens
        self._block = block
        self._parts = self._part(prompts) if tokens.device.type == "cpu" and self._is_padded(prompts) else None
        if self._parts is None:
            self._place, self._per_prompt = places(prompts)
            kv = block.layers[0]
            columns = torch.arange(kv.keys.shape[2], device=kv.keys.device)
            self._mask = additive(columns < block.lengths[:, None], kv.keys.dtype)[:, None, None, None]

    def attend(self, layer: int, query: Tensor) -> Partial:
        """Partial attention of query [N, K, H / K, D]."""
        kv = self._block.layers[layer]
        if self._parts is not None:
            return attend_apart(query, kv, self._parts)
        return attend(query, kv, self._mask, self._place, self._per_prompt)

    def _is_padded(self, prompts: Tensor) -> bool:
        """Whether scores for all prompts at once, as wide as the block and as high as the most tokens of a prompt, are
        many more than those that count.
        """
        tokens = prompts.bincount(minlength=len(self._block.lengths))
        padded = len(tokens) * int(tokens.max()) * self._block.layers[0].keys.shape[2]
        return padded > MOST_PADDING * int((tokens * self._block.lengths).sum())

    def _part(self, prompts: Tensor) -> list[Part]:
        """The tokens of each prompt."""
        lengths = self._block.lengths.tolist()
        order = prompts.argsort(stable=True)
        numbers, counts = prompts[order].unique_consecutive(return_counts=True)
        tokens = order.split(counts.tolist())
        return [Part(entry, own, lengths[entry]) for entry, own in zip(numbers.tolist(), tokens, strict=True)]


def _looks(blocks: Sequence[PromptBlock], prompts: Tensor) -> Iterator[_Look]:
    """One for each block that tokens look at, whose prompts are number ``prompts`` [N] of them all."""
    start = 0
    for block in blocks:
        end = start + len(block.lengths)
        tokens = ((start <= prompts) & (prompts < end)).nonzero()[:, 0]
        if len(tokens):
            yield _Look(block, tokens, prompts[tokens] - start)
        start = end


def _causal(query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
    """Attention of [P, heads, columns, D] to the columns before and itself, [P, columns, H, D]."""
    out = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling, enable_gqa=True)
    return out.transpose(1, 2)
