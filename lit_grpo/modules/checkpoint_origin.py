"""What a checkpoint is of: written into it by the module, and compared when one is given as ``--ckpt_path``.

Called by modules/base.py. A checkpoint of another stage, of batches of another size or of another network would be
taken without a word otherwise: the counts in it fit every run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.trainer.states import TrainerFn
from lightning_utilities.core.rank_zero import rank_zero_warn

from lit_grpo.checkpoint_reading import require_weights
from lit_grpo.data.datamodule import DemonstrationDataModule
from lit_grpo.data.proofreading_data import ProofreadingDataModule
from lit_grpo.data.stream import TaskStream
from lit_grpo.modules.going_on import LENGTH, require_going_on

ORIGIN = "lit_grpo"
"""The entry of a checkpoint that says what it is of."""

_KEEP = "come twice or never: keep it, or start a new run from the exported weights"
REMEDIES: Mapping[str, str] = {
    "model": "another stage starts from exported weights: --model.policy.checkpoint FOLDER/policy, without --ckpt_path",
    "data": "a run goes on with the data that it began with",
    "data.num_tasks": f"tasks are counted in batches, so that some would {_KEEP}",
    "data.batch_size": f"demonstrations are counted in batches, so that some would {_KEEP}",
    "model.policy.lora": "name the adapters that it was trained with",
    "model.policy.frozen_layers": "what is frozen has no moments to go on with: keep it",
    "model.policy.quantization": "adapters belong to the weights that they were trained on: keep it",
    "model.policy.base": "adapters belong to the weights that they were trained on: name the folder of these",
    "model.policy.checkpoint": "the KL is to the policy that the run began with: name that one",
    "model.optimizer.matrix_learning_rate": "the moments of one optimizer are none of another's: keep it",
    "model.optimizer.adamw": "the moments of one optimizer are none of another's: keep it",
}
"""What has to be the same when a fit goes on -> what to do where it is not."""
EVALUATED = ("model.policy.lora", "model.policy.quantization", "model.policy.base")
"""What has to be the same wherever the weights are used."""


def origin_of(trainer: pl.Trainer, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a run is, as plain values by the keys of the command line.

    Args:
        trainer: Its module and its data are attached.
        settings: Those of the module.
    """
    module, data = trainer.lightning_module, trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
    counts: dict[str, Any] = {}
    if isinstance(data, TaskStream):
        counts = {"data.num_tasks": data.num_tasks, LENGTH: data.batches_per_epoch}
    elif isinstance(data, DemonstrationDataModule | ProofreadingDataModule):
        counts = {"data.batch_size": data.batch_size, LENGTH: data.batches_per_epoch}
    return {
        "model": type(module).__name__,
        "data": type(data).__name__,
        **counts,
        **{key: plain(value) for key, value in settings.items()},
        "folder": str(Path(trainer.default_root_dir).resolve()),
        "versions": {name: version(name) for name in ("lit_grpo", "torch", "transformers", "lightning")},
    }


def require_fits(
    checkpoint: Mapping[str, Any], trainer: pl.Trainer, settings: Mapping[str, Any], updates_per_batch: int
) -> None:
    """Refuse a checkpoint that the present run cannot go on with, or take its weights from; say if nothing is left.

    Args:
        checkpoint: What was read from ``trainer.ckpt_path``.
        trainer: Its module and its data are attached.
        settings: Those of the module, as in `origin_of`.
        updates_per_batch: Optimizer steps that a batch takes.

    Raises:
        ValueError: It is of something else.
    """
    path, now, is_fit = str(trainer.ckpt_path), origin_of(trainer, settings), trainer.state.fn is TrainerFn.FITTING
    found = checkpoint.get(ORIGIN)
    if found is None:
        rank_zero_warn(f"{path} does not say what it is of (an earlier version wrote it): that it fits is not checked")
        found = now
    _require_same(found, now, path, REMEDIES if is_fit else EVALUATED)
    require_weights(checkpoint.get("state_dict", {}), path, trainer.lightning_module.state_dict())
    if is_fit:
        if "state_dict" in checkpoint and "optimizer_states" not in checkpoint:
            raise ValueError(
                f"--ckpt_path: expected a checkpoint to go on from, got {path}, which holds weights alone here; give "
                "one that was saved whole, or start a new run from the exported weights"
            )
        require_going_on(checkpoint, trainer, updates_per_batch, found, now)


def plain(value: Any) -> Any:
    """Settings as what a checkpoint, or JSON, may hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: plain(inner) for name, inner in dataclasses.asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, Enum):
        # A member that is a text, too, would be read back as its class, which is code.
        return value.name
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _require_same(found: Mapping[str, Any], now: Mapping[str, Any], path: str, keys: Iterable[str]) -> None:
    for key in keys:
        if key in found and key in now and found[key] != now[key]:
            raise ValueError(
                f"{key}: expected {_text(key, found[key])}, as in the checkpoint {path}, got {_text(key, now[key])}; "
                f"{REMEDIES[key]}"
            )


def _text(key: str, value: Any) -> str:
    if key == "model.optimizer.matrix_learning_rate":  # kept as whether there is one: the rate itself may change
        return "a number (Muon)" if value else "null (AdamW alone)"
    return "null" if value is None else str(value)
