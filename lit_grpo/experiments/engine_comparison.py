"""Whether GRPO ends at the same recovery with vLLM as with the transformers engine.

    python scripts/compare_engines.py --seeds 0 1 2 --jobs 2   # the supervised start, then both arms, of each seed
    python scripts/compare_engines.py --study runs/ablations   # takes the start and the first arm from that study
    python scripts/compare_engines.py --smoke                  # the same path in minutes; the figures mean nothing

Called by scripts/compare_engines.py. The arms are `no_kl` of the ablations, and the same with configs/engine/vllm.yaml:
same start, tasks, seeds and settings. Both draw with the same random numbers, so the runs are the same until rounding
moves a draw; from then on they are two samples of training. What can be asked in any case is whether the paired
difference of FR@5 on the same test tasks is 0 within its interval over tasks and seeds. Arms that are done are not run
again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from lit_grpo.experiments.ablation_arms import SEVERAL, SFT
from lit_grpo.experiments.ablations import INTERVALS, SMOKE_TASKS_PER_CELL, TASKS_PER_CELL, make_test_suite
from lit_grpo.experiments.arms import ArmFailed, ArmRun
from lit_grpo.experiments.schedule import Job, run_all
from lit_grpo.metrics.bootstrap import Estimate
from lit_grpo.metrics.functional import Quantity
from lit_grpo.presets import CONFIGS, TINY_BASE
from lit_grpo.reports.comparison import COMPARISON_FILE, Pair, compare, write_comparison
from lit_grpo.reports.runs import COMPUTE_FILE, METRICS_FILE, SeedRun, read_series
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
    """Of FR@5, vLLM minus transformers, with its interval over tasks and seeds."""

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
        """In points."""
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what has not been run, then compare.

    Returns:
        Exit status: 0; 1 if FR@5 differs, or after an arm that failed; 2 if the study lacks an arm.
    """
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        runs = _runs(options)
        run_all([Job(run, arm) for run in runs for arm in ARMS], options.jobs, console)
    except (ArmFailed, ValueError) as error:
        print(f"compare_engines: {error}", file=sys.stderr)
        return 1 if isinstance(error, ArmFailed) else 2
    verdict = report(options.output, runs, console)
    console.print(verdict.text, soft_wrap=True)
    return 0 if verdict.is_equal else 1


def report(root: Path, runs: Sequence[ArmRun], console: Console) -> Verdict:
    """Print the tables, write `comparison.json` into ``root``."""
    seeds = [SeedRun(run.root.name, {name: run.folder(name) for name in (TRANSFORMERS, VLLM)}, {}) for run in runs]
    pair = Pair(VLLM, TRANSFORMERS)
    comparison = compare(seeds, [pair], INTERVALS)
    write_comparison(root / COMPARISON_FILE, comparison)
    show_tables(comparison_tables(comparison), console)
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
        ValueError: one is not there, or not finished.
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
        compute = json.loads((run.folder(name) / COMPUTE_FILE).read_text(encoding="utf-8"))
        seconds.append(f"{name} {compute['fit_wall_s']:.0f} s ({compute['fit_cpu_s']:.0f} s of a core)")
    return f"rewards equal in the first {equal} of {num} rollouts; fit: {', '.join(seconds)}"


def _runs(options: argparse.Namespace) -> list[ArmRun]:
    study: Path | None = options.study
    if study is None:
        num_tasks = SMOKE_TASKS_PER_CELL if options.smoke else TASKS_PER_CELL
        suite = make_test_suite(options.output / TEST_FOLDER, num_tasks, options.jobs)
    else:
        suite = study / TEST_FOLDER
    runs = [
        ArmRun(
            root=options.output / f"seed_{seed}",
            base=options.base,
            benchmark=suite,
            seed=seed,
            threads=options.threads,
            extra_config=CONFIGS / "ablation" / "smoke.yaml" if options.smoke else None,
        )
        for seed in options.seeds or ([0] if options.smoke else [0, 1, 2])
    ]
    for run in runs if study is not None else ():
        assert study is not None
        link_arms(run, study, (SFT, TRANSFORMERS))
    return runs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/engines"), help="default: %(default)s")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--study", type=Path, help="a study of the ablations with the arms sft and no_kl of each seed")
    which.add_argument("--smoke", action="store_true", help="two steps of every arm; the figures mean nothing")
    parser.add_argument("--base", type=Path, default=TINY_BASE, help="pre-trained (default: checkpoints/tiny-base)")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: 0 1 2; with --smoke: 0")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="arms at a time (default: all cores)")
    parser.add_argument("--threads", type=int, default=1, help="of each arm (default: 1)")
    return parser
