"""The study of real size: its steps, each of arms that are trained, played and compared, by a plan fixed before.

Called by `lit-grpo study real-size`. What is done is not done again, and a fit goes on from its last checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from lit_grpo.data.played import Played
from lit_grpo.data.splits import Cell
from lit_grpo.data.suite import STUDY_KINDS, SuiteSettings
from lit_grpo.data.suite_maker import make_suite
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.experiments.arm_run import ArmRun
from lit_grpo.experiments.baselines import write_baselines
from lit_grpo.experiments.best_arm import chosen_validation
from lit_grpo.experiments.provenance import device_name, versions_of
from lit_grpo.experiments.real_size_arms import STEPS, Step, with_starts
from lit_grpo.experiments.real_size_plan import RealSizePlan, require_gate, require_plan
from lit_grpo.experiments.real_size_verdict import conditions_json, step_conditions
from lit_grpo.experiments.schedule import Job, run_all
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.results import read_played, require_comparable
from lit_grpo.presets import CONFIGS
from lit_grpo.reports.comparison import Pair
from lit_grpo.reports.first_moves import keep_first_moves
from lit_grpo.reports.real_size import StepRuns, compare_step, write_step
from lit_grpo.reports.runs import SeedRun
from lit_grpo.reports.transcripts import TRANSCRIPTS_FILE
from lit_grpo.writing import write_whole

EPISODE = EpisodeSettings(undo_if_still_infeasible=False, style=ObservationStyle.COMPACT)
"""The rules of configs/real_size; the policies without a model are judged by the same rules."""
INTERVALS = BootstrapSettings(num_replicates=4000)


@dataclass(frozen=True, slots=True)
class RealSizeStudy:
    """The study in a folder, and how much of the machine it may use."""

    root: Path
    base: Path
    """Folder of the small base."""
    plan: RealSizePlan
    num_jobs: int
    """Arms at a time."""
    threads: int
    """The threads of each arm."""
    is_smoke: bool = False
    """Whether all is small enough to take minutes, and the figures mean nothing."""
    accelerator: str = "cpu"
    until: float = math.inf
    """The moment, by time.monotonic(), after which nothing begins and the fits that run are ended."""

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.until

    def conditions(self, step: Step) -> dict[str, Any]:
        """What an arm of a step is trained and tested under, as JSON; one CPU thread an arm goes without saying."""
        other: dict[str, Any] = {} if self.accelerator == "cpu" else {"accelerator": self.accelerator}
        if self.threads != 1:
            other["threads"] = self.threads
        if self.is_smoke:
            other["is_smoke"] = True
        return self.plan.to_json(with_starts(step), self.base) | other

    def runs(self, step: Step, seeds: Sequence[int]) -> tuple[ArmRun, ...]:
        """Where the arms of a step are run, one for each seed."""
        return tuple(self._run(step, seed) for seed in (seeds if step.is_tested else (self.plan.gate_seed,)))

    def _run(self, step: Step, seed: int) -> ArmRun:
        return ArmRun(
            root=self.root / (f"seed_{seed}" if step.is_tested else step.name),
            base=self.base,
            benchmark=self.root / "test" / f"seed_{seed}.jsonl",
            seed=seed,
            threads=self.threads,
            extra_config=CONFIGS / "real_size" / "smoke.yaml" if self.is_smoke else None,
            arguments=(f"--config={CONFIGS / 'real_size' / 'gpu.yaml'}",) if self.accelerator == "gpu" else (),
            goes_on=True,
            is_tested=step.is_tested,
        )


def run_step(study: RealSizeStudy, step: Step, seeds: Sequence[int], console: Console) -> bool:
    """Run what has not been run of a step, and report it once all is done.

    Args:
        study: The study.
        step: The step.
        seeds: Training seeds of the plan, of which arms are run; the gate has its own. Reported are all that are done.
        console: Where the progress goes, and the tables.

    Returns:
        Whether all is done; if not, the time is up.

    Raises:
        ArmFailed: A command of an arm ended with an error.
        ValueError: A seed is not of the plan, arms there were trained under another plan, or the weights that an arm is
            to go on from are gone.
        ContractError: Arms were judged under different versions.
    """
    if not (study.base / "config.json").is_file():
        raise ValueError(
            f"--base: expected the folder of the small base, got {study.base}, which holds no policy; make it with "
            "`lit-grpo base small`, or name another one"
        )
    others = sorted(set(seeds) - set(study.plan.seeds))
    if others:
        raise ValueError(f"--seeds: expected those of the plan, {study.plan.seeds}, got {others}; leave them out")
    require_plan(study.root / f"{step.name}_plan.json", study.conditions(step))
    if step.is_tested:
        make_test_tasks(study)
    jobs = [Job(run, arm) for run in study.runs(step, seeds) for arm in with_starts(step)]
    _require_weights(jobs)
    for job in jobs:
        # Of an arm that was done when an earlier call was killed.
        if job.is_done:
            _keep_small_files(job)
    left = run_all(jobs, study.num_jobs, console, study.until, _keep_small_files)
    remaining = [job.name for job in left]
    runs = [run for run in study.runs(step, study.plan.seeds) if all(run.is_done(a.name) for a in with_starts(step))]
    if not left:
        remaining = [f"policies without a model, {run.root.name}" for run in _without_policies(study, step, runs)]
    if remaining:
        console.print(f"The time is up. Left of {step.name}: {', '.join(remaining)}. Call again.", soft_wrap=True)
        return False
    report(study, step, runs, console)
    return True


def make_test_tasks(study: RealSizeStudy) -> None:
    """Make the test tasks of all cells, and deal them out to the seeds of the plan in turn, a file for each."""
    plan, folder = study.plan, study.root / "test"
    suite, files = folder / "suite", [folder / f"seed_{seed}.jsonl" for seed in plan.seeds]
    if all(file.is_file() for file in files):
        return

    def quiet(cell: Cell, num: int) -> None:
        """The suite is made once."""

    settings = SuiteSettings(num_tasks=plan.tasks_per_cell, seed=plan.suite_seed)
    make_suite(suite, settings, study.num_jobs, quiet)
    cells = [(suite / cell.file_name).read_text(encoding="utf-8").splitlines(keepends=True) for cell in settings.cells]
    for number, file in enumerate(files):
        own = [line for lines in cells for line in lines[number :: len(files)]]
        write_whole(file, "".join(own))


def report(study: RealSizeStudy, step: Step, runs: Sequence[ArmRun], console: Console) -> None:
    """Compare the arms of a step that are all done, and write its JSON and figures."""
    trained = {arm.name: tuple(run.folder(arm.name) for run in runs) for arm in step.arms}
    played = tuple(_seed_run(step, run) for run in runs)
    require_comparable(folder for run in played for folder in (*run.arms.values(), *run.baselines.values()))
    found = StepRuns(step.name, played, trained, tuple(Pair(*pair) for pair in step.pairs))
    comparison = compare_step(found, STUDY_KINDS, INTERVALS)
    held_to = step_conditions(step, comparison, trained, study.plan, is_on_gpu=study.accelerator == "gpu")
    conditions = {name: conditions_json(several) for name, several in held_to.items()}
    about: dict[str, Any] = {
        "seeds": [run.seed for run in runs],
        "tasks": "test" if step.is_tested else "validation",
        "is_smoke": study.is_smoke,
        "device": device_name(study.accelerator, study.threads),
        "versions": versions_of(folder for run in played for folder in run.arms.values()),
        "plan": study.conditions(step),
        "conditions": conditions,
    }
    write_step(study.root, found, comparison, about, INTERVALS, console)
    for name, several in conditions.items():
        for condition in several:
            console.print(
                f"{name}: {condition['text']}: {condition['got']}, {'met' if condition['is_met'] else 'NOT met'}"
            )
    console.print(f"Written: {study.root / step.name}.json")


def is_gate_kept(study: RealSizeStudy) -> bool:
    """Whether the results of a gate that was passed are there, without its arms: then nothing of it is to be run."""
    gate, results = STEPS["gate"], study.root / "gate.json"
    if (
        study.is_smoke
        or not results.is_file()
        or any(run.folder(a.name).exists() for run in study.runs(gate, ()) for a in gate.arms)
    ):
        return False
    try:
        require_gate(results, study.conditions(gate))
    except ValueError:
        return False
    return True


def _keep_small_files(job: Job) -> None:
    """Leave beside the attempts of an arm that is done what a report reads of them.

    So results can be kept without what is large, and more seeds added to them on another machine.
    """
    folder = job.run.folder(job.arm.name)
    played = folder if job.run.is_tested else chosen_validation(folder)
    if (played / TRANSCRIPTS_FILE).is_file():
        keep_first_moves(played)


def _require_weights(jobs: Sequence[Job]) -> None:
    """Results are kept without weights; ValueError if an arm is to go on from some that were left elsewhere."""
    for run, arm in ((job.run, job.arm) for job in jobs if not job.is_done):
        if arm.start is not None and run.is_done(arm.start) and not run.start_of(arm).is_dir():
            raise ValueError(
                f"{arm.name}: expected the weights of {arm.start}, which it goes on from, in {run.start_of(arm)}, got "
                "its results alone; put the weights back, or name another folder with --output, where it is trained "
                "as well"
            )


def _without_policies(study: RealSizeStudy, step: Step, runs: Sequence[ArmRun]) -> Iterator[ArmRun]:
    """Play the tasks of each run with the policies without a model; those for which there was no time."""
    for run in runs:
        if study.is_over:
            yield run
            continue
        played: Played | None = Played(run.benchmark, EPISODE)
        if not step.is_tested:
            played = read_played(chosen_validation(run.folder(step.arms[0].name)))
            assert played is not None, "every evaluation says what it played"
        write_baselines(_policies(run), played)


def _seed_run(step: Step, run: ArmRun) -> SeedRun:
    """Where the evaluations of a run lie: of the test tasks, or of the validation tasks at the chosen checkpoint."""
    folders = {arm.name: run.folder(arm.name) for arm in step.arms}
    if not step.is_tested:
        folders = {name: chosen_validation(folder) for name, folder in folders.items()}
    policies = sorted(path for path in _policies(run).iterdir() if path.is_dir())
    return SeedRun(run.root.name, folders, {path.name: path for path in policies})


def _policies(run: ArmRun) -> Path:
    return run.root / "baselines"
