"""Does difficulty hold? Faithful recovery of reference policies per cell, and the tests that a suite has to pass.

Called by validate_gradient.py. The test of an order: per kind, policy and pair of neighbouring difficulties a
one-sided z-test of the difference of two independent means (Welch), at 95 % each. The value of a task is the share of
its readings that led to a faithful repair, so readings of one task never count as independent. A suite passes only if
every single test does, so its chance to pass without deserving it is at most 5 %, however many tests there are
(intersection-union).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind

ONE_SIDED = 1.6449
"""Standard normal quantile of 95 %."""
TWO_SIDED = 1.96
"""Of 97.5 %."""
MOST_DROPPED = 0.20
"""FR@5 of drop-first at hard D: half of its faults are added rows, which deleting repairs."""
MOST_RELAXED = 0.40
"""FR@5 of minimum relaxation in every cell at hard."""


@dataclass(frozen=True, slots=True)
class Share:
    """A mean of task values in [0, 1]."""

    mean: float
    error: float
    """Standard error of the mean, over tasks."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Share:
        """Of one value a task.

        Raises:
            ValueError: Fewer than two tasks, of which no error can be told.
        """
        if len(values) < 2:
            raise ValueError(f"expected at least two tasks a cell, got {len(values)}; raise --num")
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
        return cls(mean, math.sqrt(variance / len(values)))

    def is_above(self, other: Share) -> bool:
        """Whether this mean is the larger one with 95 % confidence.

        Means 0.8 and 0.7 with errors 0.03 and 0.04: (0.8 - 0.7) / 0.05 = 2, above 1.6449.
        """
        return self.mean - other.mean > ONE_SIDED * math.hypot(self.error, other.error)

    @property
    def text(self) -> str:
        """Percent with the half width of the 95 % interval: ``81.0 ± 2.3``."""
        return f"{100 * self.mean:.1f} ± {100 * TWO_SIDED * self.error:.1f}"


@dataclass(frozen=True, slots=True)
class CellGradient:
    """What was measured of a kind and difficulty."""

    kind: FaultKind
    difficulty: Difficulty
    num_tasks: int
    policies: Mapping[str, Share]
    """FR@5 of each reference policy, by its name, in the order of the table."""
    dropped: float
    """FR@5 of drop-first."""
    dropped_true: int
    """Tasks without an added row that drop-first repaired faithfully: deleting repairs nothing else."""
    relaxed: float
    """FR@5 of minimum relaxation."""
    relaxed_optimal: float
    """RR@5 of minimum relaxation."""

    @property
    def name(self) -> str:
        """``A easy``."""
        return f"{self.kind.value} {self.difficulty.value}"


def failures(cells: Sequence[CellGradient]) -> Iterator[str]:
    """What does not hold, a line each; nothing if the suite passes."""
    yield from _orders_not_held(cells)
    for cell in cells:
        if cell.dropped_true:
            yield f"{cell.name}: expected drop-first to repair added rows alone, got {cell.dropped_true} other tasks"
        is_hard = cell.difficulty is Difficulty.HARD
        if is_hard and cell.kind is FaultKind.RIGHT_HAND_SIDE and cell.dropped > MOST_DROPPED:
            yield f"{cell.name}: expected drop-first at most {MOST_DROPPED:.0%}, got {cell.dropped:.1%}"
        if is_hard and cell.relaxed > MOST_RELAXED:
            yield f"{cell.name}: expected minimum relaxation at most {MOST_RELAXED:.0%}, got {cell.relaxed:.1%}"


def _orders_not_held(cells: Sequence[CellGradient]) -> Iterator[str]:
    by_kind: dict[FaultKind, list[CellGradient]] = {}
    for cell in sorted(cells, key=lambda cell: list(Difficulty).index(cell.difficulty)):
        by_kind.setdefault(cell.kind, []).append(cell)
    for kind in sorted(by_kind, key=list(FaultKind).index):
        if len(by_kind[kind]) < len(Difficulty):
            yield f"{kind.value}: expected cells of all difficulties, got {len(by_kind[kind])}"
        for easier, harder in pairwise(by_kind[kind]):
            for policy, share in easier.policies.items():
                if not share.is_above(harder.policies[policy]):
                    yield (
                        f"{kind.value}, {policy}: expected {easier.difficulty} above {harder.difficulty} with 95 % "
                        f"confidence, got {share.text} and {harder.policies[policy].text}"
                    )
