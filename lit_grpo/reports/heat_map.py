"""Heat maps of percentages over kind x difficulty, side by side. PNG files.

Called by cells.py (one run, two quantities) and final.py (several policies).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.reports.style import INK, figure
from lit_grpo.reports.tables import FEW_TASKS_MARK, FEW_TASKS_NOTE, KIND_NAMES

COLUMNS = (*Difficulty, None)
"""None: all difficulties together."""
DARK = 60
"""Percent above which black figures cannot be read."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """One panel."""

    title: str
    percent: Sequence[Sequence[float]]
    """[kinds][columns], in the order of `COLUMNS`; NaN where there is no task: it stays white."""
    has_few_tasks: Sequence[Sequence[bool]]
    """Which cells are marked; of the same shape."""


def draw_heat_maps(panels: Sequence[HeatMap], kinds: Sequence[FaultKind | None], path: Path) -> None:
    """Panels side by side with one row for each of ``kinds``; None is all kinds together."""
    with figure(1.8 + 3.3 * len(panels), 1.5 + 0.42 * len(kinds), path) as drawing:
        grid = drawing.subplots(1, len(panels), sharey=True, squeeze=False, gridspec_kw={"wspace": 0.08})
        for axes, panel in zip(grid[0], panels, strict=True):
            _draw(axes, panel)
            if None in kinds:
                axes.axhline(list(kinds).index(None) - 0.5, color="white", linewidth=3)
        if any(any(line) for panel in panels for line in panel.has_few_tasks):
            drawing.supxlabel(FEW_TASKS_NOTE, fontsize=8)
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
                text = f"{value:.0f}{FEW_TASKS_MARK if panel.has_few_tasks[y][x] else ''}"
                axes.text(x, y, text, ha="center", va="center", color="white" if value > DARK else INK)
    axes.set_title(panel.title)
    axes.set_xticks(range(len(COLUMNS)), [heading(difficulty) for difficulty in COLUMNS])
    axes.axvline(len(Difficulty) - 0.5, color="white", linewidth=3)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
