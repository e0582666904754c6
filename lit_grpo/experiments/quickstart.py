"""The quickstart: from a small pre-trained base to the table that shows what reinforcement learning adds.

Called by `lit-grpo quickstart`. Every arm is a pair of `lit-grpo` commands (arm_run.py); arms that are done are not run
again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lit_grpo.data.benchmark import write_benchmark
from lit_grpo.data.played import Played
from lit_grpo.data.task import Split, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.experiments.arm_run import ArmRun
from lit_grpo.experiments.arms import Arm
from lit_grpo.experiments.baselines import write_baselines
from lit_grpo.experiments.quickstart_arms import ARMS, CANDIDATE
from lit_grpo.experiments.schedule import Job, run_all
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.presets import CONFIGS
from lit_grpo.reports.report import REPORT_FILE, write_report
from lit_grpo.reports.runs import find_seed_runs

HELD_OUT_SEED = 20_000
"""The seed of the test tasks, the same in every comparison; training seeds are far below it."""
NUM_TEST_TASKS = 768
NUM_SMOKE_TASKS = 48

EPISODE = EpisodeSettings(undo_if_still_infeasible=True, style=ObservationStyle.COMPACT)
"""The rules of configs/quickstart; the trivial policies are judged by the same rules."""


@dataclass(frozen=True, slots=True)
class QuickstartSettings:
    """What is compared, and with how much of the machine."""

    root: Path
    """The folder of all runs; with several seeds it has a folder for each."""
    base: Path
    """Folder of the pre-trained base."""
    seeds: tuple[int, ...]
    """A comparison each."""
    arms: tuple[str, ...]
    """Names in ``ARMS``; those they start from are run as well."""
    num_jobs: int
    """Arms at a time."""
    threads: int
    """The threads of each arm."""
    is_smoke: bool
    """Whether all is small enough to take seconds, and the figures mean nothing."""


def run_quickstart(settings: QuickstartSettings, console: Console) -> None:
    """Run what has not been run, then compare.

    Raises:
        ArmFailed: A command of an arm ended with an error.
    """
    started, root = time.monotonic(), settings.root
    benchmark = make_benchmark(root / "test.jsonl", NUM_SMOKE_TASKS if settings.is_smoke else NUM_TEST_TASKS)
    several = len(settings.seeds) > 1
    runs = [
        ArmRun(
            root=root / f"seed_{seed}" if several else root,
            base=settings.base,
            benchmark=benchmark,
            seed=seed,
            threads=settings.threads,
            extra_config=CONFIGS / "quickstart" / "smoke.yaml" if settings.is_smoke else None,
        )
        for seed in settings.seeds
    ]
    run_all([Job(run, arm) for run in runs for arm in _with_starts(settings.arms)], settings.num_jobs, console)
    for run in runs:
        write_baselines(run.root / "baselines", Played(benchmark, EPISODE))
    finished = [name for name in ARMS if all(run.is_done(name) for run in runs)]
    candidate = CANDIDATE if CANDIDATE in finished else finished[-1]
    write_report(root, find_seed_runs(root), candidate, "sft", BootstrapSettings(), console)
    console.print(f"{root / REPORT_FILE} after {(time.monotonic() - started) / 60:.1f} min")


def make_benchmark(path: Path, num_tasks: int) -> Path:
    """Write the held-out test tasks, unless they are there."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        solver, settings = HighsSolver(), TaskSettings(size=ProgramSize.TINY)
        write_benchmark(path, [generate_task(settings, Split.TEST, HELD_OUT_SEED, i, solver) for i in range(num_tasks)])
    return path


def _with_starts(names: Sequence[str]) -> Iterator[Arm]:
    """The arms named, and those they start from, in the order of ``ARMS``."""
    wanted = {*names, *(start for name in names if (start := ARMS[name].start) is not None)}
    return (arm for arm in ARMS.values() if arm.name in wanted)
