"""What a run offers a curriculum: its cells, its held-out tasks, how often they are looked at.

Called by datamodule.py when a fit is set up, before a checkpoint's state is put back and before any task is made.
"""

from __future__ import annotations

from collections import Counter

import lightning.pytorch as pl

from lit_grpo.data.curriculum.base import Conditions
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.data.held_out_tasks import held_out_tasks
from lit_grpo.data.splits import Cell, Split
from lit_grpo.data.task import TaskSettings, cell_at
from lit_grpo.environment.solver.highs import HighsSolver


def conditions_of(
    tasks: TaskSettings, held_out: HeldOutSettings, trainer: pl.Trainer, batches_per_epoch: int
) -> Conditions:
    """The conditions of a fit. The held-out tasks are counted by cells; of a user's programs alone they are made."""
    counts = Counter(_validation_cells(tasks, held_out))
    is_validated = bool(counts) and trainer.limit_val_batches > 0
    return Conditions(tasks.cells, counts, _validate_every(trainer, batches_per_epoch) if is_validated else None)


def _validation_cells(tasks: TaskSettings, held_out: HeldOutSettings) -> list[Cell]:
    number = held_out.num_validation_tasks
    if tasks.programs is None:
        return [cell_at(tasks, Split.VALIDATION, held_out.seed, index) for index in range(number)]
    listed = held_out_tasks(tasks, Split.VALIDATION, held_out.seed, number, HighsSolver())
    return [Cell(task.fault.kind, task.fault.difficulty) for task in listed]


def _validate_every(trainer: pl.Trainer, batches_per_epoch: int) -> int:
    """Batches between two validations."""
    interval = trainer.val_check_interval
    if isinstance(interval, int):
        return interval
    if interval < 1:
        return max(1, int(batches_per_epoch * interval))
    return batches_per_epoch * (trainer.check_val_every_n_epoch or 1)
