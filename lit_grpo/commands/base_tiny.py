"""`lit-grpo base tiny`: the small base of the quickstart, made anew."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.commands.command import Command, CommandParser, seed

DESCRIPTION = """\
Make the base that comes with the project as checkpoints/tiny-base: a tokenizer from task text, random weights of 0.9M
parameters, and pre-training by proofreading."""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("base tiny", DESCRIPTION)
    parser.add_argument("--output", type=Path, default=Path("runs/tiny-base"), help="default: %(default)s")
    parser.add_argument("--seed", type=seed, default=0, help="default: %(default)s")
    return parser.parse_args(words)


def run(options: Namespace) -> int:
    """Make it; the exit status of the fits."""
    from lit_grpo.experiments.base_model import make_tiny_base

    return make_tiny_base(options.output, options.seed)


COMMAND = Command("base tiny", "make the small base of the quickstart anew", parse, run)
