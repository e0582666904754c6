"""Training does what it is for.

1. GRPO raises the reward of a coin task (pay for even token ids) on a random model, within seconds.
2. Supervised fine-tuning on ten demonstrations halves their loss.
"""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from small_runs import CoinRewards, make_data, make_module, make_trainer

from lit_grpo.modules.optimizers import OptimizerSettings

FAST = OptimizerSettings(learning_rate=1e-2)


def test_grpo_raises_the_reward(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pl.seed_everything(0)
    coin = CoinRewards(group_size=8)
    trainer = make_trainer(tmp_path, callbacks=[coin])
    trainer.fit(make_module("grpo", tiny_checkpoint, FAST), make_data("grpo", tiny_checkpoint, batches=30))
    first, last = sum(coin.mean_rewards[:3]) / 3, sum(coin.mean_rewards[-3:]) / 3
    assert first < 0.65  # a coin
    assert last > 0.85


def test_sft_learns_its_demonstrations(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pl.seed_everything(0)
    losses: list[float] = []

    class Losses(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any, **named: Any) -> None:
            losses.append(float(trainer.callback_metrics["train/loss"]))

    trainer = make_trainer(tmp_path, max_epochs=12, callbacks=[Losses()])
    trainer.fit(make_module("sft", tiny_checkpoint, FAST), make_data("sft", tiny_checkpoint, batches=3))
    assert sum(losses[-3:]) < 0.5 * sum(losses[:3])
