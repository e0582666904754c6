"""LogRows: what `metrics.csv` holds is complete after every kill, and after every resume.

Installed by cli.py as the first callback of every fit, so that it runs before anything is logged.
"""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from lightning.fabric.utilities.apply_func import convert_tensors_to_scalars
from lightning.pytorch.callbacks import Callback
from typing_extensions import override

from lit_grpo.data.batches import consumed_batches
from lit_grpo.fitting.metrics_csv import MetricsCsv


class LogRows(Callback):
    """Tells every MetricsCsv where a resumed run stands, and writes a batch's row before a checkpoint of that batch.

    Nothing of an earlier batch is logged again.
    """

    @override
    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep what was logged before the checkpoint that a fit goes on from."""
        for logger in _own(trainer):
            logger.go_on_from(consumed_batches(trainer))

    on_train_start = on_sanity_check_start

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Forget the numbers of earlier batches: Lightning logs them again where a skipped update has none."""
        assert trainer._results is not None  # pyright: ignore[reportPrivateUsage]
        for metric in trainer._results.values():  # pyright: ignore[reportPrivateUsage]
            if not metric.meta.on_epoch:
                metric.reset()

    @override
    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Write the row of a batch that has ended: Lightning logs it after the callbacks that save a checkpoint."""
        loop, connector = trainer.fit_loop.epoch_loop, trainer._logger_connector  # pyright: ignore[reportPrivateUsage]
        total = loop.batch_progress.total
        is_between = trainer.training and total.processed == total.completed + 1  # pyright: ignore[reportAttributeAccessIssue]
        logged = connector.metrics["log"] if is_between and connector.should_update_logs else {}
        if logged:
            row = convert_tensors_to_scalars(logged) | {"epoch": trainer.current_epoch}
            for logger in _own(trainer):
                logger.log_metrics(row, loop._batches_that_stepped)  # pyright: ignore[reportPrivateUsage]


def _own(trainer: pl.Trainer) -> list[MetricsCsv]:
    return [logger for logger in trainer.loggers if isinstance(logger, MetricsCsv)]
