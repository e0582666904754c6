"""Keeps numbers that are not finite (NaN, infinite) out of the weights and out of checkpoints.

Used by stepping.py and base.py. An update whose loss or gradient is not finite is not taken; several in a row end the
run with a checkpoint from before them. Weights that are not finite end it at once, and are never saved. Every rank
decides alike: what is found on one is known to all.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning_utilities.core.rank_zero import rank_zero_warn
from torch import Tensor
from torch.distributed.tensor import DTensor

from lit_grpo.checkpointing import WHOLE

CHECKPOINT = "not_finite.ckpt"
"""The checkpoint that a stopped run leaves in its folder."""


class NotFinite(RuntimeError):
    """The run has met numbers that are not finite, and cannot go on."""


class FiniteUpdates:
    """Counts updates in a row that could not be taken, and ends the run when they are too many.

    Args:
        most: Updates in a row that may fail; the run stops at the next.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.num_in_a_row = 0
        """The same on every rank. A resumed run begins to count anew."""
        self._why = ""

    def taken(self) -> None:
        """An update was taken."""
        self.num_in_a_row = 0

    def failed(self, batch: int, why: str) -> None:
        """An update was not taken; says so, the 1st, 2nd, 4th, 8th ... time in a row."""
        self.num_in_a_row, self._why = self.num_in_a_row + 1, why
        if self.num_in_a_row.bit_count() == 1:
            rank_zero_warn(
                f"batch {batch}: {why}; the update is not taken, {self.num_in_a_row} in a row. The run stops after "
                f"{self._most} (model.optimizer.max_not_finite_updates)"
            )

    def stop_if_too_many(self, trainer: pl.Trainer) -> None:
        """Save a checkpoint and raise NotFinite after too many in a row. Every rank must call it after each batch."""
        if self.num_in_a_row < self._most:
            return
        checkpoint = Path(trainer.default_root_dir) / CHECKPOINT
        trainer.save_checkpoint(checkpoint, WHOLE)
        raise NotFinite(
            f"expected finite numbers in an update, got none in {self.num_in_a_row} in a row: {self._why}; the weights "
            f"from before them are in {checkpoint} (go on with --ckpt_path). Lower model.optimizer.learning_rate, look "
            "at the rewards in episodes.jsonl, or raise model.optimizer.max_not_finite_updates"
        )


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether all numbers are finite; of a sharded tensor those that lie here.

    The largest absolute value tells, without a copy of any tensor.
    """
    own = (tensor.detach() for tensor in tensors)
    parts = [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in own]
    largest = [torch.linalg.vector_norm(part, ord=torch.inf) for part in parts if part.numel()]
    return not largest or bool(torch.stack([value.float() for value in largest]).isfinite().all())
