"""KindPools: every kind of fault is a pool of its own, and climbs from easy to hard at its own pace.

Named in configs as ``data.curriculum.class_path``. One kind may be at hard tasks while another is still at easy ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from lit_grpo.data.curriculum.base import (
    BatchPlan,
    Conditions,
    Curriculum,
    Outcomes,
    normalised,
    require_offered,
    require_weights,
    shares_by_kind,
)
from lit_grpo.data.splits import Cell
from lit_grpo.data.training_tasks import Shares
from lit_grpo.data.weights import weights_of
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind


@dataclass(slots=True)
class _Pool:
    """The level that one kind has reached, and what was observed there."""

    levels: tuple[Difficulty, ...]
    """Those that ``data.tasks`` draws, from easy to hard."""
    level: int = 0
    attempts: int = 0
    """At this level, since they were last looked at."""
    faithful: int = 0

    @property
    def difficulty(self) -> Difficulty:
        """What the level is."""
        return self.levels[self.level]


class KindPools(Curriculum):
    """A fixed share of tasks per kind; within it the difficulty that the kind has reached.

    Args:
        kinds: Weight of each kind's pool; None: those of ``data.tasks``.
        threshold: Success rate of the rollouts at a level, from which on the next one opens.
        min_attempts: Attempts after which the rate is looked at; counting then begins anew.
        rehearsal: Share of a pool that goes to the levels below the present one, alike.
    """

    def __init__(
        self,
        kinds: dict[FaultKind, float] | None = None,
        threshold: float = 0.5,
        min_attempts: int = 128,
        rehearsal: float = 0.2,
    ) -> None:
        if not 0 < threshold <= 1 or not 0 <= rehearsal < 1:
            raise ValueError(
                f"KindPools: expected 0 < threshold <= 1 and 0 <= rehearsal < 1, got {threshold:g} and {rehearsal:g}"
            )
        if min_attempts < 1:
            raise ValueError(f"KindPools: expected min_attempts of at least 1, got {min_attempts}")
        # A configuration file brings the keys as texts.
        self.kinds = None if kinds is None else weights_of(FaultKind, kinds, "kinds")
        if self.kinds is not None:
            require_weights("KindPools, kinds", self.kinds)
        self.threshold, self.min_attempts, self.rehearsal = threshold, min_attempts, rehearsal
        self._weights: Mapping[FaultKind, float] = {}
        self._pools: dict[FaultKind, _Pool] = {}

    @override
    def require(self, conditions: Conditions) -> None:
        """Open the lowest level of each pool."""
        of_tasks = shares_by_kind(conditions.cells)
        wanted = of_tasks if self.kinds is None else {kind: w for kind, w in self.kinds.items() if w}
        require_offered("KindPools, kinds", wanted, of_tasks)
        offered = {cell.difficulty for cell in conditions.cells}
        levels = tuple(difficulty for difficulty in Difficulty if difficulty in offered)
        self._weights, self._pools = wanted, {kind: _Pool(levels) for kind in wanted}

    @override
    def begin_batch(self) -> BatchPlan:
        """Once there are enough attempts: open the next level if they went well, and begin to count anew."""
        news: list[str] = []
        for kind, pool in self._pools.items():
            if pool.attempts >= self.min_attempts:
                news += self._judged(kind, pool)
        return BatchPlan(self._shares(), tuple(news))

    @override
    def observe_rollouts(self, outcomes: Outcomes) -> None:
        """Count attempts at each pool's present level."""
        for kind, pool in self._pools.items():
            attempts, faithful = outcomes.get(Cell(kind, pool.difficulty), (0, 0))
            pool.attempts += attempts
            pool.faithful += faithful

    @override
    def observe_validation(self, outcomes: Outcomes) -> None:
        """Nothing: held-out tasks choose no training task here."""

    @override
    def numbers(self) -> dict[str, float]:
        """The level of each pool, counted from 1."""
        return {f"level_{kind}": pool.level + 1.0 for kind, pool in self._pools.items()}

    @override
    def state_dict(self) -> dict[str, Any]:
        """Level and counts of each pool."""
        pools = self._pools.items()
        return {"pools": {kind.value: [pool.difficulty.value, pool.attempts, pool.faithful] for kind, pool in pools}}

    @override
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """ValueError if it is the state of another curriculum, or of other pools."""
        pools = state.get("pools")
        if pools is None or set(pools) != {kind.value for kind in self._pools}:
            raise ValueError(
                f"data.curriculum: expected a checkpoint with the pools {', '.join(self._pools)}, got "
                f"{', '.join(pools or state)}; resume with the curriculum and the tasks that the run was started with"
            )
        for kind, pool in self._pools.items():
            difficulty, pool.attempts, pool.faithful = pools[kind.value]
            levels = [level.value for level in pool.levels]
            if difficulty not in levels:
                raise ValueError(
                    f"data.curriculum: expected a checkpoint whose pool {kind} is at one of the levels "
                    f"{', '.join(levels)}, got {difficulty}; resume with the difficulties of data.tasks that the run "
                    "was started with"
                )
            pool.level = levels.index(difficulty)

    def _judged(self, kind: FaultKind, pool: _Pool) -> list[str]:
        rate, before = pool.faithful / pool.attempts, pool.difficulty
        pool.attempts, pool.faithful = 0, 0
        if rate < self.threshold or pool.level + 1 == len(pool.levels):
            return []
        pool.level += 1
        news = f"{rate:.2f} of its attempts at {before} faithful; {pool.difficulty} begins."
        return [f"Curriculum: kind {kind}: {news}"]

    def _shares(self) -> Shares:
        shares: dict[Cell, float] = {}
        for kind, pool in self._pools.items():
            below = pool.levels[: pool.level]
            rehearsal = self.rehearsal if below else 0.0
            shares[Cell(kind, pool.levels[pool.level])] = self._weights[kind] * (1 - rehearsal)
            for difficulty in below:
                shares[Cell(kind, difficulty)] = self._weights[kind] * rehearsal / len(below)
        return normalised(shares)
