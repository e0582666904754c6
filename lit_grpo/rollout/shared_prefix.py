"""Attention over a prompt that several conversations share, and over each conversation's own tokens, without copies.

Called by transformers_engine.py, which feeds a causal language model one packed stream of tokens [1, num_tokens]; the
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

ATTENTION_NAME = "lit_grpo_shared_prefix"
COLUMN_BLOCK = 16
"""Cache columns come in multiples of this: a softmax over fewer than a vector's width is several times slower."""


@dataclass(slots=True)
class KeyValues:
    """One layer's keys and values, each [P or R, K, columns, D], zero where nothing was written."""

    keys: Tensor
    values: Tensor

    def select(self, index: Tensor) -> KeyValues:
        """A copy of some entries."""
        return KeyValues(self.keys[index], self.values[index])

    def blank(self, entries: int, columns: int) -> KeyValues:
        """Of the same heads and type, with nothing written."""
        shape = (entries, self.keys.shape[1], columns, self.keys.shape[3])
        return KeyValues(self.keys.new_zeros(shape), self.values.new_zeros(shape))

    def widened(self, columns: int) -> KeyValues:
        """With at least so many columns."""
        missing = columns - self.keys.shape[2]
        if missing <= 0:
            return self
        padding = self.blank(len(self.keys), missing)
        return KeyValues(torch.cat([self.keys, padding.keys], 2), torch.cat([self.values, padding.values], 2))


class Attention(Protocol):
    """What one forward pass does in each layer."""

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
    """Causal attention of prompts to themselves; keeps their keys and values.

    Attributes:
        layers: one entry per layer after the pass, [P, K, columns, D].
        lengths: [P] int64.
    """

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        """Lay out prompts of these lengths, which follow each other in the stream."""
        self.layers: list[KeyValues] = []
        self.lengths = torch.tensor(lengths, device=device)
        self._columns = _block_multiple(max(lengths))
        columns = torch.cat([torch.arange(length) for length in lengths])
        prompts = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
        self.position_ids = columns.to(device)
        self._place = (prompts * self._columns + columns).to(device)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """As in ``Attention``; layers come in order."""
        assert layer == len(self.layers)
        queries, keys, values = (self._by_prompt(tensor) for tensor in (query, key, value))
        self.layers.append(KeyValues(keys.contiguous(), values.contiguous()))
        # Padding comes after a prompt, where no query of the prompt looks.
        out = scaled_dot_product_attention(queries, keys, values, is_causal=True, scale=scaling, enable_gqa=True)
        return out.transpose(1, 2).reshape(-1, *query.shape[1:])[self._place]

    def _by_prompt(self, stream: Tensor) -> Tensor:
        """[N, heads, D] -> [P, heads, columns, D]."""
        padded = stream.new_zeros(len(self.lengths) * self._columns, *stream.shape[1:])
        padded[self._place] = stream
        return padded.view(len(self.lengths), self._columns, *stream.shape[1:]).transpose(1, 2)


@dataclass(slots=True)
class Conversations:
    """Keys and values of rows: their prompts, once each, and their own tokens."""

    prompts: list[KeyValues]
    """Per layer [P, K, columns, D]."""
    prompt_lengths: Tensor
    """[P] int64."""
    prompt_of: Tensor
    """[R] int64."""
    own: list[KeyValues]
    """Per layer [R, K, columns, D]."""
    own_lengths: Tensor
    """[R] int64: columns that are written."""

    @classmethod
    def begin(cls, prefill: Prefill, prompt_of: Tensor) -> Conversations:
        """Rows that have nothing but their prompt."""
        own = [kv.blank(len(prompt_of), 0) for kv in prefill.layers]
        return cls(prefill.layers, prefill.lengths, prompt_of, own, torch.zeros_like(prompt_of))

    @classmethod
    def joined(cls, parts: Sequence[Conversations]) -> Conversations:
        """All rows of all parts, in order; every part keeps its own prompts."""
        if len(parts) == 1:
            return parts[0]
        offsets = torch.tensor([0, *(len(part.prompt_lengths) for part in parts[:-1])]).cumsum(0)
        return cls(
            prompts=_concatenated([part.prompts for part in parts]),
            prompt_lengths=torch.cat([part.prompt_lengths for part in parts]),
            prompt_of=torch.cat([part.prompt_of + int(offset) for part, offset in zip(parts, offsets, strict=True)]),
            own=_concatenated([part.own for part in parts]),
            own_lengths=torch.cat([part.own_lengths for part in parts]),
        )

    def reserve(self, own_columns: int) -> None:
        """Make room for own tokens up to so many per row."""
        columns = _block_multiple(own_columns)
        self.own = [kv.widened(columns) for kv in self.own]

    def select(self, rows: Tensor) -> Conversations:
        """A copy of some rows, and of the prompts that these have."""
        used, prompt_of = self.prompt_of[rows].unique(return_inverse=True)
        every_prompt = len(used) == len(self.prompt_lengths)
        prompts = self.prompts if every_prompt else [kv.select(used) for kv in self.prompts]
        own = [kv.select(rows) for kv in self.own]
        return Conversations(prompts, self.prompt_lengths[used], prompt_of, own, self.own_lengths[rows])

    def write_back(self, rows: Tensor, selected: Conversations) -> None:
        """Take over what was appended to a selection of ``rows``."""
        for mine, theirs in zip(self.own, selected.own, strict=True):
            columns = theirs.keys.shape[2]
            mine.keys[rows, :, :columns], mine.values[rows, :, :columns] = theirs.keys, theirs.values
        self.own_lengths[rows] = selected.own_lengths


