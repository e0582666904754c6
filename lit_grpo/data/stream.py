"""TaskStream: what RolloutCallback asks of a run's data, whatever environment the tasks are of.

Extended by datamodule.py for repairs, and by whoever brings tasks of another kind (examples/guess_the_number.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import lightning.pytorch as pl
from torch.utils.data import Dataset
from typing_extensions import override

from lit_grpo.data.batches import (
    BatchStream,
    TaskBatch,
    consecutive,
    consumed_batches,
    drawn_batch,
    require_divisible,
)
from lit_grpo.data.curriculum.begun import BegunBatch
from lit_grpo.data.task import RefillIndex, TaskIndex
from lit_grpo.environment.protocol import Problem


class TaskStream(pl.LightningDataModule):
    """Fresh training tasks in every batch, each a function of its index in an endless stream.

    The least that one of your own needs is `task`, beside an ``__init__`` that sets the two numbers.
    """

    num_tasks: int
    """Tasks of a batch, over all ranks."""
    batches_per_epoch: int
    """Batches of an epoch; tasks go on being fresh in the next one."""
    is_played_ahead = False
    """Whether RolloutCallback plays batches before they are loaded; it says so itself."""

    @property
    def draws_ahead(self) -> bool:
        """Whether the loader brings a batch's tasks; if not, `tasks_of` gives them once the batch has begun."""
        return not self.is_played_ahead

    def task(self, index: TaskIndex) -> Problem:
        """The task at a place of the stream. Only called by what follows here."""
        raise TypeError(f"{type(self).__name__}: expected a method task(index), got none; define it")

    def tasks_of(self, position: int) -> Sequence[Problem]:
        """This rank's tasks of the batch at a position."""
        return [self.task(index) for index in consecutive(self.drawn(position), self.num_tasks, *self.ranks())]

    def refill_tasks(self, position: int, number: int, slots: Sequence[int]) -> Sequence[Problem]:
        """Tasks that take the places ``slots`` of this rank's share of a batch, in round ``number`` (from 1)."""
        rank, world_size = self.ranks()
        first = rank * (self.num_tasks // world_size)
        return [self.task(RefillIndex(self.drawn(position), number, first + slot)) for slot in slots]

    def begin(self, position: int) -> BegunBatch | None:
        """Decide about a batch, once, when it begins; None where there is nothing to decide."""
        return None

    def stops_before(self, position: int) -> bool:
        """Whether the run ends with a batch that has begun, and this one is behind it."""
        return False

    @override
    def setup(self, stage: str) -> None:
        """Check the batch against the ranks."""
        if stage == "fit":
            require_divisible("num_tasks", self.num_tasks, self.ranks()[1])

    @override
    def train_dataloader(self) -> Iterable[TaskBatch]:
        """Batch b holds tasks ``b * num_tasks`` to ``(b + 1) * num_tasks - 1``; none where they are played ahead."""
        return BatchStream(
            dataset=_Batches(self),
            indices=lambda batch: [batch],
            collate=lambda batches: TaskBatch(batches[0]),
            length=self.batches_per_epoch,
            position=self.consumed,
        )

    def ranks(self) -> tuple[int, int]:
        """This process's rank, and their number."""
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size

    def drawn(self, position: int) -> int:
        """The batch of the stream that is drawn at a position."""
        return drawn_batch(self.trainer, position, self.batches_per_epoch)

    def consumed(self) -> int:
        """Batches that were trained on so far."""
        assert self.trainer is not None
        return consumed_batches(self.trainer)


class _Batches(Dataset[Sequence[Problem]]):
    """Item b is what this rank plays in batch b."""

    def __init__(self, stream: TaskStream) -> None:
        self._stream = stream

    @override
    def __getitem__(self, index: int) -> Sequence[Problem]:
        return self._stream.tasks_of(index) if self._stream.draws_ahead else []
