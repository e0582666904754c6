"""`lit-grpo suite make`: a suite of test tasks, one file per kind and difficulty."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.commands.command import Command, CommandParser, seed
from lit_grpo.data.suite import STUDY_KINDS, SuitePrograms, SuiteSettings
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind, kinds_of

DESCRIPTION = """\
Make a suite: one file of test tasks per kind and difficulty, KIND_DIFFICULTY.jsonl. The same seed gives the same bytes,
on every run and with any number of workers. Called again with the same settings it goes on where it was interrupted."""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("suite make", DESCRIPTION)
    which = parser.add_mutually_exclusive_group()
    all_kinds = "".join(kinds_of(None))
    which.add_argument(
        "--kinds", type=kinds_of_letters, help=f"letters (default: {all_kinds}, or those that the size can have)"
    )
    which.add_argument("--subset", choices=["study"], help="kinds of a named subset; study: the twelve cells A to D")
    parser.add_argument(
        "--difficulties", type=difficulties_of, default=",".join(Difficulty), help="default: %(default)s"
    )
    parser.add_argument(
        "--size", type=ProgramSize, choices=list(ProgramSize), help="of all programs (default: as the difficulty says)"
    )
    parser.add_argument(
        "--programs", type=Path, help="folder of feasible programs of your own, of which those in test are taken"
    )
    parser.add_argument("--num-tasks", type=int, default=200, help="of each cell (default: %(default)s)")
    parser.add_argument("--seed", type=seed, default=0, help="default: %(default)s")
    parser.add_argument("--output", type=Path, required=True, help="folder, made if missing")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one per core)")
    return parser.parse_args(words)


def settings_of(options: Namespace) -> SuiteSettings:
    """The suite that was asked for; ValueError for one that cannot be, or for programs that cannot be used."""
    programs = None if options.programs is None else SuitePrograms.of(options.programs)
    kinds = STUDY_KINDS if options.subset == "study" else options.kinds or kinds_of(options.size)
    return SuiteSettings(kinds, options.difficulties, options.num_tasks, options.seed, options.size, programs)


def run(options: Namespace) -> int:
    """Make it, with a progress bar; 1 if a cell cannot be filled."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from lit_grpo.data.splits import Cell
    from lit_grpo.data.suite_maker import make_suite
    from lit_grpo.data.task import UnfilledCellError

    settings = settings_of(options)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("tasks", total=len(settings.cells) * settings.num_tasks)

        def report(cell: Cell, num_tasks: int) -> None:
            progress.update(bar, advance=num_tasks, description=f"{cell.kind} {cell.difficulty}".ljust(8))

        try:
            make_suite(options.output, settings, options.workers, report)
        except UnfilledCellError as error:
            print(f"lit-grpo suite make: {error}", file=sys.stderr)
            return 1
    print(f"Written: {len(settings.cells)} cells of {settings.num_tasks} tasks in {options.output}")
    return 0


def kinds_of_letters(letters: str) -> tuple[FaultKind, ...]:
    """The kinds of a word such as ``ACD``; ArgumentTypeError for another letter."""
    known = "".join(FaultKind)
    if not letters or set(letters) - set(known):
        raise ArgumentTypeError(f"expected letters of {known}, got {letters!r}")
    return tuple(map(FaultKind, letters))


def difficulties_of(text: str) -> tuple[Difficulty, ...]:
    """The difficulties of a word such as ``easy,hard``; ArgumentTypeError for another word."""
    words = text.split(",")
    if set(words) - set(Difficulty):
        raise ArgumentTypeError(f"expected words of {','.join(Difficulty)}, got {text!r}")
    return tuple(map(Difficulty, words))


COMMAND = Command("suite make", "make a suite of test tasks over kinds and difficulties", parse, run)
