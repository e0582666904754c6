"""StagedCurriculum: easy tasks first, harder ones once the held-out tasks of a stage are repaired.

Named in configs as ``data.curriculum.class_path``. Settings of a stage: stages.py. How to choose: docs/curriculum.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import override

from lit_grpo.data.curriculum.base import BatchPlan, Conditions, Curriculum, Outcomes, Tally, normalised
from lit_grpo.data.curriculum.interval import lower_end
from lit_grpo.data.curriculum.stages import Fallback, Promotion, Stage
from lit_grpo.data.splits import Cell
from lit_grpo.data.training_tasks import Shares
from lit_grpo.environment.faults.difficulty import Difficulty

EASY, MEDIUM, HARD = Difficulty.EASY, Difficulty.MEDIUM, Difficulty.HARD
DEFAULT_STAGES = (
    Stage("easy", {EASY: 1.0}, promotion=Promotion()),
    Stage("easy+medium", {EASY: 1.0, MEDIUM: 1.0}, promotion=Promotion()),
    Stage("medium+hard", {MEDIUM: 1.0, HARD: 1.0}, promotion=Promotion()),
    Stage("hard", {HARD: 1.0}),
)


class StagedCurriculum(Curriculum):
    """Stages, one after another.

    Args:
        stages: In order. Each but the last says when it ends; None: easy, easy+medium, medium+hard, hard.
    """

    def __init__(self, stages: list[Stage] | None = None) -> None:
        self.stages: Sequence[Stage] = DEFAULT_STAGES if stages is None else stages
        _require_order(self.stages)
        self._cells: Shares = {}
        self._number, self._batches = 0, 0
        self._window: list[Tally] = []

    @property
    def stage(self) -> Stage:
        """The one that the run is in."""
        return self.stages[self._number]

    @property
    @override
    def needs_validation(self) -> bool:
        """Whether a stage ends by the held-out tasks."""
        return any(stage.promotion is not None and stage.promotion.threshold is not None for stage in self.stages)

    @override
    def require(self, conditions: Conditions) -> None:
        """Check every stage against what is drawn, held out, and validated."""
        for stage in self.stages:
            stage.require(conditions)
        self._cells = conditions.cells

    @override
    def begin_batch(self) -> BatchPlan:
        """End the stage if its rule says so, then mix what the stage is made of."""
        rule = self.stage.promotion
        news: tuple[str, ...] = ()
        stops = False
        if rule is not None and (reason := self._passed(rule)):
            news = (self._enter(self._number + 1, reason),)
        elif rule is not None and rule.threshold is not None and self._batches >= rule.patience:
            news, stops = self._fall_back(rule)
        return BatchPlan(self._shares(), news, stops)

    @override
    def observe_rollouts(self, outcomes: Outcomes) -> None:
        """Count the batch; how its attempts went decides nothing here."""
        self._batches += 1

    @override
    def observe_validation(self, outcomes: Outcomes) -> None:
        """Keep how the stage's own held-out tasks went, as often as its rule looks back."""
        own = self.stage.own(self._cells)
        attempts = sum(tally.attempts for cell, tally in outcomes.items() if cell in own)
        faithful = sum(tally.faithful for cell, tally in outcomes.items() if cell in own)
        rule = self.stage.promotion
        if rule is not None and attempts:
            self._window = [*self._window, Tally(attempts, faithful)][-rule.window :]

    @override
    def numbers(self) -> dict[str, float]:
        """The stage, counted from 1, and the lower end that is compared with its threshold; NaN before there is one."""
        rule = self.stage.promotion
        end = None if rule is None else self._lower_end(rule)
        return {"stage": self._number + 1.0, "lower_end": math.nan if end is None else end}

    @override
    def state_dict(self) -> dict[str, Any]:
        """Stage, batches in it, validations in it."""
        return {"stage": self.stage.name, "batches": self._batches, "window": [list(tally) for tally in self._window]}

    @override
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """ValueError if there is no such stage any more."""
        names = [stage.name for stage in self.stages]
        if state.get("stage") not in names:
            raise ValueError(
                f"data.curriculum: expected a checkpoint in one of the stages {', '.join(names)}, got "
                f"{state.get('stage')!r}; resume with the curriculum that the run was started with"
            )
        self._number, self._batches = names.index(state["stage"]), state["batches"]
        self._window = [Tally(*counts) for counts in state["window"]]

    def _passed(self, rule: Promotion) -> str | None:
        """Why the stage has reached its end; None if it has not."""
        if rule.threshold is None:
            assert rule.num_batches is not None
            return f"{self._batches} batches done" if self._batches >= rule.num_batches else None
        end = self._lower_end(rule)
        if end is None or end < rule.threshold:
            return None
        return f"lower end of FR@5 on its held-out tasks {end:.3f} >= {rule.threshold:g}"

    def _lower_end(self, rule: Promotion) -> float | None:
        """The lower end of the interval of the window's mean, on as many tasks as one validation has; None before it is
        full.
        """
        if len(self._window) < rule.window:
            return None
        rate = sum(tally.faithful / tally.attempts for tally in self._window) / rule.window
        return lower_end(rate, min(tally.attempts for tally in self._window), rule.confidence)

    def _fall_back(self, rule: Promotion) -> tuple[tuple[str, ...], bool]:
        reason = f"not passed within its patience of {rule.patience} batches"
        match rule.fallback:
            case Fallback.GO_ON:
                return (self._enter(self._number + 1, reason),), False
            case Fallback.GO_BACK:
                return (self._enter(max(0, self._number - 1), reason),), False
            case Fallback.STOP:
                change = "the run ends after this batch; lower promotion.threshold, or take another promotion.fallback"
                return (f"Curriculum: stage {self.stage.name!r} {reason}; {change}.",), True

    def _enter(self, number: int, reason: str) -> str:
        before = self.stage.name
        self._number, self._batches, self._window = number, 0, []
        return f"Curriculum: stage {before!r}: {reason}; stage {self.stage.name!r} begins."

    def _shares(self) -> Shares:
        """The stage's own mix, and its share of what the stages before had."""
        own, earlier = self.stage.own(self._cells), self.stages[: self._number]
        rehearsal = self.stage.rehearsal if earlier else 0.0
        shares: dict[Cell, float] = {cell: (1 - rehearsal) * share for cell, share in own.items()}
        for stage in earlier:
            for cell, share in stage.own(self._cells).items():
                shares[cell] = shares.get(cell, 0.0) + rehearsal * share / len(earlier)
        return normalised(shares)


def _require_order(stages: Sequence[Stage]) -> None:
    """ValueError unless stages have names of their own, and all but the last an end."""
    names = [stage.name for stage in stages]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"stages: expected at least one, each with a name of its own, got {', '.join(names) or 'none'}"
        )
    endless = [stage.name for stage in stages[:-1] if stage.promotion is None]
    if endless:
        raise ValueError(
            f"stage {endless[0]!r}: expected a promotion, since other stages follow, got none; say when the stage ends"
        )
    if stages[-1].promotion is not None:
        raise ValueError(
            f"stage {names[-1]!r}: expected no promotion in the last stage, got one; there is nothing to go on to"
        )
