"""What a command of `lit-grpo` is, and the parser that most of them have.

Used by every module of this folder. All of them are imported to answer ``lit-grpo --help``: what takes long to import
(torch, Lightning, figures) is therefore imported inside the functions that need it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

from typing_extensions import override

from lit_grpo.presets import TINY_BASE

Options = TypeVar("Options")


class UsageError(ValueError):
    """Words on the command line that no command takes: says which were expected."""


@dataclass(frozen=True, slots=True)
class Command(Generic[Options]):
    """A command, of one word or two."""

    name: str
    """Its words, for example ``suite make``."""
    summary: str
    """What it does, as one line of ``lit-grpo --help``."""
    parse: Callable[[Sequence[str]], Options]
    """Reads the words behind the name, without doing anything; UsageError for those it does not take."""
    run: Callable[[Options], int]
    """Does it; returns the exit status: 0, or 1 for a result that is not the one hoped for."""


class CommandParser(argparse.ArgumentParser):
    """A parser that takes no abbreviated options, and whose errors are one line each."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(
            prog=f"lit-grpo {name}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    @override
    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{message}; see `{self.prog} --help`")


def seed(text: str) -> int:
    """A seed, as every generator takes it: the type of an option."""
    if not text.isdecimal() or not 0 <= int(text) < 2**32:
        raise argparse.ArgumentTypeError(f"expected a seed from 0 to {2**32 - 1}, got {text!r}")
    return int(text)


def add_study_options(parser: CommandParser, output: str, base: Path = TINY_BASE) -> None:
    """Add what every study takes: where it goes, what it starts from, and how much of the machine it may use."""
    parser.add_argument("--output", type=Path, default=Path(output), help="folder of the study (default: %(default)s)")
    parser.add_argument(
        "--base", type=Path, default=base, help=f"folder of the pre-trained base (default: checkpoints/{base.name})"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="arms at a time (default: all cores)")
    parser.add_argument("--threads", type=int, default=1, help="of each arm; the figures depend on it (default: 1)")
    parser.add_argument("--smoke", action="store_true", help="the same path in small; the figures mean nothing")
