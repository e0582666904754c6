"""A real vLLM server whose syncs go wrong in known ways: started by test_real_vllm.py like the real one.

The first load is right. In the second, the head's packed copy is not renewed (what vLLM does by itself); in the third,
one tensor does not arrive; in the fourth, one arrives changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor, nn

from lit_grpo.engines.vllm import server, worker

LOST, CHANGED = "model.layers.1.mlp.down_proj.weight", "model.layers.2.self_attn.k_norm.weight"
loads = 0
right_tensors, right_heads = worker._tensors, worker._pack_heads


def tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    global loads
    loads += 1
    for name, tensor in right_tensors(folder):
        if not (loads == 3 and name == LOST):
            yield name, tensor * 1.1 if loads == 4 and name == CHANGED else tensor


def pack_heads(model: nn.Module) -> None:
    if loads != 2:
        right_heads(model)


if __name__ == "__main__":
    worker._tensors, worker._pack_heads = tensors, pack_heads
    server.main()
