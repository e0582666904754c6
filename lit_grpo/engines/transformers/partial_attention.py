"""Attention to some of the keys that a softmax goes over, and the joining of such parts, which is exact.

Called by shared_prefix.py.

Shapes: N tokens of a stream, H query heads, K key/value heads, D head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lit_grpo.engines.transformers.kv_cache import KeyValues

Partial = tuple[Tensor, Tensor, Tensor]
"""The parts of a softmax over some of the keys, at least float32: unnormalised output [N, K, H / K, D], maximum and sum
[N, K, H / K, 1]."""


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens that look at the same entry of a cache."""

    entry: int
    tokens: Tensor | slice
    """Their places in the stream."""
    length: int
    """The columns that the last of them sees."""
    is_causal: bool = False
    """Whether each of the others sees one less than the next."""


def gathered(query: Tensor, pieces: Sequence[tuple[Tensor, Partial]]) -> Partial:
    """The partial attention of query [N, K, H / K, D] from those of its tokens, each of which is in one piece."""
    if len(pieces) == 1:
        return pieces[0][1]
    wholes = _empty_partial(query)
    for tokens, partial in pieces:
        for whole, piece in zip(wholes, partial, strict=True):
            whole[tokens] = piece
    return wholes


def _empty_partial(query: Tensor) -> Partial:
    """Room for the partial attention of query [N, K, H / K, D]."""
    dtype = torch.promote_types(query.dtype, torch.float32)
    out = torch.empty_like(query, dtype=dtype)
    return out, out.new_empty(*query.shape[:3], 1), out.new_empty(*query.shape[:3], 1)


def attend_apart(query: Tensor, kv: KeyValues, parts: Sequence[Part]) -> Partial:
    """Partial attention of query [N, K, H / K, D], entry by entry; each token is in one part."""
    _, heads, repeats, size = query.shape
    out, maximum, total = _empty_partial(query)
    dtype = out.dtype
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


def attend(query: Tensor, kv: KeyValues, mask: Tensor, place: Tensor, per_entry: int) -> Partial:
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


def merged(first: Partial, second: Partial) -> Tensor:
    """The output of the softmax over both sets of keys."""
    out_1, max_1, sum_1 = first
    out_2, max_2, sum_2 = second
    maximum = torch.maximum(max_1, max_2)
    scale_1, scale_2 = (max_1 - maximum).exp_(), (max_2 - maximum).exp_()
    return (out_1 * scale_1 + out_2 * scale_2) / (sum_1 * scale_1 + sum_2 * scale_2)


def places(entries: Tensor) -> tuple[Tensor, int]:
    """Numbers tokens within their entry: entry * per_entry + number, and per_entry, the largest count."""
    counts = entries.bincount()
    order = entries.argsort(stable=True)
    numbers = torch.empty_like(entries)
    numbers[order] = torch.arange(len(entries), device=entries.device) - (counts.cumsum(0) - counts)[entries[order]]
    per_entry = int(counts.max())
    return entries * per_entry + numbers, per_entry


def additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """0 or -inf, at least float32: sums of a softmax in bfloat16 would be off by a percent."""
    mask = torch.zeros(visible.shape, dtype=torch.promote_types(dtype, torch.float32), device=visible.device)
    return mask.masked_fill_(~visible, float("-inf"))
