"""The study as a whole, with arms that leave their files without training.

1. Every arm of every seed is run, the curriculum last and on the arm that validation chose; all is reported.
2. A second call runs and measures nothing again, and chooses the same arm.
3. An arm that fails ends it with status 1 and one message.
4. The held-out tasks are twelve cells of equal size, none of which is of the training split.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console
from scripted_scores import score
from typing_extensions import override

from lit_grpo.commands.main import main
from lit_grpo.data.splits import Split
from lit_grpo.data.suite import read_suite
from lit_grpo.data.task import Task
from lit_grpo.environment.episodes.record import StopReason
from lit_grpo.experiments import ablations
from lit_grpo.experiments.ablation_arms import REAL, SEVERAL, SINGLE
from lit_grpo.experiments.ablations import Study, make_test_suite, report, run_study
from lit_grpo.experiments.arm_run import POLICY_FOLDER, ArmRun
from lit_grpo.experiments.arms import Arm, ArmFailed
from lit_grpo.experiments.best_arm import CRITERION
from lit_grpo.experiments.processes import Processes
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.policy_shift import SHIFT_FILE
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.results import results_of, write_run

VALIDATION = dict.fromkeys(REAL, 0.5) | {"asym_clip": 0.7}
CHEAP = BootstrapSettings(num_replicates=20)
CONFIG = "episode: {max_turns: 2, undo_if_still_infeasible: true, style: COMPACT}\n"


@dataclass(frozen=True, slots=True)
class UntrainedRun(ArmRun):
    """Every arm is the base itself, and repairs every second task."""

    ran: list[str] = field(default_factory=list)

    @override
    def run(self, arm: Arm, processes: Processes) -> None:
        self.ran.append(arm.name)
        folder = self.folder(arm.name)
        folder.mkdir(parents=True)
        (folder / POLICY_FOLDER).symlink_to(self.base)
        (folder / "config.yaml").write_text(CONFIG)
        (folder / "compute.json").write_text(
            json.dumps({"fit_cpu_s": 9.0, "fit_wall_s": 9.0, "test_cpu_s": 1.0, "test_wall_s": 1.0})
        )
        rows = ["batch,train/clipped,train/tokens," + CRITERION, f"1,0.1,10,{VALIDATION.get(arm.name, 0.4)}"]
        (folder / "metrics.csv").write_text("\n".join(rows) + "\n")
        scored = [
            ScoredTask.of(task, StopReason.RECOVERED, score(index % 2 == 0))
            for index, task in enumerate(read_suite(self.benchmark))
        ]
        write_run(folder, scored, results_of(scored))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Study:
    root = tmp_path_factory.mktemp("study")
    suite = make_test_suite(root / "test", num_tasks=1, num_workers=1)
    runs = [UntrainedRun(root / f"seed_{seed}", tiny_checkpoint, suite, seed, threads=1) for seed in (0, 1)]
    return Study(root, tuple(runs), is_smoke=True, accelerator="cpu")


def ran(study: Study, seed: int) -> list[str]:
    run = study.runs[seed]
    assert isinstance(run, UntrainedRun)
    return run.ran


def test_1_and_2_the_whole_study_and_again(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    # The KL of one held-out task says as much here as that of three.
    monkeypatch.setattr(ablations, "SHIFT_EVERY", 12)
    console = Console(file=io.StringIO())
    choice = run_study(study, num_jobs=2, console=console)
    report(study, choice, CHEAP, console)
    several, single = [arm.name for arm in SEVERAL], [arm.name for arm in SINGLE]
    assert sorted(ran(study, 0)) == sorted([*several, *single, "curriculum"])
    assert sorted(ran(study, 1)) == sorted([*several, "curriculum"])
    assert ran(study, 0)[-1] == "curriculum"
    assert choice.best == "asym_clip"
    document = json.loads((study.root / "ablations.json").read_text())
    assert document["about"]["best_arm"] == "asym_clip"
    assert document["plan"]["final"] == ["sft", "asym_clip", "curriculum"]
    assert document["about"]["cpu_hours"] == pytest.approx((2 * 9 + 10) * 10 / 3600)
    assert set(document["comparison"]["baselines"]) >= {"informed-random", "oracle", "drop-first"}
    assert document["training"]["dynamic"]["seed_1"]["kl"] == 0.0
    assert document["comparison"]["arms"]["sft"]["metrics"]["FR@5"] == 0.5
    assert (study.root / "report.md").read_text().startswith("# Ablations\n\n**A smoke run")

    shift = study.runs[0].folder("dynamic") / SHIFT_FILE
    before, count = shift.stat().st_mtime_ns, len(ran(study, 0))
    assert run_study(study, num_jobs=1, console=console) == choice
    assert (shift.stat().st_mtime_ns, len(ran(study, 0))) == (before, count)


def test_3_a_failure_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(run: ArmRun, arm: Arm, processes: Processes) -> None:
        raise ArmFailed(f"{arm.name}: ended with 1")

    monkeypatch.setattr(ArmRun, "run", fail)
    assert main(["study", "ablations", "--smoke", "--output", str(tmp_path), "--jobs", "1"]) == 1
    assert capsys.readouterr().err == "lit-grpo study ablations: sft: ended with 1\n"


def test_4_twelve_cells(study: Study) -> None:
    tasks = read_suite(study.runs[0].benchmark)
    assert {task.split for task in tasks if isinstance(task, Task)} == {Split.TEST}
    assert list(Counter((task.fault.kind, task.fault.difficulty) for task in tasks).values()) == [1] * 12
