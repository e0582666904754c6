"""The final evaluation: several policies on one suite, over kind x difficulty, beside the study's bands.

Called by `lit-grpo suite evaluate` and reports/ablations.py, on the `scores.jsonl` of run folders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings, Estimate
from lit_grpo.metrics.functional import Quantity
from lit_grpo.reports.heat_map import COLUMNS, HeatMap, draw_heat_maps, heading
from lit_grpo.reports.pooled_cells import CellEstimates
from lit_grpo.reports.show import markdown_table, show_tables
from lit_grpo.reports.tables import KIND_NAMES, Emphasis, Row, TableCell, TableContent, estimate_text

FINAL_FILE = "final.md"
FINAL_FIGURE = "final.png"
SHOWN = (Quantity.FR_5, Quantity.FR_1, Quantity.RR_5)


@dataclass(frozen=True, slots=True)
class Band:
    """The shares between which the study's SFT models lie, ends included."""

    low: float
    high: float

    def place(self, value: float) -> str:
        """Say whether a share lies below, within or above the band."""
        return "below" if value < self.low else "above" if value > self.high else "within"

    @property
    def text(self) -> str:
        """The band in percent."""
        return f"{100 * self.low:.0f}–{100 * self.high:.0f}"


STUDY_BANDS = {Difficulty.EASY: Band(0.9, 1.0), Difficulty.MEDIUM: Band(0.6, 0.8), Difficulty.HARD: Band(0.3, 0.5)}
"""The bands of supervised models of 8 billion parameters in full-size programs: what the difficulties were meant to
give.
"""
BANDED = (Quantity.FR_5, Quantity.RR_5)


def write_final(
    root: Path, policies: Mapping[str, CellEstimates], settings: BootstrapSettings, console: Console
) -> None:
    """Print the tables of all policies, and write `FINAL_FILE` and `FINAL_FIGURE` into ``root``."""
    tables = final_tables(policies, settings)
    show_tables(tables, console)
    draw_final(policies, root / FINAL_FIGURE)
    picture = f"![FR@5 per kind and difficulty, of each policy]({FINAL_FIGURE})\n"
    (root / FINAL_FILE).write_text("\n".join([*map(markdown_table, tables), picture]), encoding="utf-8")


def final_tables(policies: Mapping[str, CellEstimates], settings: BootstrapSettings) -> tuple[TableContent, ...]:
    """One table for each of `SHOWN`: a row per policy and kind, a column per difficulty."""
    return tuple(_table(policies, quantity, settings) for quantity in SHOWN)


def band_places(cells: CellEstimates, quantity: Quantity) -> dict[str, dict[str, str]]:
    """Kind (``all`` for all), difficulty: whether the value lies below, within or above the study's band."""
    return {
        "all" if kind is None else kind.value: {
            difficulty.value: band.place(value)
            for difficulty, band in STUDY_BANDS.items()
            if (value := _value(cells, kind, difficulty, quantity)) is not None
        }
        for kind in cells
    }


def draw_final(policies: Mapping[str, CellEstimates], path: Path) -> None:
    """A panel of FR@5 per policy."""
    kinds = list(next(iter(policies.values())))
    panels = [
        HeatMap(f"{name}: FR@5 (%)", _percent(cells, kinds, Quantity.FR_5), _num_tasks(cells, kinds))
        for name, cells in policies.items()
    ]
    draw_heat_maps(panels, kinds, path)


def _table(policies: Mapping[str, CellEstimates], quantity: Quantity, settings: BootstrapSettings) -> TableContent:
    rows: list[Row] = []
    if quantity in BANDED:
        bands = (TableCell("" if d is None else STUDY_BANDS[d].text, Emphasis.TRIVIAL) for d in COLUMNS)
        rows.append(Row((TableCell("the study's SFT", Emphasis.TRIVIAL), *bands), ends_group=True))
    for name, cells in policies.items():
        for kind in cells:
            texts = (TableCell(_text(cells, kind, difficulty, quantity)) for difficulty in COLUMNS)
            label = f"{name}, {'all kinds' if kind is None else KIND_NAMES[kind]}"
            rows.append(Row((TableCell(label), *texts), ends_group=kind is None))
    title = f"{quantity.value} per kind and difficulty: percent ({settings.confidence:.0%} interval)"
    if quantity in BANDED:
        title += "; ↓ below the study's band, = within, ↑ above"
    return TableContent(title, ("", *(heading(difficulty) for difficulty in COLUMNS)), tuple(rows))


ARROWS = {"below": " ↓", "within": " =", "above": " ↑"}


def _text(cells: CellEstimates, kind: FaultKind | None, difficulty: Difficulty | None, quantity: Quantity) -> str:
    estimate = _estimate(cells, kind, difficulty, quantity)
    if estimate is None:
        return ""
    text = estimate_text(estimate, quantity)
    if difficulty is None or quantity not in BANDED or estimate.value is None:
        return text
    return text + ARROWS[STUDY_BANDS[difficulty].place(estimate.value)]


def _percent(cells: CellEstimates, kinds: Sequence[FaultKind | None], quantity: Quantity) -> list[list[float]]:
    values = [[_value(cells, kind, difficulty, quantity) for difficulty in COLUMNS] for kind in kinds]
    return [[float("nan") if value is None else 100 * value for value in row] for row in values]


def _num_tasks(cells: CellEstimates, kinds: Sequence[FaultKind | None]) -> list[list[int]]:
    found = [[_estimate(cells, kind, difficulty, Quantity.FR_5) for difficulty in COLUMNS] for kind in kinds]
    return [[0 if estimate is None else estimate.num_tasks for estimate in row] for row in found]


def _value(
    cells: CellEstimates, kind: FaultKind | None, difficulty: Difficulty | None, quantity: Quantity
) -> float | None:
    estimate = _estimate(cells, kind, difficulty, quantity)
    return None if estimate is None else estimate.value


def _estimate(
    cells: CellEstimates, kind: FaultKind | None, difficulty: Difficulty | None, quantity: Quantity
) -> Estimate | None:
    row = cells.get(kind, {})
    return row[difficulty][quantity] if difficulty in row else None
