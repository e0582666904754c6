"""Scored tasks, made by hand."""

from collections.abc import Callable

import pytest

from lit_grpo.environment.episodes.record import StopReason
from lit_grpo.environment.episodes.scoring import DiagnosisScore, RepairScore
from lit_grpo.environment.faults.injection import Difficulty, FaultKind
from lit_grpo.metrics.records import ScoredTask

ScoredTaskFactory = Callable[..., ScoredTask]


def make_scored_task(
    task_id: str,
    kind: FaultKind = FaultKind.SENSE,
    difficulty: Difficulty = Difficulty.EASY,
    *,
    recovered: bool = True,
    faithful: bool = True,
    turns: int = 1,
    diagnosis: tuple[float, float, float, bool] = (1.0, 1.0, 1.0, True),
    iis_rows: int = 2,
    iis_hits: int = 1,
    edits: int = 0,
    drift: float | None = 0.0,
    malformed_turns: int = 0,
    verified: bool = True,
) -> ScoredTask:
    return ScoredTask(
        task_id=task_id,
        kind=kind,
        difficulty=difficulty,
        domain="transportation",
        stop_reason=StopReason.RECOVERED if recovered else StopReason.TURN_LIMIT,
        score=RepairScore(
            recovered=recovered,
            faithful=recovered and faithful,
            turns=turns,
            min_turns=1,
            diagnosis=DiagnosisScore(*diagnosis),
            iis_rows=iis_rows,
            iis_hits=iis_hits,
            edits=edits,
            drift=drift if recovered else None,
            malformed_turns=malformed_turns,
            inconclusive_turns=0,
            verified=verified,
        ),
    )


@pytest.fixture
def scored_task() -> ScoredTaskFactory:
    return make_scored_task


@pytest.fixture
def four_tasks() -> list[ScoredTask]:
    """Three of kind A, one of kind D; the arithmetic of the tests below refers to these rows."""
    return [
        make_scored_task("a1", turns=1, diagnosis=(1.0, 1.0, 1.0, True)),
        make_scored_task("a2", faithful=False, turns=2, diagnosis=(0.5, 1.0, 2 / 3, False), edits=1, drift=0.3),
        make_scored_task(
            "a3",
            FaultKind.SENSE,
            Difficulty.HARD,
            recovered=False,
            turns=5,
            diagnosis=(0.0, 0.0, 0.0, False),
            edits=3,
            malformed_turns=2,
        ),
        make_scored_task("d1", FaultKind.RIGHT_HAND_SIDE, turns=4, diagnosis=(0.5, 0.5, 0.5, False), iis_hits=2),
    ]
