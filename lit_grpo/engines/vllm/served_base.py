"""The weights below the adapters, as servers hold them: those in the policy's folder, or dequantised ones.

Called by engines/settings.py before servers start. A quantised policy computes with dequantised weights and nothing
else (modules/quantization.py), so servers are given these, written once, in the dtype of the training's products: the
proof of each sync then compares the same numbers as without quantisation, to the same thresholds. vLLM would quantise
by rules of its own, fused layers together, and no proof could tell its rounding from a weight that is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lit_grpo.dtypes import torch_dtype
from lit_grpo.engines.policy_view import PolicyView
from lit_grpo.engines.vllm.weights_folder import CHECKPOINT_FILES, WeightsFolder


@dataclass(frozen=True, slots=True)
class ServedBase:
    """A folder with config and whole weights."""

    folder: Path
    files: str = CHECKPOINT_FILES
    """The pattern of the names of the weights' files."""
    owner: WeightsFolder | None = None
    """Removes the folder when nobody needs it any more; None: it is a checkpoint, which stays."""


def served_base(policy: PolicyView, weights_folder: Path) -> ServedBase:
    """The weights that servers of a policy start with. Every rank must call it.

    Args:
        policy: The policy; if it is quantised, one process of each machine writes its dequantised weights.
        weights_folder: Where they are written; they stay as long as the servers, which may have to be started anew.

    Raises:
        ValueError: There is no room for them, or no adapters above them.
    """
    checkpoint = policy.base or policy.checkpoint
    if not policy.is_quantised:
        return ServedBase(checkpoint)
    if policy.adapters is None:
        raise ValueError(
            "model.policy.quantization: expected adapters with it for vLLM, got none; play with TransformersSettings, "
            "or leave quantization out"
        )
    owner = WeightsFolder(weights_folder, None, policy.ranks)
    folder = owner.write(_in_dtype(policy))
    owner.hold(folder)
    with policy.ranks.together():
        if policy.ranks.writes:
            config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
            config.pop("quantization_config", None)
            (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return ServedBase(folder, "*.safetensors", owner)


def _in_dtype(policy: PolicyView) -> Iterator[tuple[str, Tensor]]:
    dtype = torch_dtype(policy.dtype)
    for name, tensor in policy.base_weights():
        yield name, tensor.to(dtype)
        # Or it would still be there while the next one is dequantised.
        del tensor
