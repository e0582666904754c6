"""The ablations: every arm on every seed, the curriculum on the best of them, and the report.

Called by `lit-grpo study ablations`. Arms that are done are not run again, so a call goes on where one was stopped.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from lit_grpo.data.played import Played
from lit_grpo.data.splits import Cell
from lit_grpo.data.suite import STUDY_KINDS, SuiteSettings, read_suite
from lit_grpo.data.suite_maker import make_suite
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.experiments.ablation_arms import (
    BASES,
    CURRICULUM,
    REAL,
    SEVERAL,
    SFT,
    SINGLE,
    SINGLE_PAIRS,
    curriculum_on,
)
from lit_grpo.experiments.arm_run import POLICY_FOLDER, ArmRun
from lit_grpo.experiments.baselines import write_baselines
from lit_grpo.experiments.best_arm import Choice, choose_best
from lit_grpo.experiments.player import Player, episode_settings_of
from lit_grpo.experiments.policy_shift import measure_shift
from lit_grpo.experiments.provenance import device_name, versions
from lit_grpo.experiments.quickstart import EPISODE
from lit_grpo.experiments.schedule import Job, run_all
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.compute import read_seconds
from lit_grpo.metrics.policy_shift import SHIFT_FILE, write_shift
from lit_grpo.presets import CONFIGS
from lit_grpo.reports.ablations import REPORT_FILE, AblationPlan, write_ablations
from lit_grpo.reports.comparison import Pair
from lit_grpo.reports.runs import SeedRun

SUITE_SEED = 20_000
TASKS_PER_CELL, SMOKE_TASKS_PER_CELL = 64, 2
SHIFT_EVERY = 4
"""The KL and the entropy are measured on every fourth test task: 192 of them."""
TRIVIAL_FOLDER = "baselines"
MAX_COMPLETION_TOKENS = 24
"""The same as in configs/ablation/cpu.yaml."""
INTERVALS = BootstrapSettings(num_replicates=4000)


@dataclass(frozen=True, slots=True)
class Study:
    """The run folders of a study."""

    root: Path
    runs: tuple[ArmRun, ...]
    """One per seed; the first has the arms of one seed as well."""
    is_smoke: bool
    accelerator: str
    """``cpu`` or ``gpu``."""

    @property
    def threads(self) -> int:
        """The threads of each arm, and of what is measured afterwards."""
        return self.runs[0].threads

    def jobs(self) -> list[Job]:
        """Everything but the curriculum."""
        several = [Job(run, arm) for run in self.runs for arm in SEVERAL]
        return several + [Job(self.runs[0], arm) for arm in SINGLE]


def run_and_report(study: Study, num_jobs: int, console: Console) -> None:
    """Run what has not been run, then write the report.

    Raises:
        ArmFailed: A command of an arm ended with an error.
    """
    started = time.monotonic()
    torch.set_num_threads(study.threads)
    choice = run_study(study, num_jobs, console)
    report(study, choice, INTERVALS, console)
    console.print(f"{study.root / REPORT_FILE} after {(time.monotonic() - started) / 60:.1f} min")


def run_study(study: Study, num_jobs: int, console: Console) -> Choice:
    """All arms, then the curriculum on the arm that validation chose, then what is measured of every policy.

    Raises:
        ArmFailed: The ArmFailed of the first arm that fails.
    """
    run_all(study.jobs(), num_jobs, console)
    choice = choose_best(study.runs, REAL)
    console.print(f"The best on validation is {choice.best}: {_in_words(choice.scores)}", soft_wrap=True)
    curriculum = curriculum_on(next(arm for arm in SEVERAL if arm.name == choice.best))
    run_all([Job(run, curriculum) for run in study.runs], num_jobs, console)
    device = torch.device("cuda" if study.accelerator == "gpu" else "cpu")
    for job in [*study.jobs(), *(Job(run, curriculum) for run in study.runs)]:
        measure(job, device)
    first, *others = (run.root / TRIVIAL_FOLDER for run in study.runs)
    write_baselines(first, Played(study.runs[0].benchmark, EPISODE))
    for other in others:
        # The same tasks, and the policies have no training seed.
        shutil.copytree(first, other, dirs_exist_ok=True)
    return choice


def measure(job: Job, device: torch.device) -> None:
    """The KL to the start and the entropy of an arm's policy, unless they have been measured."""
    folder = job.run.folder(job.arm.name)
    if (folder / SHIFT_FILE).is_file():
        return
    policy = Player.read(folder / POLICY_FOLDER, device)
    start = Player.read(job.run.start_of(job.arm), device)
    tasks = read_suite(job.run.benchmark)[::SHIFT_EVERY]
    write_shift(folder, measure_shift(policy, start, tasks, episode_settings_of(folder), MAX_COMPLETION_TOKENS))


