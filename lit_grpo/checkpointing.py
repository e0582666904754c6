"""Checkpoints that are whole or absent, hold every random state, and run no code when they are read.

Installed by cli.py: `AtomicCheckpointIO` on one device and under DDP, `AtomicModelParallelStrategy` where weights are
sharded (FSDP2), `RandomStates` as a callback of every fit. When they are written: callbacks/last_checkpoint.py.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.trainer.states import TrainerFn
from lightning_utilities.core.rank_zero import rank_zero_info
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from typing_extensions import override

from lit_grpo.checkpoint_reading import existing, read_description, read_file, require_weights
from lit_grpo.seeds import go_on_with, run_seed
from lit_grpo.sharded_checkpoint import (
    OPTIMIZER,
    WEIGHTS,
    by_name,
    load_sharded,
    read_sharded_optimizers,
    read_sharded_weights,
)
from lit_grpo.writing import NotWritten, writing

WHOLE = False
"""Lightning's word for a checkpoint that holds more than weights."""
PARTIAL_SUFFIX = ".partial"
"""The suffix of a checkpoint's name until it is complete; nothing ever reads such a path."""


class AtomicCheckpointIO(CheckpointIO):
    """Writes a file aside, flushes it to disk, then renames it. A kill at any moment leaves the old one or the new."""

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write the checkpoint; the directory is made if there is none."""
        target = Path(path)
        partial = _partial(target)
        try:
            # A disk that fills up while torch writes is a RuntimeError of its own.
            with writing(target, RuntimeError):
                target.parent.mkdir(parents=True, exist_ok=True)
                with partial.open("wb") as file:
                    torch.save(checkpoint, file)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(target)
                _flush_directory(target.parent)
        except NotWritten:
            if target.parent.is_dir():
                partial.unlink(missing_ok=True)
            raise

    @override
    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint onto the CPU, as data only: a pickled object in it is refused, never run.

        One that is sharded is put together, weights and optimizer states: a run may go on with fewer ranks.

        Raises:
            FileNotFoundError: There is no such checkpoint.
            ValueError: It is not whole, or none of this package.
        """
        source = existing(Path(path))
        if source.is_dir():
            whole = {"state_dict": read_sharded_weights(source), "optimizer_states": read_sharded_optimizers(source)}
            return read_description(source) | whole
        return read_file(source, map_location or "cpu")

    @override
    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete the file or the directory, if it is there."""
        target = Path(path)
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)


class AtomicModelParallelStrategy(ModelParallelStrategy):
    """FSDP2 whose sharded checkpoint, a directory, appears under its name only when every rank has written its part.

    Args:
        data_parallel_size: Ranks over which the weights are sharded; all of them.
        save_distributed_checkpoint: Each rank writes its shard, or rank 0 gathers and writes one file.
    """

    def __init__(self, data_parallel_size: int, save_distributed_checkpoint: bool = True) -> None:
        super().__init__(data_parallel_size, 1, save_distributed_checkpoint)

    @override
    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write aside, wait for all ranks, rename on rank 0."""
        target = Path(self.broadcast(filepath))
        partial = _partial(target)
        if self.is_global_zero:
            shutil.rmtree(partial, ignore_errors=True)
        self.barrier("leftovers removed")
        super().save_checkpoint(checkpoint, partial, storage_options)
        self.barrier("checkpoint written")
        if self.is_global_zero:
            replace_folder(partial, target)
        self.barrier("checkpoint committed")

    @override
    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = None) -> dict[str, Any]:
        """Read every rank's part, as data only; FileNotFoundError if there is no such checkpoint."""
        path = existing(Path(self.broadcast(checkpoint_path)))
        if path.is_file():
            return self._load_file(path)
        assert self.model is not None
        assert self.lightning_module is not None
        weights = get_model_state_dict(self.model)
        if not self.lightning_module.strict_loading:  # of a policy with adapters the checkpoint holds them alone
            trained = {name for name, parameter in self.model.named_parameters() if parameter.requires_grad}
            weights = {name: weights[name] for name in weights if name in trained}
        state: dict[str, Any] = {WEIGHTS: weights}
        load_sharded(state, path)
        self.model.load_state_dict(state[WEIGHTS], strict=False)
        for number, optimizer in enumerate(self.optimizers):
            name = f"{OPTIMIZER}{number}"
            state = {name: get_optimizer_state_dict(self.model, optimizer)}
            load_sharded(state, path)
            set_optimizer_state_dict(self.model, optimizer, optim_state_dict=state[name])
        return read_description(path)

    def _load_file(self, path: Path) -> dict[str, Any]:
        """Give each rank its shards of a checkpoint that was written whole, by one process or under DDP."""
        assert self.model is not None
        assert self.lightning_module is not None
        checkpoint = read_file(path, "cpu", mmap=True)
        require_weights(checkpoint[WEIGHTS], path, self.model.state_dict())
        strict = self.lightning_module.strict_loading
        options = StateDictOptions(full_state_dict=True, strict=strict)
        set_model_state_dict(self.model, checkpoint.pop(WEIGHTS), options=options)
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        for optimizer, state in zip(self.optimizers, checkpoint.pop("optimizer_states", []), strict=False):
            own = [names[parameter] for group in optimizer.param_groups for parameter in group["params"]]
            set_optimizer_state_dict(self.model, optimizer, optim_state_dict=by_name(state, own), options=options)
        return checkpoint


