"""The training tasks of a batch on one rank, and those that take the place of tasks that taught nothing.

Used by datamodule.py. Every task is a function of where it stands and of the shares of the cells: nothing is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from lit_grpo.data.batches import consecutive
from lit_grpo.data.splits import Cell, Split
from lit_grpo.data.task import RefillIndex, Task, TaskIndex, TaskSettings, draw_cell, generate_task
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.seeds import Seed

Shares = Mapping[Cell, float]
"""The share of tasks that each kind x difficulty has, summing to 1. None in its place: as the settings say."""


class TrainingTasks:
    """Tasks of the training split by their place in the stream of batches.

    Args:
        settings: What tasks are drawn, where no shares are given.
        seed: That of the stream.
        num_tasks: Tasks of a batch, over all ranks.
        rank: This one.
        world_size: Number of ranks.
    """

    def __init__(self, settings: TaskSettings, seed: Seed, num_tasks: int, rank: int, world_size: int) -> None:
        self._settings, self._seed, self._num_tasks = settings, seed, num_tasks
        self._rank, self._world_size = rank, world_size

    @cached_property
    def _solver(self) -> HighsSolver:
        # In the process that draws, which may be a worker.
        return HighsSolver()

    def of_batch(self, batch: int, shares: Shares | None = None) -> list[Task]:
        """This rank's share of batch ``batch``: its part of tasks ``[batch * num_tasks, (batch + 1) * num_tasks)``."""
        positions = consecutive(batch, self._num_tasks, self._rank, self._world_size)
        return [self._task(index, shares) for index in positions]

    def refill(self, batch: int, number: int, slots: Sequence[int], shares: Shares | None = None) -> list[Task]:
        """The tasks that take the places ``slots`` of this rank's share in round ``number``.

        A place over all ranks has a chain of tasks of its own, so what is drawn depends neither on what other places
        needed nor on how many ranks there are.

        Args:
            batch: Position of the batch.
            number: The number of the round, 1 for the first.
            slots: Places in this rank's share of the batch, 0-based.
            shares: The shares of the cells.
        """
        first = self._rank * (self._num_tasks // self._world_size)
        return [self._task(RefillIndex(batch, number, first + slot), shares) for slot in slots]

    def _task(self, index: TaskIndex, shares: Shares | None) -> Task:
        settings = self._settings
        if shares is not None:
            settings = settings.of_cell(draw_cell(shares, self._seed.value, index))
        task = generate_task(settings, Split.TRAIN, self._seed.value, index, self._solver)
        # A few programs have few faults: the same one comes again, perhaps in the same batch, and everything that is
        # drawn for a task is drawn by its name.
        return task if settings.programs is None else replace(task, id=f"{task.id} {_place(index)}")


def _place(index: TaskIndex) -> str:
    if isinstance(index, RefillIndex):
        return f"batch {index.batch}, round {index.round}, place {index.slot}"
    return f"task {index}"
