"""RepairProgressBar: a rich bar with the numbers one looks at, and a sample transcript now and then.

Installed by cli.py in every run.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import RichProgressBar
from typing_extensions import override

SHOWN = {
    "val/FR@5": "FR@5",
    "val/FR@1": "FR@1",
    "rollout/reward": "reward",
    "rollout/groups_with_signal": "signal",
    "train/loss": "loss",
}
"""The name on the bar for each logged name; those that a run does not log are left out."""


class RepairProgressBar(RichProgressBar):
    """Shows faithful recovery, reward, share of groups with signal, loss and tokens per second."""

    def __init__(self) -> None:
        super().__init__()
        self._batch_ended = 0.0
        self._tokens_per_s: float | None = None

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        super().on_train_start(trainer, pl_module)
        self._batch_ended = perf_counter()

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Divide the answer tokens trained on by the time since the last batch (generation and evaluation included)."""
        now = perf_counter()
        tokens = trainer.callback_metrics.get("train/tokens")
        if tokens is not None:
            self._tokens_per_s = float(tokens) / (now - self._batch_ended)
        self._batch_ended = now
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    @override
    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """The numbers beside the bar."""
        logged = trainer.callback_metrics
        shown: dict[str, int | str | float | dict[str, float]] = {
            short: f"{float(logged[name]):.3f}" for name, short in SHOWN.items() if name in logged
        }
        if self._tokens_per_s is not None:
            shown["tok/s"] = f"{self._tokens_per_s:.0f}"
        return shown
