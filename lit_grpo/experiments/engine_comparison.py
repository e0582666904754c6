"""Whether GRPO ends at the same recovery with vLLM as with the transformers engine.

Called by `lit-grpo study engines`. The arms are `no_kl` of the ablations, and the same with configs/engine/vllm.yaml:
same start, tasks, seeds and settings. Both draw with the same random numbers, so the runs are the same until rounding
moves a draw; from then on they are two samples of training. What can be asked in any case is whether the paired
difference of FR@5 on the same test tasks is 0 within its interval over tasks and seeds. Arms that are done are not run
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from lit_grpo.experiments.ablation_arms import SEVERAL, SFT
from lit_grpo.experiments.ablations import INTERVALS, SMOKE_TASKS_PER_CELL, TASKS_PER_CELL, make_test_suite
from lit_grpo.experiments.arm_run import ArmRun
from lit_grpo.experiments.schedule import Job, run_all
from lit_grpo.metrics.bootstrap import Estimate
from lit_grpo.metrics.compute import read_seconds
from lit_grpo.metrics.functional import Quantity
from lit_grpo.presets import CONFIGS
from lit_grpo.reports.comparison import COMPARISON_FILE, Pair, compare, write_comparison
from lit_grpo.reports.differences import difference_tables
from lit_grpo.reports.runs import METRICS_FILE, SeedRun, read_series
from lit_grpo.reports.show import show_tables
from lit_grpo.reports.tables import comparison_tables

TRANSFORMERS, VLLM = "no_kl", "no_kl_vllm"
_BY_NAME = {arm.name: arm for arm in SEVERAL}
_FIRST = _BY_NAME[TRANSFORMERS]
ARMS = (_BY_NAME[SFT], _FIRST, replace(_FIRST, name=VLLM, configs=(*_FIRST.configs, "engine/vllm")))
FOUND_IN_FOUR_OF_FIVE = (1.96 + 0.84) / 1.96
"""Half widths of a 95 % interval that a true difference has to be for a power of 80 % (normal approximation)."""
TEST_FOLDER = "test"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison says."""

    difference: Estimate
    """The difference of FR@5, vLLM minus transformers, with its interval over tasks and seeds."""

    @property
    def is_equal(self) -> bool:
        """Whether the interval holds 0. Of two engines that are equal one comparison in twenty says no."""
        low, high = self._interval
        return low <= 0.0 <= high

    @property
    def detectable(self) -> float:
        """The difference that this comparison would have found four times in five."""
        low, high = self._interval
        return FOUND_IN_FOUR_OF_FIVE * (high - low) / 2

    @property
    def text(self) -> str:
        """The difference in points."""
        assert self.difference.value is not None
        value, low, high = (100 * number for number in (self.difference.value, *self._interval))
        if low == high == 0:
            return "FR@5 of vLLM minus transformers: 0, task by task"
        return (
            f"FR@5 of vLLM minus transformers: {value:+.1f} [{low:+.1f}, {high:+.1f}] points: "
            f"{'no difference' if self.is_equal else 'they DIFFER'}; one of {100 * self.detectable:.1f} would have "
            "been found four times in five"
        )

    @property
    def _interval(self) -> tuple[float, float]:
        assert self.difference.low is not None
        assert self.difference.high is not None
        return self.difference.low, self.difference.high


def compare_engines(root: Path, runs: Sequence[ArmRun], num_jobs: int, console: Console) -> Verdict:
    """Run what has not been run, then compare.

    Raises:
        ArmFailed: A command of an arm ended with an error.
    """
    run_all([Job(run, arm) for run in runs for arm in ARMS], num_jobs, console)
    return report(root, runs, console)


def report(root: Path, runs: Sequence[ArmRun], console: Console) -> Verdict:
    """Print the tables, write `comparison.json` into ``root``."""
    seeds = [SeedRun(run.root.name, {name: run.folder(name) for name in (TRANSFORMERS, VLLM)}, {}) for run in runs]
    pair = Pair(VLLM, TRANSFORMERS)
    comparison = compare(seeds, [pair], INTERVALS)
    write_comparison(root / COMPARISON_FILE, comparison)
    show_tables([*comparison_tables(comparison), *difference_tables(comparison)], console)
    for run in runs:
        console.print(f"{run.root.name}: {_progress(run)}", soft_wrap=True)
    return Verdict(comparison.pooled.differences[pair].overall[Quantity.FR_5])


def num_equal_rollouts(run: ArmRun) -> tuple[int, int]:
    """Rollouts at the beginning whose mean rewards are equal with both engines, and all of the shorter run."""
    series = [read_series(run.folder(name) / METRICS_FILE, "rollout/reward") for name in (TRANSFORMERS, VLLM)]
    pairs = list(zip(*(each.values for each in series), strict=False))
    equal = next((number for number, (one, other) in enumerate(pairs) if abs(one - other) > 1e-6), len(pairs))
    return equal, len(pairs)


def link_arms(run: ArmRun, study: Path, names: Iterable[str]) -> None:
    """Take finished arms of the same seed from another study.

    Raises:
        ValueError: One is not there, or not finished.
    """
    source = replace(run, root=study / run.root.name)
    for name in names:
        if not source.is_done(name):
            raise ValueError(f"--study: expected the finished arm {source.folder(name)}, got none; leave --study out")
        if not run.is_done(name):
            run.folder(name).parent.mkdir(parents=True, exist_ok=True)
            run.folder(name).symlink_to(source.folder(name).resolve())


def _progress(run: ArmRun) -> str:
    equal, num = num_equal_rollouts(run)
    seconds = []
    for name in (TRANSFORMERS, VLLM):
        wall_s, cpu_s = (read_seconds(run.folder(name), which) for which in ("fit_wall_s", "fit_cpu_s"))
        seconds.append(f"{name} {wall_s:.0f} s ({cpu_s:.0f} s of a core)")
    return f"rewards equal in the first {equal} of {num} rollouts; fit: {', '.join(seconds)}"


def make_runs(
    root: Path,
    base: Path,
    *,
    seeds: Sequence[int],
    num_workers: int,
    threads: int,
    study: Path | None,
    is_smoke: bool,
) -> list[ArmRun]:
    """The runs of a comparison, one per seed, with their test tasks, which are made where they are missing.

    Args:
        root: Folder of the comparison.
        base: Folder of the pre-trained base.
        seeds: The seeds of training.
        num_workers: Processes that make the test tasks.
        threads: The threads of each arm.
        study: A study of the ablations, whose start, first arm and test tasks are taken; None: everything is made.
        is_smoke: Whether all is small enough to take minutes, and the figures mean nothing.

    Raises:
        ValueError: The study lacks an arm.
    """
    if study is None:
        num_tasks = SMOKE_TASKS_PER_CELL if is_smoke else TASKS_PER_CELL
        suite = make_test_suite(root / TEST_FOLDER, num_tasks, num_workers)
    else:
        suite = study / TEST_FOLDER
    runs = [
        ArmRun(
            root=root / f"seed_{seed}",
            base=base,
            benchmark=suite,
            seed=seed,
            threads=threads,
            extra_config=CONFIGS / "ablation" / "smoke.yaml" if is_smoke else None,
        )
        for seed in seeds
    ]
    if study is not None:
        for run in runs:
            link_arms(run, study, (SFT, TRANSFORMERS))
    return runs