class Extension:
    """Attention of new tokens to their conversation's prompt, its own earlier tokens, and each other, causally.

    Attributes:
        position_ids: [N] int64.
        last_tokens: int64, place in the stream of the last token of each row that has any.
    """

    def __init__(self, conversations: Conversations, counts: Tensor) -> None:
        """Lay out ``counts`` [R] new tokens, which stand row by row in the stream; a row may have none."""
        self._conversations = conversations
        self._counts = counts
        rows = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
        ends = counts.cumsum(0)
        offsets = torch.arange(len(rows), device=counts.device) - (ends - counts)[rows]
        self._rows, self._columns = rows, conversations.own_lengths[rows] + offsets
        self.position_ids = conversations.prompt_lengths[conversations.prompt_of][rows] + self._columns
        self.last_tokens = ends[counts > 0] - 1
        self._num_offsets = int(counts.max())
        self._own_place = rows * self._num_offsets + offsets
        self._own_mask = self._mask_own()
        self._prompt_place, self._tokens_per_prompt = _places(conversations.prompt_of[rows])
        self._prompt_mask = self._mask_prompt()

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """As in ``Attention``."""
        own, prompt = self._conversations.own[layer], self._conversations.prompts[layer]
        own.keys.transpose(1, 2)[self._rows, self._columns] = key
        own.values.transpose(1, 2)[self._rows, self._columns] = value
        query = (query * scaling).view(len(query), key.shape[1], -1, query.shape[2])
        to_own = _attend(query, own, self._own_mask, self._own_place, self._num_offsets)
        to_prompt = _attend(query, prompt, self._prompt_mask, self._prompt_place, self._tokens_per_prompt)
        return _merged(to_own, to_prompt).flatten(1, 2)

    def finish(self) -> None:
        """Count the tokens as written, after the pass."""
        self._conversations.own_lengths += self._counts

    def _mask_own(self) -> Tensor:
        """[R, 1, offsets, 1, columns] additive: a token sees the columns up to its own."""
        conversations = self._conversations
        kv = conversations.own[0]
        columns = torch.arange(kv.keys.shape[2], device=kv.keys.device)
        offsets = torch.arange(self._num_offsets, device=kv.keys.device)
        last = conversations.own_lengths[:, None] + offsets
        return _additive(columns <= last[:, :, None], kv.keys.dtype)[:, None, :, None]

    def _mask_prompt(self) -> Tensor:
        """[P, 1, 1, 1, columns] additive: a token sees the whole prompt, and no padding."""
        kv = self._conversations.prompts[0]
        columns = torch.arange(kv.keys.shape[2], device=kv.keys.device)
        return _additive(columns < self._conversations.prompt_lengths[:, None], kv.keys.dtype)[:, None, None, None]


_Partial = tuple[Tensor, Tensor, Tensor]
"""Of a softmax over some of the keys: unnormalised output [N, K, H / K, D], maximum and sum [N, K, H / K, 1]."""


def _attend(query: Tensor, kv: KeyValues, mask: Tensor, place: Tensor, per_entry: int) -> _Partial:
    """Partial attention of query [N, K, H / K, D]; token i is number place[i] % per_entry of its cache entry."""
    entries, heads, columns, size = kv.keys.shape
    padded = query.new_zeros(entries * per_entry, *query.shape[1:])
    padded[place] = query
    repeats = query.shape[2]
    by_entry = padded.view(entries, per_entry, heads, repeats, size).transpose(1, 2).reshape(entries, heads, -1, size)
    scores = by_entry @ kv.keys.transpose(2, 3)
    scores.view(entries, heads, per_entry, repeats, columns).add_(mask)
    maximum = scores.amax(dim=-1, keepdim=True)
    weights = scores.sub_(maximum).exp_()
    parts = (weights @ kv.values, maximum, weights.sum(dim=-1, keepdim=True))
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


def _concatenated(parts: Sequence[list[KeyValues]]) -> list[KeyValues]:
    """Entries of all parts, layer by layer, as wide as the widest."""
    columns = max(layers[0].keys.shape[2] for layers in parts)
    return [
        KeyValues(torch.cat([kv.keys for kv in wide]), torch.cat([kv.values for kv in wide]))
        for wide in ([kv.widened(columns) for kv in layer] for layer in zip(*parts, strict=True))
    ]


def _additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(~visible, float("-inf"))


def _block_multiple(columns: int) -> int:
    return -(-columns // COLUMN_BLOCK) * COLUMN_BLOCK
