"""Attempts as text: one JSON object per line in ``episodes.jsonl``, and a transcript for the console.

Called by the rollout and evaluation callbacks; reports/transcripts.py reads the file.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from lit_grpo.environment.protocol import AnyEnvironment
from lit_grpo.rollout.attempts import AnyScoredGroup

LAST_LINE_BYTES = 1 << 16
"""Read first from the end of a file, to see its last line."""

_LINE_START = b'{"batch": '


def transcripts_file(rank: int) -> str:
    """Name of the file that a rank's attempts go to: ``episodes.jsonl``, ``episodes.rank1.jsonl``, ..."""
    return f"episodes.rank{rank}.jsonl" if rank else "episodes.jsonl"


def write_transcripts(path: Path, groups: Sequence[AnyScoredGroup], environment: AnyEnvironment, batch: int) -> None:
    """Append the attempts of a batch, in one write.

    Records of this batch and later ones that are already there come from a run that was interrupted after them, or from
    an earlier evaluation: they are replaced. So is a last line that was only half written.

    Args:
        path: The file; its folder is made if need be.
        groups: The attempts.
        environment: The environment that they were played in, which names problems and turns.
        batch: Number of the batch in the run, 0-based.

    Raises:
        ValueError: The file that is there is not of this version.
    """
    lines = [json.dumps(record) for group in groups for record in _records(group, environment, batch)]
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = _size_before(path, batch)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(kept)
        file.seek(kept)
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())


def format_transcript(group: AnyScoredGroup, environment: AnyEnvironment, sample: int = 0) -> str:
    """One attempt at a task as plain text: the problem, each turn with the environment's answer, and the verdict."""
    attempt, labels = group.attempts[sample], ", ".join(environment.labels(group.task).values())
    parts = [f"Task {group.task.id}" + (f" ({labels})" if labels else ""), group.observation]
    for number, turn in enumerate(attempt.turns, start=1):
        parts.append(f"{number}> {turn.text}")
        parts.append(textwrap.indent(turn.answer, "   "))
    verdict = "solved" if group.scores[sample].success else "not solved"
    parts.append(f"{attempt.stop_reason}, {verdict}, reward {group.rewards[sample].unshaped:.2f}")
    return "\n".join(parts)


def _records(group: AnyScoredGroup, environment: AnyEnvironment, batch: int) -> Iterator[dict[str, Any]]:
    parts = zip(group.attempts, group.scores, group.rewards, strict=True)
    for sample, (attempt, score, reward) in enumerate(parts):
        turns = [
            {"text": turn.text, "observation": turn.answer}
            | dict(environment.turn_labels(attempt.record, number))
            | {"num_tokens": len(turn.completion_ids), "policy_version": turn.policy_version}
            for number, turn in enumerate(attempt.turns)
        ]
        yield {
            "batch": batch,
            "task_id": group.task.id,
            **environment.labels(group.task),
            "sample": sample,
            "refill_round": group.refill_round,
            "problem": group.observation,
            "turns": turns,
            "stop_reason": attempt.stop_reason,
            "truncated": attempt.truncated,
            "success": score.success,
            "score": asdict(score),
            "reward": reward.as_dict(),
        }


def _size_before(path: Path, batch: int) -> int:
    """Bytes of the whole lines of earlier batches at the start of the file, which is in the order of batches."""
    size = 0
    if path.exists():
        with path.open("rb") as file:
            if _ends_before(path, file, batch):
                return path.stat().st_size
            file.seek(0)
            for line in file:
                if not line.endswith(b"\n") or _batch_of(path, line) >= batch:
                    break
                size += len(line)
    return size


def _ends_before(path: Path, file: BinaryIO, batch: int) -> bool:
    """Whether the last line is whole and of an earlier batch, as it is unless a run was resumed."""
    size = file.seek(0, os.SEEK_END)
    tail, step = b"", LAST_LINE_BYTES
    while tail.count(b"\n") < 2 and len(tail) < size:
        file.seek(max(0, size - step))
        tail, step = file.read(), 2 * step
    lines = tail.splitlines(keepends=True)
    return bool(lines) and lines[-1].endswith(b"\n") and _batch_of(path, lines[-1]) < batch


def _batch_of(path: Path, line: bytes) -> int:
    """Every line begins with its batch: the rest of a long file need not be parsed."""
    if not line.startswith(_LINE_START):
        raise ValueError(
            f'{path}: expected lines that begin with "batch", got {line[:20].decode(errors="replace")!r}; the file is '
            "of an older version (which said step): move it away"
        )
    return int(line.removeprefix(_LINE_START).split(b",", 1)[0])
