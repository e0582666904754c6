"""The report of a step of the study of real size: its JSON, from finished run folders, with every table of its page.

Called by experiments/real_size.py; the page is made from the JSON alone (real_size_page.py).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.reports.comparison import Comparison, Pair, compare, comparison_json
from lit_grpo.reports.differences import difference_tables
from lit_grpo.reports.figures import draw_arms
from lit_grpo.reports.final import BANDED, SHOWN, band_places, draw_final, final_tables
from lit_grpo.reports.first_moves import first_moves_json, first_moves_table, read_first_moves
from lit_grpo.reports.pooled_cells import CellEstimates, cells_json, pooled_cells
from lit_grpo.reports.runs import SeedRun, read_table
from lit_grpo.reports.show import show_tables
from lit_grpo.reports.study_page import table_json
from lit_grpo.reports.tables import TableContent, comparison_tables
from lit_grpo.reports.training import TrainingRecord, mean_record, read_training, training_table

FIGURES = Path("figures")
PER_CELL = ("minimum-relaxation", "ranked-candidates", "informed-random")
"""The policies without a model that stand beside the arms cell by cell: the solver's own answer, a searcher that reads
the text, and the bar for a model. The others are in the JSON."""


@dataclass(frozen=True, slots=True)
class StepRuns:
    """The finished run folders of a step."""

    name: str
    played: tuple[SeedRun, ...]
    """Where each arm's evaluation lies, and each policy's without a model."""
    trained: Mapping[str, tuple[Path, ...]]
    """Arm to its run folders, one a seed."""
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class StepComparison:
    """A step's arms on the same tasks."""

    all_cells: Comparison
    study_cells: Comparison
    """The twelve of the literature's study."""


def compare_step(runs: StepRuns, study_kinds: Collection[FaultKind], settings: BootstrapSettings) -> StepComparison:
    """Compare on all cells, and on those of some kinds alone; raises what `compare` does."""
    return StepComparison(
        compare(runs.played, runs.pairs, settings), compare(runs.played, runs.pairs, settings, study_kinds)
    )


def write_step(
    root: Path,
    runs: StepRuns,
    comparison: StepComparison,
    about: Mapping[str, Any],
    settings: BootstrapSettings,
    console: Console,
) -> None:
    """Print the tables of a step, and write ``STEP.json`` and its figures into the study's folder.

    Args:
        root: The study's folder.
        runs: The step.
        comparison: Its comparison.
        about: What else the JSON says: plan, verdict, device, versions.
        settings: The settings of the intervals.
        console: Where the tables go.
    """
    training = {name: [read_training(folder) for folder in folders] for name, folders in runs.trained.items()}
    moves = {name: read_first_moves([run.arms[name] for run in runs.played]) for name in runs.played[0].arms}
    cells = {
        name: pooled_cells([read_table({**run.arms, **run.baselines}[name]) for run in runs.played], settings)
        for name in (*runs.played[0].baselines, *runs.played[0].arms)
    }
    shown = {name: values for name, values in cells.items() if name in (*PER_CELL, *moves)}
    tables = _tables(comparison, training, shown, settings) | {"first moves": first_moves_table(moves)}
    show_tables([*tables.values()], console)
    figures = {name: str(FIGURES / f"real_size_{runs.name}_{name}.png") for name in ("arms", "cells")}
    draw_arms(comparison.all_cells, root / figures["arms"])
    draw_final(shown, root / figures["cells"])
    document = {
        "step": runs.name,
        "about": dict(about),
        "comparison": comparison_json(comparison.all_cells),
        "study_cells": comparison_json(comparison.study_cells),
        "training": {name: [asdict(record) for record in records] for name, records in training.items()},
        "first_moves": {name: first_moves_json(of_arm) for name, of_arm in moves.items()},
        "cells": {name: cells_json(values, SHOWN) for name, values in cells.items()},
        "bands": {
            name: {quantity.value: band_places(values, quantity) for quantity in BANDED}
            for name, values in cells.items()
        },
        "figures": figures,
        "tables": {name: table_json(table) for name, table in tables.items()},
    }
    path = root / f"{runs.name}.json"
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _tables(
    comparison: StepComparison,
    training: Mapping[str, Sequence[TrainingRecord]],
    cells: Mapping[str, CellEstimates],
    settings: BootstrapSettings,
) -> dict[str, TableContent]:
    """Name to table, in the order of the page."""
    tables: dict[str, TableContent] = {}
    for part, of_part in (("all cells", comparison.all_cells), ("study cells", comparison.study_cells)):
        headline, per_kind = comparison_tables(of_part)
        tables[f"headline, {part}"] = headline
        if part == "all cells":
            tables["per kind"] = per_kind
        for number, table in enumerate(difference_tables(of_part)):
            tables[f"differences, {part}, {number}"] = table
    tables["training"] = training_table({name: mean_record(records) for name, records in training.items()})
    for quantity, table in zip(SHOWN, final_tables(cells, settings), strict=True):
        tables[f"cells {quantity.value}"] = table
    return tables
