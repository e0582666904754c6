"""What a curriculum did: the mix of difficulties over the batches, above FR@5 of each on the held-out tasks.

Called by report.py and run_report.py. Reads `metrics.csv` of a run folder and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.metrics.functional import Quantity
from lit_grpo.reports.runs import METRICS_FILE, Series, read_series
from lit_grpo.reports.style import BLUE, MUTED, ORANGE, SKY, figure

COLOURS = {Difficulty.EASY: SKY, Difficulty.MEDIUM: ORANGE, Difficulty.HARD: BLUE}


@dataclass(frozen=True, slots=True)
class CurriculumCurve:
    """What a run with a curriculum left in `metrics.csv`."""

    mix: Mapping[Difficulty, Series]
    """Share of each difficulty among the tasks of a batch, in [0, 1]; the same batches for all."""
    stage: Series
    """Number of the stage, from 1; empty where the curriculum has none."""
    faithful: Mapping[Difficulty, Series]
    """FR@5 on the validation tasks of each difficulty, in [0, 1]."""


def read_curriculum(folder: Path) -> CurriculumCurve | None:
    """The curve of a run; None if it had no curriculum."""
    path = folder / METRICS_FILE
    if not path.is_file():
        return None
    mix = {difficulty: read_series(path, f"curriculum/{difficulty}") for difficulty in Difficulty}
    if not all(series.batches for series in mix.values()):
        return None
    faithful = {difficulty: read_series(path, f"val/{Quantity.FR_5}/{difficulty}") for difficulty in Difficulty}
    return CurriculumCurve(
        mix, read_series(path, "curriculum/stage"), {d: series for d, series in faithful.items() if series.batches}
    )


def draw_curriculum(curve: CurriculumCurve, path: Path) -> None:
    """The mix above, FR@5 per difficulty below; dotted lines where a stage begins."""
    with figure(7.2, 5.4, path) as drawing:
        upper, lower = drawing.subplots(2, 1, sharex=True, height_ratios=[2, 3])
        _draw_mix(upper, curve)
        for difficulty, series in curve.faithful.items():
            percent = [100 * value for value in series.values]
            lower.plot(
                series.batches,
                percent,
                color=COLOURS[difficulty],
                linewidth=2,
                marker="o",
                markersize=3.5,
                label=f"{difficulty} {percent[-1]:.0f}",
            )
        lower.set_ylim(0, 101)
        lower.set_ylabel("tasks (%)")
        lower.set_xlabel("batches trained on")
        lower.set_title("Faithful recovery within 5 turns on validation tasks (last value named)")
        if curve.faithful:
            lower.legend(loc="lower right", ncols=len(curve.faithful), frameon=False)
        for axes in (upper, lower):
            for batch in stage_starts(curve.stage):
                axes.axvline(batch, color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
        upper.margins(x=0)


def stage_starts(stage: Series) -> list[int]:
    """The batches whose stage is another one than that of the batch logged before."""
    pairs = zip(stage.batches[1:], stage.values[1:], stage.values[:-1], strict=True)
    return [batch for batch, value, before in pairs if value != before]


def _draw_mix(axes: Axes, curve: CurriculumCurve) -> None:
    batches = curve.mix[Difficulty.EASY].batches
    shares = [[100 * value for value in series.values] for series in curve.mix.values()]
    axes.stackplot(
        batches, *shares, labels=list(curve.mix), colors=[COLOURS[d] for d in curve.mix], alpha=0.85, step="post"
    )
    axes.set_ylim(0, 100)
    axes.set_ylabel("tasks (%)")
    axes.set_title("Mix of difficulties in training")
    axes.legend(loc="upper right", ncols=3, frameon=True, framealpha=0.9)
