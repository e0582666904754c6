"""The record that one evaluation leaves behind per task, and the file that holds them: `scores.jsonl`.

Made by the evaluation callback and by the trivial policies; read by reports/. A task has one episode per evaluation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist

from lit_grpo.environment.episodes.record import StopReason
from lit_grpo.environment.episodes.scoring import DiagnosisScore, RepairScore
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.faults.injection import Difficulty, FaultKind


@dataclass(frozen=True, slots=True)
class ScoredTask:
    """One task of an evaluation and how its episode went."""

    task_id: str
    kind: FaultKind
    difficulty: Difficulty
    domain: str
    stop_reason: StopReason
    score: RepairScore

    @classmethod
    def of(cls, task: GradedProblem, stop_reason: StopReason, score: RepairScore) -> ScoredTask:
        """The record of a score, with the kind and difficulty that its task is counted under."""
        return cls(task.id, task.fault.kind, task.fault.difficulty, task.domain, stop_reason, score)


def merge_scored_tasks(shards: Iterable[Iterable[ScoredTask]]) -> tuple[ScoredTask, ...]:
    """Join the shards of an evaluation: each task once (the earliest shard's), sorted by its id.

    Samplers pad uneven shards by repeating tasks, which would otherwise count twice.
    """
    by_id: dict[str, ScoredTask] = {}
    for shard in shards:
        for scored in shard:
            by_id.setdefault(scored.task_id, scored)
    return tuple(by_id[task_id] for task_id in sorted(by_id))


def gather_scored_tasks(local: Sequence[ScoredTask]) -> tuple[ScoredTask, ...]:
    """Join what all ranks scored; every rank must call it. Without a process group it only sorts."""
    if not dist.is_initialized():
        return merge_scored_tasks([local])
    shards: list[Sequence[ScoredTask]] = [() for _ in range(dist.get_world_size())]
    dist.all_gather_object(shards, local)
    return merge_scored_tasks(shards)


def write_scores(path: Path, scored_tasks: Sequence[ScoredTask]) -> None:
    """Write one JSON object per task, in the order given.

    Raises:
        ValueError: A task occurs twice.
    """
    ids = [scored.task_id for scored in scored_tasks]
    if len(set(ids)) != len(ids):
        repeated = next(task_id for task_id in ids if ids.count(task_id) > 1)
        raise ValueError(f"expected each task once, got {repeated!r} twice; pass merge_scored_tasks(shards)")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(_to_json(scored)) + "\n" for scored in scored_tasks), encoding="utf-8")


def read_scores(path: Path) -> tuple[ScoredTask, ...]:
    """Read what `write_scores` wrote.

    Raises:
        ValueError: A line is not such a record, or there is none; the message names file and line.
    """
    scored_tasks = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected records of write_scores, got no text in UTF-8; evaluate again") from error
    for number, line in enumerate(lines, start=1):
        try:
            scored_tasks.append(_from_json(json.loads(line)))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}:{number}: expected a record of write_scores, got {line[:80]!r} ({error!r}); evaluate again"
            ) from error
    if not scored_tasks:
        raise ValueError(f"{path}: expected a record of each task, got an empty file; evaluate again")
    return tuple(scored_tasks)


def _to_json(scored: ScoredTask) -> dict[str, Any]:
    score = scored.score
    return {
        "task_id": scored.task_id,
        "kind": scored.kind.value,
        "difficulty": scored.difficulty.value,
        "domain": scored.domain,
        "stop_reason": scored.stop_reason.value,
        "recovered": score.recovered,
        "faithful": score.faithful,
        "turns": score.turns,
        "min_turns": score.min_turns,
        "diagnosis_precision": score.diagnosis.precision,
        "diagnosis_recall": score.diagnosis.recall,
        "diagnosis_f1": score.diagnosis.f1,
        "diagnosis_exact": score.diagnosis.exact,
        "iis_rows": score.iis_rows,
        "iis_hits": score.iis_hits,
        "edits": score.edits,
        "drift": score.drift,
        "malformed_turns": score.malformed_turns,
        "inconclusive_turns": score.inconclusive_turns,
        "verified": score.verified,
    }


def _from_json(record: dict[str, Any]) -> ScoredTask:
    if "steps" in record:
        raise ValueError('"steps" is called "turns" now: evaluate again, or rename the key')
    diagnosis = DiagnosisScore(
        precision=float(record["diagnosis_precision"]),
        recall=float(record["diagnosis_recall"]),
        f1=float(record["diagnosis_f1"]),
        exact=bool(record["diagnosis_exact"]),
    )
    score = RepairScore(
        recovered=bool(record["recovered"]),
        faithful=bool(record["faithful"]),
        turns=int(record["turns"]),
        min_turns=int(record["min_turns"]),
        diagnosis=diagnosis,
        iis_rows=int(record["iis_rows"]),
        iis_hits=int(record["iis_hits"]),
        edits=int(record["edits"]),
        drift=None if record["drift"] is None else float(record["drift"]),
        malformed_turns=int(record["malformed_turns"]),
        inconclusive_turns=int(record["inconclusive_turns"]),
        verified=bool(record["verified"]),
    )
    return ScoredTask(
        task_id=str(record["task_id"]),
        kind=FaultKind(record["kind"]),
        difficulty=Difficulty(record["difficulty"]),
        domain=str(record["domain"]),
        stop_reason=StopReason(record["stop_reason"]),
        score=score,
    )
