"""Seconds per batch of GRPO, rollouts played ahead or not: ``python scripts/benchmarks/overlap.py --engine vllm``.

Whole fits of configs/grpo.yaml on the tiny base, solver included, with ``rollout.max_staleness`` 0 and 1 in turn, so
that other load slows both. A batch is the time from its beginning to the next one's; the first batches of each fit warm
up, the median of the rest counts. "Waited" is how long the training stood still for the rollout, "played" how long the
rollout took. What overlaps can only gain what was idle: the figures say how many cores there are.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from typing_extensions import override

from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.checkpointing import AtomicCheckpointIO
from lit_grpo.data.datamodule import TaskDataModule
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.data.task import TaskSettings
from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.engines.settings import EngineSettings, TransformersSettings, VllmSettings
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.mismatch_weight import MismatchRule, MismatchWeight
from lit_grpo.losses.objective import Objective
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.rollout.settings import RolloutSettings

ENGINES: dict[str, type[EngineSettings]] = {"transformers": TransformersSettings, "vllm": VllmSettings}


@dataclass(frozen=True, slots=True)
class BatchTimes:
    """Of one batch, in seconds."""

    whole: float
    waited: float
    played: float


class Clock(Callback):
    """Times every batch of a fit but the first ones."""

    def __init__(self, warmup: int) -> None:
        self._warmup, self._begun = warmup, 0.0
        self.batches: list[BatchTimes] = []

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Before the rollout callback: this one comes first."""
        self._begun = perf_counter()

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Keep what it took."""
        if batch_idx >= self._warmup:
            waited, played = (float(trainer.callback_metrics[f"rollout/{name}"]) for name in ("wait_s", "rollout_s"))
            self.batches.append(BatchTimes(perf_counter() - self._begun, waited, played))


def timed_fit(arguments: argparse.Namespace, max_staleness: int) -> list[BatchTimes]:
    """One fit."""
    pl.seed_everything(0, verbose=False)
    module = GRPOModule(
        PolicySettings(arguments.checkpoint),
        OptimizerSettings(learning_rate=5e-4, matrix_learning_rate=1e-3),
        Objective(ClippedLoss(), mismatch=MismatchWeight(MismatchRule.TOKEN_TRUNCATE)),
    )
    clock = Clock(arguments.warmup)
    rollout = RolloutCallback(
        RolloutSettings(
            sampling=SamplingSettings(temperature=1.3, max_completion_tokens=32), max_staleness=max_staleness
        ),
        EpisodeSettings(undo_if_still_infeasible=True, style=ObservationStyle.COMPACT),
        ENGINES[arguments.engine](),
        transcripts_every=0,
    )
    data = TaskDataModule(
        TaskSettings(size=ProgramSize.TINY),
        HeldOutSettings(num_validation_tasks=0, num_test_tasks=0),
        num_tasks=arguments.tasks,
        batches_per_epoch=arguments.warmup + arguments.batches,
    )
    with TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            default_root_dir=folder,
            max_epochs=1,
            limit_val_batches=0,
            callbacks=[clock, rollout],
            plugins=[AtomicCheckpointIO()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        trainer.fit(module, data)
    return clock.batches


def medians(batches: Sequence[BatchTimes]) -> str:
    """A line of the table."""
    columns = ([b.whole for b in batches], [b.waited for b in batches], [b.played for b in batches])
    return "".join(f"{statistics.median(column):10.2f}" for column in columns)


def main() -> None:
    """Print seconds per batch, each number of batches ahead."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=sorted(ENGINES), default="vllm")
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/tiny-base"))
    parser.add_argument("--tasks", type=int, default=16, help="of a batch, eight attempts each")
    parser.add_argument("--batches", type=int, default=6, help="of each fit that count")
    parser.add_argument("--warmup", type=int, default=2, help="batches of each fit that do not")
    parser.add_argument("--rounds", type=int, default=2, help="fits of each kind")
    arguments = parser.parse_args()
    found: dict[int, list[BatchTimes]] = {0: [], 1: []}
    for _ in range(arguments.rounds):
        for max_staleness, batches in found.items():
            batches += timed_fit(arguments, max_staleness)
    print(f"{arguments.engine}, {arguments.tasks} tasks x 8 attempts, {os.cpu_count()} cores; medians, seconds")
    print(f"{'max_staleness':<14}{'batch':>10}{'waited':>10}{'played':>10}")
    for max_staleness, batches in found.items():
        print(f"{max_staleness:<14}{medians(batches)}")


if __name__ == "__main__":
    main()
