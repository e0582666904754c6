"""What a curriculum has decided about batches that are not trained on yet. Kept by data/datamodule.py.

With rollouts played ahead some batches have begun while an earlier one is trained on. What was decided about those goes
into the checkpoint, so that a curriculum is asked about each batch once, also over a resume.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lit_grpo.data.curriculum.base import BatchPlan, name_of
from lit_grpo.data.splits import Cell


@dataclass(frozen=True, slots=True)
class BegunBatch:
    """A batch whose tasks are decided."""

    plan: BatchPlan
    numbers: Mapping[str, float]
    """``Curriculum.numbers`` as they were then."""

    def state(self) -> dict[str, Any]:
        """Plain numbers and texts, for the checkpoint."""
        shares = {name_of(cell): share for cell, share in self.plan.shares.items()}
        news, stops = list(self.plan.news), self.plan.stops
        return {"shares": shares, "news": news, "stops": stops, "numbers": dict(self.numbers)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any], cells: Mapping[Cell, float]) -> BegunBatch:
        """The batch that ``state`` described, given the cells that are drawn.

        Raises:
            ValueError: It names others.
        """
        by_name = {name_of(cell): cell for cell in cells}
        strange = sorted(set(state["shares"]) - set(by_name))
        if strange:
            raise ValueError(
                f"data.curriculum: expected a checkpoint with batches of {', '.join(by_name)}, got {strange[0]}; "
                "resume with the tasks that the run was started with"
            )
        shares = {by_name[name]: share for name, share in state["shares"].items()}
        return cls(BatchPlan(shares, tuple(state["news"]), state["stops"]), state["numbers"])
