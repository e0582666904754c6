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
from lit_grpo.environment.scoring import RepairScore


def percentages(scores: Sequence[RepairScore]) -> list[str]:
    """RR@5, FR@1, FR@5 and the mean F1 of the diagnosis, in percent."""
    shares = (
        [score.recovered for score in scores],
        [score.faithful and score.steps == 1 for score in scores],
        [score.faithful for score in scores],
        [score.diagnosis.f1 for score in scores],
    )
    return [f"{100 * sum(share) / len(scores):.1f}" for share in shares]


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
    table = Table("policy", "RR@5", "FR@1", "FR@5", "DA (F1)", title=f"{len(tasks)} tasks, percent")
    for policy in BASELINES:
        episodes = run_baseline(policy, tasks, solver, settings, arguments.seed)
        table.add_row(policy.name, *percentages([episode.score for episode in episodes]))
    Console().print(table)


if __name__ == "__main__":
    main()
