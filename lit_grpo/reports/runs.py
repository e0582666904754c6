"""Where a comparison's files lie, and reading them. Called by comparison.py, figures.py, report.py.

    ROOT/arms/NAME/       results.json, scores.jsonl, and from training metrics.csv, episodes.jsonl
    ROOT/baselines/NAME/  results.json, scores.jsonl

Several seeds: one such ROOT per seed inside a common folder.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lit_grpo.metrics.records import read_scores
from lit_grpo.metrics.results import SCORES_FILE, require_comparable
from lit_grpo.metrics.table import ScoreTable, score_table

METRICS_FILE = "metrics.csv"
COMPUTE_FILE = "compute.json"
"""CPU and wall seconds of an arm's fit and test."""


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One seed's comparison: a folder per arm and per trivial policy."""

    name: str
    arms: Mapping[str, Path]
    baselines: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Series:
    """One logged number over training."""

    batches: tuple[int, ...]
    """Batches that had been trained on when it was logged."""
    values: tuple[float, ...]


def find_seed_runs(root: Path) -> tuple[SeedRun, ...]:
    """The seeds below a folder: the folder itself if it holds ``arms``, else its subfolders that do, sorted.

    Raises:
        ValueError: There is none, an arm has no scores, or results are of different versions.
    """
    folders = [root] if (root / "arms").is_dir() else sorted(path.parent for path in root.glob("*/arms"))
    if not folders:
        raise ValueError(
            f"expected {root}/arms or {root}/SEED/arms, got neither; give the folder of a finished comparison "
            "or of a run that has ended"
        )
    runs = tuple(SeedRun(folder.name, _scored(folder / "arms"), _scored(folder / "baselines")) for folder in folders)
    require_comparable(path for run in runs for path in (*run.arms.values(), *run.baselines.values()))
    return runs


def read_table(folder: Path) -> ScoreTable:
    """The scores of a run folder."""
    return score_table(read_scores(folder / SCORES_FILE))


def read_series(path: Path, column: str) -> Series:
    """One column of a `metrics.csv` over its column ``batch``; rows without the number are left out.

    Empty if the column was never logged.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(int(row["batch"]), float(row[column])) for row in csv.DictReader(file) if row.get(column)]
    return Series(tuple(batch for batch, _ in rows), tuple(value for _, value in rows))


def _scored(parent: Path) -> dict[str, Path]:
    folders = {path.name: path for path in sorted(parent.glob("*")) if path.is_dir()}
    for name, folder in folders.items():
        if not (folder / SCORES_FILE).is_file():
            raise ValueError(f"expected {folder / SCORES_FILE}, got no such file; evaluate {name!r} before comparing")
    return folders
