"""The quickstart: from a small pre-trained base to the table that shows what reinforcement learning adds.

    python -m lit_grpo.experiments.quickstart                      # the three arms, one seed
    python -m lit_grpo.experiments.quickstart --seeds 0 1 2 3 4 --arms all

Called by scripts/quickstart.sh. Every arm is a pair of `lit-grpo` commands (arms.py); finished arms are not run again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from lit_grpo.data.benchmark import write_benchmark
from lit_grpo.data.suite import read_suite
from lit_grpo.data.task import Split, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.policies.baselines import BASELINES
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.experiments.arms import Arm, ArmFailed, ArmRun, TrainingData
from lit_grpo.experiments.schedule import Job, run_all
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.results import RESULTS_FILE, results_of, write_run
from lit_grpo.presets import CONFIGS, TINY_BASE
from lit_grpo.reports.policies import scores_of
from lit_grpo.reports.report import REPORT_FILE, write_report

ARMS = {
    arm.name: arm
    for arm in (
        Arm("sft", ("quickstart/base", "quickstart/sft"), None, TrainingData.DEMONSTRATIONS, expected_cpu_s=70),
        Arm(
            "sft_compute_matched",
            ("quickstart/base", "quickstart/sft", "quickstart/sft_compute_matched"),
            "sft",
            TrainingData.DEMONSTRATIONS,
        ),
        Arm("sft_grpo", ("quickstart/base", "quickstart/grpo"), "sft", TrainingData.FRESH_TASKS_AND_REPLAY),
        Arm(
            "sft_grpo_plain",
            ("quickstart/base", "quickstart/grpo", "quickstart/grpo_plain"),
            "sft",
            TrainingData.FRESH_TASKS,
        ),
        Arm(
            "sft_fresh",
            ("quickstart/base", "quickstart/sft", "quickstart/sft_fresh"),
            "sft",
            TrainingData.FRESH_DEMONSTRATIONS,
        ),
    )
}
CANDIDATE = "sft_grpo"
"""Compared with every other arm; where it was not asked for, the last of those that were is."""
MAIN_ARMS = ("sft", "sft_compute_matched", CANDIDATE)
HELD_OUT_SEED = 20_000
"""Of the test tasks, the same in every comparison; training seeds are far below it."""
NUM_TEST_TASKS = 768
NUM_SMOKE_TASKS = 48

EPISODE = EpisodeSettings(undo_if_still_infeasible=True, style=ObservationStyle.COMPACT)
"""As in configs/quickstart; the trivial policies are judged by the same rules."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what has not been run, then compare.

    Returns:
        Exit status: 0, or 1 after an arm that failed, named on stderr.
    """
    options = _parser().parse_args(arguments)
    started = time.monotonic()
    console = Console()
    root: Path = options.output
    benchmark = make_benchmark(root / "test.jsonl", NUM_SMOKE_TASKS if options.smoke else NUM_TEST_TASKS)
    names = tuple(ARMS) if options.arms == ["all"] else tuple(options.arms)
    several = len(options.seeds) > 1
    runs = [
        ArmRun(
            root=root / f"seed_{seed}" if several else root,
            base=options.base,
            benchmark=benchmark,
            seed=seed,
            threads=options.threads,
            extra_config=CONFIGS / "quickstart" / "smoke.yaml" if options.smoke else None,
        )
        for seed in options.seeds
    ]
    try:
        run_all([Job(run, arm) for run in runs for arm in _with_starts(names)], options.jobs, console)
    except ArmFailed as error:
        print(error, file=sys.stderr)
        return 1
    for run in runs:
        score_trivial_policies(run.root / "baselines", benchmark)
    finished = [name for name in ARMS if all(run.is_done(name) for run in runs)]
    candidate = CANDIDATE if CANDIDATE in finished else finished[-1]
    write_report(root, candidate, base="sft", settings=BootstrapSettings(), console=console)
    console.print(f"{root / REPORT_FILE} after {(time.monotonic() - started) / 60:.1f} min")
    return 0


def make_benchmark(path: Path, num_tasks: int) -> Path:
    """Write the held-out test tasks, unless they are there."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        solver, settings = HighsSolver(), TaskSettings(size=ProgramSize.TINY)
        write_benchmark(path, [generate_task(settings, Split.TEST, HELD_OUT_SEED, i, solver) for i in range(num_tasks)])
    return path


def score_trivial_policies(folder: Path, benchmark: Path) -> None:
    """Play the test tasks with every trivial policy, unless that has been done."""
    solver, tasks = HighsSolver(), None
    for policy in BASELINES:
        if (folder / policy.name / RESULTS_FILE).is_file():
            continue
        tasks = tasks or read_suite(benchmark)
        scored = scores_of(policy, tasks, solver, EPISODE, seed=0)
        write_run(folder / policy.name, scored, results_of(scored))


def _with_starts(names: Sequence[str]) -> Iterator[Arm]:
    """The arms named, and those they start from, in the order of ``ARMS``."""
    wanted = {*names, *(start for name in names if (start := ARMS[name].start) is not None)}
    return (arm for arm in ARMS.values() if arm.name in wanted)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/quickstart"), help="default: %(default)s")
    parser.add_argument("--base", type=Path, default=TINY_BASE, help="pre-trained (default: checkpoints/tiny-base)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one comparison each (default: 0)")
    parser.add_argument(
        "--arms", nargs="+", default=list(MAIN_ARMS), choices=[*ARMS, "all"], help="default: the three of the table"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="arms at a time (default: all cores)")
    parser.add_argument("--threads", type=int, default=1, help="of each arm; the figures depend on it (default: 1)")
    parser.add_argument("--smoke", action="store_true", help="the same path in seconds; the figures mean nothing")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
