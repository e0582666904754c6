"""Any list of policies on any suite.

1. Each policy has a run folder with the scores of every task, the same as RepairEvaluation's function gives.
2. What has been evaluated is not again; a further policy is added. Results of other weights, or by other settings, are
   not taken for a policy's own, and stay.
3. Rules that leave a task no room, a folder without a policy, and a suite without tasks are refused.
4. The command prints the cells beside the study's bands and writes the page and the figure.
"""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.torch import load_file, save_file
from small_suites import write_small_suite

from lit_grpo.commands.main import main
from lit_grpo.data.benchmark import BenchmarkError
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.experiments.final_evaluation import EvaluationSettings, evaluate_checkpoints
from lit_grpo.metrics.records import read_scores
from lit_grpo.reports.final import STUDY_BANDS

RULES = EpisodeSettings(max_turns=2, undo_if_still_infeasible=True, style=ObservationStyle.COMPACT)
SETTINGS = EvaluationSettings(RULES, max_completion_tokens=6)


def quiet() -> Console:
    return Console(file=io.StringIO())


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    every = []
    for kind in (FaultKind.SENSE, FaultKind.RIGHT_HAND_SIDE):
        settings = TaskSettings(ProgramSize.TINY, {kind: 1.0}, {Difficulty.EASY: 1.0})
        every += [generate_task(settings, Split.TEST, 0, index, HighsSolver()) for index in range(2)]
    return write_small_suite(tmp_path_factory.mktemp("suite"), every)


def test_1_and_2_a_run_folder_for_each(tiny_checkpoint: Path, suite: Path, tmp_path: Path) -> None:
    runs = evaluate_checkpoints(suite, {"one": tiny_checkpoint}, tmp_path, SETTINGS, quiet())
    scores = read_scores(runs["one"] / "scores.jsonl")
    assert [scored.kind for scored in scores].count(FaultKind.SENSE) == 2
    assert all(scored.score.verified for scored in scores)
    before = (runs["one"] / "scores.jsonl").stat().st_mtime_ns
    console = quiet()
    both = {"one": tiny_checkpoint, "two": tiny_checkpoint}
    runs = evaluate_checkpoints(suite, both, tmp_path, SETTINGS, console)
    assert (runs["one"] / "scores.jsonl").stat().st_mtime_ns == before
    assert read_scores(runs["two"] / "scores.jsonl") == scores
    assert (runs["two"] / "episodes.jsonl").read_text().count("\n") == 4


def test_2_results_of_others_are_not_taken_for_its_own(tiny_checkpoint: Path, suite: Path, tmp_path: Path) -> None:
    policy, output = shutil.copytree(tiny_checkpoint, tmp_path / "policy"), tmp_path / "output"
    runs = evaluate_checkpoints(suite, {"one": policy}, output, SETTINGS, quiet())
    before = (runs["one"] / "results.json").read_text()
    others = {
        r"played_with\.max_completion_tokens 6, .* is 7 now": replace(SETTINGS, max_completion_tokens=7),
        r"rules\.max_turns 2, where rules\.max_turns is 3 now": replace(SETTINGS, rules=replace(RULES, max_turns=3)),
    }
    for said, settings in others.items():
        with pytest.raises(ValueError, match=f"with results of {said}"):
            evaluate_checkpoints(suite, {"one": policy}, output, settings, quiet())
    weights = load_file(policy / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in weights.items()}, policy / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"^--output: expected .* with results of policy_digest .*; name it or the pol"
    ):
        evaluate_checkpoints(suite, {"one": policy}, output, SETTINGS, quiet())
    assert (runs["one"] / "results.json").read_text() == before


def test_3_refused(tiny_checkpoint: Path, suite: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a folder with config\.json"):
        evaluate_checkpoints(suite, {"none": tmp_path / "nowhere"}, tmp_path / "a", SETTINGS, quiet())
    with pytest.raises(BenchmarkError, match=r"expected suite\.json beside the cells of a suite, got none"):
        evaluate_checkpoints(tmp_path, {"one": tiny_checkpoint}, tmp_path / "b", SETTINGS, quiet())


def test_4_the_command(
    tiny_checkpoint: Path,
    suite: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rest = ["--output", str(tmp_path), "--undo-if-still-infeasible", "--max-completion-tokens", "6"]
    assert main(["suite", "evaluate", str(suite), f"sft={tiny_checkpoint}", *rest]) == 0
    printed = capsys.readouterr().out
    assert "sft, D right-hand side" in printed
    assert "90–100" in printed
    assert "0.0 (0–0)† ↓" in printed
    assert "final.png" in (tmp_path / "final.md").read_text()
    assert main(["suite", "evaluate", str(suite), "sft", *rest]) == 2
    assert "expected policies as NAME=FOLDER, got sft" in capsys.readouterr().err


def test_4_bands() -> None:
    medium = STUDY_BANDS[Difficulty.MEDIUM]
    assert [medium.place(value) for value in (0.59, 0.6, 0.8, 0.81)] == ["below", "within", "within", "above"]
