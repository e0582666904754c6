"""Attention over a prompt that several conversations share, and over each conversation's own tokens, without copies.

Called by transformers/engine.py, which feeds a causal language model one packed stream of tokens [1, num_tokens]; the
model's own layers run on it as they are, and only attention is replaced, through transformers' ``AttentionInterface``.
Softmax over prompt and own tokens is computed in two parts and joined by their maxima and sums, which is exact.

Shapes: P prompts, R rows (conversations), N tokens in the stream, H query heads, K key/value heads, D head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from lit_grpo.engines.transformers.kv_cache import Conversations, KeyValues, block_multiple

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
        columns = torch.cat([torch.arange(length) for length in lengths])
        prompts = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
        self.position_ids = columns.to(device)
        self._place = (prompts * self._columns + columns).to(device)
        is_padded = self._columns * len(lengths) > MOST_PADDING * sum(lengths)
        self._apart = list(lengths) if is_padded and device.type == "cpu" else None

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """Attend as ``Attention`` says; layers come in order."""
        assert layer == len(self.layers)
        keys, values = (self._by_prompt(tensor) for tensor in (key, value))
        self.layers.append(KeyValues(keys.contiguous(), values.contiguous()))
        if self._apart is None:
            # Padding comes after a prompt, where no query of the prompt looks.
            return _causal(self._by_prompt(query), keys, values, scaling).reshape(-1, *query.shape[1:])[self._place]
        streams = (tensor.transpose(0, 1)[None].split(self._apart, dim=2) for tensor in (query, key, value))
        return torch.cat([_causal(q, k, v, scaling)[0] for q, k, v in zip(*streams, strict=True)])

    def _by_prompt(self, stream: Tensor) -> Tensor:
        """[N, heads, D] -> [P, heads, columns, D]."""
        padded = stream.new_zeros(len(self.lengths) * self._columns, *stream.shape[1:])
        padded[self._place] = stream
        return padded.view(len(self.lengths), self._columns, *stream.shape[1:]).transpose(1, 2)


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
        self._prompt_lengths = conversations.prompt_lengths[conversations.prompt_of][rows]
        self.last_tokens = ends[counts > 0] - 1
        self._num_offsets = int(counts.max())
        self._own_place = rows * self._num_offsets + offsets
        self._prompts = conversations.prompt_of[rows]
        self._is_on_cpu = counts.device.type == "cpu"
        self._prompt_parts = self._part_prompts() if self._is_on_cpu and self._is_padded() else None
        if self._prompt_parts is None:
            self._prompt_place, self._tokens_per_prompt = _places(self._prompts)
            self._prompt_mask = self._mask_prompt()
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
        own, prompt = self._conversations.own[layer], self._conversations.prompts[layer]
        own.keys.transpose(1, 2)[self._rows, self._columns] = key
        own.values.transpose(1, 2)[self._rows, self._columns] = value
        query = (query * scaling).view(len(query), key.shape[1], -1, query.shape[2])
        if self._own_parts is not None:
            to_own = _attend_apart(query, own, self._own_parts)
        else:
            assert self._own_mask is not None
            to_own = _attend(query, own, self._own_mask, self._own_place, self._num_offsets)
        if self._prompt_parts is not None:
            to_prompt = _attend_apart(query, prompt, self._prompt_parts)
        else:
            to_prompt = _attend(query, prompt, self._prompt_mask, self._prompt_place, self._tokens_per_prompt)
        return _merged(to_own, to_prompt).flatten(1, 2).to(key.dtype)

    def finish(self) -> None:
        """Count the tokens as written, after the pass."""
        self._conversations.own_lengths += self._counts

    def _is_padded(self) -> bool:
        """Whether scores for all prompts at once, as wide as the store and as high as the most tokens of a prompt, are
        many more than those that count.
        """
        tokens = self._prompts.bincount(minlength=len(self._conversations.prompt_lengths))
        padded = len(tokens) * int(tokens.max()) * self._conversations.prompts[0].keys.shape[2]
        return padded > MOST_PADDING * int((tokens * self._conversations.prompt_lengths).sum())

    def _part_prompts(self) -> list[_Part]:
        """The tokens of each prompt's conversations, which see all of it."""
        lengths = self._conversations.prompt_lengths.tolist()
        order = self._prompts.argsort(stable=True)
        numbers, counts = self._prompts[order].unique_consecutive(return_counts=True)
        tokens = order.split(counts.tolist())
        return [_Part(entry, own, lengths[entry]) for entry, own in zip(numbers.tolist(), tokens, strict=True)]

    def _part_own(self) -> list[_Part]:
        """The tokens of each row, which see its earlier ones, and each other causally."""
        parts: list[_Part] = []
        start = 0
        for row, (count, held) in enumerate(
            zip(self._counts.tolist(), self._conversations.own_lengths.tolist(), strict=True)
        ):
            if count:
                parts.append(_Part(row, slice(start, start + count), held + count, is_causal=True))
            start += count
        return parts

    def _mask_own(self) -> Tensor:
        """An additive mask [R, 1, offsets, 1, columns]: a token sees the columns up to its own."""
        conversations = self._conversations
        kv = conversations.own[0]
        columns = torch.arange(kv.keys.shape[2], device=kv.keys.device)
        offsets = torch.arange(self._num_offsets, device=kv.keys.device)
        last = conversations.own_lengths[:, None] + offsets
        return _additive(columns <= last[:, :, None], kv.keys.dtype)[:, None, :, None]

    def _mask_prompt(self) -> Tensor:
        """An additive mask [P, 1, 1, 1, columns]: a token sees the whole prompt, and no padding."""
        kv = self._conversations.prompts[0]
        columns = torch.arange(kv.keys.shape[2], device=kv.keys.device)
        return _additive(columns < self._conversations.prompt_lengths[:, None], kv.keys.dtype)[:, None, None, None]


