"""episodes.jsonl and transcripts for the console.

1. One line per attempt, which the reports read back.
2. Batches are appended; a batch that is written again replaces itself and what came after it, and a torn last line.
3. A transcript on the console holds the problem, every turn with its answer, and the verdict.
4. A file that says step instead of batch is refused in one line.
5. A batch is appended without reading those before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from repair_rollouts import collect

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.environment.episodes.actions import GetConflict, Move, render
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.reports.transcripts import read_transcripts
from lit_grpo.rollout import transcripts
from lit_grpo.rollout.attempts import RepairGroup
from lit_grpo.rollout.settings import PlaySettings
from lit_grpo.rollout.transcripts import format_transcript, write_transcripts

RULES = EpisodeSettings(max_turns=2)
ENVIRONMENT = RepairEnvironment(RULES, HighsSolver())


@pytest.fixture
def groups(
    tasks: list[Task],
    solver: HighsSolver,
    conversation: ConversationFormat,
    scripted: Callable[..., ScriptedEngine],
) -> list[RepairGroup]:
    """Two tasks; the first attempt asks for the conflict twice, the second says something with a line break."""
    engine = scripted(lambda request: [render(Move(GetConflict())), 'two\nlines, "é"'][request.conversation % 2])
    settings = PlaySettings(group_size=2, episode=RULES)
    return collect(tasks[:2], engine, solver, conversation, settings)


def batches_of(path: Path) -> list[int]:
    return [json.loads(line)["batch"] for line in path.read_text().splitlines()]


def test_1_what_the_reports_read(groups: list[RepairGroup], tmp_path: Path) -> None:
    path = tmp_path / "run" / "episodes.jsonl"
    write_transcripts(path, groups, ENVIRONMENT, batch=7)
    read = read_transcripts(path)
    assert [transcript.task_id for transcript in read] == [g.task.id for g in groups for _ in g.attempts]
    assert read[1].turns[0].text == 'two\nlines, "é"'
    assert read[0].problem == groups[0].observation
    assert [turn.feedback for turn in read[0].turns] == [turn.answer for turn in groups[0].attempts[0].turns]
    assert read[0].stop_reason is StopReason.TURN_LIMIT
    record = json.loads(path.read_text().splitlines()[0])
    assert record["success"] is False
    assert [turn["result"] for turn in record["turns"]] == ["informed"] * 2
    assert record["kind"] == groups[0].task.fault.kind.value
    assert record["score"]["malformed_turns"] == 0
    assert record["reward"]["total"] == 0.0
    assert [turn["policy_version"] for turn in record["turns"]] == [0, 0]


def test_2_batches_are_appended_and_replaced(groups: list[RepairGroup], tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    for batch in (0, 10, 20):
        write_transcripts(path, groups, ENVIRONMENT, batch)
    assert batches_of(path) == [0] * 4 + [10] * 4 + [20] * 4
    whole = path.read_bytes()
    write_transcripts(path, groups, ENVIRONMENT, 20)
    assert path.read_bytes() == whole
    write_transcripts(path, groups, ENVIRONMENT, 10)
    assert batches_of(path) == [0] * 4 + [10] * 4
    path.write_bytes(path.read_bytes()[:-5])
    write_transcripts(path, groups, ENVIRONMENT, 30)
    assert batches_of(path) == [0] * 4 + [10] * 3 + [30] * 4


def test_3_on_the_console(groups: list[RepairGroup]) -> None:
    text = format_transcript(groups[0], ENVIRONMENT, sample=0)
    attempt = groups[0].attempts[0]
    assert text.startswith(f"Task {groups[0].task.id} ({groups[0].task.domain}, {groups[0].task.fault.kind}, ")
    assert groups[0].observation in text
    assert f"2> {attempt.turns[1].text}" in text
    assert text.endswith("turn_limit, not solved, reward 0.00")


def test_4_a_file_of_an_older_version_is_refused(groups: list[RepairGroup], tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    path.write_text('{"step": 3, "task_id": "a"}\n')
    with pytest.raises(ValueError, match='expected lines that begin with "batch"'):
        write_transcripts(path, groups, ENVIRONMENT, 4)


def test_5_what_is_there_is_not_read_again(
    groups: list[RepairGroup], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "episodes.jsonl", list[int]()
    of_line = transcripts._batch_of
    monkeypatch.setattr(transcripts, "LAST_LINE_BYTES", 8)
    monkeypatch.setattr(transcripts, "_batch_of", lambda path, line: read.append(len(line)) or of_line(path, line))
    for number in range(6):
        write_transcripts(path, groups, ENVIRONMENT, batch=number)
    assert len(read) == 5, "one line a batch"
    assert batches_of(path) == [number for number in range(6) for _ in range(4)]
    write_transcripts(path, groups, ENVIRONMENT, batch=3)
    assert batches_of(path) == [number for number in range(4) for _ in range(4)]
