"""Weights that change without an optimizer step, beyond what test_swapped_weights.py has.

1. A callback that swaps weights around `test` and `validate` is followed; what is played afterwards is as before.
2. Weights that a callback freezes after they moved, and that it changes while they are frozen, reach the engine.
3. Averaged weights and those in training are both in the checkpoint, with adapters as well: a resumed run goes on to
   the weights of one that was not stopped, and ends with the same average.
4. What cannot work is refused in one line: stochastic weight averaging, and averaging of sharded weights.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint, StochasticWeightAveraging

sys.path.append(str(Path(__file__).parent))
from small_runs import CoinRewards, make_data, make_module, make_trainer, weights_of
from test_swapped_weights import HELD_OUT, Played, Validated, apart

from lit_grpo.checkpointing import AtomicModelParallelStrategy
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.modules.averaging import require_averaging
from lit_grpo.modules.policy import LoraSettings


class Swapping(Callback):
    """Adds something to every weight while held-out tasks are played."""

    def _add(self, module: pl.LightningModule, amount: float) -> None:
        for parameter in module.parameters():
            parameter.data += amount

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._add(pl_module, 0.125)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._add(pl_module, -0.125)

    on_test_start, on_test_end = on_validation_start, on_validation_end


@pytest.mark.parametrize("stage", ["validate", "test"])
def test_1_around_an_evaluation(stage: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    module = make_module("grpo", tiny_checkpoint)
    validated = Validated(CoinRewards())
    held_out = HeldOutSettings(num_validation_tasks=2, num_test_tasks=2, batch_size=2)
    for callbacks in ([validated], [Swapping(), validated], [validated]):
        trainer = make_trainer(tmp_path / str(len(validated.weights)), callbacks=callbacks, limit_val_batches=1.0)
        getattr(trainer, stage)(module, make_data("grpo", tiny_checkpoint, 1, held_out=held_out))
    assert len(validated.distances) == 3
    assert max(validated.distances) < 1e-5
    first, swapped, last = validated.weights
    assert apart(first, swapped) == pytest.approx(0.125, rel=1e-3)
    assert apart(first, last) < 1e-6


# Validated plays in on_validation_batch_start; `test` comes the same way.
Validated.on_test_batch_start = Validated.on_validation_batch_start  # pyright: ignore[reportAttributeAccessIssue]


class Freezing(Callback):
    """Freezes the embeddings after the first batch, and moves them once more after the second."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        embeddings = pl_module.policy.causal_lm.get_input_embeddings().weight
        embeddings.requires_grad_(False)
        embeddings.grad = None
        if batch_idx == 1:
            embeddings.data.mul_(1.5)


@pytest.mark.parametrize("max_staleness", [0])
def test_2_frozen_weights(max_staleness: int, tiny_checkpoint: Path, tmp_path: Path) -> None:
    pl.seed_everything(0)
    rollout = Played(max_staleness)
    trainer = make_trainer(tmp_path, callbacks=[rollout, Freezing()])
    trainer.fit(make_module("grpo", tiny_checkpoint), make_data("grpo", tiny_checkpoint, 3))
    assert apart(rollout.weights[1], rollout.weights[2]) > 0.01
    assert len(rollout.distances) == 3
    assert max(rollout.distances) < 1e-5


@pytest.mark.parametrize("lora", [None, LoraSettings(r=4)], ids=["whole", "adapters"])
def test_3_resumed(lora: LoraSettings | None, tiny_checkpoint: Path, tmp_path: Path) -> None:
    def run(folder: Path, resume: Path | None = None) -> dict[str, torch.Tensor]:
        pl.seed_everything(0)
        module = make_module("grpo", tiny_checkpoint, lora=lora)
        saving = ModelCheckpoint(folder, "batch_{step}", every_n_train_steps=1, save_top_k=-1)
        callbacks = [CoinRewards(), EMAWeightAveraging(decay=0.5), saving]
        trainer = make_trainer(folder, callbacks=callbacks, enable_checkpointing=True)
        data = make_data("grpo", tiny_checkpoint, 4, held_out=HELD_OUT["held_out"])
        trainer.fit(module, data, ckpt_path=None if resume is None else str(resume))
        return weights_of(module)

    whole = run(tmp_path / "whole")
    checkpoint = tmp_path / "whole" / "batch_step=2.ckpt"
    resumed = run(tmp_path / "resumed", checkpoint)
    for name, tensor in whole.items():
        assert torch.equal(resumed[name], tensor), name


def test_4_refusals(tiny_checkpoint: Path, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, callbacks=[CoinRewards(), StochasticWeightAveraging(swa_lrs=1e-3)])
    with pytest.raises(ValueError, match=r"got StochasticWeightAveraging, .* take EMAWeightAveraging or WeightAver"):
        trainer.fit(make_module("grpo", tiny_checkpoint), make_data("grpo", tiny_checkpoint, 1))
    with pytest.raises(ValueError, match="expected no EMAWeightAveraging with sharded weights, got one"):
        require_averaging([EMAWeightAveraging()], is_sharded=True)
    require_averaging([EMAWeightAveraging(), ModelCheckpoint()], is_sharded=False)
    trainer = make_trainer(tmp_path, callbacks=[EMAWeightAveraging()])
    assert not isinstance(trainer.strategy, AtomicModelParallelStrategy)
