"""Rollouts with numbers that are not finite, and a program in which one of two ranks meets them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from small_runs import CoinRewards, StrategyName, make_data, make_module, make_trainer, run_as_program, weights_of

from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.rollout.attempts import RepairGroup

BROKEN_ON_ONE_RANK = __file__


class Spoilt(CoinRewards):
    """Groups with something spoilt in them, each known by its place in the batch."""

    def __init__(self, spoil: Callable[[RepairGroup, int], RepairGroup]) -> None:
        super().__init__()
        self._spoil = spoil

    def collect(self, *arguments: Any, **named: Any) -> list[RepairGroup]:
        return [self._spoil(group, place) for place, group in enumerate(super().collect(*arguments, **named))]


def spoil_reward(group: RepairGroup, place: int) -> RepairGroup:
    """An infinite reward for the first attempt at the first task."""
    if place > 0:
        return group
    return replace(group, rewards=(replace(group.rewards[0], total=math.inf), *group.rewards[1:]))


def spoil_nothing(group: RepairGroup, place: int) -> RepairGroup:
    return group


class Record(Callback):
    """Versions of the weights, and which updates failed."""

    def __init__(self) -> None:
        self.versions: list[int] = []
        self.not_finite: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *arguments: Any, **named: Any) -> None:
        self.versions.append(pl_module.policy_version)
        self.not_finite.append(float(trainer.callback_metrics["train/not_finite"]))


def broken_on_one_rank(strategy: StrategyName, checkpoint: Path, folder: Path) -> None:
    """Four batches; the loss of the second is NaN on the second rank."""
    pl.seed_everything(0)
    module, record = make_module("grpo", checkpoint), Record()
    assert isinstance(module, GRPOModule)
    original = module._policy_loss

    def spoilt(inputs: Any, totals: Any) -> torch.Tensor:
        loss = original(inputs, totals)
        is_broken = module.trainer.global_rank == 1 and module.trainer.fit_loop.epoch_loop.batch_idx == 1
        return loss * math.nan if is_broken else loss

    module._policy_loss = spoilt  # pyright: ignore[reportAttributeAccessIssue]
    trainer = make_trainer(folder, strategy, callbacks=[Spoilt(spoil_reward), record])
    trainer.fit(module, make_data("grpo", checkpoint, batches=4))
    weights = weights_of(module)
    if trainer.is_global_zero:
        found = {"weights": weights, "versions": record.versions, "not_finite": record.not_finite}
        torch.save(found, folder / "found.pt")


if __name__ == "__main__":
    run_as_program({name: partial(broken_on_one_rank, name) for name in ("ddp", "fsdp2")})
