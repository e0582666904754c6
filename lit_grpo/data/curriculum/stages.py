"""The settings of a staged curriculum: a stage's mix, and the rule that ends it.

Used by staged.py; written in configs below ``data.curriculum.init_args.stages``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from lit_grpo.data.curriculum.base import (
    Conditions,
    normalised,
    require_offered,
    require_weights,
    shares_by_kind,
)
from lit_grpo.data.curriculum.interval import tasks_needed
from lit_grpo.data.splits import Cell
from lit_grpo.data.training_tasks import Shares
from lit_grpo.data.weights import weights_of
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind


class Fallback(Enum):
    """What happens when a stage's patience is at an end."""

    GO_ON = "go_on"
    """The next stage begins all the same."""
    GO_BACK = "go_back"
    """The stage before begins again; the first stage begins anew."""
    STOP = "stop"
    """The run ends after the batch that has begun."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """When a stage ends: by the held-out tasks, or after a number of batches."""

    threshold: float | None = 0.6
    """What the lower end of FR@5's interval on the stage's own held-out tasks has to reach; None: see `num_batches`."""
    window: int = 1
    """Validations, the latest ones, over which FR@5 is averaged. They are of the same tasks, so they do not narrow the
    interval."""
    confidence: float = 0.95
    """The confidence of the interval."""
    patience: int = 60
    """Batches that the stage may take."""
    fallback: Fallback = Fallback.GO_ON
    """What happens then."""
    num_batches: int | None = None
    """If the threshold is None, the stage ends after so many batches, whatever was learned."""

    def __post_init__(self) -> None:
        """ValueError for a rule that nothing can fulfil."""
        if (self.threshold is None) == (self.num_batches is None):
            raise ValueError(
                f"promotion: expected either threshold or num_batches, got {self.threshold} and {self.num_batches}; "
                "set the other one to null"
            )
        if self.num_batches is not None and self.num_batches < 1:
            raise ValueError(f"promotion.num_batches: expected at least 1, got {self.num_batches}")
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise ValueError(
                f"promotion.threshold: expected above 0 and below 1, got {self.threshold:g}; the lower end of an "
                "interval never reaches 1"
            )
        if not 0 < self.confidence < 1:
            raise ValueError(f"promotion.confidence: expected above 0 and below 1, got {self.confidence:g}; e.g. 0.95")
        if self.window < 1 or self.patience < 1:
            raise ValueError(
                f"promotion: expected window and patience of at least 1, got {self.window} and {self.patience}"
            )

    def require(self, stage: str, num_held_out: int, validate_every: int | None) -> None:
        """ValueError if no result of the run's validations could end the stage."""
        if self.threshold is None:
            return
        if validate_every is None:
            raise ValueError(
                f"stage {stage!r}: expected validations for promotion.threshold, got a run without; add "
                "RepairEvaluation and leave trainer.limit_val_batches alone, or set promotion.num_batches instead"
            )
        if num_held_out < (needed := tasks_needed(self.threshold, self.confidence)):
            raise ValueError(
                f"stage {stage!r}: expected at least {needed} held-out tasks for the lower end of a "
                f"{self.confidence:.0%} interval to reach {self.threshold:g}, got {num_held_out}; raise "
                "data.held_out.num_validation_tasks or lower promotion.threshold"
            )
        if self.patience < self.window * validate_every:
            raise ValueError(
                f"stage {stage!r}: expected a patience of at least {self.window * validate_every} batches (window "
                f"{self.window} x a validation every {validate_every}), got {self.patience}; raise promotion.patience "
                "or lower trainer.val_check_interval"
            )


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage."""

    name: str
    difficulties: dict[Difficulty, float]
    """Weight of each; a difficulty left out does not occur."""
    kinds: dict[FaultKind, float] | None = None
    """Weight of each; None: those of ``data.tasks``."""
    rehearsal: float = 0.2
    """Share of tasks that are drawn as in the stages before, alike; the first stage has none before it."""
    promotion: Promotion | None = None
    """When it ends; None in the last stage, and nowhere else."""

    def __post_init__(self) -> None:
        # A configuration file brings the keys as texts: "A", "easy".
        object.__setattr__(self, "difficulties", weights_of(Difficulty, self.difficulties, "difficulties"))
        require_weights(f"stage {self.name!r}, difficulties", self.difficulties)
        if self.kinds is not None:
            object.__setattr__(self, "kinds", weights_of(FaultKind, self.kinds, "kinds"))
            require_weights(f"stage {self.name!r}, kinds", self.kinds)
        if not 0 <= self.rehearsal < 1:
            raise ValueError(
                f"stage {self.name!r}, rehearsal: expected at least 0 and below 1, got {self.rehearsal:g}; it is the "
                "share of tasks of earlier stages"
            )

    def own(self, cells: Shares) -> dict[Cell, float]:
        """The stage's own mix, without rehearsal."""
        kinds = shares_by_kind(cells) if self.kinds is None else self.kinds
        return normalised({c: kinds.get(c.kind, 0.0) * self.difficulties.get(c.difficulty, 0.0) for c in cells})

    def require(self, conditions: Conditions) -> None:
        """ValueError if there is nothing to draw, or nothing to be promoted by."""
        cells = conditions.cells
        require_offered(
            f"stage {self.name!r}, difficulties", _positive(self.difficulties), {c.difficulty for c in cells}
        )
        require_offered(f"stage {self.name!r}, kinds", _positive(self.kinds or {}), {c.kind for c in cells})
        if self.promotion is not None:
            num_held_out = sum(conditions.held_out.get(cell, 0) for cell in self.own(cells))
            self.promotion.require(self.name, num_held_out, conditions.validate_every)


def _positive(weights: Mapping[Any, float]) -> list[Any]:
    return [key for key, weight in weights.items() if weight]
