"""ProofreadingDataModule: endless exercises for the pre-training of a base. Named in configs as ``data.class_path``."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import override

from lit_grpo.data.batches import BatchStream, DemonstrationBatch, consecutive, drawn_batch, require_divisible
from lit_grpo.data.dataset import ProofreadingDataset
from lit_grpo.data.held_out import HeldOutDataModule, HeldOutSettings
from lit_grpo.data.proofreading import ProofreadingSettings
from lit_grpo.data.task import TaskSettings
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.packing import PromptGroup
from lit_grpo.seeds import Seed


class ProofreadingDataModule(HeldOutDataModule):
    """Endless proofreading exercises: pre-training of a model from scratch.

    Args:
        tasks: What programs are drawn (kinds of fault play no part), and the held-out tasks.
        held_out: Validation and test tasks.
        proofreading: Slips per program.
        batch_size: Exercises of a batch, over all ranks.
        batches_per_epoch: Steps of an epoch.
        seed: The seed of the exercises; None: the run's.
        tokenizer: Directory of the policy's tokenizer; the command line fills it in.
        episode: Its rendering is the one of the exercises; the command line fills it in; None: the defaults.
        num_workers: Processes that make exercises ahead.
    """

    def __init__(
        self,
        tasks: TaskSettings,
        held_out: HeldOutSettings,
        proofreading: ProofreadingSettings,
        batch_size: int = 8,
        batches_per_epoch: int = 1000,
        seed: int | None = None,
        tokenizer: Path | None = None,
        episode: EpisodeSettings | None = None,
        num_workers: int = 0,
    ) -> None:
        super().__init__(tasks, held_out, num_workers)
        self.batch_size, self.batches_per_epoch = batch_size, batches_per_epoch
        self._dataset = ProofreadingDataset(
            self.tasks, tokenizer, episode or EpisodeSettings(), proofreading, Seed(seed)
        )

    @override
    def setup(self, stage: str) -> None:
        """Check the batch against the ranks."""
        if stage == "fit":
            require_divisible("batch_size", self.batch_size, self.ranks()[1])

    @override
    def train_dataloader(self) -> BatchStream[PromptGroup, DemonstrationBatch]:
        """Batch b holds exercises ``b * batch_size`` to ``(b + 1) * batch_size - 1``."""
        rank, world_size = self.ranks()
        return BatchStream(
            dataset=self._dataset,
            indices=lambda batch: consecutive(
                drawn_batch(self.trainer, batch, self.batches_per_epoch), self.batch_size, rank, world_size
            ),
            collate=DemonstrationBatch,
            length=self.batches_per_epoch,
            position=self.consumed,
            num_workers=self.num_workers,
        )
