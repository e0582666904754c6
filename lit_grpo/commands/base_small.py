"""`lit-grpo base small`: the small base for programs of real size, made anew."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.commands.command import Command, CommandParser, seed

DESCRIPTION = """\
Make the small base for programs of real size: a tokenizer from task text, random weights, and pre-training by
proofreading in stages, from excerpts of two rows to hard programs. A stage ends once held-out texts are read well
enough. Called again it goes on where it was interrupted. The finished base lies in OUTPUT/policy."""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("base small", DESCRIPTION)
    parser.add_argument("--output", type=Path, default=Path("runs/small-base"), help="default: %(default)s")
    parser.add_argument("--seed", type=seed, default=0, help="default: %(default)s")
    return parser.parse_args(words)


def run(options: Namespace) -> int:
    """Make it, or go on making it; 1 if a stage has not learned what it was to learn."""
    from lit_grpo.experiments.proofreading_stages import NotLearned
    from lit_grpo.experiments.small_base import make_small_base

    try:
        folder = make_small_base(options.output, options.seed)
    except NotLearned as error:
        print(f"lit-grpo base small: {error}", file=sys.stderr)
        return 1
    print(f"Written: {folder}")
    return 0


COMMAND = Command("base small", "make the small base for programs of real size: hours on a CPU", parse, run)
