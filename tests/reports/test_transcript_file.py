"""What the rollouts write as `episodes.jsonl` is what the report reads."""

from pathlib import Path

import pytest
from repair_rollouts import paid

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.actions import Malformed
from lit_grpo.environment.episodes.record import EpisodeRecord, EpisodeSettings, StopReason, TurnOutcome, TurnResult
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.episodes.scoring import DiagnosisScore, RepairScore
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import SolverStatus
from lit_grpo.reports.transcripts import Transcript, TranscriptTurn, read_transcripts
from lit_grpo.rollout.attempts import Attempt, ScoredGroup, Turn
from lit_grpo.rollout.transcripts import write_transcripts


def test_1_an_attempt_is_read_as_it_was_written(tmp_path: Path) -> None:
    task = generate_task(TaskSettings(size=ProgramSize.TINY), Split.TEST, 0, 0, HighsSolver())
    outcome = TurnOutcome(Malformed("no action"), TurnResult.MALFORMED, SolverStatus.INFEASIBLE, None, "no action")
    turn = Turn((), (5, 6), (-0.1, -0.2), 0, "hm …", "no action")
    score = RepairScore(False, False, 1, 1, DiagnosisScore(0.0, 0.0, 0.0, False), 2, 0, 1, None, 1, 0, True)
    reason, status = StopReason.MALFORMED_LIMIT, SolverStatus.INFEASIBLE
    record = EpisodeRecord((outcome,), task.fault.faulty, status, None, reason, None, (), ())
    attempts = (Attempt((turn,), reason, False, record),)
    group = ScoredGroup(task, "infeasible", (1,), attempts, (score,), (paid(0.0),))
    environment = RepairEnvironment(EpisodeSettings(), HighsSolver())
    write_transcripts(tmp_path / "episodes.jsonl", [group], environment, batch=0)
    expected = Transcript(
        task.id, "infeasible", (TranscriptTurn("hm …", "no action"),), StopReason.MALFORMED_LIMIT, faithful=False
    )
    assert read_transcripts(tmp_path / "episodes.jsonl") == (expected,)


@pytest.mark.parametrize("line", ["{", "null", '{"task_id": "x"}'])
def test_2_a_line_that_is_no_attempt_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ValueError, match=r"episodes.jsonl:1: expected an attempt"):
        read_transcripts(path)
