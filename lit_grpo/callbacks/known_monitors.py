"""KnownMonitors: a number that nobody logs is not waited for.

Installed in every fit by run_arguments.py, before the callbacks that look at such numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from typing_extensions import override

from lit_grpo.data.batches import consumed_batches

OF_TRAINING = ("train/", "rollout/", "curriculum/")
"""Beginnings of the names that are logged with batches, and not before the first."""
ALWAYS = ("epoch", "step")
"""What ModelCheckpoint knows by itself."""


class KnownMonitors(Callback):
    """Refuses a ``monitor`` of EarlyStopping or ModelCheckpoint that the first evaluation has not logged.

    That is the one before training, unless there is none. A number of training is there after a batch: EarlyStopping
    demands it when it looks at it first, unless ``strict`` is false; some are logged in some batches alone.
    """

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at all monitors, before any callback does."""
        for name, monitor in _monitors(trainer):
            if not monitor.startswith(OF_TRAINING):
                _require_known(trainer, name, monitor)
        if consumed_batches(trainer):
            self.on_train_epoch_end(trainer, pl_module)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at what EarlyStopping demands."""
        for callback in trainer.early_stopping_callbacks:
            if isinstance(callback, EarlyStopping) and callback.strict and not trainer.fast_dev_run:  # pyright: ignore[reportAttributeAccessIssue]
                _require_known(trainer, type(callback).__name__, callback.monitor)


def _monitors(trainer: pl.Trainer) -> Iterator[tuple[str, str]]:
    """The callbacks that monitor a number, by their classes' names, with the number's name."""
    for callback in (*trainer.early_stopping_callbacks, *trainer.checkpoint_callbacks):
        if isinstance(callback, EarlyStopping | ModelCheckpoint) and callback.monitor is not None:
            yield type(callback).__name__, callback.monitor


def _require_known(trainer: pl.Trainer, callback: str, monitor: str) -> None:
    known = sorted(trainer.callback_metrics)
    if monitor in (*known, *ALWAYS):
        return
    close = get_close_matches(monitor, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else "docs/metrics.md says what each is"
    raise ValueError(
        f"trainer.callbacks: expected {callback} to monitor a number that is logged ({', '.join(known) or 'none is'}), "
        f"got {monitor!r}; {hint}"
    )
