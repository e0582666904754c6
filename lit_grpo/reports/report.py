"""One call from finished run folders to everything a person looks at: tables, `comparison.json`, figures, `report.md`.

Called by the quickstart and `lit-grpo report`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.functional import Quantity
from lit_grpo.reports.comparison import (
    COMPARISON_FILE,
    Comparison,
    all_pairs,
    compare,
    standard_pairs,
    write_comparison,
)
from lit_grpo.reports.curriculum import draw_curriculum, read_curriculum
from lit_grpo.reports.differences import difference_tables
from lit_grpo.reports.figures import draw_arms, draw_learning_curve, read_learning_curve
from lit_grpo.reports.final import draw_final
from lit_grpo.reports.origins import origins_table, rules_note
from lit_grpo.reports.pooled_cells import CellEstimates, pooled_cells
from lit_grpo.reports.runs import SeedRun, read_table
from lit_grpo.reports.show import markdown_table, show_tables
from lit_grpo.reports.tables import comparison_tables
from lit_grpo.reports.transcripts import (
    TRANSCRIPTS_FILE,
    BeforeAndAfter,
    draw_before_and_after,
    find_improvement,
    read_transcripts,
    transcript_markdown,
)

REPORT_FILE = "report.md"
FIGURES_FOLDER = "figures"


def write_report(
    output: Path,
    runs: Sequence[SeedRun],
    candidate: str | None,
    base: str | None,
    settings: BootstrapSettings,
    console: Console,
) -> Comparison:
    """Compare arms, print the tables, and write all files into a folder.

    Args:
        output: The folder.
        runs: One per training seed.
        candidate: The arm that is compared with every other one, and whose learning curve is drawn; None: all are
            compared with each other, and the curve is that of the last.
        base: The arm whose failed attempt stands in the transcript beside the candidate's; None: the first.
        settings: The settings of the intervals.
        console: Where the tables go.

    Raises:
        ValueError: An arm is missing, has no scores, or was scored on other tasks.
    """
    arms = list(runs[0].arms)
    for name in (candidate, base):
        if name is not None and name not in arms:
            raise ValueError(f"expected one of the arms {', '.join(arms)}, got {name!r}; name one of them")
    pairs = all_pairs(runs[0]) if candidate is None else standard_pairs(runs[0], candidate)
    comparison = compare(runs, pairs, settings)
    write_comparison(output / COMPARISON_FILE, comparison)
    tables = [*comparison_tables(comparison), *difference_tables(comparison)]
    show_tables(tables, console)
    note = rules_note(runs)
    if note:
        console.print(note, style="yellow", markup=False, soft_wrap=True)
    figures = output / FIGURES_FOLDER
    draw_arms(comparison, figures / "arms.png")
    draw_final(_cells(runs, settings), figures / "cells.png")
    last, first = candidate or arms[-1], base or arms[0]
    parts = [
        _introduction(comparison, settings),
        f"**{note}**\n" if note else "",
        *(markdown_table(table) for table in (*tables, origins_table(runs))),
        "![Faithful recovery of every arm, overall and per kind](figures/arms.png)\n",
        "![FR@5 per kind and difficulty, of each arm](figures/cells.png)\n",
        _learning_curve(runs[0], last, output),
        *(_curriculum(runs[0], arm, output) for arm in arms),
        _before_and_after(runs[0], first, last, output),
    ]
    (output / REPORT_FILE).write_text("\n".join(part for part in parts if part), encoding="utf-8")
    return comparison


def _cells(runs: Sequence[SeedRun], settings: BootstrapSettings) -> dict[str, CellEstimates]:
    return {name: pooled_cells([read_table(run.arms[name]) for run in runs], settings) for name in runs[0].arms}


def _introduction(comparison: Comparison, settings: BootstrapSettings) -> str:
    verified = min(profile.overall[Quantity.VERIFIED].value or 0.0 for profile in comparison.pooled.arms.values())
    verdicts = (
        "Every episode has the solver's verdict."
        if verified == 1.0
        else f"**Only {verified:.1%} of an arm's episodes have a solver verdict; the others count as failures.**"
    )
    told = (
        " The policies whose name begins with `informed`, and the oracle, are told the truth about the model; the "
        "others see what a model sees."
        if comparison.pooled.baselines
        else ""
    )
    return (
        f"# Comparison of {', '.join(comparison.pooled.arms)}\n\n"
        f"{comparison.pooled.num_tasks} held-out tasks, {len(comparison.by_seed)} seed(s). {verdicts} Intervals are "
        f"{settings.confidence:.0%} percentile bootstrap over tasks within kind and difficulty, and over seeds where "
        "there are several; differences are paired by task, and `*` marks p-values below 0.05. The figures are in "
        f"`figures/`, as PNG and as PDF.{told}\n"
    )


def _learning_curve(run: SeedRun, candidate: str, root: Path) -> str:
    curve = read_learning_curve(run.arms[candidate])
    if curve is None:
        return ""
    draw_learning_curve(curve, root / FIGURES_FOLDER / "learning_curve.png")
    return f"![Learning curve of {candidate}, {run.name}](figures/learning_curve.png)\n"


def _curriculum(run: SeedRun, arm: str, root: Path) -> str:
    curve = read_curriculum(run.arms[arm])
    if curve is None:
        return ""
    draw_curriculum(curve, root / FIGURES_FOLDER / f"curriculum_{arm}.png")
    return f"![Curriculum of {arm}, {run.name}](figures/curriculum_{arm}.png)\n"


def _before_and_after(run: SeedRun, base: str, candidate: str, root: Path) -> str:
    if base == candidate:
        return ""
    paths = [run.arms[name] / TRANSCRIPTS_FILE for name in (base, candidate)]
    if not all(path.is_file() for path in paths):
        return ""
    found = find_improvement(*(read_transcripts(path) for path in paths))
    if found is None:
        return f"No task that {base} failed was repaired faithfully by {candidate}.\n"
    pair = BeforeAndAfter(base, found[0], candidate, found[1])
    draw_before_and_after(pair, root / FIGURES_FOLDER / "transcript.png")
    return f"## The same task by {base} and {candidate}\n\n{transcript_markdown(pair)}"
