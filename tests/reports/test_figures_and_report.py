"""Figures hold ink, and the report holds everything."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib import image
from rich.console import Console

from lit_grpo.environment.episodes.record import StopReason
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.reports.figures import LearningCurve, draw_learning_curve, read_learning_curve, running_mean
from lit_grpo.reports.report import write_report
from lit_grpo.reports.runs import Series, find_seed_runs, read_series
from lit_grpo.reports.transcripts import (
    BeforeAndAfter,
    Transcript,
    TranscriptTurn,
    draw_before_and_after,
    find_improvement,
    transcript_markdown,
)

CSV = "batch,rollout/reward,val/FR@1,val/FR@5\n0,,0.3,0.5\n1,0.4,,\n2,0.6,0.5,0.7\n"


def assert_has_ink(path: Path) -> None:
    """Neither blank nor filled: some pixels are far from white, most are not, and several colours occur."""
    pixels = image.imread(path)[:, :, :3]
    dark = (pixels.min(axis=2) < 0.6).mean()
    assert pixels.shape[0] > 300
    assert pixels.shape[1] > 600
    assert 0.002 < dark < 0.5
    assert pixels.std() > 0.05


def transcript(task_id: str, num_turns: int, faithful: bool, problem: str = "infeasible\nra: x <= 3") -> Transcript:
    turns = tuple(TranscriptTurn(f'{{"action":"drop","row":"r{i}"}}', "still $infeasible$") for i in range(num_turns))
    stop_reason = StopReason.RECOVERED if faithful else StopReason.TURN_LIMIT
    return Transcript(task_id, problem, turns, stop_reason, faithful)


def test_1_a_series_skips_rows_without_the_number(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(CSV)
    assert read_series(path, "val/FR@5") == Series((0, 2), (0.5, 0.7))
    assert read_series(path, "never") == Series((), ())


def test_2_the_learning_curve_is_read_and_drawn(tmp_path: Path) -> None:
    assert read_learning_curve(tmp_path) is None
    (tmp_path / "metrics.csv").write_text(CSV)
    curve = read_learning_curve(tmp_path)
    expected = {"FR@5": Series((0, 2), (0.5, 0.7)), "FR@1": Series((0, 2), (0.3, 0.5))}
    assert curve == LearningCurve(expected, Series((1, 2), (0.4, 0.6)))
    assert curve is not None
    draw_learning_curve(curve, tmp_path / "curve.png")
    assert_has_ink(tmp_path / "curve.png")


def test_3_a_log_without_validation_has_no_curve(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("batch,train/loss\n0,1.0\n")
    assert read_learning_curve(tmp_path) is None


def test_4_a_running_mean_by_hand() -> None:
    # Windows of at most three: (1+2)/2, (1+2+6)/3, (2+6)/2.
    assert running_mean([1.0, 2.0, 6.0], half_window=1) == [1.5, 3.0, 4.0]


def test_5_the_improvement_shown_is_a_failure_made_faithful() -> None:
    before = [transcript("a", 1, False), transcript("b", 5, False), transcript("c", 1, True), transcript("d", 5, False)]
    after = [transcript(task_id, 1, task_id != "d") for task_id in "abcd"]
    # c was right already, d still is not; of a and b, b failed after several turns.
    assert find_improvement(before, after) == (before[1], after[1])
    assert find_improvement(before, [transcript("a", 1, False)]) is None


def test_6_a_transcript_is_drawn_and_written(tmp_path: Path) -> None:
    pair = BeforeAndAfter("sft", transcript("a", 5, False), "sft_grpo", transcript("a", 1, True))
    draw_before_and_after(pair, tmp_path / "transcript.png")
    assert_has_ink(tmp_path / "transcript.png")
    text = transcript_markdown(pair)
    assert "**sft**: not repaired after 5 turns (turn limit)" in text
    assert "**sft_grpo**: repaired faithfully in 1 turn" in text


def test_7_text_of_a_model_cannot_leave_its_code_block() -> None:
    hostile = Transcript("a", "p", (TranscriptTurn("```\n# free", "f"),), StopReason.SUBMITTED, False)
    text = transcript_markdown(BeforeAndAfter("sft", hostile, "sft_grpo", hostile))
    assert "````\n> ```\n# free" in text


@pytest.mark.parametrize("num_seeds", [1, 2])
def test_8_the_report_holds_tables_figures_and_json(comparison_folder: Callable[..., Path], num_seeds: int) -> None:
    root = comparison_folder(num_seeds=num_seeds, num_tasks=120)
    first = root if num_seeds == 1 else root / "seed-0"
    (first / "arms/sft_grpo/metrics.csv").write_text(CSV)
    output = io.StringIO()
    write_report(
        root, find_seed_runs(root), "sft_grpo", "sft", BootstrapSettings(num_replicates=100), Console(file=output)
    )
    report = (root / "report.md").read_text()
    assert "figures/arms.png" in report
    assert "figures/learning_curve.png" in report
    assert "sft_grpo − sft_compute_matched" in report
    assert "Every episode has the solver's verdict." in report
    assert_has_ink(root / "figures/arms.png")
    assert_has_ink(root / "figures/learning_curve.png")
    assert json.loads((root / "comparison.json").read_text())["arms"]["sft_grpo"]["metrics"]["FR@5"] > 0.5
    assert "sft_grpo − sft" in output.getvalue()


def test_9_an_arm_alone_is_compared_with_the_trivial_policies(comparison_folder: Callable[..., Path]) -> None:
    root = comparison_folder(num_seeds=1, num_tasks=48)
    for name in ("sft_grpo", "sft_compute_matched"):
        shutil.rmtree(root / "arms" / name)
    write_report(
        root, find_seed_runs(root), "sft", "sft", BootstrapSettings(num_replicates=100), Console(file=io.StringIO())
    )
    report = (root / "report.md").read_text()
    assert "sft − informed-random" in report
    assert "The same task" not in report
