"""`lit-grpo suite baselines`: the trivial policies in one table."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.commands.command import Command, CommandParser, seed
from lit_grpo.environment.domains.base import ProgramSize

DESCRIPTION = """\
Play a suite with the policies that need no model, and print what they reach. Without a suite, held-out tasks are
generated. A suite is a .jsonl file, a folder of them, or a folder in the published layout of OR-Debug-Bench."""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("suite baselines", DESCRIPTION)
    parser.add_argument("suite", type=Path, nargs="?", help="tasks to play instead of generated ones")
    parser.add_argument("--num-tasks", type=int, default=200, help="to generate (default: %(default)s)")
    parser.add_argument(
        "--size", type=ProgramSize, choices=list(ProgramSize), help="of those (default: as the difficulty says)"
    )
    parser.add_argument("--seed", type=seed, default=0, help="default: %(default)s")
    parser.add_argument(
        "--undo-if-still-infeasible", action="store_true", help="take back edits that leave the program infeasible"
    )
    parser.add_argument("--output", type=Path, help="file for the tables as Markdown")
    return parser.parse_args(words)


def run(options: Namespace) -> int:
    """Play, print, write."""
    from rich.console import Console

    from lit_grpo.data.suite import read_suite
    from lit_grpo.environment.episodes.record import EpisodeSettings
    from lit_grpo.experiments.baselines import generated_tasks, play_baselines
    from lit_grpo.metrics.bootstrap import BootstrapSettings
    from lit_grpo.metrics.notes import notes_of
    from lit_grpo.metrics.results import results_of
    from lit_grpo.reports.policies import policies_tables
    from lit_grpo.reports.show import markdown_table, show_tables

    if options.suite is None:
        tasks = generated_tasks(options.num_tasks, options.size, options.seed)
    else:
        tasks = read_suite(options.suite)
    rules = EpisodeSettings(max_turns=5, undo_if_still_infeasible=options.undo_if_still_infeasible)
    scored = play_baselines(tasks, rules, options.seed)
    intervals = BootstrapSettings()
    tables = policies_tables({name: results_of(scores, intervals) for name, scores in scored.items()}, intervals)
    notes = notes_of(next(iter(scored.values())))
    console = Console(width=max(100, Console().width))
    console.print(*notes, sep="\n", style="yellow", markup=False)
    show_tables(tables, console)
    if options.output is not None:
        options.output.write_text("\n".join([*notes, *map(markdown_table, tables)]), encoding="utf-8")
    return 0


COMMAND = Command("suite baselines", "play a suite with the policies that need no model", parse, run)
