"""The quickstart: from a small pre-trained base to the table that shows what reinforcement learning adds.

Called by `lit-grpo quickstart`. Every arm is a pair of `lit-grpo` commands (arm_run.py); arms that are done are not run
again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lit_grpo.data.benchmark import write_benchmark
from lit_grpo.data.held_out_tasks import held_out_tasks
from lit_grpo.data.played import Played
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.fault_kinds import PLAIN_KINDS
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
NUM_OWN_TASKS = 256
"""Of a user's few test programs: more faults in them would say no more of other programs."""

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
    programs: Path | None = None
    """A folder of the user's own programs to train and test on; None: the tiny programs of the domains."""
    config: Path | None = None
    """Laid over the configs of every arm, and over the smoke run's sizes in their place; None for none."""

    @property
    def tasks(self) -> TaskSettings:
        """What is drawn: of a user's programs the kinds that tiny ones can have, which one edit repairs."""
        if self.programs is None:
            return TaskSettings(size=ProgramSize.TINY)
        return TaskSettings(kinds=dict.fromkeys(PLAIN_KINDS, 1.0), programs=self.programs)

    @property
    def num_test_tasks(self) -> int:
        """At most so many are held out for the table."""
        if self.is_smoke:
            return NUM_SMOKE_TASKS
        return NUM_TEST_TASKS if self.programs is None else NUM_OWN_TASKS

    @property
    def arguments(self) -> tuple[str, ...]:
        """The same for the commands of an arm, whose configs say otherwise."""
        if self.programs is None:
            return ()
        kinds = dict.fromkeys((kind.value for kind in PLAIN_KINDS), 1.0)
        return (f"--data.tasks={json.dumps({'size': None, 'kinds': kinds, 'programs': str(self.programs)})}",)


def run_quickstart(settings: QuickstartSettings, console: Console) -> None:
    """Run what has not been run, then compare.

    Raises:
        ArmFailed: A command of an arm ended with an error.
    """
    started, root = time.monotonic(), settings.root
    settings.tasks.require_programs()
    benchmark = make_benchmark(root / "test.jsonl", settings.tasks, settings.num_test_tasks)
    several = len(settings.seeds) > 1
    runs = [
        ArmRun(
            root=root / f"seed_{seed}" if several else root,
            base=settings.base,
            benchmark=benchmark,
            seed=seed,
            threads=settings.threads,
            extra_config=settings.config or (CONFIGS / "quickstart" / "smoke.yaml" if settings.is_smoke else None),
            arguments=settings.arguments,
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


def make_benchmark(path: Path, tasks: TaskSettings, num_tasks: int) -> Path:
    """Write the held-out test tasks, unless they are there; raises like `held_out_tasks`."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_benchmark(path, held_out_tasks(tasks, Split.TEST, HELD_OUT_SEED, num_tasks, HighsSolver()))
    return path


def _with_starts(names: Sequence[str]) -> Iterator[Arm]:
    """The arms named, and those they start from, in the order of ``ARMS``."""
    wanted = {*names, *(start for name in names if (start := ARMS[name].start) is not None)}
    return (arm for arm in ARMS.values() if arm.name in wanted)
