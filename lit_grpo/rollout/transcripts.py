"""Episodes as text: one JSON object per line in ``episodes.jsonl``, and a transcript for the console.

Called by the rollout and evaluation callbacks; reports/transcripts.py reads the file.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lit_grpo.rollout.episodes import Episode, EpisodeGroup, Turn

_LINE_START = b'{"step": '


def transcripts_file(rank: int) -> str:
    """Name of the file that a rank's episodes go to: ``episodes.jsonl``, ``episodes.rank1.jsonl``, ..."""
    return f"episodes.rank{rank}.jsonl" if rank else "episodes.jsonl"


def write_transcripts(path: Path, groups: Sequence[EpisodeGroup], step: int) -> None:
    """Append the episodes of a step, in one write.

    Records of this step and later ones that are already there come from a run that was interrupted after them, or from
    an earlier evaluation: they are replaced. So is a last line that was only half written.

    Args:
        path: the file; its folder is made if need be.
        groups: the episodes.
        step: batches consumed before this one.
    """
    lines = [json.dumps(record) for group in groups for record in _records(group, step)]
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = _size_before(path, step)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(kept)
        file.seek(kept)
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())


def format_transcript(group: EpisodeGroup, sample: int = 0) -> str:
    """One attempt at a task as plain text: the problem, each turn with the environment's answer, and the verdict."""
    episode, fault = group.episodes[sample], group.task.fault
    parts = [f"Task {group.task.id} ({group.task.domain}, fault {fault.kind}, {fault.difficulty})", group.observation]
    for number, turn in enumerate(episode.turns, start=1):
        parts.append(f"{number}> {turn.text}")
        parts.append(textwrap.indent(turn.outcome.observation, "   "))
    verdict = "faithful" if episode.score.faithful else "not faithful"
    parts.append(f"{episode.stop_reason}, {verdict}, reward {episode.reward.unshaped:.2f}")
    return "\n".join(parts)


def _records(group: EpisodeGroup, step: int) -> Iterator[dict[str, Any]]:
    task, fault = group.task, group.task.fault
    for sample, episode in enumerate(group.episodes):
        yield {
            "step": step,
            "task_id": task.id,
            "domain": task.domain,
            "kind": fault.kind,
            "difficulty": fault.difficulty,
            "sample": sample,
            "refill_round": group.refill_round,
            "problem": group.observation,
            "turns": [_turn(turn) for turn in episode.turns],
        } | _ending(episode)


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "text": turn.text,
        "observation": turn.outcome.observation,
        "result": turn.outcome.result,
        "status": turn.outcome.status,
        "num_tokens": len(turn.completion_ids),
        "policy_version": turn.policy_version,
    }


def _ending(episode: Episode) -> dict[str, Any]:
    return {
        "stop_reason": episode.stop_reason,
        "truncated": episode.truncated,
        "recovered": episode.score.recovered,
        "faithful": episode.score.faithful,
        "score": asdict(episode.score),
        "reward": asdict(episode.reward),
    }


def _size_before(path: Path, step: int) -> int:
    """Bytes of the whole lines of earlier steps at the start of the file, which is in the order of steps."""
    size = 0
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n") or _step_of(line) >= step:
                    break
                size += len(line)
    return size


def _step_of(line: bytes) -> int:
    """Every line begins with its step: the rest of a long file need not be parsed."""
    return int(line.removeprefix(_LINE_START).split(b",", 1)[0])
