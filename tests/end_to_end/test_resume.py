"""A run that was killed and resumed is the run that was not.

1. Resuming from any checkpoint, in the middle of an epoch or at its end, gives bit-identical weights, for SFT (Muon),
   for GRPO with replay and several updates per rollout, and for DAgger with replay, partly played by the oracle.
2. None of the batches is skipped, none doubled.
3. Ctrl-C finishes the batch and leaves a checkpoint that resumes to the same weights.
4. A checkpoint holds data alone: it loads with ``weights_only=True``.
5. With adapters it holds the adapters only, and resumes as well.
6. A resumed run trains at the rates, betas and weight decay that are asked for, in every group, from its first batch:
   with AdamW, Muon, states in eight bits and sharded weights. An extended one has the longer run's schedule at once.
"""

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from bitsandbytes.optim.adamw import AdamW8bit
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from small_runs import (
    ADAMW,
    MUON,
    CoinRewards,
    Kind,
    StrategyName,
    make_data,
    make_module,
    make_trainer,
    weights_of,
)
from torch import Tensor
from typing_extensions import override

from lit_grpo.callbacks.last_checkpoint import LastCheckpoint
from lit_grpo.data.batches import DemonstrationBatch, TaskBatch
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.optimizers import OptimizerSettings, learning_rate_factor

SETTINGS: dict[Kind, dict[str, Any]] = {
    "sft": {"optimizer": MUON},
    "grpo": {"demonstration_loss_weight": 0.3, "updates_per_rollout": 2},
    "dagger": {"demonstration_loss_weight": 0.3, "beta": 0.8},
}


class Seen(Callback):
    """What each batch held."""

    def __init__(self) -> None:
        self.batches: list[tuple[object, ...]] = []

    @override
    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if isinstance(batch, DemonstrationBatch):
            self.batches.append(batch.groups)
        else:
            assert isinstance(batch, TaskBatch)
            self.batches.append(tuple(task.id for task in batch.tasks))


class Groups(Callback):
    """What each group of weights has when a batch begins, without the weights."""

    def __init__(self) -> None:
        self.batches: list[list[Mapping[str, Any]]] = []

    @override
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        groups = trainer.optimizers[0].param_groups
        self.batches.append([{name: group[name] for name in group if name != "params"} for group in groups])


class Interrupt(Callback):
    """Ctrl-C in the middle of a batch."""

    def __init__(self, batch: int) -> None:
        self.batch = batch

    @override
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.fit_loop.total_batch_idx == self.batch:
            os.kill(os.getpid(), signal.SIGINT)


def fit(
    kind: Kind,
    checkpoint: Path,
    folder: Path,
    resume: Path | None = None,
    callbacks: tuple[Callback, ...] = (),
    strategy: StrategyName = "one",
    epochs: int = 2,
    **more: Any,
) -> tuple[dict[str, Tensor], list[tuple[object, ...]]]:
    """Epochs of three batches, a checkpoint after each batch."""
    pl.seed_everything(0 if resume is None else 99)
    module, seen = make_module(kind, checkpoint, **(SETTINGS[kind] | more)), Seen()
    saving = ModelCheckpoint(folder, "batch_{step}", every_n_train_steps=1, save_top_k=-1)
    trainer = make_trainer(
        folder,
        strategy,
        max_epochs=epochs,
        enable_checkpointing=True,
        callbacks=[*([CoinRewards()] if kind != "sft" else []), seen, *callbacks, saving],
    )
    trainer.fit(module, make_data(kind, checkpoint, batches=3), ckpt_path=None if resume is None else str(resume))
    return weights_of(module), seen.batches


