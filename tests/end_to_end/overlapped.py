"""Fits with rollouts played ahead, for test_overlap.py: who is faster is decided by events.

Also a program for `two_processes`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Condition, Event
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from small_runs import (
    ANY_SAMPLER,
    CoinRewards,
    StrategyName,
    make_data,
    make_module,
    make_trainer,
    run_as_program,
    weights_of,
)
from torch import Tensor
from typing_extensions import override

from lit_grpo.data.task import Task
from lit_grpo.engines.engine import EngineFailure
from lit_grpo.losses.mismatch_weight import MismatchRule, MismatchWeight
from lit_grpo.rollout.attempts import RepairGroup

Pace = Literal["as it comes", "slow rollouts", "slow training"]
WAIT_S = 120
"""Whoever waits so long waits in vain, and the test fails; nothing depends on how long."""
TRUNCATED = MismatchWeight(MismatchRule.TOKEN_TRUNCATE, highest=2.0)


@dataclass(frozen=True, slots=True)
class Play:
    """One call of `collect`."""

    batch: int
    during: int
    """The batch that the training was at when it began."""
    versions: frozenset[int]
    """Of all tokens."""
    tasks: tuple[str, ...]


class Ahead(CoinRewards):
    """Remembers every play; rollouts or training wait for each other as ``pace`` says."""

    def __init__(
        self,
        max_staleness: int,
        pace: Pace = "as it comes",
        before: Callable[[int], None] = lambda batch: None,
        **settings: Any,
    ) -> None:
        super().__init__(max_staleness=max_staleness, **settings)
        self.pace, self.before = pace, before
        self.plays: list[Play] = []
        self.steps: list[dict[str, float]] = []
        self.version_at: dict[int, int] = {}
        self.during = -1
        self._begun = Condition()
        self._ended = Condition()

    @property
    def stopping(self) -> Event:
        """Set once the rollouts are to stop."""
        assert self._overlap is not None
        return self._overlap._ahead.stopping

    @override
    def collect(self, tasks: Sequence[Task], *arguments: Any) -> list[RepairGroup]:
        batch, during = arguments[-1], self.during
        if self.pace == "slow rollouts":
            with self._begun:
                assert self._begun.wait_for(lambda: self.during >= batch, WAIT_S)
                during = self.during
        self.before(batch)
        groups = super().collect(tasks, *arguments)
        turns = [turn for group in groups for attempt in group.attempts for turn in attempt.turns]
        versions = frozenset(turn.policy_version for turn in turns)
        with self._ended:
            self.plays.append(Play(batch, during, versions, tuple(task.id for task in tasks)))
            self._ended.notify_all()
        return groups

    @override
    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        with self._begun:
            self.during += 1
            self.version_at[self.during] = pl_module.policy_version
            self._begun.notify_all()
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.steps.append({name: float(value) for name, value in trainer.callback_metrics.items()})
        if self.pace == "slow training":
            last = min(self.during + self.settings.max_staleness, int(trainer.num_training_batches) - 1)
            with self._ended:
                assert self._ended.wait_for(lambda: any(play.batch == last for play in self.plays), WAIT_S)


def fit(
    checkpoint: Path,
    folder: Path,
    rollout: CoinRewards,
    batches: int = 4,
    strategy: StrategyName = "one",
    callbacks: Sequence[Callback] = (),
    data: dict[str, Any] | None = None,
    ckpt_path: Path | None = None,
    module: dict[str, Any] | None = None,
    **trainer_arguments: Any,
) -> dict[str, Tensor]:
    """Two optimizer steps in each batch; the weights at the end."""
    pl.seed_everything(0)
    settings: dict[str, Any] = {
        "updates_per_rollout": 2,
        "mismatch": TRUNCATED,
        "mismatch_monitor": ANY_SAMPLER,
        "demonstration_loss_weight": 0.3,
    }
    policy = make_module("grpo", checkpoint, **(settings | (module or {})))
    trainer = make_trainer(folder, strategy, callbacks=[rollout, *callbacks], **trainer_arguments)
    batch_source = make_data("grpo", checkpoint, batches, **(data or {}))
    trainer.fit(policy, batch_source, ckpt_path=None if ckpt_path is None else str(ckpt_path))
    return weights_of(policy)


def threads_ahead() -> list[str]:
    """That play rollouts."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("rollouts_ahead")]


def one_ahead(strategy: StrategyName, checkpoint: Path, folder: Path) -> None:
    """Four batches; the whole weights in ``weights.pt``."""
    # One update: ranks split their own shares of the tasks, so that several would hold other tasks than on one device.
    weights = fit(checkpoint, folder, Ahead(1), strategy=strategy, module={"updates_per_rollout": 1})
    if _rank() == 0:
        torch.save(weights, folder / "weights.pt")


def failure_on_rank_1(checkpoint: Path, folder: Path) -> None:
    """What each rank's fit ended with in ``rank0.txt`` and ``rank1.txt``."""

    def fail(batch: int) -> None:
        if batch == 2 and _rank() == 1:
            raise ValueError("the solver of rank 1 is gone")

    rollout = Ahead(1, before=fail)
    try:
        fit(checkpoint, folder, rollout, strategy="ddp", module={"updates_per_rollout": 1})
    except (ValueError, EngineFailure) as error:
        said = f"{type(error).__name__}: {error}, after {len(rollout.steps)} batches, threads {threads_ahead()}"
        (folder / f"rank{_rank()}.txt").write_text(said)


def _rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


if __name__ == "__main__":
    run_as_program(
        {"ddp": partial(one_ahead, "ddp"), "fsdp2": partial(one_ahead, "fsdp2"), "failure": failure_on_rank_1}
    )
