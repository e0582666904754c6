"""One call from finished run folders to everything a person looks at: tables, `comparison.json`, figures, `report.md`.

Called by the quickstart and `lit-grpo report`.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.functional import Quantity
from lit_grpo.reports.comparison import COMPARISON_FILE, Comparison, compare, standard_pairs, write_comparison
from lit_grpo.reports.curriculum import draw_curriculum, read_curriculum
from lit_grpo.reports.figures import draw_arms, draw_learning_curve, read_learning_curve
from lit_grpo.reports.runs import SeedRun, find_seed_runs
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


def write_report(root: Path, candidate: str, base: str, settings: BootstrapSettings, console: Console) -> Comparison:
    """Compare the arms below ``root``, print the tables, and write all files into ``root``.

    Args:
        root: Holds ``arms`` and ``baselines``, or one such folder per seed.
        candidate: The arm that is compared with every other one.
        base: The arm whose failed attempt stands in the transcript beside the candidate's.
        settings: The settings of the intervals.
        console: Where the tables go.

    Raises:
        ValueError: An arm is missing, has no scores, or was scored on other tasks.
    """
    runs = find_seed_runs(root)
    comparison = compare(runs, standard_pairs(list(runs[0].arms), candidate), settings)
    write_comparison(root / COMPARISON_FILE, comparison)
    show_tables(comparison_tables(comparison), console)
    draw_arms(comparison, root / FIGURES_FOLDER / "arms.png")
    parts = [
        _introduction(comparison, settings),
        *(markdown_table(table) for table in comparison_tables(comparison)),
        "![Faithful recovery of every arm, overall and per kind](figures/arms.png)\n",
        _learning_curve(runs[0], candidate, root),
        *(_curriculum(runs[0], arm, root) for arm in runs[0].arms),
        _before_and_after(runs[0], base, candidate, root),
    ]
    (root / REPORT_FILE).write_text("\n".join(part for part in parts if part), encoding="utf-8")
    return comparison


def _introduction(comparison: Comparison, settings: BootstrapSettings) -> str:
    verified = min(profile.overall[Quantity.VERIFIED].value or 0.0 for profile in comparison.pooled.arms.values())
    verdicts = (
        "Every episode has the solver's verdict."
        if verified == 1.0
        else f"**Only {verified:.1%} of an arm's episodes have a solver verdict; the others count as failures.**"
    )
    return (
        f"# Comparison of {', '.join(comparison.pooled.arms)}\n\n"
        f"{comparison.pooled.num_tasks} held-out tasks, {len(comparison.by_seed)} seed(s). {verdicts} Intervals are "
        f"{settings.confidence:.0%} percentile bootstrap over tasks within kind and difficulty, and over seeds where "
        "there are several; differences are paired by task. The policies whose name begins with `informed`, and the "
        "oracle, are told the truth about the model; the others see what a model sees.\n"
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
