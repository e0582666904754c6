"""Tables, `comparison.json`, figures and `report.md` of finished arms: ``python scripts/report.py FOLDER``.

FOLDER holds ``arms/NAME`` and ``baselines/NAME``, each with its `scores.jsonl`, or one such folder per seed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.reports.report import REPORT_FILE, write_report


def main() -> None:
    """Read, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--candidate", default="sft_grpo", help="arm to compare with every other (default: %(default)s)"
    )
    parser.add_argument("--base", default="sft", help="arm beside it in the transcript (default: %(default)s)")
    arguments = parser.parse_args()
    console = Console()
    try:
        write_report(arguments.folder, arguments.candidate, arguments.base, BootstrapSettings(), console)
    except ValueError as error:
        parser.error(str(error))
    console.print(f"Written: {arguments.folder / REPORT_FILE}")


if __name__ == "__main__":
    main()