def report(study: Study, choice: Choice, intervals: BootstrapSettings, console: Console) -> None:
    """Tables, figures, `ablations.json` and `report.md` of a study whose arms are all done."""
    plan = AblationPlan(
        several=(*(arm.name for arm in SEVERAL), CURRICULUM),
        single=tuple(arm.name for arm in SINGLE),
        bases=BASES,
        several_pairs=(Pair(CURRICULUM, choice.best),),
        single_pairs=SINGLE_PAIRS,
        final=(SFT, choice.best, CURRICULUM),
    )
    seeds = [_seed_run(run) for run in study.runs]
    about: dict[str, Any] = {
        "seeds": [run.seed for run in study.runs],
        "best_arm": choice.best,
        "validation_scores": dict(choice.scores),
        "is_smoke": study.is_smoke,
        "device": device_name(study.accelerator, study.threads),
        "versions": versions(),
        "cpu_hours": sum(_cpu_seconds(folder) for run in seeds for folder in run.arms.values()) / 3600,
        "configs": {arm.name: [*arm.configs, *arm.arguments] for arm in (*SEVERAL, *SINGLE)},
    }
    write_ablations(study.root, seeds, plan, about, intervals, console)


def make_study(
    root: Path,
    base: Path,
    *,
    seeds: Sequence[int],
    num_workers: int,
    threads: int,
    accelerator: str,
    is_smoke: bool,
) -> Study:
    """The study of a folder, with its test tasks, which are made where they are missing.

    Args:
        root: Folder of the study.
        base: Folder of the pre-trained base.
        seeds: The first has the arms of one seed as well.
        num_workers: Processes that make the test tasks.
        threads: The threads of each arm.
        accelerator: ``cpu``, or ``gpu``, which all arms share.
        is_smoke: Whether all is small enough to take minutes, and the figures mean nothing.
    """
    suite = make_test_suite(root / "test", SMOKE_TASKS_PER_CELL if is_smoke else TASKS_PER_CELL, num_workers)
    gpu = ("--trainer.accelerator=gpu", "--trainer.devices=1")
    runs = tuple(
        ArmRun(
            root=root / f"seed_{seed}",
            base=base,
            benchmark=suite,
            seed=seed,
            threads=threads,
            extra_config=CONFIGS / "ablation" / "smoke.yaml" if is_smoke else None,
            arguments=gpu if accelerator == "gpu" else (),
        )
        for seed in seeds
    )
    return Study(root, runs, is_smoke, accelerator)


def make_test_suite(folder: Path, num_tasks: int, num_workers: int) -> Path:
    """The twelve test cells of tiny programs, none of which is of the training split."""

    def quiet(cell: Cell, num: int) -> None:
        """It takes seconds."""

    settings = SuiteSettings(kinds=STUDY_KINDS, num_tasks=num_tasks, seed=SUITE_SEED, size=ProgramSize.TINY)
    make_suite(folder, settings, num_workers, quiet)
    return folder


def _seed_run(run: ArmRun) -> SeedRun:
    """The folders of what is done, whatever else lies beside them."""
    names = [arm.name for arm in (*SEVERAL, *SINGLE)] + [CURRICULUM]
    policies = sorted(path for path in (run.root / TRIVIAL_FOLDER).iterdir() if path.is_dir())
    arms = {name: run.folder(name) for name in names if run.is_done(name)}
    return SeedRun(run.root.name, arms, {path.name: path for path in policies})


def _cpu_seconds(folder: Path) -> float:
    return sum(read_seconds(folder, name) for name in ("fit_cpu_s", "test_cpu_s"))


def _in_words(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {100 * score:.1f}" for name, score in scores.items())
