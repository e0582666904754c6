"""The trivial policies in one table: ``python scripts/run_baselines.py --num-tasks 200 --size tiny``.

Plays generated held-out tasks, or those of a benchmark (``--benchmark FILE.jsonl``).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lit_grpo.data.benchmark import read_benchmark
from lit_grpo.data.task import Split, Task, TaskSettings, generate_task
from lit_grpo.environment.baselines import BASELINES, run_baseline
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episode_record import EpisodeSettings
from lit_grpo.environment.highs import HighsSolver
from lit_grpo.environment.repairable import require_repairable
from lit_grpo.metrics.functional import Quantity
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.results import results_of
from lit_grpo.reports.tables import estimate_text

QUANTITIES = (Quantity.RR_5, Quantity.FR_1, Quantity.FR_5, Quantity.DIAGNOSIS_F1)


def read_or_generate(arguments: argparse.Namespace, solver: HighsSolver) -> Sequence[Task]:
    """The tasks to play."""
    if arguments.benchmark is not None:
        return read_benchmark(arguments.benchmark)
    settings = TaskSettings(size=arguments.size)
    return [generate_task(settings, Split.TEST, arguments.seed, i, solver) for i in range(arguments.num_tasks)]


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-tasks", type=int, default=200)
    parser.add_argument("--size", type=ProgramSize, choices=list(ProgramSize), help="default: as the difficulty says")
    parser.add_argument("--benchmark", type=Path, help="JSONL of tasks, instead of generated ones")
    parser.add_argument("--undo-if-still-infeasible", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    solver = HighsSolver()
    tasks = read_or_generate(arguments, solver)
    if not tasks:
        parser.error("expected at least one task, got none; raise --num-tasks or name another --benchmark")
    settings = EpisodeSettings(max_steps=5, undo_if_still_infeasible=arguments.undo_if_still_infeasible)
    try:
        for task in tasks:
            require_repairable(task.fault, settings)
    except ValueError as error:
        parser.error(str(error))
    table = Table("policy", *QUANTITIES, title=f"{len(tasks)} tasks, percent (95 % interval)")
    for policy in BASELINES:
        episodes = run_baseline(policy, tasks, solver, settings, arguments.seed)
        scored = [ScoredTask.of(played.task, played.record.stop_reason, played.score) for played in episodes]
        found = results_of(scored).overall.estimates
        table.add_row(policy.name, *(estimate_text(found[quantity], quantity) for quantity in QUANTITIES))
    Console(width=max(100, Console().width)).print(table)


if __name__ == "__main__":
    main()
