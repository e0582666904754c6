"""A run's FR@5 and RR@5 over kind x difficulty: a table, a heat map, and ``cells.md``.

Called by run_report.py, on the `scores.jsonl` that an evaluation leaves in its run folder.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.functional import Quantity
from lit_grpo.metrics.records import read_scores
from lit_grpo.metrics.results import SCORES_FILE, RepairResults, RepairSummary, results_of
from lit_grpo.reports.heat_map import COLUMNS, HeatMap, draw_heat_maps, heading
from lit_grpo.reports.show import markdown_table, show_tables
from lit_grpo.reports.tables import KIND_NAMES, Emphasis, Row, TableCell, TableContent, estimate_text

CELLS_FILE = "cells.md"
HEAT_MAP_FILE = "cells.png"
SHOWN = (Quantity.FR_5, Quantity.RR_5)


def write_cells(run: Path, settings: BootstrapSettings, console: Console) -> None:
    """Print the table of a run folder, and write `CELLS_FILE` and `HEAT_MAP_FILE` into it.

    Raises:
        ValueError: The folder holds no scores.
    """
    if not (run / SCORES_FILE).is_file():
        raise ValueError(f"expected {run / SCORES_FILE}, got no such file; give the folder of a finished evaluation")
    results = results_of(read_scores(run / SCORES_FILE), settings)
    tables = [cells_table(results, quantity, settings) for quantity in SHOWN]
    show_tables(tables, console)
    draw_cells(results, run / HEAT_MAP_FILE)
    picture = f"![FR@5 and RR@5 per kind and difficulty]({HEAT_MAP_FILE})\n"
    (run / CELLS_FILE).write_text("\n".join([*map(markdown_table, tables), picture]), encoding="utf-8")


def cells_table(results: RepairResults, quantity: Quantity, settings: BootstrapSettings) -> TableContent:
    """One quantity with intervals: a row per kind, and one of all kinds."""
    rows = [
        Row((TableCell(KIND_NAMES[kind]), *(TableCell(_text(summary, quantity)) for summary in summaries)))
        for kind, summaries in _rows(results)
    ]
    overall = (TableCell(""),) * len(Difficulty) + (TableCell(_text(results.overall, quantity), Emphasis.BEST),)
    title = f"{quantity.value} of {results.overall.num_tasks} tasks: percent ({settings.confidence:.0%} interval)"
    columns = ("", *(heading(difficulty) for difficulty in COLUMNS))
    return TableContent(title, columns, (*rows, Row((TableCell("all kinds", Emphasis.BEST), *overall))))


def draw_cells(results: RepairResults, path: Path) -> None:
    """Two panels side by side, FR@5 and RR@5; a cell without a task stays white."""
    rows = _rows(results)
    panels = [
        HeatMap(
            f"{quantity.value} (%)",
            [[_percent(summary, quantity) for summary in summaries] for _, summaries in rows],
            [[0 if s is None else s.num_tasks for s in summaries] for _, summaries in rows],
        )
        for quantity in SHOWN
    ]
    draw_heat_maps(panels, [kind for kind, _ in rows], path)


def _rows(results: RepairResults) -> list[tuple[FaultKind, list[RepairSummary | None]]]:
    """The summaries of each kind in the order of `COLUMNS`; None where there is no task."""
    return [
        (kind, [results.by_kind[kind] if difficulty is None else cells.get(difficulty) for difficulty in COLUMNS])
        for kind, cells in results.by_cell.items()
    ]


def _text(summary: RepairSummary | None, quantity: Quantity) -> str:
    return "" if summary is None else estimate_text(summary.estimates[quantity], quantity)


def _percent(summary: RepairSummary | None, quantity: Quantity) -> float:
    value = None if summary is None else summary.value(quantity)
    return float("nan") if value is None else 100 * value
