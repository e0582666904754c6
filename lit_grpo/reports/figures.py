"""Figures of a comparison: arms beside trivial policies, and learning curves. PNG and PDF files.

Called by report.py. The transcript figure is in transcripts.py.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import Estimate
from lit_grpo.metrics.functional import Quantity
from lit_grpo.reports.comparison import Comparison, Profile
from lit_grpo.reports.heat_map import DARK
from lit_grpo.reports.runs import METRICS_FILE, Series, read_series
from lit_grpo.reports.style import (
    ARM_COLOURS,
    ARM_MARKERS,
    BLUE,
    INK,
    MUTED,
    SKY,
    VERMILION,
    figure,
    label_line_end,
)
from lit_grpo.reports.tables import KIND_NAMES, by_faithful_recovery, mark_of

WIDTH_INCHES = 13.3
"""That of a slide: a figure fills it, and its text keeps its size."""


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """What training left in `metrics.csv`."""

    faithful: Mapping[str, Series]
    """Label, e.g. ``FR@5``, to validation values in [0, 1]."""
    reward: Series
    """Mean reward of the training rollouts, unshaped, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One arm or policy in the arms figure."""

    name: str
    profile: Profile
    colour: str
    marker: str
    is_arm: bool


def draw_arms(comparison: Comparison, path: Path) -> None:
    """FR@5 (filled) and FR@1 (open) of all kinds with intervals; beside it FR@5 of each kind, on the same rows."""
    lines = _lines(comparison)
    kinds = list(lines[0].profile.by_kind)
    with figure(WIDTH_INCHES, 1.7 + 0.34 * len(lines), path) as drawing:
        widths = [6.0, 0.85 * len(kinds)]
        overall, per_kind = drawing.subplots(1, 2, sharey=True, width_ratios=widths)
        for position, line in enumerate(lines):
            _draw_interval(overall, position - 0.16, line.profile.overall[Quantity.FR_1], line, is_filled=False)
            _draw_interval(overall, position + 0.16, line.profile.overall[Quantity.FR_5], line, is_filled=True)
        overall.set_title("All kinds")
        overall.set_xlim(-3, 103)
        overall.set_xticks(range(0, 101, 25))
        overall.tick_params(axis="y", length=0)
        overall.grid(visible=False, axis="y")
        overall.spines["left"].set_visible(False)
        _draw_kinds(per_kind, lines, kinds)
        overall.set_ylim(-0.5, len(lines) - 0.5)
        num_trivial = len(comparison.pooled.baselines)
        if num_trivial:
            overall.axhline(num_trivial - 0.5, color=MUTED, linewidth=0.8)
            per_kind.axhline(num_trivial - 0.5, color="white", linewidth=4)
        _name_lines(overall, lines)
        _explain(drawing, comparison)


def read_learning_curve(folder: Path) -> LearningCurve | None:
    """The curve of a GRPO run; None if its folder holds no training log with validation and reward."""
    path = folder / METRICS_FILE
    if not path.is_file():
        return None
    faithful = {quantity.value: read_series(path, f"val/{quantity}") for quantity in (Quantity.FR_5, Quantity.FR_1)}
    reward = read_series(path, "rollout/reward")
    if not reward.batches or not all(series.batches for series in faithful.values()):
        return None
    return LearningCurve(faithful, reward)


def draw_learning_curve(curve: LearningCurve, path: Path) -> None:
    """Validation FR above, training reward below, over the batches trained on; the first evaluation is dashed."""
    with figure(7.2, 5.4, path) as drawing:
        upper, lower = drawing.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        for (label, series), colour, lifted in zip(curve.faithful.items(), (BLUE, VERMILION), (4.0, -4.0), strict=True):
            percent = [100 * value for value in series.values]
            upper.plot(series.batches, percent, color=colour, linewidth=2, marker="o", markersize=3.5)
            upper.axhline(percent[0], color=colour, linewidth=1, linestyle=(0, (4, 3)), alpha=0.6)
            label_line_end(upper, series.batches[-1], percent[-1], f"{label} {percent[-1]:.0f}", colour, lifted=lifted)
        upper.set_ylim(0, 101)
        upper.set_ylabel("tasks (%)")
        upper.set_title("Faithful recovery on validation tasks (dashed: first evaluation)")
        lower.plot(curve.reward.batches, curve.reward.values, color=SKY, linewidth=0.8, alpha=0.7)
        smooth = running_mean(curve.reward.values)
        lower.plot(curve.reward.batches, smooth, color=BLUE, linewidth=2)
        label_line_end(lower, curve.reward.batches[-1], smooth[-1], f"reward {smooth[-1]:.2f}", BLUE)
        lower.set_ylabel("mean reward (0 to 1)")
        lower.set_xlabel("batches trained on")
        lower.set_title("Reward of training rollouts (thick: running mean)")
        upper.margins(x=0.02)


def running_mean(values: Sequence[float], half_window: int = 5) -> list[float]:
    """Centred mean over up to ``2 * half_window + 1`` values, fewer at the ends."""
    windows = [values[max(0, i - half_window) : i + half_window + 1] for i in range(len(values))]
    return [sum(window) / len(window) for window in windows]


def _lines(comparison: Comparison) -> list[_Line]:
    """The lines from the bottom up: trivial policies, then arms, each worst first; an arm's colour is of its place."""
    trivial = [_Line(name, p, MUTED, "o", False) for name, p in by_faithful_recovery(comparison.pooled.baselines)]
    place = {name: number for number, name in enumerate(comparison.pooled.arms)}
    return [
        *trivial,
        *(
            _Line(name, profile, *look_of_arm(place[name]), True)
            for name, profile in by_faithful_recovery(comparison.pooled.arms)
        ),
    ]


