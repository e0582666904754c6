"""FR@5 and RR@5 over kind x difficulty.

1. The table has a row per kind and a column per difficulty, with figures that can be counted by hand.
2. A cell without a task stays empty, in the table and in the picture.
3. The command prints, writes both files, and says in one line what is wrong with a folder.
"""

import io
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib import image
from rich.console import Console

from lit_grpo.commands.main import main
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.functional import Quantity
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.results import results_of, write_run
from lit_grpo.reports.cells import cells_table, write_cells

CHEAP = BootstrapSettings(num_replicates=50)


@pytest.fixture
def scores(make_scored_task: Callable[[int, float, random.Random], ScoredTask]) -> list[ScoredTask]:
    """A easy: 3 of 4 faithful. D hard: none of 2."""
    rng = random.Random(0)

    def task(index: int, kind: FaultKind, difficulty: Difficulty, skill: float) -> ScoredTask:
        return replace(make_scored_task(index, skill, rng), kind=kind, difficulty=difficulty)

    easy = [task(i, FaultKind.SENSE, Difficulty.EASY, skill) for i, skill in enumerate((1.0, 1.0, 1.0, 0.0))]
    hard = [task(i, FaultKind.RIGHT_HAND_SIDE, Difficulty.HARD, 0.0) for i in (4, 5)]
    return easy + hard


def test_1_and_2_a_row_per_kind_and_an_empty_cell_where_there_is_no_task(scores: list[ScoredTask]) -> None:
    table = cells_table(results_of(scores, CHEAP), Quantity.FR_5, CHEAP)
    assert table.columns == ("", "easy", "medium", "hard", "all")
    texts = [[cell.text for cell in row.cells] for row in table.rows]
    assert texts[0][0] == "A sense"
    assert texts[0][1].startswith("75.0 (")  # 3 of 4
    assert texts[0][2:4] == ["", ""]
    assert texts[1] == ["D right-hand side", "", "", "0.0 (0–0)†", "0.0 (0–0)†"]
    assert texts[2][4].startswith("50.0 (")  # 3 of 6
    assert "6 tasks" in table.title


def test_2_the_picture_is_dark_where_the_share_is_high_and_white_where_there_is_no_task(
    scores: list[ScoredTask], tmp_path: Path
) -> None:
    write_run(tmp_path, scores, results_of(scores, CHEAP), CHEAP)
    write_cells(tmp_path, CHEAP, Console(file=io.StringIO()))
    pixels = image.imread(tmp_path / "cells.png")[:, :, :3]
    red = pixels[:, :, 0]
    # Dark blue: the cells of 75 % and more in the row of A, at easy and at all.
    assert pixels.shape[0] > 200
    assert 0.02 < (red < 0.3).mean() < 0.5
    assert (pixels.min(axis=2) == 1.0).mean() > 0.3


def test_3_the_command(scores: list[ScoredTask], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path, scores, results_of(scores, CHEAP), CHEAP)
    assert main(["report", str(tmp_path)]) == 0
    assert "A sense" in capsys.readouterr().out
    assert "cells.png" in (tmp_path / "cells.md").read_text()
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere, which does not exist; name the folder" in line
