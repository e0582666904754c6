"""`RepairMetrics`: the repair metrics as a torchmetrics object, right under any sharding of the tasks.

Updated in one place, by the evaluation callback, after the episodes of a batch. With a backend that gathers on the
accelerator (NCCL) it must live on that device: `metric.to(module.device)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat
from typing_extensions import override

from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.results import RepairResults, summarise
from lit_grpo.metrics.table import Column, ScoreTable, score_table


class RepairMetrics(Metric):
    """Recovery, faithful recovery and diagnosis, with intervals, over all ranks; each task counts once.

    The state is one flat list of table rows, keyed by a hash of the task id: tasks that a sampler repeats to pad uneven
    shards are dropped when computing, and rows are sorted by key, so the number of ranks does not show in the result.
    """

    full_state_update = False
    flat_rows: list[Tensor] | Tensor
    """Rows of a `ScoreTable`, flattened: float64, a multiple of len(Column) each."""

    def __init__(self, settings: BootstrapSettings | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = settings or BootstrapSettings()
        self.add_state("flat_rows", default=[], dist_reduce_fx="cat")
        # A rank without a task takes part in the gather with an empty one-dimensional tensor of the metric's dtype:
        # the state has to have that shape and dtype on every rank.
        self.set_dtype(torch.float64)

    @override
    def update(self, scored_tasks: Sequence[ScoredTask]) -> None:
        """Add the scores of some finished episodes."""
        assert isinstance(self.flat_rows, list)
        self.flat_rows.append(score_table(scored_tasks).rows.flatten().to(self.device))

    @override
    def compute(self) -> RepairResults:
        """The results over all ranks.

        Raises:
            ValueError: No rank has scored a task.
        """
        flat = dim_zero_cat(self.flat_rows) if len(self.flat_rows) else torch.zeros(0, dtype=torch.float64)
        return summarise(ScoreTable(flat.reshape(-1, len(Column))), self.settings)
