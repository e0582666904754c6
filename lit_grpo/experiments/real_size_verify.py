"""The claim of the study of real size looked at again, in minutes: its two shipped policies on tasks of another seed.

Called by `lit-grpo study real-size --verify` and `--ship`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from lit_grpo.data.splits import Cell
from lit_grpo.data.suite import STUDY_KINDS, SuiteSettings
from lit_grpo.data.suite_maker import make_suite
from lit_grpo.experiments.arm_run import POLICY_FOLDER
from lit_grpo.experiments.final_evaluation import EvaluationSettings, evaluate_checkpoints
from lit_grpo.experiments.fit_record import FitRecord
from lit_grpo.experiments.half_precision import write_half
from lit_grpo.experiments.real_size import EPISODE
from lit_grpo.experiments.real_size_arms import COMPUTE_MATCHED, RL
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.results import RESULTS_FILE
from lit_grpo.presets import INSTALLED
from lit_grpo.reports.comparison import COMPARISON_FILE, Comparison, Pair, compare, write_comparison
from lit_grpo.reports.differences import difference_tables
from lit_grpo.reports.runs import SeedRun
from lit_grpo.reports.show import show_tables
from lit_grpo.reports.tables import comparison_tables

SHIPPED = {
    COMPUTE_MATCHED: INSTALLED / "checkpoints" / "small-sft-matched",
    RL: INSTALLED / "checkpoints" / "small-sft-grpo",
}
"""Arm to the folder of its policy, of one training seed, which docs/real_size.md names."""
TASKS_PER_CELL = 50
"""Of each of the twelve cells A to D."""


def ship(study: Path, seed: int | None, folder: Path) -> list[Path]:
    """Write the two policies of the claim's pair, in bfloat16, under the names that ``verify`` looks for.

    Args:
        study: The folder of the study.
        seed: One of the plan's, whose arms have played their test tasks; None: the gate's, which play none.
        folder: Holds a folder for each policy afterwards.

    Returns:
        These folders.

    Raises:
        ValueError: An arm has not been trained there, or not been tested.
    """
    root = study / ("gate" if seed is None else f"seed_{seed}")
    arms = {name: root / "arms" / name for name in SHIPPED}
    missing = [str(arm) for arm in arms.values() if not _is_done(arm, is_tested=seed is not None)]
    if missing:
        step, done = ("gate", "trained") if seed is None else ("claim", "trained and tested")
        raise ValueError(
            f"--ship: expected arms that are {done}, with their policies, got none in {', '.join(missing)}; run --step "
            f"{step} there: results that were copied have no weights"
        )
    return [write_half(arm / POLICY_FOLDER, folder / SHIPPED[name].name) for name, arm in arms.items()]


def _is_done(arm: Path, is_tested: bool) -> bool:
    """Whether an arm has its policy, and has played its test tasks if it is to."""
    is_played = not is_tested or (arm / RESULTS_FILE).is_file()
    return is_played and FitRecord.read(arm).is_done and (arm / POLICY_FOLDER / "config.json").is_file()


def verify(
    folder: Path,
    seed: int,
    num_workers: int,
    console: Console,
    policies: Mapping[str, Path] = SHIPPED,
    tasks_per_cell: int = TASKS_PER_CELL,
) -> Comparison:
    """Make the tasks of a seed, play them with both policies, and print both and their difference.

    Args:
        folder: Holds tasks and results afterwards; what it holds already is not made again.
        seed: The seed of the tasks.
        num_workers: Processes that make the tasks.
        console: Where the tables go.
        policies: Arm to its folder.
        tasks_per_cell: Tasks of each of the twelve cells.

    Raises:
        ValueError: A policy is not there.
    """
    missing = [str(policy) for policy in policies.values() if not (policy / "config.json").is_file()]
    if missing:
        raise ValueError(
            f"--verify: expected the policies that the study ships, got none in {', '.join(missing)}; train them with "
            "--step claim"
        )

    def quiet(cell: Cell, num: int) -> None:
        """It takes a minute or two."""

    suite, intervals = folder / "suite", BootstrapSettings()
    make_suite(suite, SuiteSettings(STUDY_KINDS, num_tasks=tasks_per_cell, seed=seed), num_workers, quiet)
    runs = evaluate_checkpoints(suite, policies, folder / "arms", EvaluationSettings(EPISODE), console)
    comparison = compare([SeedRun(f"seed {seed}", runs, {})], [Pair(RL, COMPUTE_MATCHED)], intervals)
    show_tables([*comparison_tables(comparison), *difference_tables(comparison)], console)
    write_comparison(folder / COMPARISON_FILE, comparison)
    console.print(f"Written: {folder / COMPARISON_FILE}", soft_wrap=True)
    return comparison
