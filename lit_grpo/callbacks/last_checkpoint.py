"""LastCheckpoint: `checkpoints/last.ckpt` is where the run stands: at an interval, before a validation, at the end and
when it fails.

Installed by cli.py in every fit; settings under the key ``last_checkpoint``. What is best is chosen by a
ModelCheckpoint with a monitor, and lies beside it.
"""

from __future__ import annotations

import copy
import signal
import time
from dataclasses import dataclass
from types import FrameType
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint, WeightAveraging
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.trainer.states import TrainerFn
from lightning_utilities.core.rank_zero import rank_zero_info, rank_zero_only
from typing_extensions import override

from lit_grpo.checkpointing import WHOLE
from lit_grpo.data.batches import consumed_batches, started_updates
from lit_grpo.fitting.run_folder import is_trial, last_checkpoint


@dataclass(frozen=True, slots=True)
class LastCheckpointSettings:
    """When `checkpoints/last.ckpt` is written, beside validations, the end of the fit, Ctrl-C, and an exception."""

    every_batches: int | None = 50
    """Batches from one to the next; null: not by batches."""
    every_minutes: float | None = 15.0
    """Minutes from one to the next, looked at after each batch; null: not by time."""

    def __post_init__(self) -> None:
        for name, value in (("every_batches", self.every_batches), ("every_minutes", self.every_minutes)):
            if value is not None and value <= 0:
                raise ValueError(f"last_checkpoint.{name}: expected above 0, or null for never, got {value}")


@dataclass(frozen=True, slots=True)
class _Boundary:
    """A run between two batches."""

    batch: int
    """Batches trained on."""
    updates: int
    """Optimizer steps begun until then: while there are no more, the weights are still those."""
    checkpoint: dict[str, Any]
    """A whole checkpoint that shares its tensors with the run."""


