"""The figure of a curriculum.

1. It is read from metrics.csv; a run without a curriculum has none, and is told so by the script.
2. A stage begins where its number changes.
3. It is drawn, with and without validations, and stands in the report of its arm.
"""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib import image
from rich.console import Console

from lit_grpo.commands.main import main
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.reports.curriculum import draw_curriculum, read_curriculum, stage_starts
from lit_grpo.reports.report import write_report
from lit_grpo.reports.runs import Series, find_seed_runs

HEADER = "batch,curriculum/easy,curriculum/medium,curriculum/hard,curriculum/stage,val/FR@5/easy,val/FR@5/hard\n"
CSV = HEADER + "0,1.0,0.0,0.0,1.0,0.5,0.1\n10,0.6,0.4,0.0,2.0,,\n20,0.6,0.4,0.0,2.0,0.9,0.2\n30,0.1,0.1,0.8,4.0,,\n"


def assert_has_ink(path: Path) -> None:
    pixels = image.imread(path)[:, :, :3]
    assert pixels.shape[0] > 300
    assert 0.002 < (pixels.min(axis=2) < 0.6).mean() < 0.8
    assert pixels.std() > 0.05


def test_1_it_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_curriculum(tmp_path) is None
    (tmp_path / "metrics.csv").write_text("batch,val/FR@5/easy\n0,0.5\n")
    assert read_curriculum(tmp_path) is None
    assert main(["report", str(tmp_path)]) == 2
    assert "expected a run that was tested (scores.jsonl) or trained with a curriculum" in capsys.readouterr().err
    (tmp_path / "metrics.csv").write_text(CSV)
    curve = read_curriculum(tmp_path)
    assert curve is not None
    assert curve.mix[Difficulty.MEDIUM] == Series((0, 10, 20, 30), (0.0, 0.4, 0.4, 0.1))
    assert curve.faithful == {
        Difficulty.EASY: Series((0, 20), (0.5, 0.9)),
        Difficulty.HARD: Series((0, 20), (0.1, 0.2)),
    }


def test_2_where_a_stage_begins() -> None:
    assert stage_starts(Series((0, 10, 20, 30), (1.0, 2.0, 2.0, 4.0))) == [10, 30]
    assert stage_starts(Series((), ())) == []


def test_3_it_is_drawn(tmp_path: Path, comparison_folder: Callable[..., Path]) -> None:
    root = comparison_folder(num_tasks=60)
    (root / "arms/sft_grpo/metrics.csv").write_text(CSV)
    write_report(
        root, find_seed_runs(root), "sft_grpo", "sft", BootstrapSettings(num_replicates=50), Console(file=io.StringIO())
    )
    assert "figures/curriculum_sft_grpo.png" in (root / "report.md").read_text()
    assert_has_ink(root / "figures/curriculum_sft_grpo.png")
    assert not (root / "figures/curriculum_sft.png").exists()
    (tmp_path / "metrics.csv").write_text("\n".join(line.rsplit(",", 2)[0] for line in CSV.splitlines()))
    assert main(["report", str(tmp_path)]) == 0
    assert_has_ink(tmp_path / "curriculum.png")
    curve = read_curriculum(tmp_path)
    assert curve is not None
    assert curve.faithful == {}
    draw_curriculum(curve, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "curriculum.png").read_bytes()
