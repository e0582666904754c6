"""LightningDataModules: fresh tasks for GRPO, demonstrations for supervised training, held-out tasks for both.

Named in configs as ``data.class_path``. Batch sizes are over all ranks; every rank gets an equal share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from lit_grpo.data.batches import (
    BatchStream,
    DemonstrationBatch,
    TaskBatch,
    consecutive,
    drawn_batch,
    require_divisible,
    shuffled,
)
from lit_grpo.data.curriculum.base import Curriculum
from lit_grpo.data.curriculum.begun import BegunBatch
from lit_grpo.data.curriculum.conditions import conditions_of
from lit_grpo.data.dataset import DemonstrationDataset
from lit_grpo.data.demonstrations import DemonstrationSettings
from lit_grpo.data.held_out import HeldOutDataModule, HeldOutSettings
from lit_grpo.data.replay import Replay, ReplaySettings, TrainingSteps
from lit_grpo.data.stream import TaskStream
from lit_grpo.data.task import Task, TaskSettings
from lit_grpo.data.training_tasks import Shares, TrainingTasks
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.packing import PromptGroup
from lit_grpo.seeds import Seed


class TaskDataModule(HeldOutDataModule, TaskStream):
    """Fresh training tasks in every batch, each seen once.

    Args:
        tasks: What tasks are drawn.
        held_out: Validation and test tasks.
        num_tasks: Tasks of a batch, over all ranks.
        batches_per_epoch: Steps of an epoch; tasks go on being fresh in the next one.
        seed: The seed of the training tasks; None: the run's.
        replay: Demonstrations beside the tasks of each batch; None for none.
        num_workers: Processes that generate tasks ahead, where there is no curriculum.
        curriculum: Decides kinds and difficulties batch by batch; None: drawn as ``tasks`` says throughout.
    """

    is_evaluated = False
    """Whether RepairEvaluation is among the callbacks; it says so itself."""

    def __init__(
        self,
        tasks: TaskSettings,
        held_out: HeldOutSettings,
        num_tasks: int = 32,
        batches_per_epoch: int = 1000,
        seed: int | None = None,
        replay: ReplaySettings | None = None,
        num_workers: int = 0,
        curriculum: Curriculum | None = None,
    ) -> None:
        super().__init__(tasks, held_out, num_workers)
        self.num_tasks, self.batches_per_epoch, self.replay = num_tasks, batches_per_epoch, replay
        self._seed = Seed(seed)
        self.curriculum = curriculum
        self._begun: dict[int, BegunBatch] = {}
        """What the curriculum has decided about batches that are not trained on yet, by position."""
        self._training: TrainingTasks | None = None

    @property
    @override
    def demonstration_seed(self) -> int | None:
        """That of what is replayed."""
        return None if self.replay is None else Replay(self.replay, self.tasks, *self.ranks()).seed.value

    @property
    @override
    def draws_ahead(self) -> bool:
        """Not where a curriculum decides about a batch when it begins."""
        return super().draws_ahead and self.curriculum is None

    @override
    def setup(self, stage: str) -> None:
        """Check the batch against the ranks."""
        _, world_size = self.ranks()
        if stage == "fit":
            require_divisible("num_tasks", self.num_tasks, world_size)
            self._training = TrainingTasks(self.tasks, self._seed, self.num_tasks, *self.ranks())
            if self.replay is not None:
                require_divisible("replay.batch_size", self.replay.batch_size, world_size)
            if self.curriculum is not None:
                assert self.trainer is not None
                self.curriculum.require(conditions_of(self.tasks, self.held_out, self.trainer, self.batches_per_epoch))

    def require_evaluated(self) -> None:
        """ValueError if the curriculum waits for results on held-out tasks that nobody plays."""
        if self.curriculum is not None and self.curriculum.needs_validation and not self.is_evaluated:
            raise ValueError(
                "data.curriculum: expected RepairEvaluation in trainer.callbacks for a promotion.threshold, got none; "
                "add it, or set promotion.num_batches instead"
            )

    @override
    def begin(self, position: int) -> BegunBatch | None:
        """Let the curriculum decide about a batch, once; None without a curriculum.

        Called when the batch begins: a loader draws ahead, when what the decision rests on has not happened yet.
        """
        if self.curriculum is None:
            return None
        if position not in self._begun:
            self._begun = {at: batch for at, batch in self._begun.items() if at >= self.consumed()}
            self._begun[position] = BegunBatch(self.curriculum.begin_batch(), self.curriculum.numbers())
        return self._begun[position]

    @override
    def stops_before(self, position: int) -> bool:
        """Whether the curriculum ends the run with a batch that has begun, and this one is behind it."""
        return any(at < position and batch.plan.stops for at, batch in self._begun.items())

    @override
    def tasks_of(self, position: int) -> list[Task]:
        """This rank's tasks of a batch that has begun."""
        return self.training_tasks.of_batch(self.drawn(position), self._shares(position))

    @override
    def refill_tasks(self, position: int, number: int, slots: Sequence[int]) -> list[Task]:
        """Tasks that take the places ``slots`` of this rank's share of a batch that has begun, in round ``number``."""
        return self.training_tasks.refill(self.drawn(position), number, slots, self._shares(position))

    def _shares(self, position: int) -> Shares | None:
        return None if self.curriculum is None else self._begun[position].plan.shares

    @property
    def training_tasks(self) -> TrainingTasks:
        """The stream of this rank, once a fit is set up."""
        assert self._training is not None, "expected a fit that is set up"
        return self._training

    @override
    def state_dict(self) -> dict[str, Any]:
        """The curriculum's state, for the checkpoint, and what it decided about batches that are not trained on yet.

        The position is Lightning's own count of batches.
        """
        if self.curriculum is None:
            return {}
        done = self.consumed()
        begun = [[position, batch.state()] for position, batch in self._begun.items() if position >= done]
        return {"curriculum": self.curriculum.state_dict()} | ({"begun": begun} if begun else {})

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put it back; ValueError if it is that of another curriculum, or there is none any more."""
        if self.curriculum is None:
            raise ValueError("expected data.curriculum as in the run that is resumed, got null; name it again")
        self.curriculum.load_state_dict(state_dict["curriculum"])
        cells = self.tasks.cells
        self._begun = {position: BegunBatch.of_state(state, cells) for position, state in state_dict.get("begun", [])}

    @override
    def train_dataloader(self) -> BatchStream[tuple[list[Task], list[PromptGroup]], TaskBatch]:
        """Batch b holds tasks ``b * num_tasks`` to ``(b + 1) * num_tasks - 1`` of the training stream.

        With a curriculum, or with rollouts played ahead, it holds none until it begins.
        """
        training = self.training_tasks if self.draws_ahead else None
        return BatchStream(
            dataset=TrainingSteps(training, Replay(self.replay, self.tasks, *self.ranks()) if self.replay else None),
            indices=lambda batch: [self.drawn(batch)],
            collate=lambda drawn: TaskBatch(*drawn[0]),
            length=self.batches_per_epoch,
            position=self.consumed,
            num_workers=self.num_workers,
        )


class DemonstrationDataModule(HeldOutDataModule):
    """The oracle's demonstrations for supervised fine-tuning.

    Args:
        tasks: What tasks are demonstrated, and held out.
        held_out: Validation and test tasks.
        demonstrations: How many of them hold wrong tries.
        num_demonstrations: How many there are, reshuffled in each pass; None for fresh ones in every batch.
        batch_size: Demonstrations of a batch, over all ranks.
        batches_per_epoch: Steps of an epoch; None for one pass, which needs ``num_demonstrations``.
        seed: The seed of the demonstrated tasks and of the order; None: the run's.
        tokenizer: Directory of the policy's tokenizer; the command line fills it in.
        episode: Rules and rendering, the same as in evaluation; the command line fills them in; None: the defaults.
        num_workers: Processes that make demonstrations ahead.
    """

    def __init__(
        self,
        tasks: TaskSettings,
        held_out: HeldOutSettings,
        demonstrations: DemonstrationSettings,
        num_demonstrations: int | None = 400,
        batch_size: int = 8,
        batches_per_epoch: int | None = None,
        seed: int | None = None,
        tokenizer: Path | None = None,
        episode: EpisodeSettings | None = None,
        num_workers: int = 0,
    ) -> None:
        super().__init__(tasks, held_out, num_workers)
        if num_demonstrations is None and batches_per_epoch is None:
            raise ValueError(
                "expected batches_per_epoch with fresh demonstrations, got null; an endless epoch has no end"
            )
        self.num_demonstrations, self.batch_size, self._seed = num_demonstrations, batch_size, Seed(seed)
        self.batches_per_epoch = batches_per_epoch or math.ceil((num_demonstrations or 0) / batch_size)
        self._dataset = DemonstrationDataset(
            self.tasks,
            tokenizer,
            episode or EpisodeSettings(),
            demonstrations,
            self._seed,
            keep=num_demonstrations is not None,
        )

    @property
    @override
    def demonstration_seed(self) -> int:
        """The seed of what is demonstrated."""
        return self._seed.value

    @override
    def setup(self, stage: str) -> None:
        """Check the batch against the ranks."""
        if stage == "fit":
            require_divisible("batch_size", self.batch_size, self.ranks()[1])

    @override
    def train_dataloader(self) -> BatchStream[PromptGroup, DemonstrationBatch]:
        """Passes over the demonstrations, or fresh ones."""
        rank, world_size = self.ranks()

        def indices(batch: int) -> Sequence[int]:
            drawn = drawn_batch(self.trainer, batch, self.batches_per_epoch)
            positions = consecutive(drawn, self.batch_size, rank, world_size)
            if self.num_demonstrations is None:
                return positions
            return shuffled(positions, self.num_demonstrations, self._seed.value)

        return BatchStream(
            self._dataset, indices, DemonstrationBatch, self.batches_per_epoch, self.consumed, self.num_workers
        )
