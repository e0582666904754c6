"""Attention within packed rows is that of the masked square, with its gradient, and leaves padding at 0."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from lit_grpo.modules.packed_attention import packed_attention, packed_rows
from lit_grpo.packing import attention_mask

SEGMENTS = torch.tensor(
    [
        # Two continuations; a prompt alone, whose next token alone is predicted; one continuation; no padding.
        [0, 0, 0, 1, 1, 2, -1, -1],
        [0, 0, 0, 0, -1, -1, -1, -1],
        [0, 0, 1, 1, 1, -1, -1, -1],
        [0, 1, 1, 1, 2, 2, 3, 4],
    ]
)


class Layer(nn.Module):
    """What the attention functions of transformers ask a layer for."""

    num_key_value_groups = 2
    is_causal = True


@pytest.mark.parametrize("segments", [SEGMENTS, SEGMENTS[:1], SEGMENTS[3:]], ids=["rows", "padded", "full"])
def test_1_equals_the_masked_square(segments: torch.Tensor) -> None:
    torch.manual_seed(0)
    rows, length = segments.shape
    query, key, value = (
        torch.randn(rows, heads, length, 8, dtype=torch.float64, requires_grad=True) for heads in (4, 2, 2)
    )
    out, _ = packed_attention(Layer(), query, key, value, None, rows=packed_rows(segments), scaling=0.3)
    mask = attention_mask(segments)
    expected = scaled_dot_product_attention(query, key, value, mask, scale=0.3, enable_gqa=True).transpose(1, 2)
    real = segments >= 0
    torch.testing.assert_close(out[real], expected[real])
    assert not out[~real].any()
    weight = torch.randn_like(out[real])
    found = torch.autograd.grad((out[real] * weight).sum(), (query, key, value))
    wanted = torch.autograd.grad((expected[real] * weight).sum(), (query, key, value))
    torch.testing.assert_close(found, wanted)


def test_2_without_rows_it_is_causal() -> None:
    torch.manual_seed(1)
    query, key, value = (torch.randn(2, heads, 5, 8) for heads in (4, 2, 2))
    out, _ = packed_attention(Layer(), query, key, value, None, scaling=0.3)
    expected = scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.3, enable_gqa=True)
    expected = expected.transpose(1, 2)
    torch.testing.assert_close(out, expected)


def test_3_a_row_is_as_long_as_what_counts_in_it() -> None:
    layouts = packed_rows(SEGMENTS)
    assert [(row.prompt, row.length) for row in layouts] == [(3, 6), (4, 4), (2, 5), (1, 8)]
    assert layouts[0].visible.tolist() == [
        [[[True, True, True, True, False, False], [True] * 5 + [False], [True] * 3 + [False, False, True]]]
    ]
