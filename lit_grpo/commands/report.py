"""`lit-grpo report FOLDER`: tables and figures of a finished comparison, or of one run."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.commands.command import Command, CommandParser

DESCRIPTION = """\
Write what a person looks at, from what runs left in a folder.

Of a comparison (the folder holds arms/NAME and perhaps baselines/NAME, or one such folder per seed): `report.md`,
`comparison.json` and figures. Of one run: `cells.md` and `cells.png`, recovery over kind and difficulty, where it was
tested; `curriculum.png` where it was trained with a curriculum."""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("report", DESCRIPTION)
    parser.add_argument("folder", type=Path, help="of the comparison, or of the run")
    parser.add_argument("--candidate", default="sft_grpo", help="arm to compare with all others (default: %(default)s)")
    parser.add_argument("--base", default="sft", help="arm beside it in the transcript (default: %(default)s)")
    return parser.parse_args(words)


def run(options: Namespace) -> int:
    """Read, print, write."""
    from rich.console import Console

    from lit_grpo.metrics.bootstrap import BootstrapSettings
    from lit_grpo.reports.report import REPORT_FILE, write_report
    from lit_grpo.reports.run_report import is_run, write_run_report

    folder, console = options.folder, Console()
    if is_run(folder):
        written = write_run_report(folder, BootstrapSettings(), console)
    else:
        write_report(folder, options.candidate, options.base, BootstrapSettings(), console)
        written = [folder / REPORT_FILE]
    console.print(f"Written: {', '.join(map(str, written))}", soft_wrap=True)
    return 0


COMMAND = Command("report", "tables and figures of a finished comparison, or of one run", parse, run)
