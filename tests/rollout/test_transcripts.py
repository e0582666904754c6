"""episodes.jsonl and transcripts for the console.

1. One line per episode, which the reports read back.
2. Steps are appended; a step that is written again replaces itself and what came after it, and a torn last line.
3. A transcript on the console holds the problem, every turn with its answer, and the verdict.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.environment.episodes.actions import GetConflict, Move, render
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.reports.transcripts import read_transcripts
from lit_grpo.rollout.collect import collect_groups
from lit_grpo.rollout.episodes import EpisodeGroup
from lit_grpo.rollout.settings import PlaySettings
from lit_grpo.rollout.transcripts import format_transcript, write_transcripts


@pytest.fixture
def groups(
    tasks: list[Task],
    solver: HighsSolver,
    conversation: ConversationFormat,
    scripted: Callable[..., ScriptedEngine],
) -> list[EpisodeGroup]:
    """Two tasks; the first attempt asks for the conflict twice, the second says something with a line break."""
    engine = scripted(lambda request: [render(Move(GetConflict())), 'two\nlines, "é"'][request.conversation % 2])
    settings = PlaySettings(group_size=2, episode=EpisodeSettings(max_turns=2))
    return collect_groups(tasks[:2], engine, solver, conversation, settings, run_seed=0, step=0)


def steps_of(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_1_what_the_reports_read(groups: list[EpisodeGroup], tmp_path: Path) -> None:
    path = tmp_path / "run" / "episodes.jsonl"
    write_transcripts(path, groups, step=7)
    read = read_transcripts(path)
    assert [transcript.task_id for transcript in read] == [g.task.id for g in groups for _ in g.episodes]
    assert read[1].turns[0].text == 'two\nlines, "é"'
    assert read[0].problem == groups[0].observation
    assert [turn.feedback for turn in read[0].turns] == [t.outcome.observation for t in groups[0].episodes[0].turns]
    assert read[0].stop_reason is StopReason.TURN_LIMIT
    record = json.loads(path.read_text().splitlines()[0])
    assert record["kind"] == groups[0].task.fault.kind.value
    assert record["score"]["malformed_turns"] == 0
    assert record["reward"]["total"] == 0.0
    assert [turn["policy_version"] for turn in record["turns"]] == [0, 0]


def test_2_steps_are_appended_and_replaced(groups: list[EpisodeGroup], tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    for step in (0, 10, 20):
        write_transcripts(path, groups, step)
    assert steps_of(path) == [0] * 4 + [10] * 4 + [20] * 4
    whole = path.read_bytes()
    write_transcripts(path, groups, 20)
    assert path.read_bytes() == whole
    write_transcripts(path, groups, 10)
    assert steps_of(path) == [0] * 4 + [10] * 4
    path.write_bytes(path.read_bytes()[:-5])
    write_transcripts(path, groups, 30)
    assert steps_of(path) == [0] * 4 + [10] * 3 + [30] * 4


def test_3_on_the_console(groups: list[EpisodeGroup]) -> None:
    text = format_transcript(groups[0], sample=0)
    episode = groups[0].episodes[0]
    assert text.startswith(f"Task {groups[0].task.id} ({groups[0].task.domain}, fault ")
    assert groups[0].observation in text
    assert f"2> {episode.turns[1].text}" in text
    assert text.endswith("turn_limit, not faithful, reward 0.00")
