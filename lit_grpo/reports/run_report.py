"""What is to be seen of one run: its cells where it was tested, its curriculum where it was trained with one.

Called by `lit-grpo report`.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.results import SCORES_FILE
from lit_grpo.reports.cells import CELLS_FILE, HEAT_MAP_FILE, write_cells
from lit_grpo.reports.curriculum import draw_curriculum, read_curriculum
from lit_grpo.reports.runs import METRICS_FILE

CURRICULUM_FILE = "curriculum.png"


def is_run(folder: Path) -> bool:
    """Whether the folder is that of one run: of a fit, or of a test."""
    return any((folder / name).is_file() for name in (METRICS_FILE, SCORES_FILE))


def write_run_report(run: Path, settings: BootstrapSettings, console: Console) -> list[Path]:
    """Print the tables of a run, and write what can be made from what it left.

    Args:
        run: Its folder.
        settings: The settings of the intervals.
        console: Where the tables go.

    Returns:
        The files that were written, at least one.

    Raises:
        ValueError: The run was neither tested nor trained with a curriculum.
    """
    written: list[Path] = []
    if (run / SCORES_FILE).is_file():
        write_cells(run, settings, console)
        written += [run / CELLS_FILE, run / HEAT_MAP_FILE]
    curve = read_curriculum(run)
    if curve is not None:
        draw_curriculum(curve, run / CURRICULUM_FILE)
        written.append(run / CURRICULUM_FILE)
    if not written:
        raise ValueError(
            f"expected a run that was tested ({SCORES_FILE}) or trained with a curriculum, got {run}, whose "
            f"{METRICS_FILE} names no mix; test it with `lit-grpo test`"
        )
    return written
