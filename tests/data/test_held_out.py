"""Held-out tasks from a benchmark: `lit-grpo test` plays all cells of a folder in one run.

The policy is random, so nothing is repaired: what counts is that every cell is there, with all its tasks.

1. All cells of a folder are played in one run, which leaves a table and a heat map.
2. Rules under which a task cannot be repaired are refused before the first one is played, in one line: those of a
   benchmark by their faults, generated ones by the kinds that will be drawn.
"""

import json
from pathlib import Path

import pytest
from small_suites import write_small_suite

from lit_grpo.cli import main
from lit_grpo.data.benchmark import write_benchmark
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.environment.solver.highs import HighsSolver

CELLS = {(FaultKind.SENSE, Difficulty.EASY): 2, (FaultKind.RIGHT_HAND_SIDE, Difficulty.EASY): 2}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    solver, tasks = HighsSolver(), []
    for (kind, difficulty), num_tasks in CELLS.items():
        settings = TaskSettings(ProgramSize.TINY, {kind: 1.0}, {difficulty: 1.0})
        tasks += [generate_task(settings, Split.TEST, 0, index, solver) for index in range(num_tasks)]
    return write_small_suite(tmp_path / "suite", tasks)


def config(run: Path, checkpoint: Path) -> dict:
    callbacks = [{"class_path": "RepairEvaluation"}]
    return {
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "default_root_dir": str(run),
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "callbacks": callbacks,
        },
        "rollout": {"sampling": {"max_completion_tokens": 4}},
        "episode": {"max_turns": 1, "style": "COMPACT"},
        "model": {
            "class_path": "GRPOModule",
            "init_args": {
                "policy": {"checkpoint": str(checkpoint)},
                "objective": {"loss": {"class_path": "ClippedLoss"}},
            },
        },
        "data": {"class_path": "TaskDataModule", "init_args": {"tasks": {"size": "TINY"}, "held_out": {}}},
    }


def test_1_all_cells_of_a_folder_are_played_in_one_run(suite: Path, tmp_path: Path, tiny_checkpoint: Path) -> None:
    path, run = tmp_path / "config.yaml", tmp_path / "run"
    path.write_text(json.dumps(config(run, tiny_checkpoint)), encoding="utf-8")  # JSON is YAML
    assert main(["test", "--config", str(path), "--data.held_out.benchmark", str(suite)]) == 0
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    played = {
        (FaultKind(kind), Difficulty(difficulty)): cell["tasks"]
        for kind, cells in results["by_kind_and_difficulty"].items()
        for difficulty, cell in cells.items()
    }
    assert played == CELLS
    assert results["notes"] == []
    assert "| A sense" in (run / "cells.md").read_text(encoding="utf-8")
    assert (run / "cells.png").stat().st_size > 0


def test_2_rules_that_forbid_the_repair_are_refused_before_anything_is_played(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cascade = TaskSettings(kinds={FaultKind.CASCADE: 1.0}, difficulties={Difficulty.EASY: 1.0})
    file = tmp_path / "G_easy.jsonl"
    write_benchmark(file, [generate_task(cascade, Split.TEST, 0, 0, HighsSolver())])
    path, run = tmp_path / "config.yaml", tmp_path / "run"
    path.write_text(json.dumps(config(run, tiny_checkpoint)), encoding="utf-8")
    undo = ["--episode.undo_if_still_infeasible", "true", "--episode.max_turns", "5"]
    assert main(["test", "--config", str(path), "--data.held_out.benchmark", str(file), *undo]) == 2
    generated = ["--data.tasks.size", "SMALL", "--data.tasks.kinds", '{"A": 1, "E": 1}']
    assert main(["validate", "--config", str(path), *generated, *undo]) == 2
    errors = capsys.readouterr().err
    assert "expected edits that persist for faults of kind G," in errors
    assert "expected edits that persist for faults of kind E," in errors
    assert not (run / "results.json").exists()
