"""`lit-grpo report`: arms beside each other and beside the policies that need no model, or one run by itself."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lit_grpo.commands.command import Command, CommandParser

if TYPE_CHECKING:
    from rich.console import Console

    from lit_grpo.reports.runs import SeedRun

DESCRIPTION = """\
Compare arms on the same held-out tasks: any folders that an evaluation (`test`, `validate`, `suite evaluate`) left its
results in, under the names of the folders or under names of yours.

  lit-grpo report runs/sft runs/grpo
  lit-grpo report before=runs/sft after=runs/grpo --output runs/comparison

It plays the same tasks with the policies that need no model, prints what everybody reaches with intervals, all paired
differences, both per kind of fault, and writes `report.md`, `comparison.json` and `figures/` (PNG and PDF). A name that
comes again is another training seed of that arm:

  lit-grpo report sft=runs/sft_0 sft=runs/sft_1 grpo=runs/grpo_0 grpo=runs/grpo_1

One folder may hold all arms: NAME, or arms/NAME and baselines/NAME, or such a folder per seed. Of the folder of one
run: `cells`, recovery over kind and difficulty, where it was tested; `curriculum` where it was trained with one."""

STUDY_CANDIDATE, STUDY_BASE = "sft_grpo", "sft"
"""Arms of the quickstart: compared with the others, and beside it in the transcript."""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("report", DESCRIPTION)
    parser.add_argument(
        "arms", type=_arm, nargs="+", metavar="ARM", help="FOLDER or NAME=FOLDER with results; or one folder of them"
    )
    parser.add_argument(
        "--output", type=Path, help="folder of the report (default: runs/report; of one folder, that folder)"
    )
    parser.add_argument(
        "--candidate", help="arm to compare with all others (default: sft_grpo of a study, else all with each other)"
    )
    parser.add_argument("--base", help="arm beside it in the transcript (default: sft of a study, else the first)")
    parser.add_argument("--suite", type=Path, help="the tasks that were played (default: what the results say)")
    parser.add_argument(
        "--no-baselines", action="store_true", help="leave out the policies that need no model, and do not play them"
    )
    return parser.parse_args(words)


def run(options: Namespace) -> int:
    """Read, play, print, write."""
    from rich.console import Console

    from lit_grpo.metrics.bootstrap import BootstrapSettings
    from lit_grpo.reports.report import REPORT_FILE, write_report
    from lit_grpo.reports.run_report import is_run, write_run_report

    console = Console()
    name, folder = options.arms[0]
    is_one = len(options.arms) == 1 and name is None
    if is_one and is_run(folder):
        written = write_run_report(folder, BootstrapSettings(), console)
    else:
        output = options.output or (folder if is_one else Path("runs/report"))
        runs = _runs(options, output, is_one, console)
        arms = runs[0].arms
        candidate = options.candidate or (STUDY_CANDIDATE if is_one and STUDY_CANDIDATE in arms else None)
        base = options.base or (STUDY_BASE if is_one and STUDY_BASE in arms else None)
        write_report(output, runs, candidate, base, BootstrapSettings(), console)
        written = [output / REPORT_FILE]
    console.print(f"Written: {', '.join(map(str, written))}", soft_wrap=True)
    return 0


def _runs(options: Namespace, output: Path, is_one: bool, console: Console) -> Sequence[SeedRun]:
    """The arms, each seed with the trivial policies: those that lie there, or else those that are played now."""
    from dataclasses import replace

    from lit_grpo.experiments.baselines import write_baselines_of
    from lit_grpo.reports.runs import find_seed_runs, named_runs

    runs = find_seed_runs(options.arms[0][1]) if is_one else named_runs(options.arms)
    if options.no_baselines:
        return [replace(run, baselines={}) for run in runs]
    if all(run.baselines for run in runs):
        return runs
    return write_baselines_of(runs, output / "baselines", options.suite, console)


def _arm(text: str) -> tuple[str | None, Path]:
    name, equals, folder = text.partition("=")
    if not equals:
        return None, Path(text)
    if not name or not folder or "/" in name:
        raise ArgumentTypeError(f"expected FOLDER or NAME=FOLDER, a name without slashes, got {text}")
    return name, Path(folder)


COMMAND = Command("report", "compare any runs, and with policies that need no model; or show one run", parse, run)
