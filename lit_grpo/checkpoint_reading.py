"""Checkpoints read as data: whole, or all but the tensors; what cannot be read is said in one line with its path.

Called by checkpointing.py, and by whoever looks into a checkpoint without resuming from it.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric.utilities.load import _METADATA_FILENAME  # pyright: ignore[reportPrivateUsage]
from torch import Tensor

from lit_grpo.sharded_checkpoint import read_sharded_weights


def require_weights(weights: Mapping[str, Tensor], path: Path | str, own: Mapping[str, Tensor]) -> None:
    """ValueError if weights of a checkpoint are none of a model's own, or of another shape."""
    for name, weight in weights.items():
        if name not in own or own[name].shape != weight.shape:
            got = "no such weight" if name not in own else f"one of {tuple(own[name].shape)}"
            raise ValueError(
                f"--ckpt_path: expected the network of {path}, with {name} of {tuple(weight.shape)}, got {got}; name "
                "the model that it was trained from as model.policy.checkpoint"
            )


def read_description(path: Path) -> dict[str, Any]:
    """All of a checkpoint but its weights and optimizer states, where they can be left out without being read.

    Raises:
        ValueError: It is not whole, or none of this package.
    """
    if not path.is_dir():
        return read_file(path, "cpu", mmap=True)
    if not (path / _METADATA_FILENAME).is_file():
        raise ValueError(
            f"{path}: expected a checkpoint, got a folder without {_METADATA_FILENAME}; a folder of exported weights "
            "is given as --model.policy.checkpoint"
        )
    return read_file(path / _METADATA_FILENAME, "cpu")


def read_file(path: Path, map_location: Any, mmap: bool = False) -> dict[str, Any]:
    """A checkpoint of one file; ValueError if it is not whole, or none of this package."""
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)
    except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or ["it is empty"])[0]
        raise ValueError(
            f"{path}: expected a whole checkpoint of this package, got one that cannot be read: {reason.rstrip('.')}; "
            "take another one from its folder"
        ) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f"{path}: expected a checkpoint of this package, got a {type(checkpoint).__name__}")
    return cast(dict[str, Any], checkpoint)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint of either form, on the CPU, by the names of the module's ``state_dict()``.

    Called by one process; FileNotFoundError if there is no such checkpoint.
    """
    if existing(path).is_dir():
        return read_sharded_weights(path)
    return read_file(path, "cpu")["state_dict"]


def existing(path: Path) -> Path:
    """The path; FileNotFoundError if there is nothing."""
    if not path.exists():
        raise FileNotFoundError(f"expected a checkpoint at {path}, got nothing there; check --ckpt_path")
    return path
