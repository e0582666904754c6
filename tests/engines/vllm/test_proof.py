"""Comparing a policy's tensors with those that a server's processes wrote: files made by hand.

1. A tensor split by outputs, by inputs, that every process has, of key heads that come twice, of a padded vocabulary:
   equal if every part is, named if any number of any part is another one.
2. A tensor that is missing, of another shape, or a head that is tied to other embeddings: named.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lit_grpo.engines.vllm.proof import differing_tensors

WHOLE = torch.arange(24.0).reshape(6, 4)
SPLITS: dict[str, list[Tensor]] = {
    "one process": [WHOLE],
    "outputs": [WHOLE[:3], WHOLE[3:]],
    "inputs": [WHOLE[:, :2], WHOLE[:, 2:]],
    "every process has it": [WHOLE, WHOLE],
    "two key heads on four processes": [WHOLE[:3], WHOLE[:3], WHOLE[3:], WHOLE[3:]],
    "vocabulary": [WHOLE[:4], torch.cat([WHOLE[4:], torch.zeros(2, 4)])],
}


def write(folder: Path, parts: dict[str, list[Tensor]]) -> None:
    for number, (name, tensors) in enumerate(parts.items()):
        for rank, tensor in enumerate(tensors):
            save_file({name: tensor.contiguous()}, folder / f"{number:05d}_{rank:03d}.safetensors")


@pytest.mark.parametrize("split", SPLITS)
def test_1_parts(split: str, tmp_path: Path) -> None:
    parts = SPLITS[split]
    write(tmp_path, {"a": parts, "b": [torch.ones(2)] * len(parts)})
    assert differing_tensors(tmp_path, [("a", WHOLE), ("b", torch.ones(2))]) == []
    for rank in range(len(parts)):
        changed = [part.clone() for part in parts]
        changed[rank][0, -1] += 1e-6 + changed[rank][0, -1] * 1e-6
        write(tmp_path, {"a": changed, "b": [torch.ones(2)] * len(parts)})
        assert differing_tensors(tmp_path, [("a", WHOLE), ("b", torch.ones(2))]) == ["a"]


def test_2_missing_and_tied(tmp_path: Path) -> None:
    embeddings = ("model.embed_tokens.weight", WHOLE)
    write(tmp_path, {"model.embed_tokens.weight": [WHOLE], "lm_head.weight": SPLITS["outputs"], "c": [WHOLE[:5]]})
    ours = [embeddings, ("c", WHOLE), ("d", WHOLE)]
    assert differing_tensors(tmp_path, ours) == ["c", "d (the server has none)"]
    write(tmp_path, {"model.embed_tokens.weight": [WHOLE], "lm_head.weight": [WHOLE[:3], WHOLE[:3]]})
    assert differing_tensors(tmp_path, [embeddings]) == ["lm_head.weight (tied to the embeddings)"]
