"""A number that nobody logs is found at the evaluation before training.

1. It is refused there, or at the first evaluation, with those that there are, before any batch or any other callback.
2. Numbers of training are waited for; EarlyStopping's are demanded after a batch, where Lightning raised.
3. What is logged, and what ModelCheckpoint knows by itself, is monitored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch.utils.data import DataLoader
from typing_extensions import override

from lit_grpo.callbacks.known_monitors import KnownMonitors


class OneWeight(pl.LightningModule):
    """Logs ``val/score`` with each evaluation and ``train/loss`` with each batch, and counts batches."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.num_batches = 0

    @override
    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.num_batches += 1
        loss = self.weight.sum()
        self.log("train/loss", loss)
        return loss

    @override
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val/score", 0.5)

    @override
    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(folder: Path, callback: Callback, **arguments: Any) -> OneWeight:
    module, loader = OneWeight(), DataLoader([0, 1], batch_size=1)  # pyright: ignore[reportArgumentType]
    arguments = {"max_epochs": 1, "accelerator": "cpu", "devices": 1, **arguments}
    trainer = pl.Trainer(
        callbacks=[KnownMonitors(), callback],
        logger=False,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=isinstance(callback, ModelCheckpoint),
        **arguments,
    )
    try:
        trainer.fit(module, loader, loader)
    except ValueError as error:
        raise ValueError(f"{error} [{module.num_batches} batches]") from error
    return module


@pytest.mark.parametrize(("evaluations_before", "batches"), [(1, 0), (0, 2)])
@pytest.mark.parametrize("monitor", ["val/scor", "val_loss"])
def test_1_unknown(monitor: str, evaluations_before: int, batches: int, tmp_path: Path) -> None:
    for callback in (EarlyStopping(monitor), ModelCheckpoint(tmp_path, monitor=monitor)):
        with pytest.raises(ValueError, match="a number that is logged") as refused:
            fit(tmp_path, callback, num_sanity_val_steps=evaluations_before)
        line = str(refused.value)
        assert line.startswith(
            f"trainer.callbacks: expected {type(callback).__name__} to monitor a number that is logged"
        )
        there = "train/loss, val/score" if evaluations_before == 0 else "val/score"
        assert f"a number that is logged ({there}), got {monitor!r}; " in line
        assert line.endswith(f"[{batches} batches]")
    if monitor == "val/scor":
        assert "did you mean 'val/score'?" in line


def test_2_numbers_of_training(tmp_path: Path) -> None:
    assert fit(tmp_path, EarlyStopping("train/loss"), max_epochs=2).num_batches == 4
    assert fit(tmp_path, ModelCheckpoint(tmp_path, monitor="train/loss")).num_batches == 2
    assert fit(tmp_path, EarlyStopping("train/los", strict=False)).num_batches == 2
    with pytest.raises(ValueError, match=r"train/loss, val/score\), got 'train/los'; did you mean 'train/loss'"):
        fit(tmp_path, EarlyStopping("train/los"))
    with pytest.raises(ValueError, match=r"\(train/loss\), got 'train/los'"):
        fit(tmp_path, EarlyStopping("train/los", check_on_train_epoch_end=True), limit_val_batches=0)


@pytest.mark.parametrize("monitor", ["val/score", "epoch", "step", None])
def test_3_known(monitor: str | None, tmp_path: Path) -> None:
    assert fit(tmp_path, ModelCheckpoint(tmp_path, monitor=monitor)).num_batches == 2
    if monitor == "val/score":
        assert fit(tmp_path, EarlyStopping(monitor)).num_batches == 2
