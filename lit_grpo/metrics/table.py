"""Scores as one float64 tensor: a row per task, so that averaging, resampling and gathering over ranks are tensor work.

Made from scored tasks by RepairMetrics and reports/comparison.py; consumed by functional.py and bootstrap.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, auto

import torch
from torch import Tensor

from lit_grpo.environment.episodes.record import StopReason
from lit_grpo.environment.faults.injection import Difficulty, FaultKind
from lit_grpo.metrics.records import ScoredTask

KINDS = tuple(FaultKind)
DIFFICULTIES = tuple(Difficulty)


class Column(IntEnum):
    """Columns of a `ScoreTable`. Flags are 0 or 1."""

    KEY_HIGH = 0
    """Upper 32 bits of the task's 64-bit key, signed; a float64 holds each half exactly."""
    KEY_LOW = auto()
    KIND = auto()
    """Position in `KINDS`."""
    DIFFICULTY = auto()
    """Position in `DIFFICULTIES`."""
    RECOVERED = auto()
    FAITHFUL = auto()
    TURNS = auto()
    PRECISION = auto()
    RECALL = auto()
    F1 = auto()
    EXACT = auto()
    IIS_ROWS = auto()
    IIS_HITS = auto()
    EDITS = auto()
    DRIFT = auto()
    """The relative distance of the objective; NaN unless the program recovered."""
    MALFORMED_TURNS = auto()
    INCONCLUSIVE_TURNS = auto()
    VERIFIED = auto()
    TOO_LONG = auto()
    """1 if the prompt did not fit."""


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """The scores of an evaluation."""

    rows: Tensor
    """[num_tasks, len(Column)] float64."""

    def __len__(self) -> int:
        return self.rows.shape[0]

    def column(self, column: Column) -> Tensor:
        """[num_tasks] float64."""
        return self.rows[:, column]

    @property
    def keys(self) -> Tensor:
        """[num_tasks] int64, the task's key."""
        return self.column(Column.KEY_HIGH).long() * 2**32 + self.column(Column.KEY_LOW).long()

    @property
    def strata(self) -> Tensor:
        """[num_tasks] int64, one number per kind x difficulty."""
        return (self.column(Column.KIND) * len(DIFFICULTIES) + self.column(Column.DIFFICULTY)).long()

    def is_kind(self, kind: FaultKind) -> Tensor:
        """[num_tasks] bool."""
        return self.column(Column.KIND) == KINDS.index(kind)

    def is_difficulty(self, difficulty: Difficulty) -> Tensor:
        """[num_tasks] bool."""
        return self.column(Column.DIFFICULTY) == DIFFICULTIES.index(difficulty)

    def canonical(self) -> ScoreTable:
        """Each task once (the first row of it), sorted by key: the same table in whatever order tasks came in."""
        keys, order = torch.sort(self.keys, stable=True)
        is_first = torch.ones_like(keys, dtype=torch.bool)
        is_first[1:] = keys[1:] != keys[:-1]
        return ScoreTable(self.rows[order[is_first]])


def task_key(task_id: str) -> int:
    """A signed 64-bit hash of a task id, the same in every process and every run."""
    return int.from_bytes(hashlib.blake2b(task_id.encode(), digest_size=8).digest(), "big", signed=True)


def score_table(scored_tasks: Sequence[ScoredTask]) -> ScoreTable:
    """The canonical table of some scored tasks."""
    rows = torch.tensor([_row(scored) for scored in scored_tasks], dtype=torch.float64)
    return ScoreTable(rows.reshape(-1, len(Column))).canonical()


def _row(scored: ScoredTask) -> list[float]:
    score, key = scored.score, task_key(scored.task_id)
    row = {
        Column.KEY_HIGH: key >> 32,
        Column.KEY_LOW: key & (2**32 - 1),
        Column.KIND: KINDS.index(scored.kind),
        Column.DIFFICULTY: DIFFICULTIES.index(scored.difficulty),
        Column.RECOVERED: score.recovered,
        Column.FAITHFUL: score.faithful,
        Column.TURNS: score.turns,
        Column.PRECISION: score.diagnosis.precision,
        Column.RECALL: score.diagnosis.recall,
        Column.F1: score.diagnosis.f1,
        Column.EXACT: score.diagnosis.exact,
        Column.IIS_ROWS: score.iis_rows,
        Column.IIS_HITS: score.iis_hits,
        Column.EDITS: score.edits,
        Column.DRIFT: float("nan") if score.drift is None else score.drift,
        Column.MALFORMED_TURNS: score.malformed_turns,
        Column.INCONCLUSIVE_TURNS: score.inconclusive_turns,
        Column.VERIFIED: score.verified,
        Column.TOO_LONG: scored.stop_reason is StopReason.PROMPT_LIMIT,
    }
    return [float(row[column]) for column in Column]
