"""SuccessTargeting: more of the tasks that are neither solved nor failed throughout, by what the rollouts showed.

Named in configs as ``data.curriculum.class_path``. A group whose attempts end alike teaches nothing, and at a success
rate of one half the fewest do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from lit_grpo.data.curriculum.base import BatchPlan, Conditions, Curriculum, Outcomes, name_of, normalised
from lit_grpo.data.splits import Cell
from lit_grpo.data.training_tasks import Shares
from lit_grpo.environment.faults.difficulty import Difficulty


class SuccessTargeting(Curriculum):
    """Weighs each cell by how near its success rate is to a target.

    A cell's rate is (faithful + target * prior) / (attempts + prior) over counts that fade: one that was not drawn for
    long drifts back to the target, and is tried again. Its weight is exp(-(rate - target)^2 / (2 width^2)).

    Args:
        target: The success rate that teaches most.
        width: Distance from it, at which a cell's weight is 0.61 of the full one.
        explore: Share of tasks that are drawn as ``data.tasks`` says, whatever was observed.
        half_life: Batches after which an attempt counts half.
        prior: Attempts that the target is worth, before there are any.
    """

    def __init__(
        self,
        target: float = 0.5,
        width: float = 0.2,
        explore: float = 0.2,
        half_life: float = 10.0,
        prior: float = 16.0,
    ) -> None:
        if not 0 < target < 1 or not 0 <= explore <= 1:
            raise ValueError(
                f"SuccessTargeting: expected 0 < target < 1 and 0 <= explore <= 1, got {target:g} and {explore:g}"
            )
        if min(width, half_life, prior) <= 0:
            raise ValueError(
                "SuccessTargeting: expected width, half_life and prior above 0, got "
                f"{width:g}, {half_life:g} and {prior:g}"
            )
        self.target, self.width, self.explore = target, width, explore
        self.half_life, self.prior = half_life, prior
        self._cells: Shares = {}
        self._counts: dict[Cell, tuple[float, float]] = {}
        """Attempts and faithful ones, faded."""

    @override
    def require(self, conditions: Conditions) -> None:
        """Any tasks will do."""
        self._cells = conditions.cells

    @override
    def begin_batch(self) -> BatchPlan:
        """The mix by the rates so far."""
        weights = {cell: share * self._weight(self._rate([cell])) for cell, share in self._cells.items()}
        targeted = normalised(weights) if sum(weights.values()) else self._cells
        explore = self.explore
        return BatchPlan(
            {
                cell: explore * share + (1 - explore) * targeted.get(cell, 0.0)
                for cell, share in self._cells.items()
                if explore or cell in targeted
            }
        )

    @override
    def observe_rollouts(self, outcomes: Outcomes) -> None:
        """Fade what was counted, and count the batch."""
        fading = 0.5 ** (1 / self.half_life)
        for cell in self._cells:
            attempts, faithful = self._counts.get(cell, (0.0, 0.0))
            new_attempts, new_faithful = outcomes.get(cell, (0, 0))
            self._counts[cell] = (attempts * fading + new_attempts, faithful * fading + new_faithful)

    @override
    def observe_validation(self, outcomes: Outcomes) -> None:
        """Nothing: held-out tasks choose no training task here."""

    @override
    def numbers(self) -> dict[str, float]:
        """The rate per difficulty that the mix was decided on."""
        present = [difficulty for difficulty in Difficulty if any(c.difficulty is difficulty for c in self._cells)]
        return {
            f"success_{difficulty}": self._rate([cell for cell in self._cells if cell.difficulty is difficulty])
            for difficulty in present
        }

    @override
    def state_dict(self) -> dict[str, Any]:
        """The faded counts of each cell."""
        return {"counts": {name_of(cell): list(counts) for cell, counts in self._counts.items()}}

    @override
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """ValueError if it is the state of another curriculum, or of other cells."""
        cells = {name_of(cell): cell for cell in self._cells}
        counts = state.get("counts")
        if counts is None or not set(counts) <= set(cells):
            raise ValueError(
                f"data.curriculum: expected a checkpoint with counts of {', '.join(cells)}, got "
                f"{', '.join(counts or state)}; resume with the curriculum and the tasks that the run was started with"
            )
        self._counts = {cells[name]: (attempts, faithful) for name, (attempts, faithful) in counts.items()}

    def _rate(self, cells: list[Cell]) -> float:
        counts = [self._counts.get(cell, (0.0, 0.0)) for cell in cells]
        attempts, faithful = (sum(column) for column in zip(*counts, strict=True))
        return (faithful + self.target * self.prior) / (attempts + self.prior)

    def _weight(self, rate: float) -> float:
        return math.exp(-((rate - self.target) ** 2) / (2 * self.width**2))
