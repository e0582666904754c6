"""One attention head's weights, to be written by hand. Used by reading_heads.py and reading_weights.py."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from transformers import Qwen3Config, Qwen3ForCausalLM

OFF = 0.1
"""What random weights are scaled by where they would drown what is written."""


@dataclass(frozen=True, slots=True)
class Head:
    """Views of one head's weights."""

    query: Tensor
    """[head size, hidden size], as are key and value."""
    key: Tensor
    value: Tensor
    output: Tensor
    """[hidden size, head size]"""


def head_size(config: Qwen3Config) -> int:
    """Dimensions of an attention head."""
    return config.head_dim or config.hidden_size // config.num_attention_heads


def empty_head(model: Qwen3ForCausalLM, layer: int, rows: slice, flags: int) -> Head:
    """A head with query, key and output scaled down, and its value emptied.

    Args:
        model: The decoder that has it.
        layer: The number of its layer.
        rows: Its part of the projections, in dimensions.
        flags: Where the flags begin in the stream: it reads and writes none of them.
    """
    prefix = f"model.layers.{layer}.self_attn"
    query, key, value, output = (model.get_parameter(f"{prefix}.{part}_proj.weight") for part in "qkvo")
    head = Head(query[rows], key[rows], value[rows], output[:, rows])
    for weight in (head.query, head.key):
        weight.mul_(OFF)
        weight[:, flags:] = 0.0
    head.value.zero_()
    head.output.mul_(OFF)
    head.output[flags:] = 0.0
    return head
