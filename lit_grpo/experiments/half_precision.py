"""Policies in half the room: what a run exports in float32, rewritten in bfloat16 to be shipped.

Called by small_base.py, for the finished base, and by real_size_verify.py, for the policies of the claim.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers.utils import SAFE_WEIGHTS_NAME

from lit_grpo.modules.policy import load_config


def write_half(policy: Path, folder: Path) -> Path:
    """Write a policy with its weights in bfloat16; returns ``folder``."""
    shutil.copytree(policy, folder, dirs_exist_ok=True)
    weights = {name: tensor.bfloat16() for name, tensor in load_file(folder / SAFE_WEIGHTS_NAME).items()}
    save_file(weights, folder / SAFE_WEIGHTS_NAME, metadata={"format": "pt"})
    # A shared file, like those that git checks out; save_file lets its owner alone read it.
    (folder / SAFE_WEIGHTS_NAME).chmod(0o644)
    config = load_config(folder)
    config.dtype = torch.bfloat16
    config.save_pretrained(folder)
    return folder