def assert_identical(weights: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert weights.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(weights[name], tensor), name


@pytest.mark.parametrize("kind", ["sft", "grpo", "dagger"])
def test_resuming_anywhere_gives_the_same_run(kind: Kind, tiny_checkpoint: Path, tmp_path: Path) -> None:
    expected, batches = fit(kind, tiny_checkpoint, tmp_path / "whole")
    assert len(batches) == 6
    assert len(set(batches)) == (6 if kind != "sft" else len(set(batches)))
    updates = 2 if kind == "grpo" else 1
    for done in (2, 3, 4):
        saved = tmp_path / "whole" / f"batch_step={done * updates}.ckpt"
        weights, rest = fit(kind, tiny_checkpoint, tmp_path / f"from_{done}", saved)
        assert rest == batches[done:]
        assert_identical(weights, expected)


def test_ctrl_c_leaves_a_checkpoint_that_resumes(tiny_checkpoint: Path, tmp_path: Path) -> None:
    expected, batches = fit("sft", tiny_checkpoint, tmp_path / "whole")
    _, first = fit("sft", tiny_checkpoint, tmp_path / "stopped", callbacks=(Interrupt(3), LastCheckpoint()))
    assert first == batches[:4]
    weights, rest = fit(
        "sft", tiny_checkpoint, tmp_path / "resumed", tmp_path / "stopped" / "checkpoints" / "last.ckpt"
    )
    assert rest == batches[4:]
    assert_identical(weights, expected)


def test_adapters_alone_are_kept_and_resume(tiny_checkpoint: Path, tmp_path: Path) -> None:
    lora = LoraSettings(r=4)
    expected, _ = fit("sft", tiny_checkpoint, tmp_path / "whole", lora=lora)
    saved = tmp_path / "whole" / "batch_step=2.ckpt"
    names = torch.load(saved, weights_only=True)["state_dict"]
    assert names
    assert all("lora_" in name for name in names)
    weights, _ = fit("sft", tiny_checkpoint, tmp_path / "resumed", saved, lora=lora)
    assert_identical(weights, expected)


@pytest.mark.parametrize(
    ("began", "strategy"),
    [(ADAMW, "one"), (MUON, "one"), (replace(ADAMW, adamw=AdamW8bit), "one"), (MUON, "fsdp2_alone")],
    ids=["AdamW", "Muon", "eight bits", "sharded"],
)
def test_a_resumed_run_trains_as_it_is_asked(
    began: OptimizerSettings, strategy: StrategyName, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    fit("sft", tiny_checkpoint, tmp_path / "first", optimizer=began, strategy=strategy, epochs=1)
    saved, groups = tmp_path / "first" / "batch_step=2.ckpt", Groups()
    asked = replace(began, learning_rate=0.25, betas=(0.5, 0.75), weight_decay=0.125, final_fraction=0.5)
    if began.matrix_learning_rate is not None:
        asked = replace(asked, matrix_learning_rate=0.375)
    arguments: dict[str, Any] = {"strategy": strategy, "callbacks": (groups,)}
    fit("sft", tiny_checkpoint, tmp_path / "again", saved, optimizer=asked, **arguments)
    rates = [rate for rate in (asked.matrix_learning_rate, asked.learning_rate) if rate is not None]
    assert len(groups.batches) == 4
    for batch, of_batch in enumerate(groups.batches, start=2):
        assert [group["lr"] for group in of_batch] == [rate * learning_rate_factor(batch, asked, 6) for rate in rates]
        assert [group["weight_decay"] for group in of_batch] == [0.125] * len(rates)
        assert tuple(of_batch[-1]["betas"]) == (0.5, 0.75)


def test_a_resumed_run_at_rate_0_stands_still(tiny_checkpoint: Path, tmp_path: Path) -> None:
    fit("sft", tiny_checkpoint, tmp_path / "first", epochs=1)
    saved = tmp_path / "first" / "batch_step=2.ckpt"
    still = replace(MUON, learning_rate=0.0, matrix_learning_rate=0.0)
    weights, _ = fit("sft", tiny_checkpoint, tmp_path / "again", saved, optimizer=still, epochs=1)
    stored = torch.load(saved, weights_only=True)["state_dict"]
    assert_identical(weights, {name: stored[f"policy.model.{name}"] for name in weights})


def test_an_extended_run_has_its_schedule_at_once(tiny_checkpoint: Path, tmp_path: Path) -> None:
    falling = replace(ADAMW, decay_batches=None, warmup_batches=0, final_fraction=0.5)
    fit("sft", tiny_checkpoint, tmp_path / "first", optimizer=falling, epochs=1)
    saved, groups = tmp_path / "first" / "batch_step=3.ckpt", Groups()
    fit("sft", tiny_checkpoint, tmp_path / "again", saved, optimizer=falling, callbacks=(groups,))
    # From 1 to 1/2 over six batches, of which the fourth is the first one here: 1 - 3/5 * 1/2.
    assert [group["lr"] / 1e-3 for (group,) in groups.batches] == pytest.approx([0.7, 0.6, 0.5])
