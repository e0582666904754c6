"""Where a comparison's files lie, and reading them. Called by comparison.py, figures.py, report.py.

Any folders with results are arms, under names of their own. A study has them in one place:

    ROOT/arms/NAME/       results.json, scores.jsonl, and from training metrics.csv, episodes.jsonl
    ROOT/baselines/NAME/  results.json, scores.jsonl

Several seeds: one such ROOT per seed inside a common folder. Or the arms lie in ROOT/NAME.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lit_grpo.metrics.records import read_scores
from lit_grpo.metrics.results import SCORES_FILE, require_comparable
from lit_grpo.metrics.table import ScoreTable, score_table

METRICS_FILE = "metrics.csv"


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


def holds_scores(folder: Path) -> bool:
    """Whether an evaluation left its scores in a folder."""
    return (folder / SCORES_FILE).is_file()


def named_runs(arms: Sequence[tuple[str | None, Path]]) -> tuple[SeedRun, ...]:
    """Folders with results, wherever they lie: one seed, or as many as there are folders of the same name.

    Args:
        arms: Name and folder of each arm, in the order of the tables; None: it is called after its folder. The first
            folder of each name is of the first training seed, and so on.

    Raises:
        ValueError: A folder has no scores, or occurs twice; arms have different numbers of seeds; results are of
            different versions.
    """
    folders = [folder for _, folder in arms]
    for folder in folders:
        if not holds_scores(folder):
            raise ValueError(_no_scores(folder))
        if len([other for other in folders if other.resolve() == folder.resolve()]) > 1:
            raise ValueError(f"expected each folder of results once, got {folder} twice; name another one")
    own_names = iter(_own_names([folder for name, folder in arms if name is None]))
    seeds: dict[str, list[Path]] = {}
    for name, folder in arms:
        seeds.setdefault(name or next(own_names), []).append(folder)
    numbers = {name: len(found) for name, found in seeds.items()}
    if len(set(numbers.values())) > 1:
        raise ValueError(f"expected as many training seeds of each arm, got {numbers}; name the same number of folders")
    require_comparable(folders)
    num_seeds = next(iter(numbers.values()))
    return tuple(
        SeedRun(f"seed {seed + 1}", {name: found[seed] for name, found in seeds.items()}, {})
        for seed in range(num_seeds)
    )


def find_seed_runs(root: Path) -> tuple[SeedRun, ...]:
    """The seeds below a folder: the folder itself if it holds ``arms``, else its subfolders that do, sorted; or the
    folder itself, if subfolders hold scores.

    Raises:
        ValueError: There is none, an arm has no scores, or results are of different versions.
    """
    folders = [root] if (root / "arms").is_dir() else sorted(path.parent for path in root.glob("*/arms"))
    arms = {path.name: path for path in sorted(root.glob("*")) if holds_scores(path)}
    if not folders and not arms:
        raise ValueError(_no_scores(root))
    if folders:
        runs = tuple(SeedRun(path.name, _scored(path / "arms"), _scored(path / "baselines")) for path in folders)
    else:
        runs = (SeedRun(root.name, arms, {}),)
    require_comparable(path for run in runs for path in (*run.arms.values(), *run.baselines.values()))
    return runs


def read_table(folder: Path) -> ScoreTable:
    """The scores of a run folder."""
    return score_table(read_scores(folder / SCORES_FILE))


def read_series(path: Path, column: str) -> Series:
    """One column of a `metrics.csv` over its column ``batch``; rows without the number are left out.

    Empty if the column was never logged. ValueError, with the line, for a row that is none.
    """
    rows: list[tuple[int, float]] = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            if row.get(column):
                try:
                    rows.append((int(row["batch"]), float(row[column])))
                except (KeyError, TypeError, ValueError) as error:
                    raise ValueError(
                        f"{path}:{number}: expected numbers as batch and {column}, got {row.get('batch')!r} and "
                        f"{row[column]!r}; mend or remove the row"
                    ) from error
    return Series(tuple(batch for batch, _ in rows), tuple(value for _, value in rows))


def _own_names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart, without what they all end in.

    ``a/sft`` and ``a/grpo`` are ``sft`` and ``grpo``; ``a/sft/test`` and ``a/grpo/test`` are so, too.
    """
    paths = [folder.resolve().parts for folder in folders]
    while len(paths) > 1 and len({path[-1] for path in paths}) == 1:
        paths = [path[:-1] for path in paths]
    length = 1
    while len({path[-length:] for path in paths}) < len(paths):
        length += 1
    return ["_".join(path[-length:]) for path in paths]


def _no_scores(folder: Path) -> str:
    """What is wrong with a folder that holds neither scores nor arms, in one line."""
    if not folder.is_dir():
        remark = "is a file" if folder.exists() else "does not exist"
        return f"expected a folder of results, got {folder}, which {remark}; name the folder of a run or of a study"
    nested = next((path.parent for path in sorted(folder.glob(f"*/{SCORES_FILE}"))), None)
    remedy = "evaluate it with `lit-grpo test`" if nested is None else f"name {nested}, or evaluate it"
    return f"expected {SCORES_FILE} in {folder} or in folders below it (arms/NAME, SEED/arms/NAME), got none; {remedy}"


def _scored(parent: Path) -> dict[str, Path]:
    folders = {path.name: path for path in sorted(parent.glob("*")) if path.is_dir()}
    for name, folder in folders.items():
        if not (folder / SCORES_FILE).is_file():
            raise ValueError(f"expected {folder / SCORES_FILE}, got no such file; evaluate {name!r} before comparing")
    return folders
