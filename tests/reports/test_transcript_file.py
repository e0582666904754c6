"""What the rollouts write as `episodes.jsonl` is what the report reads."""

from pathlib import Path

from lit_grpo.data.task import Split, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.actions import Malformed
from lit_grpo.environment.episodes.record import StopReason, TurnOutcome, TurnResult
from lit_grpo.environment.episodes.scoring import DiagnosisScore, RepairScore
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import SolverStatus
from lit_grpo.reports.transcripts import Transcript, TranscriptTurn, read_transcripts
from lit_grpo.rewards.components import RewardBreakdown
from lit_grpo.rollout.episodes import Episode, EpisodeGroup, Turn
from lit_grpo.rollout.transcripts import write_transcripts


def test_1_an_episode_is_read_as_it_was_written(tmp_path: Path) -> None:
    task = generate_task(TaskSettings(size=ProgramSize.TINY), Split.TEST, 0, 0, HighsSolver())
    outcome = TurnOutcome(Malformed("no action"), TurnResult.MALFORMED, SolverStatus.INFEASIBLE, None, "no action")
    turn = Turn((), (5, 6), (-0.1, -0.2), 0, "hm …", outcome)
    score = RepairScore(False, False, 1, 1, DiagnosisScore(0.0, 0.0, 0.0, False), 2, 0, 1, None, 1, 0, True)
    episode = Episode((turn,), StopReason.MALFORMED_LIMIT, score, RewardBreakdown(0.0, 0.0, 0.0, 0.0, 0.0), False)
    write_transcripts(tmp_path / "episodes.jsonl", [EpisodeGroup(task, "infeasible", (1,), (episode,))], step=0)
    expected = Transcript(
        task.id, "infeasible", (TranscriptTurn("hm …", "no action"),), StopReason.MALFORMED_LIMIT, faithful=False
    )
    assert read_transcripts(tmp_path / "episodes.jsonl") == (expected,)
