"""What a Trainer is fed: batches by their position in an endless stream, and the object that carries one.

Called by datamodule.py. A batch is a function of its position alone, and the position is the number of batches that
were *consumed*, so a run that is killed and resumed meets each batch once: none skipped, none doubled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, Generic, TypeVar

import lightning.pytorch as pl
import torch
from lightning.pytorch.loops.progress import _ProcessedTracker
from torch.utils.data import DataLoader, Dataset

from lit_grpo.environment.protocol import ProblemT
from lit_grpo.packing import PromptGroup

Item = TypeVar("Item")
Batch = TypeVar("Batch")


class TaskBatch(Generic[ProblemT]):
    """The tasks of one batch on this rank, and what callbacks attach to it.

    A plain class: Lightning takes dataclasses apart to move their tensors, and refuses frozen ones.
    """

    __slots__ = ("demonstrations", "experience", "tasks")

    def __init__(self, tasks: Sequence[ProblemT], demonstrations: Sequence[PromptGroup] = ()) -> None:
        self.tasks = tuple(tasks)
        """Empty until the batch begins where a curriculum draws them."""
        self.demonstrations = tuple(demonstrations)
        """Demonstrations that are replayed in this batch."""
        self.experience: object | None = None
        """The rollout's Experience, once RolloutCallback has attached it; None in evaluation."""


class DemonstrationBatch:
    """The demonstrations of one batch on this rank."""

    __slots__ = ("groups",)

    def __init__(self, groups: Sequence[PromptGroup]) -> None:
        self.groups = tuple(groups)


class BatchStream(Generic[Item, Batch]):
    """An iterable of batches that starts where the run stands, with the length Lightning asks for.

    Args:
        dataset: Map-style; items are functions of their index.
        indices: Position of a batch in the stream to the items it holds (this rank's share of them).
        collate: Items to a batch.
        length: Batches per epoch: how many an iteration yields.
        position: Batches consumed so far, over all epochs; asked when an iteration begins.
        num_workers: Processes that prepare batches ahead; they never change what a batch holds.
    """

    def __init__(
        self,
        dataset: Dataset[Item],
        indices: Callable[[int], Sequence[int]],
        collate: Callable[[list[Item]], Batch],
        length: int,
        position: Callable[[], int],
        num_workers: int = 0,
    ) -> None:
        self._dataset, self._indices, self._collate = dataset, indices, collate
        self._length, self._position, self._num_workers = length, position, num_workers

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Batch]:
        start = self._position()
        yield from DataLoader(
            self._dataset,
            batch_sampler=[list(self._indices(batch)) for batch in range(start, start + self._length)],
            collate_fn=self._collate,
            num_workers=self._num_workers,
            # Its own generator: a DataLoader otherwise draws from the run's, and a resumed run would differ.
            generator=torch.Generator(),
        )

    def state_dict(self) -> dict[str, int]:
        """The position, for the checkpoint."""
        return {"consumed_batches": self._position()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Check that the run stands where the checkpoint says.

        Raises:
            RuntimeError: The Trainer's own count of batches was not restored to it.
        """
        if state["consumed_batches"] != self._position():
            raise RuntimeError(
                f"expected to resume after {state['consumed_batches']} batches, got a Trainer that has done "
                f"{self._position()}"
            )


def consumed_batches(trainer: pl.Trainer) -> int:
    """Batches that were trained on so far, over all epochs: counted by Lightning, and kept in its checkpoints."""
    total = trainer.fit_loop.epoch_loop.batch_progress.total
    assert isinstance(total, _ProcessedTracker)
    return total.processed


def drawn_batch(trainer: pl.Trainer | None, position: int, batches_per_epoch: int) -> int:
    """The batch that is drawn at a position: with ``overfit_batches`` the first ones of the stream again and again.

    Args:
        trainer: The trainer that the data are attached to.
        position: Batches before this one.
        batches_per_epoch: Batches of an epoch, which a fraction is of.
    """
    asked = 0 if trainer is None else trainer.overfit_batches  # pyright: ignore[reportAttributeAccessIssue]
    if not asked:
        return position
    return position % (asked if isinstance(asked, int) else max(1, int(batches_per_epoch * asked)))


def started_updates(trainer: pl.Trainer) -> int:
    """Optimizer steps that were begun so far, whether or not they ended."""
    loop = trainer.fit_loop.epoch_loop.manual_optimization
    return loop.optim_step_progress.total.ready


def last_batches(trainer: pl.Trainer, updates_per_batch: int) -> Iterator[int]:
    """Numbers of the last batch of a fit, by each limit that it has.

    Updates that are skipped, since no group has signal, count as taken: the end is where it was from the start, and
    there is one even if no group ever has.

    Args:
        trainer: Its limits are in epochs or in updates.
        updates_per_batch: Optimizer steps that a batch takes.
    """
    epochs, updates, length = trainer.max_epochs, trainer.max_steps, trainer.num_training_batches
    if epochs is not None and epochs >= 0 and length != math.inf:
        yield epochs * int(length) - 1
    if updates >= 0:
        yield math.ceil(updates / updates_per_batch) - 1


def fit_batches(trainer: pl.Trainer, updates_per_batch: int) -> float:
    """Batches of the whole fit, by its limits; ``inf`` where there is none."""
    trainer.fit_loop.setup_data()
    return min((last + 1 for last in last_batches(trainer, updates_per_batch)), default=math.inf)


def is_last_by_updates(trainer: pl.Trainer, updates_per_batch: int) -> bool:
    """Whether the batches trained on have reached ``max_steps``, each counted with all its updates."""
    return 0 <= trainer.max_steps <= consumed_batches(trainer) * updates_per_batch


def consecutive(batch: int, batch_size: int, rank: int, world_size: int) -> range:
    """This rank's share of the items ``[batch * batch_size, (batch + 1) * batch_size)``.

    Args:
        batch: Position in the stream.
        batch_size: Over all ranks, a multiple of their number.
        rank: The rank of this process.
        world_size: Number of ranks.
    """
    share = batch_size // world_size
    start = batch * batch_size + rank * share
    return range(start, start + share)


def shuffled(positions: Sequence[int], num_items: int, seed: int) -> list[int]:
    """The items at some positions of an endless stream of reshuffled passes over ``num_items`` items."""
    passes: dict[int, list[int]] = {}
    for position in positions:
        number = position // num_items
        if number not in passes:
            passes[number] = Random(f"{seed}/{number}").sample(range(num_items), num_items)
    return [passes[position // num_items][position % num_items] for position in positions]


def require_divisible(name: str, batch_size: int, world_size: int) -> None:
    """ValueError if a batch cannot be shared evenly by the ranks."""
    if batch_size < 1 or batch_size % world_size:
        raise ValueError(
            f"expected data.{name} to be a positive multiple of the {world_size} ranks (devices x nodes), got "
            f"{batch_size}; change {name}, trainer.devices or trainer.num_nodes"
        )
