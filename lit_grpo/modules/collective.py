"""What the ranks of a training tell each other. Extended by PolicyModule, whose steps all ranks decide alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import lightning.pytorch as pl
import torch
from torch import Tensor

from lit_grpo.engines.ranks import Ranks


class CollectiveModule(pl.LightningModule):
    """A module whose ranks agree on numbers. Every rank must call each of the methods."""

    def on_all_ranks(self, is_true: bool) -> bool:
        """Whether it is true on every rank. Every rank must call it."""
        return self.over_ranks([not is_true], "max") == [0]

    def over_ranks(self, values: Sequence[float], operation: Literal["sum", "max"] = "sum") -> list[int]:
        """Whole numbers summed, or their maximum, over all ranks. Every rank must call it."""
        tensor = torch.tensor(values, dtype=torch.int64, device=self.device)
        if self.trainer.world_size > 1:
            operations = {"sum": torch.distributed.ReduceOp.SUM, "max": torch.distributed.ReduceOp.MAX}
            torch.distributed.all_reduce(tensor, operations[operation])
        return tensor.tolist()

    def sum_over_ranks(self, values: Tensor) -> Tensor:
        """Float64 numbers summed over all ranks, on the CPU. Every rank must call it."""
        if self.trainer.world_size == 1:
            return values
        total = values.to(self.device, torch.float64)
        torch.distributed.all_reduce(total)
        return total.cpu()

    def ranks(self) -> Ranks:
        """The processes of this training, for an engine."""
        trainer = self.trainer
        if trainer.world_size == 1:
            return Ranks()

        def texts_of_all(text: str) -> Sequence[str]:
            texts: list[str] = [""] * trainer.world_size
            torch.distributed.all_gather_object(texts, text)
            return texts

        return Ranks(trainer.local_rank == 0, trainer.world_size // trainer.num_nodes, texts_of_all)
