"""The held-out tasks of every data module: validation during training, test for the final table.

Called by datamodule.py, whose classes build on `HeldOutDataModule`. Tasks are split over the ranks, each played once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import lightning.pytorch as pl
from lightning_utilities.core.rank_zero import rank_zero_info
from torch.utils.data import Dataset
from typing_extensions import override

from lit_grpo.data.batches import BatchStream, TaskBatch, consumed_batches
from lit_grpo.data.dataset import TaskDataset
from lit_grpo.data.held_out_tasks import held_out_tasks
from lit_grpo.data.played import GeneratedTasks, Played
from lit_grpo.data.splits import Split
from lit_grpo.data.suite import read_suite
from lit_grpo.data.task import TaskSettings
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repairable import require_kinds_repairable, require_repairable
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.solver.highs import HighsSolver


@dataclass(frozen=True, slots=True)
class HeldOutSettings:
    """The tasks that are never trained on: the same for every run that is to be compared."""

    num_validation_tasks: int = 128
    """Tasks to look at during training, and to choose a checkpoint by."""
    num_test_tasks: int = 512
    """Tasks for the final table, which are never used to choose anything. Of a user's own programs either number is a
    limit: each task is played once, and there may be fewer."""
    batch_size: int = 128
    """Tasks played at once, over all ranks; no effect on the results."""
    seed: int = 0
    """Not the run's: these tasks are the same for every ``--seed_everything``."""
    benchmark: Path | None = None
    """Tasks to test on instead of generated ones: JSONL, a folder of such files, or a folder in the published layout
    of OR-Debug-Bench."""

    def __post_init__(self) -> None:
        if min(self.num_validation_tasks, self.num_test_tasks) < 0 or self.batch_size < 1:
            raise ValueError(
                "expected num_validation_tasks and num_test_tasks >= 0 and batch_size >= 1, got "
                f"{self.num_validation_tasks}, {self.num_test_tasks} and {self.batch_size}"
            )


class HeldOutDataModule(pl.LightningDataModule):
    """Validation and test loaders, which the data modules of datamodule.py share."""

    def __init__(self, tasks: TaskSettings, held_out: HeldOutSettings, num_workers: int) -> None:
        super().__init__()
        self.tasks, self.held_out, self.num_workers = tasks, held_out, num_workers

    @override
    def prepare_data(self) -> None:
        """Read the user's own programs, if tasks are made of any, and say what they allow; once on each machine.

        Raises like `TaskSettings.require_programs`.
        """
        self.tasks.require_programs()
        if self.tasks.programs is not None:
            rank_zero_info(self.tasks.pool.summary(self.tasks.cells))

    @property
    def demonstration_seed(self) -> int | None:
        """The seed of the demonstrations that a fit learns from; None if it learns from none."""
        return None

    def require_repairable(self, rules: EpisodeSettings, stage: str) -> None:
        """ValueError if these rules leave a task of the stage no room for its repair, before any is played."""
        if stage == "test" and self.held_out.benchmark is not None:
            for task in self.listed:
                require_repairable(task.fault, rules)
        else:
            require_kinds_repairable(self.tasks.drawn_kinds, rules)

    @cached_property
    def listed(self) -> tuple[GradedProblem, ...]:
        """The tasks of the benchmark."""
        assert self.held_out.benchmark is not None
        return read_suite(self.held_out.benchmark)

    def played(self, split: Split, rules: EpisodeSettings) -> Played:
        """What an evaluation of a split by these rules plays."""
        held_out = self.held_out
        if split is Split.TEST and held_out.benchmark is not None:
            return Played(held_out.benchmark, rules)
        num_tasks = held_out.num_test_tasks if split is Split.TEST else held_out.num_validation_tasks
        return Played(GeneratedTasks(self.tasks, split, held_out.seed, num_tasks), rules)

    @override
    def val_dataloader(self) -> BatchStream[GradedProblem, TaskBatch]:
        """Held-out tasks of the validation split."""
        return self._generated_stream(Split.VALIDATION, self.held_out.num_validation_tasks)

    @override
    def test_dataloader(self) -> BatchStream[GradedProblem, TaskBatch]:
        """Held-out tasks of the test split, or those of the benchmark."""
        if self.held_out.benchmark is None:
            return self._generated_stream(Split.TEST, self.held_out.num_test_tasks)
        return self._evaluation_stream(_Listed(self.listed), len(self.listed))

    def _generated_stream(self, split: Split, num_tasks: int) -> BatchStream[GradedProblem, TaskBatch]:
        """Tasks of a split: made when they are asked for, but where it has to be seen first how many there are."""
        if self.tasks.programs is None:
            return self._evaluation_stream(TaskDataset(self.tasks, split, self.held_out.seed, keep=True), num_tasks)
        tasks = held_out_tasks(self.tasks, split, self.held_out.seed, num_tasks, HighsSolver())
        return self._evaluation_stream(_Listed(tasks), len(tasks))

    def _evaluation_stream(
        self, tasks: Dataset[GradedProblem], num_tasks: int
    ) -> BatchStream[GradedProblem, TaskBatch]:
        rank, world_size = self.ranks()
        share = range(rank, num_tasks, world_size)
        size = max(1, self.held_out.batch_size // world_size)
        # The same number of batches on every rank, the last perhaps without a task: callbacks may communicate in each.
        length = math.ceil(math.ceil(num_tasks / world_size) / size)
        return BatchStream(
            dataset=tasks,
            indices=lambda batch: share[batch * size : (batch + 1) * size],
            collate=TaskBatch,
            length=length,
            position=lambda: 0,
            num_workers=self.num_workers,
        )

    def ranks(self) -> tuple[int, int]:
        """This process's rank, and their number."""
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size

    def consumed(self) -> int:
        """Batches that were trained on so far."""
        assert self.trainer is not None
        return consumed_batches(self.trainer)


class _Listed(Dataset[GradedProblem]):
    def __init__(self, tasks: Sequence[GradedProblem]) -> None:
        self._tasks = tasks

    @override
    def __getitem__(self, index: int) -> GradedProblem:
        return self._tasks[index]
