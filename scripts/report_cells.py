"""FR@5 and RR@5 over kind x difficulty of one run: ``python scripts/report_cells.py RUN``.

RUN is the folder that `lit-grpo test` wrote `scores.jsonl` into. Prints tables, and writes
`cells.md` and `cells.png` there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.reports.cells import CELLS_FILE, HEAT_MAP_FILE, write_cells


def main() -> None:
    """Read, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    arguments = parser.parse_args()
    console = Console()
    try:
        write_cells(arguments.run, BootstrapSettings(), console)
    except ValueError as error:
        parser.error(str(error))
    console.print(f"Written: {arguments.run / CELLS_FILE}, {arguments.run / HEAT_MAP_FILE}")


if __name__ == "__main__":
    main()
