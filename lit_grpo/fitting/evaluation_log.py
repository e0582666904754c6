"""The numbers of an evaluation during a fit, logged by the batches that the policy had trained on.

Called by RepairEvaluation. Lightning logs an evaluation at the batch before it, and one before training not at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import lightning.pytorch as pl

from lit_grpo.data.batches import consumed_batches


def log_evaluation(trainer: pl.Trainer, values: Mapping[str, float]) -> None:
    """Give the numbers to every logger; those that are not defined are left out."""
    defined = {name: value for name, value in values.items() if not math.isnan(value)}
    for logger in trainer.loggers:
        logger.log_metrics(defined, step=consumed_batches(trainer))
        logger.save()
