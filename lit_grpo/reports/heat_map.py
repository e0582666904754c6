"""Heat maps of percentages over kind x difficulty, each cell with its number of tasks. PNG and PDF files.

Called by cells.py (one run, two quantities) and final.py (several policies).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import FEW_TASKS
from lit_grpo.reports.style import INK, figure
from lit_grpo.reports.tables import FEW_TASKS_MARK, FEW_TASKS_NOTE, KIND_NAMES

COLUMNS = (*Difficulty, None)
"""None: all difficulties together."""
DARK = 60
"""Percent above which black figures cannot be read."""
IN_A_ROW = 3
"""Panels side by side that can be read on a slide."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """One panel."""

    title: str
    percent: Sequence[Sequence[float]]
    """[kinds][columns], in the order of `COLUMNS`; NaN where there is no task: it stays white."""
    num_tasks: Sequence[Sequence[int]]
    """The tasks of each cell; of the same shape."""


def draw_heat_maps(panels: Sequence[HeatMap], kinds: Sequence[FaultKind | None], path: Path) -> None:
    """Panels with one row for each of ``kinds``, `IN_A_ROW` side by side; None is all kinds together."""
    columns = min(len(panels), IN_A_ROW)
    rows = -(-len(panels) // columns)
    with figure(2.0 + 3.7 * columns, 0.4 + rows * (0.8 + 0.5 * len(kinds)), path) as drawing:
        grid = drawing.subplots(rows, columns, sharey=True, squeeze=False, gridspec_kw={"wspace": 0.08})
        for axes, panel in zip(grid.flat, panels, strict=False):
            _draw(axes, panel)
            if None in kinds:
                axes.axhline(list(kinds).index(None) - 0.5, color="white", linewidth=3)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        is_marked = any(0 < number < FEW_TASKS for panel in panels for line in panel.num_tasks for number in line)
        explained = f"n: tasks.  {FEW_TASKS_NOTE}" if is_marked else "n: tasks"
        drawing.supxlabel(explained, fontsize=9.5)
        names = ["all kinds" if kind is None else KIND_NAMES[kind] for kind in kinds]
        grid[0][0].set_yticks(range(len(kinds)), names)


def heading(difficulty: Difficulty | None) -> str:
    """The heading of a column."""
    return "all" if difficulty is None else difficulty.value


def _draw(axes: Axes, panel: HeatMap) -> None:
    axes.imshow(panel.percent, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for y, line in enumerate(panel.percent):
        for x, value in enumerate(line):
            if value == value:  # not NaN
                number, colour = panel.num_tasks[y][x], "white" if value > DARK else INK
                text = f"{value:.0f}{FEW_TASKS_MARK if number < FEW_TASKS else ''}"
                axes.text(x, y - 0.12, text, ha="center", va="center", color=colour, fontsize=11)
                axes.text(x, y + 0.28, f"n {number}", ha="center", va="center", color=colour, fontsize=7.5)
    axes.set_title(panel.title)
    axes.set_xticks(range(len(COLUMNS)), [heading(difficulty) for difficulty in COLUMNS])
    axes.axvline(len(Difficulty) - 0.5, color="white", linewidth=3)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
