"""The trivial policies in one table: ``python scripts/run_baselines.py --num-tasks 200 --size tiny``.

Plays generated held-out tasks, or those of a benchmark (``--benchmark PATH``): JSONL, a folder of such files, or a
folder in the published layout of OR-Debug-Bench. ``--out FILE`` writes the tables as Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lit_grpo.data.suite import read_suite
from lit_grpo.data.task import Split, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repairable import require_repairable
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.policies.baselines import BASELINES
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.notes import notes_of
from lit_grpo.metrics.results import results_of
from lit_grpo.reports.policies import policies_tables, scores_of
from lit_grpo.reports.show import markdown_table, show_tables


def read_or_generate(arguments: argparse.Namespace, solver: HighsSolver) -> Sequence[GradedProblem]:
    """The tasks to play."""
    if arguments.benchmark is not None:
        return read_suite(arguments.benchmark)
    settings = TaskSettings(size=arguments.size)
    return [generate_task(settings, Split.TEST, arguments.seed, i, solver) for i in range(arguments.num_tasks)]


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-tasks", type=int, default=200)
    parser.add_argument("--size", type=ProgramSize, choices=list(ProgramSize), help="default: as the difficulty says")
    parser.add_argument("--benchmark", type=Path, help="tasks to play instead of generated ones")
    parser.add_argument("--undo-if-still-infeasible", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file for the tables as Markdown")
    arguments = parser.parse_args()
    solver = HighsSolver()
    settings = EpisodeSettings(max_turns=5, undo_if_still_infeasible=arguments.undo_if_still_infeasible)
    try:
        tasks = read_or_generate(arguments, solver)
        if not tasks:
            raise ValueError("expected at least one task, got none; raise --num-tasks or name another --benchmark")
        for task in tasks:
            require_repairable(task.fault, settings)
    except ValueError as error:
        parser.error(str(error))
    scored = {p.name: scores_of(p, tasks, solver, settings, arguments.seed) for p in BASELINES}
    intervals = BootstrapSettings()
    tables = policies_tables({name: results_of(scores, intervals) for name, scores in scored.items()}, intervals)
    notes = notes_of(next(iter(scored.values())))
    console = Console(width=max(100, Console().width))
    console.print(*notes, sep="\n", style="yellow", markup=False)
    show_tables(tables, console)
    if arguments.out is not None:
        arguments.out.write_text("\n".join([*notes, *map(markdown_table, tables)]), encoding="utf-8")


if __name__ == "__main__":
    main()