_Partial = tuple[Tensor, Tensor, Tensor]
"""The parts of a softmax over some of the keys, at least float32: unnormalised output [N, K, H / K, D], maximum and sum
[N, K, H / K, 1]."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Tokens that look at the same entry of a cache."""

    entry: int
    tokens: Tensor | slice
    """Their places in the stream."""
    length: int
    """The columns that the last of them sees."""
    is_causal: bool = False
    """Whether each of the others sees one less than the next."""


def _causal(query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
    """Attention of [P, heads, columns, D] to the columns before and itself, [P, columns, H, D]."""
    out = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling, enable_gqa=True)
    return out.transpose(1, 2)


def _attend_apart(query: Tensor, kv: KeyValues, parts: Sequence[_Part]) -> _Partial:
    """Partial attention of query [N, K, H / K, D], entry by entry; each token is in one part."""
    tokens, heads, repeats, size = query.shape
    dtype = torch.promote_types(query.dtype, torch.float32)
    out = query.new_empty(tokens, heads, repeats, size, dtype=dtype)
    maximum, total = (query.new_empty(tokens, heads, repeats, 1, dtype=dtype) for _ in range(2))
    for part in parts:
        asked = query[part.tokens].transpose(0, 1)
        shape = (heads, asked.shape[1], repeats, -1)
        keys, values = kv.keys[part.entry, :, : part.length], kv.values[part.entry, :, : part.length]
        scores = (asked.reshape(heads, -1, size) @ keys.transpose(1, 2)).to(dtype)
        if part.is_causal and asked.shape[1] > 1:
            later = torch.ones(asked.shape[1], part.length, dtype=torch.bool, device=query.device)
            later = later.triu(part.length - asked.shape[1] + 1)
            scores.view(shape).masked_fill_(later[:, None], float("-inf"))
        highest = scores.amax(dim=-1, keepdim=True)
        weights = scores.sub_(highest).exp_()
        for whole, piece in (
            (out, (weights.to(values.dtype) @ values).to(dtype)),
            (maximum, highest),
            (total, weights.sum(dim=-1, keepdim=True)),
        ):
            whole[part.tokens] = piece.view(shape).transpose(0, 1)
    return out, maximum, total


def _attend(query: Tensor, kv: KeyValues, mask: Tensor, place: Tensor, per_entry: int) -> _Partial:
    """Partial attention of query [N, K, H / K, D]; token i is number place[i] % per_entry of its cache entry."""
    entries, heads, columns, size = kv.keys.shape
    padded = query.new_zeros(entries * per_entry, *query.shape[1:])
    padded[place] = query
    repeats = query.shape[2]
    by_entry = padded.view(entries, per_entry, heads, repeats, size).transpose(1, 2).reshape(entries, heads, -1, size)
    scores = (by_entry @ kv.keys.transpose(2, 3)).to(mask.dtype)
    scores.view(entries, heads, per_entry, repeats, columns).add_(mask)
    maximum = scores.amax(dim=-1, keepdim=True)
    weights = scores.sub_(maximum).exp_()
    out = (weights.to(kv.values.dtype) @ kv.values).to(mask.dtype)
    parts = (out, maximum, weights.sum(dim=-1, keepdim=True))
    return tuple(_by_token(part, per_entry, place) for part in parts)  # pyright: ignore[reportReturnType]


def _by_token(part: Tensor, per_entry: int, place: Tensor) -> Tensor:
    """[entries, K, per_entry * H / K, size] -> [N, K, H / K, size]."""
    entries, heads, _, size = part.shape
    by_entry = part.view(entries, heads, per_entry, -1, size).transpose(1, 2)
    return by_entry.reshape(entries * per_entry, heads, -1, size)[place]


def _merged(first: _Partial, second: _Partial) -> Tensor:
    """The output of the softmax over both sets of keys."""
    out_1, max_1, sum_1 = first
    out_2, max_2, sum_2 = second
    maximum = torch.maximum(max_1, max_2)
    scale_1, scale_2 = (max_1 - maximum).exp_(), (max_2 - maximum).exp_()
    return (out_1 * scale_1 + out_2 * scale_2) / (sum_1 * scale_1 + sum_2 * scale_2)


def _places(entries: Tensor) -> tuple[Tensor, int]:
    """Numbers tokens within their entry: entry * per_entry + number, and per_entry, the largest count."""
    counts = entries.bincount()
    order = entries.argsort(stable=True)
    numbers = torch.empty_like(entries)
    numbers[order] = torch.arange(len(entries), device=entries.device) - (counts.cumsum(0) - counts)[entries[order]]
    per_entry = int(counts.max())
    return entries * per_entry + numbers, per_entry


def _additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """0 or -inf, at least float32: sums of a softmax in bfloat16 would be off by a percent."""
    mask = torch.zeros(visible.shape, dtype=torch.promote_types(dtype, torch.float32), device=visible.device)
    return mask.masked_fill_(~visible, float("-inf"))
