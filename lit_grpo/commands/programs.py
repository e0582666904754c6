"""`lit-grpo programs FOLDER`: which programs of one's own can be trained on, and which faults each has room for."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lit_grpo.commands.command import Command, CommandParser
from lit_grpo.commands.suite_make import difficulties_of, kinds_of_letters
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind

if TYPE_CHECKING:
    from rich.table import Table

    from lit_grpo.data.programs.pool import ProgramPool

DESCRIPTION = """\
Read a folder of feasible programs, NAME.lp or NAME.mps (or either with .gz behind it) with their texts in NAME.txt, and
print for each its split and the kinds of fault that can be put into it, with the difficulties: e, m, h for easy,
medium, hard. The same folder is what data.tasks.programs takes. Exit status: 0; 1 where a kind that was asked for is
possible in no program of some split; 2 where programs cannot be used, with a line for each."""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("programs", DESCRIPTION)
    parser.add_argument("folder", type=Path, help="holds the programs and their texts")
    every = "".join(FaultKind)
    parser.add_argument("--kinds", type=kinds_of_letters, help=f"letters of the kinds that you want (default: {every})")
    parser.add_argument(
        "--difficulties", type=difficulties_of, default=",".join(Difficulty), help="default: %(default)s"
    )
    return parser.parse_args(words)


def run(options: Namespace) -> int:
    """Read, survey, print."""
    from rich.console import Console

    from lit_grpo.data.programs.pool import open_pool
    from lit_grpo.data.splits import Cell, Split

    pool, kinds = open_pool(options.folder), options.kinds or tuple(FaultKind)
    console = Console(width=max(100, Console().width))
    console.print(allowance_table(pool, kinds, options.difficulties))
    left_out = []
    for kind in kinds:
        cells = [Cell(kind, difficulty) for difficulty in options.difficulties]
        if not any(map(pool.offers, cells)):
            numbers = {s.value: sum(any(map(p.allows, cells)) for p in pool.of_split(s)) for s in Split}
            shown = ", ".join(f"{number} of {split}" for split, number in numbers.items())
            left_out.append(f"Kind {kind.value} is not drawn: there is room for it in {shown} programs.")
    console.print(*left_out, sep="\n", markup=False, highlight=False, soft_wrap=True)
    return 1 if left_out and options.kinds else 0


def allowance_table(pool: ProgramPool, kinds: Sequence[FaultKind], difficulties: Sequence[Difficulty]) -> Table:
    """A row for each program: its split, its size, and below each kind the first letters of the difficulties."""
    from rich.table import Table

    from lit_grpo.data.splits import Cell

    table = Table("program", "split", "rows", "columns", *(kind.value for kind in kinds))
    for pooled in pool.programs:
        program = pooled.own.program
        allowed = ("".join(d.value[0] for d in difficulties if pooled.allows(Cell(kind, d))) or "-" for kind in kinds)
        size = (str(len(program.constraints)), str(len(program.variables)))
        table.add_row(pooled.own.file.name, pool.split_of(pooled).value, *size, *allowed)
    return table


COMMAND = Command("programs", "which faults one's own programs have room for, before training on them", parse, run)
