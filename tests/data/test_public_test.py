"""`lit-grpo test` on a folder in the published layout, from the files to the tables.

1. Every problem is counted, the one whose prompt does not fit the policy's context by that name; and the words that
   the figures need stand in the result.
2. The trivial policies stand beside the policy in the same table, with what can be worked out by hand: the oracle
   repairs A and F, and cannot repair B, since the first of its edits ends the conflict.
3. Edits that are taken back, and a problem that occurs twice, are refused before anything is played.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from bakery_problems import LE, ROLLS, bakery, record, write_folder, write_miniature

from lit_grpo.cli import main
from lit_grpo.environment.programs.program import Constraint, Sense

ROOT = Path(__file__).parents[2]
CONFIGS = [f"--config={ROOT / 'configs' / name}" for name in ("base.yaml", "grpo.yaml", "model/tiny.yaml")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniature, and a program of forty rows more, of which one asks for more bread than there can be."""
    folder = tmp_path_factory.mktemp("published")
    write_miniature(folder)
    shelves = (Constraint(f"shelf_{i}", (("bread", 1.0), ("rolls", 1.0)), LE, 1000.0 + i) for i in range(40))
    root = Constraint("_hidden_root_bread", (("bread", 1.0),), Sense.GREATER_EQUAL, 50.0)
    long = record("lp_f", "F", "_hidden_root_bread", "Remove or relax it.", 18.0) | {"difficulty": "hard"}
    records = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["problems"]
    (folder / "long").mkdir()
    write_folder(folder / "long", (long, bakery(LE, ROLLS, *shelves, root)))
    shutil.move(folder / "long" / "models" / "lp_f.mps", folder / "models")
    (folder / "dataset.json").write_text(json.dumps({"problems": [*records, long]}), encoding="utf-8")
    return folder


def evaluate(folder: Path, run: Path, *more: str) -> int:
    options = {
        "model.policy.checkpoint": ROOT / "checkpoints" / "tiny-base",
        "data.held_out.benchmark": folder,
        "trainer.default_root_dir": run,
        "trainer.accelerator": "cpu",
        "trainer.enable_progress_bar": "false",
        "episode.undo_if_still_infeasible": "false",
    }
    return main(["test", *CONFIGS, *(f"--{name}={value}" for name, value in options.items()), *more])


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    assert evaluate(folder, run) == 0
    return run


def test_1_every_problem_is_counted_and_the_result_says_what_it_is_worth(run: Path) -> None:
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert results["tasks"] == 3
    assert results["metrics"]["too_long"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert results["by_kind"]["F"]["metrics"]["too_long"]["value"] == 1.0
    assert results["notes"][0].startswith("1 of 3 tasks were not played")
    assert results["notes"][1].startswith("3 of 3 tasks are published problems without a specification text")
    lines = (run / "scores.jsonl").read_text(encoding="utf-8").splitlines()
    scores = {line["task_id"]: line for line in map(json.loads, lines)}
    assert {name: line["kind"] for name, line in scores.items()} == {"lp_a": "A", "mip_b": "B", "lp_f": "F"}
    assert scores["lp_f"]["stop_reason"] == "prompt_limit"
    assert not scores["lp_f"]["recovered"]
    assert scores["lp_a"]["stop_reason"] != "prompt_limit"
    assert (run / "cells.png").is_file()


def test_2_the_trivial_policies_stand_beside(run: Path) -> None:
    text = (run / "policies.md").read_text(encoding="utf-8")
    assert "3 of 3 tasks are published problems without a specification text" in text
    recovery, per_kind = text.split("FR@5 per kind of fault")
    rows = [line.split("|")[1:-1] for line in recovery.splitlines() if line.startswith("| ")]
    header, *policies = [[cell.strip() for cell in row] for row in rows]
    wanted = {"RR@1", "RR@2", "RR@3", "RR@4", "RR@5", "turns", "FR@5", "DA_iis"}
    assert wanted <= set(header)
    assert [row[0] for row in policies][-2:] == ["oracle", "policy"]
    figures = {row[0]: dict(zip(header, row, strict=True)) for row in policies}
    assert figures["oracle"]["FR@5"].startswith("66.7 (")
    assert figures["oracle"]["RR@1"].startswith("100.0 (")
    # Each first conflict holds one row beside bounds: flour, the row that forces, the hidden root.
    assert figures["oracle"]["DA_iis"].startswith("100.0 (")
    oracle = next(line for line in per_kind.splitlines() if line.startswith("| oracle"))
    assert [cell.split()[0] for cell in oracle.split("|")[2:-1]] == ["100.0", "0.0", "100.0"]
    assert json.loads((run / "baselines" / "oracle" / "results.json").read_text(encoding="utf-8"))["tasks"] == 3


def test_3_what_cannot_be_played_is_refused_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(folder, tmp_path / "undone", "--episode.undo_if_still_infeasible=true") == 2
    assert "expected edits that persist for faults of kind B" in capsys.readouterr().err
    twice = tmp_path / "twice"
    shutil.copytree(folder, twice)
    records = json.loads((twice / "dataset.json").read_text(encoding="utf-8"))["problems"]
    (twice / "dataset.json").write_text(json.dumps({"problems": [*records, records[0]]}), encoding="utf-8")
    assert evaluate(twice, tmp_path / "run") == 2
    assert "expected problems, each once, got 4 with 3 different ids" in capsys.readouterr().err
    assert not (tmp_path / "run" / "results.json").exists()
