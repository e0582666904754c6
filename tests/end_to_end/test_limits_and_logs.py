"""What a limit in updates means, and what the logs hold of an update that was skipped.

1. With several updates a rollout the schedule ends where the run does: the last batch has the final fraction of the
   learning rate. 8 updates, 2 a rollout: 4 batches, whose factors from 1 to 0.1 are 1, 0.7, 0.4, 0.1.
2. Updates that are skipped count towards the limit: a run in which no group ever has signal ends all the same, and the
   schedule with it.
3. A batch whose update was skipped logs no loss: not the one of the batch before.
4. The spread within groups is a mean over the groups that have one.
"""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from small_runs import CoinRewards, make_data, make_module, make_trainer
from typing_extensions import override

from lit_grpo.callbacks.log_rows import LogRows
from lit_grpo.data.batches import consumed_batches
from lit_grpo.fitting.metrics_csv import MetricsCsv
from lit_grpo.metrics.policy import reward_statistics
from lit_grpo.modules.optimizers import OptimizerSettings


class Rates(Callback):
    """The learning rate of each batch."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    @override
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


@pytest.mark.parametrize("is_flat", [False, True], ids=["signal", "no_signal"])
def test_the_schedule_ends_with_the_updates(is_flat: bool, tiny_checkpoint: Path, tmp_path: Path) -> None:
    rates = Rates()
    trainer = make_trainer(
        tmp_path, max_epochs=-1, max_steps=8, callbacks=[CoinRewards(4, is_flat=lambda task: is_flat), rates]
    )
    settings = OptimizerSettings(learning_rate=1e-3, final_fraction=0.1)
    trainer.fit(
        make_module("grpo", tiny_checkpoint, settings, updates_per_rollout=2), make_data("grpo", tiny_checkpoint, 100)
    )
    assert rates.seen == pytest.approx([1e-3, 7e-4, 4e-4, 1e-4])
    assert consumed_batches(trainer) == 4
    assert trainer.global_step == (0 if is_flat else 8)


class FlatBatches(CoinRewards):
    """Pays all attempts of every second batch alike."""

    @override
    def collect(self, tasks: Any, engine: Any, conversation: Any, batch: int) -> Any:
        self.is_flat = lambda task: batch % 2 == 1
        return super().collect(tasks, engine, conversation, batch)


def test_a_skipped_update_logs_nothing_of_the_one_before(tiny_checkpoint: Path, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, callbacks=[LogRows(), FlatBatches(2)], log_every_n_steps=1)
    trainer.loggers = [MetricsCsv(tmp_path)]
    trainer.fit(make_module("grpo", tiny_checkpoint), make_data("grpo", tiny_checkpoint, batches=4))
    with (tmp_path / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["train/skipped"] for row in rows] == ["0.0", "1.0", "0.0", "1.0"]
    for name in ("train/loss", "train/grad_norm", "train/ratio"):
        assert [bool(row[name]) for row in rows] == [True, False, True, False], name


def test_the_spread_is_over_the_groups_that_have_one() -> None:
    rewards = torch.tensor([[0.0, 1.0, 0.5], [0.5, 0.0, 0.0], [1.0, 1.0, 1.0]])
    verified = torch.tensor([[True, True, False], [True, False, False], [True, True, True]])
    statistics = reward_statistics(rewards, verified)
    # 0 and 1 deviate by sqrt(1/2), three times 1 by 0; a single episode has no deviation.
    assert statistics.std_within_groups == pytest.approx((0.5**0.5 + 0.0) / 2)
    assert statistics.num_spreads == 2
