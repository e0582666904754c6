"""Refilling groups without signal, in whole runs.

1. A run with refills that is killed and resumed ends with the same weights, and meets the same tasks.
2. A policy whose attempts always earn alike: each step plays as often as the rounds allow, is skipped and counted, the
   run goes on, and the warning comes at the 1st, 2nd, 4th step in a row.
3. What was played and not trained on is in the transcripts, by its round.
4. Two ranks, of which one refills and the other does not, or finds nothing at all, take the steps of one.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from small_runs import (
    REFILLED,
    CoinRewards,
    assert_same_steps,
    half_flat,
    make_data,
    make_module,
    make_trainer,
    refilled_fits,
    two_processes,
    weights_of,
)
from torch import Tensor
from typing_extensions import override

from lit_grpo.losses.reference_kl import KLEstimator, KLPlace
from lit_grpo.rollout.refill import DynamicSampling


def fit(checkpoint: Path, folder: Path, resume: Path | None = None) -> tuple[dict[str, Tensor], list[tuple[str, ...]]]:
    """Five batches, half of the tasks flat, a checkpoint after each."""
    pl.seed_everything(0 if resume is None else 99)
    module = make_module("grpo", checkpoint, updates_per_rollout=2, demonstration_loss_weight=0.3)
    rollout = CoinRewards(dynamic_sampling=DynamicSampling(2), is_flat=half_flat)
    saving = ModelCheckpoint(folder, "batch_{step}", every_n_train_steps=1, save_top_k=-1)
    trainer = make_trainer(folder, enable_checkpointing=True, callbacks=[rollout, saving])
    trainer.fit(module, make_data("grpo", checkpoint, batches=5), ckpt_path=None if resume is None else str(resume))
    return weights_of(module), rollout.played


def test_1_a_resumed_run_is_the_run_that_was_not_killed(tiny_checkpoint: Path, tmp_path: Path) -> None:
    expected, played = fit(tiny_checkpoint, tmp_path / "whole")
    of_batches = [number for number, tasks in enumerate(played) if len(tasks) == 4]
    assert len(played) > 5, "nothing was refilled"
    for done in (2, 4):
        weights, rest = fit(tiny_checkpoint, tmp_path / str(done), tmp_path / "whole" / f"batch_step={2 * done}.ckpt")
        assert rest == played[len(played) - len(rest) :]
        assert len(played) - len(rest) in of_batches
        assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())


class Logged(Callback):
    """What was logged at each batch."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []

    @override
    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.steps.append({name: float(value) for name, value in trainer.callback_metrics.items()})


@pytest.mark.parametrize(
    "objective",
    [
        {},
        {"kl_beta": 0.1, "kl_estimator": KLEstimator.K3, "entropy_bonus": 0.01},
        {"kl_beta": 0.1, "kl_estimator": KLEstimator.K1, "kl_place": KLPlace.REWARD},
    ],
    ids=["plain", "kl and entropy in the loss", "kl in the reward"],
)
def test_2_nothing_to_learn_from_for_many_steps(
    objective: dict[str, Any], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    module, logged = make_module("grpo", tiny_checkpoint, updates_per_rollout=2, **objective), Logged()
    rollout = CoinRewards(dynamic_sampling=DynamicSampling(3), is_flat=lambda task: True)
    trainer = make_trainer(tmp_path, callbacks=[rollout, logged])
    module.configure_model()
    before = weights_of(module)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(module, make_data("grpo", tiny_checkpoint, batches=5))
    assert all(torch.equal(before[name], tensor) for name, tensor in weights_of(module).items())
    assert [len(tasks) for tasks in rollout.played] == [4] * 20, "the batch and three refills of each step"
    assert len(set(rollout.played)) == 20
    for step in logged.steps:
        assert step["rollout/empty"] == step["train/skipped"] == 1
        assert step["rollout/refill_rounds"] == 3
        # 3 rounds x 4 tasks x 4 attempts.
        assert step["rollout/refill_attempts"] == 48
        assert step["rollout/flat_groups"] == 16
        assert step["rollout/kept_share"] == step["rollout/filled"] == 0
        assert step["rollout/refill_tokens"] >= 48
    found = [str(warning.message) for warning in caught if "dynamic sampling" in str(warning.message)]
    assert [f"for {number} step(s) in a row" in message for number, message in zip((1, 2, 4), found, strict=True)]


def test_3_what_was_not_trained_on_is_kept(tiny_checkpoint: Path, tmp_path: Path) -> None:
    module, logged = make_module("grpo", tiny_checkpoint), Logged()
    rollout = CoinRewards(dynamic_sampling=DynamicSampling(2), is_flat=half_flat)
    rollout.transcripts_every = 1
    make_trainer(tmp_path, callbacks=[rollout, logged]).fit(module, make_data("grpo", tiny_checkpoint, batches=3))
    records = [json.loads(line) for line in (tmp_path / "episodes.jsonl").read_text().splitlines()]
    assert len(records) == 4 * sum(map(len, rollout.played))
    assert {record["refill_round"] for record in records} == {0, 1, 2}
    flat = {(r["batch"], r["refill_round"], r["task_id"]) for r in records if int(r["task_id"][:8], 16) % 2 == 0}
    assert len(flat) == sum(step["rollout/flat_groups"] for step in logged.steps) > 0
    extra = sum(record["refill_round"] > 0 for record in records)
    assert extra == sum(step["rollout/refill_attempts"] for step in logged.steps) > 0


def test_4_two_ranks_of_which_one_refills(tiny_checkpoint: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    refilled_fits("one", tiny_checkpoint, one)
    two_processes("ddp_refilled", tiny_checkpoint, two)
    for name in REFILLED:
        expected, result = (torch.load(folder / f"{name}.pt", weights_only=True) for folder in (one, two))
        assert_same_steps(result, expected, tiny_checkpoint)
