"""A run that is resumed by other settings than it began with: what has ended says so, what cannot go on is refused.

1. A run that EarlyStopping has ended trains nothing and says how it goes on: a patience that is raised counts, and
   without the callback it trains to its limit.
2. An epoch that is to have fewer batches than it has had already is refused; one that is to have more goes on.
3. Averaged weights are not trained on in silence: without the averaging a fit is refused, and a test takes the average.
4. A run whose updates were skipped has ended where its `max_steps` were reached, and takes none more.
"""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging
from small_runs import CoinRewards, Kind, make_data, make_module, make_trainer, weights_of
from torch import Tensor

from lit_grpo.callbacks.last_checkpoint import LastCheckpoint, LastCheckpointSettings

EACH = LastCheckpointSettings(every_batches=1, every_minutes=None)


def fit(
    checkpoint: Path,
    folder: Path,
    *callbacks: Callback,
    kind: Kind = "sft",
    batches: int = 3,
    resume: bool = False,
    **arguments: Any,
) -> dict[str, Tensor]:
    """Epochs of so many batches."""
    pl.seed_everything(0)
    module = make_module(kind, checkpoint)
    trainer = make_trainer(folder, enable_checkpointing=True, callbacks=[*callbacks, LastCheckpoint(EACH)], **arguments)
    path = str(folder / "checkpoints" / "last.ckpt")
    trainer.fit(module, make_data(kind, checkpoint, batches), ckpt_path=path if resume else None)
    return weights_of(module)


def stands(folder: Path) -> tuple[int, int]:
    """Batches, and epochs that are over."""
    loops = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["loops"]["fit_loop"]
    return loops["epoch_loop.batch_progress"]["total"]["processed"], loops["epoch_progress"]["current"]["processed"]


def stopping(patience: int) -> EarlyStopping:
    """Waits from the second epoch on: a share of 0 does not fall."""
    return EarlyStopping("train/not_finite", patience=patience, check_on_train_epoch_end=True)


def test_1_early_stopping(tiny_checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    arguments: dict[str, Any] = {"batches": 1, "max_epochs": 6}
    fit(tiny_checkpoint, tmp_path, stopping(1), **arguments)
    assert stands(tmp_path) == (2, 2)
    said = "This run has ended: 2 batches in 2 epoch(s). Nothing is left to train; EarlyStopping of train/not_finite"
    assert said not in caplog.text
    fit(tiny_checkpoint, tmp_path, stopping(1), resume=True, **arguments)
    assert f"{said} has stopped it: raise its patience above 1, or leave it out to go on." in caplog.text
    assert stands(tmp_path) == (2, 2)
    fit(tiny_checkpoint, tmp_path, stopping(3), resume=True, **arguments)
    assert stands(tmp_path) == (4, 4)
    resumed = fit(tiny_checkpoint, tmp_path, resume=True, **arguments)
    assert stands(tmp_path) == (6, 6)
    whole = fit(tiny_checkpoint, tmp_path / "whole", **arguments)
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())


def test_2_shorter_epochs(tiny_checkpoint: Path, tmp_path: Path) -> None:
    fit(tiny_checkpoint, tmp_path, max_steps=2)
    assert stands(tmp_path) == (2, 0)
    refused: list[dict[str, Any]] = [{"batches": 2}, {"batches": 1}, {"limit_train_batches": 2}]
    for arguments in refused:
        with pytest.raises(ValueError, match=r"^data.batches_per_epoch: expected more than the 2 batches of its epoch"):
            fit(tiny_checkpoint, tmp_path, resume=True, **arguments)
    fit(tiny_checkpoint, tmp_path, resume=True, batches=4)
    assert stands(tmp_path) == (4, 1)


def test_3_averaged_weights(tiny_checkpoint: Path, tmp_path: Path) -> None:
    fit(tiny_checkpoint, tmp_path, EMAWeightAveraging(decay=0.5), max_steps=2)
    with pytest.raises(ValueError, match=r"^trainer.callbacks: expected the averaging of weights that .*, got none"):
        fit(tiny_checkpoint, tmp_path, resume=True)
    module, saved = make_module("sft", tiny_checkpoint), tmp_path / "checkpoints" / "last.ckpt"
    make_trainer(tmp_path).test(module, make_data("sft", tiny_checkpoint, 3), ckpt_path=str(saved), verbose=False)
    average = torch.load(saved, weights_only=True)["state_dict"]
    assert all(torch.equal(average[f"policy.model.{name}"], tensor) for name, tensor in weights_of(module).items())


def test_4_skipped_updates(tiny_checkpoint: Path, tmp_path: Path) -> None:
    for resume in (False, True):
        without_signal = CoinRewards(2, is_flat=lambda task: True)
        fit(tiny_checkpoint, tmp_path, without_signal, kind="grpo", max_steps=2, resume=resume)
        assert stands(tmp_path) == (2, 0)
