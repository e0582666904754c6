"""`lit-grpo study ablations`: every arm on every seed, the curriculum on the best of them, and the report."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.commands.command import Command, CommandParser, add_study_options, seed

DESCRIPTION = """\
Train and test every arm of the ablations that is not done yet, and write `ablations.json`, `report.md` and figures.
What the arms are, and how to read the result: docs/ablations.md.

  lit-grpo study ablations                              hours; in the background, and called again after a stop
  lit-grpo study ablations --docs docs/ablations.md     of a finished study: fill in the page as well"""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("study ablations", DESCRIPTION)
    add_study_options(parser, "runs/ablations")
    parser.add_argument(
        "--seeds", "--seed", type=seed, nargs="+", help="the first has all arms (default: 0 1 2; with --smoke: 0)"
    )
    parser.add_argument("--accelerator", choices=["cpu", "gpu"], default="cpu", help="gpu: all arms share one device")
    parser.add_argument("--docs", type=Path, help="page to fill in with the results")
    return parser.parse_args(words)


def run(options: Namespace) -> int:
    """Run what has not been run, then report."""
    from rich.console import Console

    from lit_grpo.experiments.ablations import make_study, run_and_report
    from lit_grpo.reports.ablation_page import write_into_docs

    study = make_study(
        options.output,
        options.base,
        seeds=options.seeds or ([0] if options.smoke else [0, 1, 2]),
        num_workers=options.jobs,
        threads=options.threads,
        accelerator=options.accelerator,
        is_smoke=options.smoke,
    )
    run_and_report(study, options.jobs, Console())
    if options.docs is not None:
        write_into_docs(study.root, options.docs)
    return 0


COMMAND = Command("study ablations", "the ablations of the method, several seeds each: hours on a CPU", parse, run)
