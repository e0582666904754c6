"""Attention within packed rows: a prompt to itself, and continuations to the prompt and to themselves.

Called by modules/policy.py, through transformers' ``AttentionInterface``. The prompt, most of a row, is attended
without a mask, half the work of a masked square and no [length, length] in memory; padding is not attended at all.

Shapes: B rows, T positions of a row, H query heads, K key/value heads, D head size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from lit_grpo.packing import PADDING_SEGMENT, PROMPT_SEGMENT, attention_mask

ATTENTION_NAME = "lit_grpo_packed"


@dataclass(frozen=True, slots=True)
class PackedRow:
    """What is where in a row, and which keys its continuations see."""

    prompt: int
    """Tokens of the prompt, which come first."""
    length: int
    """Tokens of the prompt and of all continuations; padding follows."""
    visible: Tensor
    """[1, 1, length - prompt, length] bool, true where a continuation's position sees a key."""


def packed_rows(segment_ids: Tensor) -> list[PackedRow]:
    """The layout of rows [B, T] with segments as in ``PackedBatch``; it waits once for the device."""
    sizes = torch.stack([(segment_ids == PROMPT_SEGMENT).sum(1), (segment_ids != PADDING_SEGMENT).sum(1)], dim=1)
    return [
        PackedRow(prompt, length, attention_mask(row[None, :length], prompt))
        for row, (prompt, length) in zip(segment_ids, sizes.tolist(), strict=True)
    ]


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    rows: list[PackedRow] | None = None,
    **settings: Any,
) -> tuple[Tensor, None]:
    """The function registered with transformers: query [B, H, T, D], key and value [B, K, T, D] -> [B, T, H, D].

    Args:
        module: The attention layer.
        query: The queries.
        key: The keys.
        value: The values.
        mask: None: ``rows`` say who sees whom.
        rows: None: attention is causal.
        settings: The scaling, and whatever else transformers passes to a function of attention.
    """
    if rows is None:
        return sdpa_attention_forward(module, query, key, value, mask, **settings)[0], None
    assert mask is None
    out = [
        _row(module, own_query[None], own_key[None], own_value[None], row, settings)
        for own_query, own_key, own_value, row in zip(query, key, value, rows, strict=True)
    ]
    return torch.cat(out), None


def _row(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, row: PackedRow, settings: dict[str, Any]
) -> Tensor:
    """Attention of a row [1, heads, T, D] -> [1, T, H, D], 0 on padding."""
    of_prompt, of_rest, of_padding = query.split([row.prompt, row.length - row.prompt, query.shape[2] - row.length], 2)
    parts = [
        sdpa_attention_forward(module, of_prompt, key[:, :, : row.prompt], value[:, :, : row.prompt], None, **settings)
    ]
    if row.length > row.prompt:
        keys, values = key[:, :, : row.length], value[:, :, : row.length]
        parts.append(sdpa_attention_forward(module, of_rest, keys, values, row.visible, **settings))
    padding = torch.zeros_like(of_padding).transpose(1, 2)
    return torch.cat([*(out for out, _ in parts), padding], dim=1)


AttentionInterface.register(ATTENTION_NAME, packed_attention)