class RandomStates(Callback):
    """Keeps the run's seed and every rank's random states (python, numpy, torch, CUDA) in the checkpoint.

    A resumed run has both from there, whatever ``--seed_everything`` says.
    """

    def __init__(self) -> None:
        self._restored: list[dict[str, Any]] | None = None

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Have one seed on all ranks: what they draw are shares of one stream."""
        go_on_with(trainer.strategy.broadcast(run_seed()))

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Gather the states of all ranks; called on every rank."""
        checkpoint["run_seed"] = run_seed()
        states: list[dict[str, Any]] = [random_state()]
        if trainer.world_size > 1:
            states = [{} for _ in range(trainer.world_size)]
            torch.distributed.all_gather_object(states, random_state())
        checkpoint["random_states"] = states

    @override
    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with the run's seed; keep the states until training starts: building the rest draws, too."""
        self._restored = checkpoint.get("random_states")
        if trainer.state.fn is TrainerFn.FITTING and "run_seed" in checkpoint:
            began_with = checkpoint["run_seed"]
            if began_with != run_seed():
                rank_zero_info(f"The run goes on with the seed that it began with, {began_with}, not {run_seed()}.")
            go_on_with(began_with)

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put this rank's states back; a run on another number of ranks starts with those of its own seed."""
        if self._restored is not None and len(self._restored) == trainer.world_size:
            restore_random_state(self._restored[trainer.global_rank])
        self._restored = None


def random_state() -> dict[str, Any]:
    """This process's random states as plain numbers and tensors, readable without running code."""
    name, keys, position, has_gauss, cached = cast(tuple[str, np.ndarray, int, int, float], np.random.get_state())
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), position, has_gauss, cached),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Set this process's random states to what `random_state` returned."""
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal), gauss_next))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


def replace_folder(partial: Path, target: Path) -> None:
    """Put a folder that is complete in the place of another one, or of none."""
    _flush(partial)
    retired = target.with_name(target.name + ".retired")
    if target.is_dir():
        target.rename(retired)
    partial.rename(target)
    _flush_directory(target.parent)
    shutil.rmtree(retired, ignore_errors=True)


def _partial(path: Path) -> Path:
    return path.with_name(path.name + PARTIAL_SUFFIX)


def _flush(path: Path) -> None:
    for file in [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]:
        with file.open("rb+") as opened:
            os.fsync(opened.fileno())


def _flush_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
