"""`lit-grpo quickstart`: from the small base to the table that shows what reinforcement learning adds."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.commands.command import Command, CommandParser, add_study_options, seed
from lit_grpo.experiments.quickstart_arms import ARMS, MAIN_ARMS
from lit_grpo.presets import find_preset

DESCRIPTION = """\
Train the arms of the quickstart on the CPU, test them on the same held-out tasks, and compare them: supervised
fine-tuning (SFT), SFT with as much compute as RL, and SFT followed by RL. Arms that are done are not run again.

  lit-grpo quickstart                                   the three arms, one seed
  lit-grpo quickstart --seeds 0 1 2 3 4 --arms all      five seeds of all arms
  lit-grpo quickstart --programs FOLDER                 on feasible programs of your own, with their texts"""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("quickstart", DESCRIPTION)
    add_study_options(parser, "runs/quickstart")
    parser.add_argument("--seeds", "--seed", type=seed, nargs="+", default=[0], help="a comparison each (default: 0)")
    parser.add_argument(
        "--arms",
        nargs="+",
        default=list(MAIN_ARMS),
        choices=[*ARMS, "all"],
        metavar="ARM",
        help=f"of {', '.join(ARMS)}, or all (default: {' '.join(MAIN_ARMS)})",
    )
    parser.add_argument(
        "--programs", type=Path, help="folder of programs to train and test on, in place of the domains' tiny ones"
    )
    parser.add_argument(
        "--config", type=find_preset, help="file or preset that is laid over every arm's configs: sizes, another base"
    )
    return parser.parse_args(words)


def run(options: Namespace) -> int:
    """Run what has not been run, then compare."""
    from rich.console import Console

    from lit_grpo.experiments.quickstart import QuickstartSettings, run_quickstart

    settings = QuickstartSettings(
        root=options.output,
        base=options.base,
        seeds=tuple(options.seeds),
        arms=tuple(ARMS) if options.arms == ["all"] else tuple(options.arms),
        num_jobs=options.jobs,
        threads=options.threads,
        is_smoke=options.smoke,
        programs=options.programs,
        config=options.config,
    )
    run_quickstart(settings, Console())
    return 0


COMMAND = Command("quickstart", "train and compare the arms of the quickstart, in minutes on a CPU", parse, run)
