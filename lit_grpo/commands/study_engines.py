"""`lit-grpo study engines`: the same training with either engine, and whether recovery differs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.commands.command import Command, CommandParser, UsageError, add_study_options, seed

DESCRIPTION = """\
Train with the transformers engine and with vLLM, from the same start on the same tasks, print the paired difference of
FR@5, and end with 1 if its interval excludes 0. What is done is not run again. How to read it: docs/rollouts.md.

  lit-grpo study engines --seeds 0 1 2 --jobs 2         the supervised start, then both arms, of each seed
  lit-grpo study engines --study runs/ablations         takes the start and the first arm from that study"""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("study engines", DESCRIPTION)
    add_study_options(parser, "runs/engines")
    parser.add_argument("--seeds", "--seed", type=seed, nargs="+", help="default: 0 1 2; with --smoke: 0")
    parser.add_argument("--study", type=Path, help="a study of the ablations with the arms sft and no_kl of each seed")
    options = parser.parse_args(words)
    if options.smoke and options.study is not None:
        raise UsageError("--smoke: expected it without --study, got both; arms of another size compare nothing")
    return options


def run(options: Namespace) -> int:
    """Run what has not been run, then compare; 1 if recovery differs."""
    from rich.console import Console

    from lit_grpo.experiments.engine_comparison import compare_engines, make_runs

    console = Console()
    runs = make_runs(
        options.output,
        options.base,
        seeds=options.seeds or ([0] if options.smoke else [0, 1, 2]),
        num_workers=options.jobs,
        threads=options.threads,
        study=options.study,
        is_smoke=options.smoke,
    )
    verdict = compare_engines(options.output, runs, options.jobs, console)
    console.print(verdict.text, soft_wrap=True)
    return 0 if verdict.is_equal else 1


COMMAND = Command("study engines", "the same training with transformers and with vLLM, compared", parse, run)
