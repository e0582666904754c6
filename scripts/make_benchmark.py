"""Make the benchmark suite: ``python scripts/make_benchmark.py --num 200 --seed 0 --out runs/benchmark``.

Writes one file of test tasks per kind and difficulty, KIND_DIFFICULTY.jsonl. The same seed gives the same bytes, on
every run and with any number of workers. Called again with the same settings it goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lit_grpo.data.suite import STUDY_KINDS, SuiteSettings
from lit_grpo.data.suite_maker import make_suite
from lit_grpo.data.task import Cell, UnfilledCellError
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind, kinds_of


def settings_from(arguments: argparse.Namespace) -> SuiteSettings:
    """The suite that was asked for; ValueError for a letter or a word that is no kind or difficulty."""
    return SuiteSettings(
        kinds=_kinds(arguments),
        difficulties=tuple(Difficulty(word) for word in arguments.difficulties.split(",")),
        num_tasks=arguments.num,
        seed=arguments.seed,
        size=arguments.size,
    )


def _kinds(arguments: argparse.Namespace) -> tuple[FaultKind, ...]:
    if arguments.subset == "study":
        return STUDY_KINDS
    return kinds_of(arguments.size) if arguments.kinds is None else tuple(map(FaultKind, arguments.kinds))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = line.add_mutually_exclusive_group()
    which.add_argument("--kinds", help=f"letters (default: {''.join(kinds_of(None))}, or those that the size can have)")
    which.add_argument("--subset", choices=["study"], help="kinds of a named subset; study: the twelve cells A to D")
    line.add_argument("--difficulties", default=",".join(Difficulty), help="(default: %(default)s)")
    line.add_argument(
        "--size", type=ProgramSize, choices=list(ProgramSize), help="of all programs (default: as the difficulty says)"
    )
    line.add_argument("--num", type=int, default=200, help="tasks of each cell (default: %(default)s)")
    line.add_argument("--seed", type=int, default=0)
    line.add_argument("--out", type=Path, required=True, help="folder, made if missing")
    line.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one per core)")
    return line


def main() -> int:
    """Make it, with a progress bar; what cannot be made is one line."""
    command_line = parser()
    arguments = command_line.parse_args()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        settings = settings_from(arguments)
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("tasks", total=len(settings.cells) * settings.num_tasks)

            def report(cell: Cell, num_tasks: int) -> None:
                progress.update(bar, advance=num_tasks, description=f"{cell.kind} {cell.difficulty}".ljust(8))

            make_suite(arguments.out, settings, arguments.workers, report)
    except ValueError as error:
        command_line.error(str(error))
    except UnfilledCellError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Written: {len(settings.cells)} cells of {settings.num_tasks} tasks in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
