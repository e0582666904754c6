"""Curricula, by hand.

1. Wilson's lower end, and the tasks it takes to reach a threshold.
2. A stage's own mix: kinds as the tasks have them, difficulties as it says; rehearsal spreads over the stages before.
3. A stage ends when the lower end over its window reaches the threshold, on its own held-out tasks alone.
4. A stage that does not pass goes on, back, or stops, when its patience is at an end.
5. A stage of a number of batches ends after them.
6. Success targeting: the weight at a rate, counts that fade, and a share that explores.
7. Pools climb one by one; counting begins anew after each look.
8. A state put back decides what would have been decided; one of another curriculum is refused.
9. What makes no sense is refused in one line.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from lit_grpo.data.curriculum.base import BatchPlan, Conditions, Curriculum, Outcomes, Tally, shares_by_difficulty
from lit_grpo.data.curriculum.interval import lower_end, tasks_needed
from lit_grpo.data.curriculum.kind_pools import KindPools
from lit_grpo.data.curriculum.staged import StagedCurriculum
from lit_grpo.data.curriculum.stages import Fallback, Promotion, Stage
from lit_grpo.data.curriculum.success import SuccessTargeting
from lit_grpo.data.splits import Cell
from lit_grpo.data.task import TaskSettings
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind

EASY, MEDIUM, HARD = Difficulty.EASY, Difficulty.MEDIUM, Difficulty.HARD
A, B, AMBIGUOUS = FaultKind.SENSE, FaultKind.BOUND_OR_TYPE, FaultKind.AMBIGUOUS
TASKS = TaskSettings(size=ProgramSize.TINY, kinds={A: 3.0, B: 1.0})
CONDITIONS = Conditions(TASKS.cells, dict.fromkeys(TASKS.cells, 20), validate_every=5)


def ready(curriculum: Curriculum, conditions: Conditions = CONDITIONS) -> Any:
    curriculum.require(conditions)
    return curriculum


def batch(curriculum: Curriculum, outcomes: Outcomes | None = None) -> BatchPlan:
    plan = curriculum.begin_batch()
    curriculum.observe_rollouts(outcomes or {})
    return plan


def held_out(**faithful: int) -> Outcomes:
    """20 tasks of each difficulty, of kind A."""
    return {Cell(A, Difficulty(name)): Tally(20, count) for name, count in faithful.items()}


def test_1_the_interval() -> None:
    # 18 of 20, z^2 = 3.841: (0.9 + 0.0960 - 1.96 sqrt(0.0045 + 0.0024)) / 1.1921 = 0.6990.
    assert lower_end(0.9, 20, 0.95) == pytest.approx(0.6990, abs=5e-5)
    # All of 35: 35 / (35 + 3.841) = 0.9011; of 34: 0.8985.
    assert lower_end(1.0, 35, 0.95) == pytest.approx(0.9011, abs=5e-5)
    assert tasks_needed(0.9, 0.95) == 35
    assert lower_end(1.0, 34, 0.95) < 0.9 <= lower_end(1.0, 35, 0.95)
    assert lower_end(0.0, 20, 0.95) == pytest.approx(0.0, abs=1e-12)


def test_2_mixes() -> None:
    stages = [
        Stage("one", {EASY: 1.0}, promotion=Promotion(threshold=None, num_batches=1)),
        Stage("two", {EASY: 1.0, MEDIUM: 3.0}, promotion=Promotion(threshold=None, num_batches=1)),
        Stage("three", {HARD: 1.0}, kinds={B: 1.0}, rehearsal=0.2),
    ]
    curriculum = ready(StagedCurriculum(stages))
    assert batch(curriculum).shares == pytest.approx({Cell(A, EASY): 0.75, Cell(B, EASY): 0.25})
    # 0.8 x (1/4 easy, 3/4 medium) + 0.2 easy.
    assert shares_by_difficulty(batch(curriculum).shares) == pytest.approx({EASY: 0.4, MEDIUM: 0.6, HARD: 0.0})
    # 0.8 hard of kind B, 0.1 x each stage before: easy 0.1 + 0.025, medium 0.075, three quarters of them of kind A.
    assert batch(curriculum).shares == pytest.approx(
        {
            Cell(B, HARD): 0.8,
            Cell(A, EASY): 0.09375,
            Cell(B, EASY): 0.03125,
            Cell(A, MEDIUM): 0.05625,
            Cell(B, MEDIUM): 0.01875,
        }
    )


def staged(threshold: float = 0.6, window: int = 1, patience: int = 10, fallback: Fallback = Fallback.GO_ON) -> Any:
    rule = Promotion(threshold=threshold, window=window, patience=patience, fallback=fallback)
    stages = [Stage("easy", {EASY: 1.0}, promotion=rule), Stage("medium", {MEDIUM: 1.0}, promotion=rule)]
    return ready(StagedCurriculum([*stages, Stage("hard", {HARD: 1.0})]))


def test_3_promotion_by_the_held_out_tasks() -> None:
    curriculum = staged()
    batch(curriculum)
    assert curriculum.numbers() == pytest.approx({"stage": 1.0, "lower_end": math.nan}, nan_ok=True)
    # 16 of 20 has the lower end 0.584, 17 of 20 has 0.640; the other stages' tasks do not count.
    curriculum.observe_validation(held_out(easy=16, medium=20, hard=20))
    assert curriculum.numbers() == pytest.approx({"stage": 1.0, "lower_end": 0.584}, abs=5e-4)
    assert batch(curriculum).news == ()
    curriculum.observe_validation(held_out(easy=17, medium=0))
    plan = batch(curriculum)
    assert plan.news == (
        "Curriculum: stage 'easy': lower end of FR@5 on its held-out tasks 0.640 >= 0.6; stage 'medium' begins.",
    )
    assert shares_by_difficulty(plan.shares)[MEDIUM] == pytest.approx(0.8)
    assert curriculum.stage.name == "medium"
    # What the stage before was promoted by is forgotten.
    assert curriculum.numbers() == pytest.approx({"stage": 2.0, "lower_end": math.nan}, nan_ok=True)
    windowed = staged(window=2)
    windowed.observe_validation(held_out(easy=20))
    assert batch(windowed).news == (), "one validation does not fill a window of two"
    windowed.observe_validation(held_out(easy=12))
    # The mean of 1 and 0.6 on 20 tasks, as 16 of 20: a window does not make 40 tasks of them.
    assert windowed.numbers()["lower_end"] == pytest.approx(0.584, abs=5e-4)


@pytest.mark.parametrize(
    ("fallback", "stages", "said"),
    [
        (Fallback.GO_ON, ["easy"] * 10 + ["medium"] * 10 + ["hard"] * 2, "stage 'medium' begins"),
        (Fallback.GO_BACK, ["easy"] * 22, "stage 'easy' begins"),
        (Fallback.STOP, ["easy"] * 22, "the run ends after this batch; lower promotion.threshold"),
    ],
)
def test_4_when_patience_ends(fallback: Fallback, stages: list[str], said: str) -> None:
    curriculum = staged(fallback=fallback)
    seen, plans = [], []
    for _ in range(22):
        plans.append(batch(curriculum))
        seen.append(curriculum.stage.name)
    assert seen == stages
    assert plans[9].news == ()
    assert said in plans[10].news[0]
    assert "not passed within its patience of 10 batches" in plans[10].news[0]
    assert [plan.stops for plan in plans[:11]] == [False] * 10 + [fallback is Fallback.STOP]
    back = staged(fallback=fallback)
    back.observe_validation(held_out(easy=20))
    names = []
    for _ in range(11):
        batch(back)
        names.append(back.stage.name)
    assert names[0] == "medium"
    assert names[10] == {Fallback.GO_ON: "hard", Fallback.GO_BACK: "easy", Fallback.STOP: "medium"}[fallback]


def test_5_promotion_by_a_number_of_batches() -> None:
    rule = Promotion(threshold=None, num_batches=3)
    curriculum = ready(StagedCurriculum([Stage("easy", {EASY: 1.0}, promotion=rule), Stage("hard", {HARD: 1.0})]))
    names = []
    for _ in range(5):
        batch(curriculum)
        names.append(curriculum.stage.name)
    assert names == ["easy"] * 3 + ["hard"] * 2
    assert not curriculum.needs_validation
    assert StagedCurriculum().needs_validation


def test_6_success_targeting() -> None:
    curriculum = ready(SuccessTargeting(target=0.5, width=0.2, explore=0.25, half_life=1.0, prior=10.0))
    assert batch(curriculum, {Cell(A, EASY): Tally(30, 30), Cell(A, HARD): Tally(10, 0)}).shares == pytest.approx(
        dict(TASKS.cells)
    )
    # (30 + 5) / (30 + 10) = 0.875 and 5 / 20 = 0.25; of the others 0.5.
    weights = dict(TASKS.cells)
    weights[Cell(A, EASY)] *= math.exp(-(0.375**2) / 0.08)
    weights[Cell(A, HARD)] *= math.exp(-(0.25**2) / 0.08)
    expected = {c: 0.25 * TASKS.cells[c] + 0.75 * weight / sum(weights.values()) for c, weight in weights.items()}
    plan = batch(curriculum)
    assert plan.shares == pytest.approx(expected)
    assert sum(plan.shares.values()) == pytest.approx(1.0)
    # A batch without attempts halves the counts: (15 + 5) / (15 + 10).
    assert curriculum._rate([Cell(A, EASY)]) == pytest.approx(0.8)
    curriculum.observe_validation(held_out(easy=0))
    assert curriculum.numbers()["success_easy"] == pytest.approx(0.8)


def test_7_pools_climb() -> None:
    curriculum = ready(KindPools(threshold=0.5, min_attempts=8, rehearsal=0.2))
    first = batch(curriculum, {Cell(A, EASY): Tally(6, 6), Cell(B, EASY): Tally(8, 3), Cell(A, HARD): Tally(8, 8)})
    assert first.shares == pytest.approx({Cell(A, EASY): 0.75, Cell(B, EASY): 0.25})
    assert batch(curriculum, {Cell(A, EASY): Tally(2, 0), Cell(B, EASY): Tally(8, 4)}).news == ()
    plan = batch(curriculum)
    assert plan.news == (
        "Curriculum: kind A: 0.75 of its attempts at easy faithful; medium begins.",
        "Curriculum: kind B: 0.50 of its attempts at easy faithful; medium begins.",
    )
    assert plan.shares == pytest.approx(
        {Cell(A, MEDIUM): 0.6, Cell(A, EASY): 0.15, Cell(B, MEDIUM): 0.2, Cell(B, EASY): 0.05}
    )
    for _ in range(4):
        batch(curriculum, {Cell(A, MEDIUM): Tally(8, 8), Cell(A, HARD): Tally(8, 8), Cell(B, MEDIUM): Tally(8, 0)})
    assert curriculum.numbers() == {"level_A": 3.0, "level_B": 2.0}
    # 0.75 x (0.8 hard, 0.1 medium, 0.1 easy).
    assert batch(curriculum).shares[Cell(A, EASY)] == pytest.approx(0.075)


def test_7_a_pool_goes_on_at_its_difficulty_or_not_at_all() -> None:
    curriculum = ready(KindPools(threshold=0.5, min_attempts=8))
    batch(curriculum, {Cell(A, EASY): Tally(8, 8)})
    batch(curriculum)
    state = curriculum.state_dict()
    assert state["pools"]["A"][0] == "medium"
    state["pools"]["A"][0] = "extreme"
    with pytest.raises(
        ValueError, match=r"whose pool A is at one of the levels easy, medium, hard, got extreme; resume"
    ):
        ready(KindPools(threshold=0.5, min_attempts=8)).load_state_dict(state)


@pytest.mark.parametrize(
    "make",
    [
        lambda: StagedCurriculum([Stage("s", {EASY: 1}, promotion=Promotion(window=2)), Stage("t", {HARD: 1})]),
        lambda: SuccessTargeting(half_life=3.0),
        lambda: KindPools(min_attempts=20),
    ],
    ids=["staged", "success", "pools"],
)
def test_8_a_state_put_back(make: Callable[[], Curriculum]) -> None:
    def go(curriculum: Curriculum, batches: range) -> list[BatchPlan]:
        plans = []
        for number in batches:
            plans.append(curriculum.begin_batch())
            outcomes = {cell: Tally(8, (number * k) % 9) for k, cell in enumerate(TASKS.cells, start=1)}
            curriculum.observe_rollouts(outcomes)
            if number % 3 == 2:
                curriculum.observe_validation(held_out(easy=min(20, number * 4), hard=3))
        return plans

    whole = ready(make())
    expected = go(whole, range(12))
    assert any(plan.shares != expected[0].shares for plan in expected)
    for done in range(12):
        first = ready(make())
        go(first, range(done))
        second = ready(make())
        second.load_state_dict(first.state_dict())
        assert go(second, range(done, 12)) == expected[done:]
        assert second.state_dict() == whole.state_dict()
    with pytest.raises(ValueError, match=r"data\.curriculum: expected a checkpoint"):
        ready(make()).load_state_dict({"something": 1})


def message(of: Callable[[], Any]) -> str:
    with pytest.raises(ValueError, match=r"expected .* got|expected .*, got") as refused:
        of()
    text = str(refused.value)
    assert "\n" not in text
    return text


def conditions(**changes: Any) -> Conditions:
    settings: dict[str, Any] = {"cells": TASKS.cells, "held_out": CONDITIONS.held_out, "validate_every": 5} | changes
    return Conditions(**settings)


def test_9_impossible_promotion_rules() -> None:
    assert "threshold: expected above 0 and below 1, got 1.2" in message(lambda: Promotion(threshold=1.2))
    assert "never reaches 1" in message(lambda: Promotion(threshold=1.0))
    assert "window and patience of at least 1, got 0 and 60" in message(lambda: Promotion(window=0))
    assert "either threshold or num_batches, got 0.6 and 5" in message(lambda: Promotion(num_batches=5))
    assert "either threshold or num_batches, got None and None" in message(lambda: Promotion(threshold=None))
    assert "num_batches: expected at least 1, got 0" in message(lambda: Promotion(threshold=None, num_batches=0))
    assert "confidence: expected above 0" in message(lambda: Promotion(confidence=95))

    def require(promotion: Promotion, offered: Conditions) -> Callable[[], Any]:
        stages = [Stage("easy", {EASY: 1.0}, promotion=promotion), Stage("hard", {HARD: 1.0})]
        return lambda: StagedCurriculum(stages).require(offered)

    # 2 cells x 20 tasks; 0.95 needs 0.95 x 3.841 / 0.05 = 73.
    assert "at least 73 held-out tasks" in message(require(Promotion(threshold=0.95), CONDITIONS))
    assert "got 0; raise data.held_out" in message(require(Promotion(), conditions(held_out={})))
    assert "expected validations for promotion.threshold" in message(
        require(Promotion(), conditions(validate_every=None))
    )
    assert "patience of at least 30 batches (window 3 x a validation every 10), got 29" in message(
        require(Promotion(window=3, patience=29), conditions(validate_every=10))
    )
    require(Promotion(window=3, patience=30), conditions(validate_every=10))()


def test_9_stages_pools_and_weights_that_make_no_sense() -> None:
    assert "expected weights >= 0 with a positive sum, got easy: 0" in message(lambda: Stage("s", {EASY: 0.0}))
    assert "got none" in message(lambda: Stage("s", {}))
    assert "kinds: expected weights >= 0" in message(lambda: Stage("s", {EASY: 1.0}, kinds={A: -1.0}))
    assert "rehearsal: expected at least 0 and below 1, got 1" in message(lambda: Stage("s", {EASY: 1}, rehearsal=1))
    alone = Stage("s", {EASY: 1.0}, kinds={AMBIGUOUS: 1.0})
    assert "stage 's', kinds: expected what data.tasks draws (A, B), got I" in message(
        lambda: StagedCurriculum([alone]).require(CONDITIONS)
    )
    only_easy = TaskSettings(size=ProgramSize.TINY, difficulties={EASY: 1.0})
    assert "stage 'easy+medium', difficulties: expected what data.tasks draws (easy), got medium" in message(
        lambda: StagedCurriculum().require(conditions(cells=only_easy.cells))
    )
    assert "each with a name of its own, got none" in message(lambda: StagedCurriculum([]))
    assert "got s, s" in message(lambda: StagedCurriculum([Stage("s", {EASY: 1.0})] * 2))
    assert "expected a promotion, since other stages follow" in message(
        lambda: StagedCurriculum([Stage("s", {EASY: 1.0}), Stage("t", {HARD: 1.0})])
    )
    assert "no promotion in the last stage" in message(
        lambda: StagedCurriculum([Stage("s", {EASY: 1.0}, promotion=Promotion())])
    )
    assert "0 < target < 1 and 0 <= explore <= 1, got 0 and 0.2" in message(lambda: SuccessTargeting(target=0.0))
    assert "width, half_life and prior above 0" in message(lambda: SuccessTargeting(width=0.0))
    assert "0 < threshold <= 1" in message(lambda: KindPools(threshold=1.5))
    assert "min_attempts of at least 1, got 0" in message(lambda: KindPools(min_attempts=0))
    assert "KindPools, kinds: expected weights >= 0" in message(lambda: KindPools(kinds={A: 0.0}))
    assert "KindPools, kinds: expected what data.tasks draws (A, B), got I" in message(
        lambda: KindPools(kinds={AMBIGUOUS: 1.0}).require(CONDITIONS)
    )
