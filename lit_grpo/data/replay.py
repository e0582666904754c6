"""What a loader draws ahead for a batch of GRPO: its tasks, and the demonstrations that are replayed beside them.

Used by datamodule.py. Both are functions of the batch's position; tasks are left to the batch's beginning where a
curriculum decides on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch.utils.data import Dataset
from typing_extensions import override

from lit_grpo.data.batches import consecutive, shuffled
from lit_grpo.data.contract import demonstration_seed
from lit_grpo.data.dataset import DemonstrationDataset
from lit_grpo.data.demonstrations import DemonstrationSettings
from lit_grpo.data.task import Task, TaskSettings
from lit_grpo.data.training_tasks import TrainingTasks
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.packing import PromptGroup
from lit_grpo.presets import find_checkpoint
from lit_grpo.seeds import Seed


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """Demonstrations that a batch of GRPO also learns from: those of a DemonstrationDataModule of equal settings."""

    demonstrations: DemonstrationSettings
    num_demonstrations: int = 400
    """How many there are."""
    batch_size: int = 8
    """How many are replayed in a batch, over all ranks."""
    seed: int | None = None
    """The seed of the demonstrations; None: that of the SFT which the policy comes from, as its folder says, or else
    the run's."""
    tokenizer: Path | None = None
    """Directory of the policy's tokenizer; the command line fills it in."""
    episode: EpisodeSettings | None = None
    """Rules and rendering; the command line fills them in; None: the defaults."""


class Replay:
    """The demonstrations that are replayed in a batch, on one rank."""

    def __init__(self, settings: ReplaySettings, tasks: TaskSettings, rank: int, world_size: int) -> None:
        self._settings, self._rank, self._world_size = settings, rank, world_size
        self.seed = Seed(demonstrated(settings.tokenizer) if settings.seed is None else settings.seed)
        self._demonstrations = DemonstrationDataset(
            tasks,
            settings.tokenizer,
            settings.episode or EpisodeSettings(),
            settings.demonstrations,
            self.seed,
        )

    def of_batch(self, batch: int) -> list[PromptGroup]:
        """Those of the batch at a position, out of endless reshuffled passes."""
        positions = consecutive(batch, self._settings.batch_size, self._rank, self._world_size)
        chosen = shuffled(positions, self._settings.num_demonstrations, self.seed.value)
        return [self._demonstrations[index] for index in chosen]


def demonstrated(policy: Path | None) -> int | None:
    """The seed of the demonstrations that a policy was trained on, as its folder says; None if nothing is said."""
    return None if policy is None else demonstration_seed(find_checkpoint(policy))


class TrainingSteps(Dataset[tuple[list[Task], list[PromptGroup]]]):
    """Item b is what this rank needs in batch b.

    Args:
        tasks: None: the batch gets them when it begins.
        replay: None: nothing is replayed.
    """

    def __init__(self, tasks: TrainingTasks | None, replay: Replay | None) -> None:
        self._tasks, self._replay = tasks, replay

    @override
    def __getitem__(self, index: int) -> tuple[list[Task], list[PromptGroup]]:
        tasks = [] if self._tasks is None else self._tasks.of_batch(index)
        return tasks, [] if self._replay is None else self._replay.of_batch(index)