class LastCheckpoint(Checkpoint):
    """Writes `checkpoints/last.ckpt` in the run folder.

    Ctrl-C (or SIGTERM) ends the fit after the batch it is in, with a checkpoint that resumes exactly; a second one
    stops at once. An exception before the first optimizer step of a batch (a reward that raises, an engine that dies,
    memory that does not suffice) leaves the state from before that batch; one in the middle of a batch's updates, or
    while weights are sharded over ranks, leaves what was written last.

    Args:
        settings: When it is written.
    """

    def __init__(self, settings: LastCheckpointSettings | None = None) -> None:
        self.settings = settings or LastCheckpointSettings()
        self._asked: int | None = None
        """The signal that asked this rank to end."""
        self._is_ended = False
        """Whether the ranks have ended the fit because one of them was asked to."""
        self._previous: dict[int, Any] = {}
        self._written_at: int | None = None
        """Batches trained on when it was last written in this fit."""
        self._written_s = 0.0
        self._is_writing = False
        self._boundary: _Boundary | None = None
        self._progress: dict[str, Any] = {}
        """The loop's progress at the end of the last batch."""
        self._is_of_batch_end = False
        """Whether what is written goes on from that progress, and not from the loop's own."""

    @property
    def exit_status(self) -> int:
        """0 after a fit that came to its end; 128 plus the number of the signal after one that a signal ended.

        Whoever waits for the command, a shell or a scheduler, sees that there is something left to do.
        """
        if not self._is_ended:
            return 0
        # Without a signal of its own, this rank was asked through another one.
        return 128 + (signal.SIGTERM if self._asked is None else self._asked)

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave no second file called last, which would hold another state, and none numbered beside a killed run's."""
        callbacks = [callback for callback in trainer.checkpoint_callbacks if isinstance(callback, ModelCheckpoint)]
        names = [(callback.dirpath, callback.filename) for callback in callbacks]
        for callback, name in zip(callbacks, names, strict=True):
            if callback.save_last:
                callback.save_last = False
            if names.count(name) == 1 and _names_one_state(callback):
                callback._enable_version_counter = False  # pyright: ignore[reportPrivateUsage]

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen for the signals."""
        self._asked, self._is_ended, self._boundary = None, False, None
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._ask)

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._is_of_batch_end = False
        self._written_at, self._written_s = None, time.monotonic()

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write if it is due, and stop if any rank was asked to. All ranks decide alike."""
        if is_trial(trainer):
            return
        decide = trainer.strategy.reduce_boolean_decision
        self._progress = copy.deepcopy(trainer.fit_loop.state_dict())
        stops = decide(self._asked is not None, all=False)
        if stops or decide(self._is_due(trainer), all=False):
            self._write(trainer)
        else:
            self._boundary = _boundary(trainer)
        if stops:
            self._is_ended = True
            rank_zero_info(f"Stopped. Resume with --ckpt_path {last_checkpoint(trainer.default_root_dir)}")
            trainer.should_stop = True
            # Lightning validates before it stops: the resumed run would have one validation more than its twin.
            trainer.fit_loop.epoch_loop._skip_next_val = True  # pyright: ignore[reportPrivateUsage]

    @override
    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the state from before it, so that no best checkpoint is ever of a part of the run that a kill undoes.

        What replaces the best checkpoint after this validation is then of the same batch; a run that was killed in
        between and goes on, with whatever settings, validates here again.
        """
        is_of_fit = trainer.state.fn is TrainerFn.FITTING and not trainer.sanity_checking
        if is_of_fit and not is_trial(trainer) and self._written_at != consumed_batches(trainer):
            self._is_of_batch_end = True
            self._write(trainer)
            self._is_of_batch_end = False

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the state at the end, unless that was done when it was asked to stop."""
        self._is_of_batch_end = not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
        if not is_trial(trainer) and not self._is_ended:
            self._write(trainer)

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Where a fit has ended within an epoch, go on within it: Lightning counts that epoch as over."""
        if self._is_of_batch_end:
            checkpoint["loops"]["fit_loop"] = self._progress

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Write the state from before the batch, where it is still there. No rank waits for another one."""
        boundary, path = self._boundary, last_checkpoint(trainer.default_root_dir)
        if boundary is None or self._is_writing:
            return
        is_swapped = trainer.validating and any(isinstance(c, WeightAveraging) for c in trainer.callbacks)  # pyright: ignore[reportAttributeAccessIssue]
        if started_updates(trainer) == boundary.updates and not is_swapped:
            if trainer.is_global_zero:
                trainer.strategy.checkpoint_io.save_checkpoint(boundary.checkpoint, path)
            self._written_at = boundary.batch
        if self._written_at:
            rank_zero_info(f"Stopped by {type(exception).__name__}. {path} stands after {self._written_at} batches.")

    @override
    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the signals back, and let go of the run's tensors."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
        self._boundary = None

    def _is_due(self, trainer: pl.Trainer) -> bool:
        batches, minutes = self.settings.every_batches, self.settings.every_minutes
        by_batches = batches is not None and consumed_batches(trainer) % batches == 0
        return by_batches or (minutes is not None and time.monotonic() - self._written_s >= 60 * minutes)

    def _write(self, trainer: pl.Trainer) -> None:
        self._boundary, self._is_writing = None, True
        trainer.save_checkpoint(last_checkpoint(trainer.default_root_dir), WHOLE)
        self._is_writing = False
        self._written_at, self._written_s = consumed_batches(trainer), time.monotonic()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked is not None:
            raise KeyboardInterrupt
        self._asked = number
        rank_zero_info("\nFinishing this batch, then saving a checkpoint; once more stops at once.")


def exit_status_of(trainer: pl.Trainer) -> int:
    """That of a process that has fitted with this trainer: see `LastCheckpoint.exit_status`.

    0 on every rank but the first: a launcher that sees another one fail kills the first, which may still be exporting.
    """
    last = [callback for callback in trainer.callbacks if isinstance(callback, LastCheckpoint)]  # pyright: ignore[reportAttributeAccessIssue]
    return max((callback.exit_status for callback in last), default=0) if trainer.is_global_zero else 0


def terminated_status() -> int:
    """That of a process whose run Lightning has left because of SIGTERM, by an exception of status 0."""
    return 0 if rank_zero_only.rank else 128 + signal.SIGTERM  # pyright: ignore[reportFunctionMemberAccess]


def _names_one_state(callback: ModelCheckpoint) -> bool:
    """Whether a file of a name that a callback gives is the one that it means: of a fixed name, or of a step."""
    if callback.filename is None or "{step" in callback.filename:
        return True
    return "{" not in callback.filename and callback.save_top_k == 1


def _boundary(trainer: pl.Trainer) -> _Boundary | None:
    """The run as it is now. Every rank must call it; None where each rank has only a part of the weights."""
    if isinstance(trainer.strategy, ModelParallelStrategy):
        return None
    dumped = trainer._checkpoint_connector.dump_checkpoint(WHOLE)  # pyright: ignore[reportPrivateUsage]
    return _Boundary(consumed_batches(trainer), started_updates(trainer), _copied(dumped))


def _copied(entry: Any) -> Any:
    """A copy of what holds values, but not of tensors: they change with the next optimizer step alone."""
    if isinstance(entry, dict):
        return {name: _copied(value) for name, value in entry.items()}
    if isinstance(entry, list):
        return [_copied(value) for value in entry]
    return entry
