"""`lit-grpo suite check`: every record of a suite, checked by code that shares nothing with what made it."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.commands.command import Command, CommandParser

DESCRIPTION = """\
Check a suite with a plain solver, independently of what made it: the checker imports nothing else of lit_grpo, reads
only the records, and asks HiGHS directly. Prints a table per cell, and a line for each thing that does not hold; ends
with 1 if there is any."""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("suite check", DESCRIPTION)
    parser.add_argument("suite", type=Path, help="a .jsonl file, or a folder of them")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one per core)")
    parser.add_argument(
        "--size",
        choices=["tiny", "small", "medium", "large"],
        help="of all programs (default: as the manifest says, or the difficulty of each)",
    )
    return parser.parse_args(words)


def run(options: Namespace) -> int:
    """Check; 1 if something does not hold."""
    from lit_grpo.suite_checker.check import check_suite

    return 0 if check_suite(options.suite, options.workers, options.size) else 1


COMMAND = Command("suite check", "check a suite with a plain solver, independently of what made it", parse, run)