def look_of_arm(place: int) -> tuple[str, str]:
    """Colour and marker of the arm at a place, from 0: no two of the first 36 are alike."""
    return (
        ARM_COLOURS[place % len(ARM_COLOURS)],
        ARM_MARKERS[place // len(ARM_COLOURS) % len(ARM_MARKERS)],
    )


def _draw_kinds(axes: Axes, lines: Sequence[_Line], kinds: Sequence[FaultKind]) -> None:
    """FR@5 of every line and kind as a heat map; below a kind its number of tasks."""
    found = [[line.profile.by_kind[kind][Quantity.FR_5] for kind in kinds] for line in lines]
    percent = [[100 * (estimate.value or 0.0) for estimate in row] for row in found]
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for y, row in enumerate(found):
        for x, estimate in enumerate(row):
            colour = "white" if percent[y][x] > DARK else INK
            axes.text(x, y, f"{percent[y][x]:.0f}{mark_of(estimate)}", ha="center", va="center", color=colour)
    axes.set_title("FR@5 per kind (%)")
    labels = [_label(kind, estimate.num_tasks) for kind, estimate in zip(kinds, found[0], strict=True)]
    axes.set_xticks(range(len(kinds)), labels, fontsize=9)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _label(kind: FaultKind, num_tasks: int) -> str:
    letter, _, name = KIND_NAMES[kind].partition(" ")
    return f"{letter}\n{textwrap.fill(name, 9, break_long_words=False)}\nn {num_tasks}"


def _draw_interval(axes: Axes, position: float, estimate: Estimate, line: _Line, is_filled: bool) -> None:
    value, low, high = (100 * (number or 0.0) for number in (estimate.value, estimate.low, estimate.high))
    axes.plot((low, high), (position, position), color=line.colour, linewidth=1.8, solid_capstyle="butt", alpha=0.75)
    face = line.colour if is_filled else "white"
    axes.plot(
        value, position, line.marker, color=line.colour, markerfacecolor=face, markersize=5.5, markeredgewidth=1.4
    )
    side, alignment = (-4, "right") if high > 90 else (4, "left")
    axes.annotate(
        f"{value:.0f}{mark_of(estimate)}",
        (low if high > 90 else high, position),
        xytext=(side, 0),
        textcoords="offset points",
        ha=alignment,
        va="center",
        color=line.colour,
        fontsize=8.5,
    )


def _name_lines(axes: Axes, lines: Sequence[_Line]) -> None:
    axes.set_yticks(range(len(lines)), [line.name for line in lines])
    for label, line in zip(axes.get_yticklabels(), lines, strict=True):
        label.set_color(line.colour)
        label.set_fontweight("bold" if line.is_arm else "normal")


def _explain(drawing: Figure, comparison: Comparison) -> None:
    seeds = f", {len(comparison.by_seed)} seeds" if len(comparison.by_seed) > 1 else ""
    drawing.supxlabel(
        f"faithful recovery (% of {comparison.pooled.num_tasks} held-out tasks{seeds}, "
        f"{comparison.confidence:.0%} interval):  ● within 5 turns   ○ at the first turn",
        fontsize=10,
    )
