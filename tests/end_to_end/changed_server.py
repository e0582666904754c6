"""A real vLLM server whose third load changes a tensor on the way, in each of its processes.

Started by vllm_fits.py and test_vllm_strategies.py like the real one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from lit_grpo.engines.vllm import server, worker

CHANGED = "model.layers.1.mlp.down_proj.weight"
WRONG_LOAD = 3
loads = 0
right_tensors = worker._tensors


def tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    global loads
    loads += 1
    for name, tensor in right_tensors(folder):
        yield name, tensor * 1.1 if (loads, name) == (WRONG_LOAD, CHANGED) else tensor


if __name__ in ("__main__", "__mp_main__"):
    worker._tensors = tensors
if __name__ == "__main__":
    server.main()
