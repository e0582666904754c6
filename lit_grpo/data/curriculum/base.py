"""The seam between a curriculum and the run: what it is told, and what it decides.

Implemented by staged.py, success.py and kind_pools.py; driven by data/datamodule.py, from the hooks of the rollout and
evaluation callbacks. A config chooses one as ``data.curriculum``; without one, tasks are drawn as ``data.tasks`` says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lit_grpo.data.splits import Cell
from lit_grpo.data.training_tasks import Shares
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind


class Tally(NamedTuple):
    """How attempts went. Whole numbers, so that sums over ranks are exact and every rank decides alike."""

    attempts: int
    """Episodes with a verdict of the solver."""
    faithful: int
    """Those that put the program right."""


Outcomes = Mapping[Cell, Tally]
"""The outcomes of all ranks; cells without an attempt may be absent."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a run offers a curriculum, known before the first batch."""

    cells: Shares
    """The cells that ``data.tasks`` draws from, with their shares there."""
    held_out: Mapping[Cell, int]
    """Validation tasks of each cell."""
    validate_every: int | None
    """Batches between two validations; None if none takes place."""


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What a curriculum decides when a batch begins."""

    shares: Shares
    """The share of each cell in this batch."""
    news: tuple[str, ...] = ()
    """What has changed since the last batch, in words."""
    stops: bool = False
    """Whether the run is to end after this batch."""


class Curriculum(ABC):
    """Decides the shares of the cells from what was observed in earlier batches.

    Its state changes in `begin_batch` and the two ``observe`` methods alone, each of which is called with the same
    arguments on every rank.
    """

    @property
    def needs_validation(self) -> bool:
        """Whether it cannot do without results on held-out tasks."""
        return False

    @abstractmethod
    def require(self, conditions: Conditions) -> None:
        """Take note of the conditions, before anything else.

        Raises:
            ValueError: The settings make no sense under them.
        """

    @abstractmethod
    def begin_batch(self) -> BatchPlan:
        """Decide about the batch that begins now; once per batch."""

    @abstractmethod
    def observe_rollouts(self, outcomes: Outcomes) -> None:
        """Learn how the attempts of the batch went, those of groups that are not trained on included."""

    @abstractmethod
    def observe_validation(self, outcomes: Outcomes) -> None:
        """Learn how the held-out tasks went, at one greedy attempt each."""

    @abstractmethod
    def numbers(self) -> dict[str, float]:
        """What to log beside the shares, as ``curriculum/NAME``; the same names every time."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """The state as plain numbers and texts, for the checkpoint."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put a state back.

        Raises:
            ValueError: It is one of other settings.
        """


def normalised(weights: Mapping[Cell, float]) -> dict[Cell, float]:
    """Shares that sum to 1; cells of weight 0 are left out."""
    total = sum(weights.values())
    return {cell: weight / total for cell, weight in weights.items() if weight}


def shares_by_difficulty(shares: Shares) -> dict[Difficulty, float]:
    """The share of each difficulty, 0 included."""
    return {difficulty: sum(s for c, s in shares.items() if c.difficulty is difficulty) for difficulty in Difficulty}


def shares_by_kind(shares: Shares) -> dict[FaultKind, float]:
    """The share of each kind that occurs."""
    kinds = [kind for kind in FaultKind if any(cell.kind is kind for cell in shares)]
    return {kind: sum(share for cell, share in shares.items() if cell.kind is kind) for kind in kinds}


def require_weights(name: str, weights: Mapping[Any, float]) -> None:
    """ValueError unless the weights can be shares."""
    if not weights or min(weights.values()) < 0 or sum(weights.values()) <= 0:
        raise ValueError(f"{name}: expected weights >= 0 with a positive sum, got {_listed(weights)}")


def require_offered(name: str, wanted: Iterable[Any], offered: Iterable[Any]) -> None:
    """ValueError if a curriculum names a kind or a difficulty that ``data.tasks`` does not draw."""
    missing = sorted(set(wanted) - set(offered))
    if missing:
        raise ValueError(
            f"{name}: expected what data.tasks draws ({', '.join(sorted(set(offered)))}), got {', '.join(missing)}; "
            "change it, or data.tasks"
        )


def name_of(cell: Cell) -> str:
    """``A/easy``: a cell in a checkpoint."""
    return f"{cell.kind}/{cell.difficulty}"


def _listed(weights: Mapping[Any, float]) -> str:
    return ", ".join(f"{key}: {weight:g}" for key, weight in weights.items()) or "none"
