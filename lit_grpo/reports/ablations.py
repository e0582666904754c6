"""The report of the ablations: `ablations.json`, the page `report.md`, and the figures, from finished run folders.

Called by experiments/ablations.py. Arms of several seeds are compared over all of them; arms of one seed are compared
with others on that seed alone, in tables of their own. The page is made from the JSON alone (ablation_page.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.functional import Quantity
from lit_grpo.reports.ablation_page import ABLATIONS_FILE, results_section
from lit_grpo.reports.comparison import Comparison, Pair, compare, comparison_json
from lit_grpo.reports.differences import differences_json, differences_table, pairs_against
from lit_grpo.reports.figures import draw_arms
from lit_grpo.reports.final import BANDED, SHOWN, band_places, draw_final, final_tables
from lit_grpo.reports.pooled_cells import cells_json, pooled_cells
from lit_grpo.reports.runs import SeedRun, read_table
from lit_grpo.reports.show import show_tables
from lit_grpo.reports.study_page import table_json
from lit_grpo.reports.tables import TableContent, comparison_tables
from lit_grpo.reports.training import mean_record, read_training, training_table

REPORT_FILE = "report.md"
FIGURES = Path("figures")
ARMS_FIGURE, CELLS_FIGURE = FIGURES / "ablations_arms.png", FIGURES / "ablations_cells.png"


@dataclass(frozen=True, slots=True)
class AblationPlan:
    """Which arms there are, and what is compared with what."""

    several: tuple[str, ...]
    """Arms that every seed has, in the order of the tables."""
    single: tuple[str, ...]
    """Arms that the first seed alone has."""
    bases: tuple[str, ...]
    """Those of `several` that all others are compared with each of these."""
    several_pairs: tuple[Pair, ...]
    """Further comparisons among `several`."""
    single_pairs: tuple[Pair, ...]
    """Comparisons of the arms of one seed."""
    final: tuple[str, ...]
    """Those of `several` that are shown over kind x difficulty."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """Everything that the tables are made of."""

    several: Comparison
    single: Comparison | None


def write_ablations(
    root: Path,
    seeds: Sequence[SeedRun],
    plan: AblationPlan,
    about: Mapping[str, Any],
    settings: BootstrapSettings,
    console: Console,
) -> None:
    """Compare, print the tables, and write `ablations.json`, `report.md` and the figures into ``root``.

    Args:
        root: The root of the study.
        seeds: Their run folders, the one with the single arms first.
        plan: What is compared.
        about: What else the JSON says: versions, device, settings, the arm that was chosen.
        settings: The settings of the intervals.
        console: Where the tables go.

    Raises:
        ValueError: An arm is missing, has no scores, or was scored on other tasks.
    """
    facts = _compared(seeds, plan, settings)
    cells = {name: pooled_cells([read_table(run.arms[name]) for run in seeds], settings) for name in plan.final}
    tables = _tables(facts, seeds, plan, settings)
    per_cell = final_tables(cells, settings)
    show_tables([*tables.values(), *per_cell], console)
    draw_arms(facts.several, root / ARMS_FIGURE)
    draw_final(cells, root / CELLS_FIGURE)
    document = {
        "about": dict(about),
        "plan": _plan_json(plan),
        "comparison": comparison_json(facts.several),
        "comparison_of_one_seed": None if facts.single is None else comparison_json(facts.single),
        "differences": differences_json(facts.several.pooled),
        "differences_of_one_seed": [] if facts.single is None else differences_json(facts.single.pooled),
        "training": {
            name: {run.name: asdict(read_training(run.arms[name])) for run in _runs_of(name, seeds, plan)}
            for name in (*plan.several, *plan.single)
        },
        "cells": {name: cells_json(values, SHOWN) for name, values in cells.items()},
        "bands": {
            name: {quantity.value: band_places(values, quantity) for quantity in BANDED}
            for name, values in cells.items()
        },
        "figures": {"arms": str(ARMS_FIGURE), "cells": str(CELLS_FIGURE)},
        "tables": {name: table_json(table) for name, table in tables.items()}
        | {f"cells {quantity.value}": table_json(table) for quantity, table in zip(SHOWN, per_cell, strict=True)},
    }
    text = json.dumps(document, indent=1, allow_nan=False)
    (root / ABLATIONS_FILE).write_text(text + "\n", encoding="utf-8")
    (root / REPORT_FILE).write_text(f"# Ablations\n\n{results_section(document, '')}", encoding="utf-8")


def _compared(seeds: Sequence[SeedRun], plan: AblationPlan, settings: BootstrapSettings) -> _Facts:
    pairs = tuple(dict.fromkeys((*pairs_against(plan.several, plan.bases), *plan.several_pairs)))
    several = compare([_only(run, plan.several) for run in seeds], pairs, settings)
    if not plan.single:
        return _Facts(several, None)
    everything = _only(seeds[0], (*plan.several, *plan.single))
    return _Facts(several, compare([everything], plan.single_pairs, settings))


def _tables(
    facts: _Facts, seeds: Sequence[SeedRun], plan: AblationPlan, settings: BootstrapSettings
) -> dict[str, TableContent]:
    headline, per_kind = comparison_tables(facts.several)
    tables = {
        "headline": headline,
        "differences": differences_table(
            facts.several.pooled,
            f"Paired differences in points ({settings.confidence:.0%} interval over tasks and seeds)",
        ),
        "training": _training(seeds, plan, plan.several),
        "per kind": per_kind,
    }
    if facts.single is not None:
        single = facts.single
        only = replace(single.pooled, arms={name: single.pooled.arms[name] for name in plan.single}, baselines={})
        alone = replace(single, pooled=only, by_seed={seeds[0].name: only})
        tables["headline of one seed"] = comparison_tables(alone)[0]
        title = f"Paired differences in points, {seeds[0].name} alone ({settings.confidence:.0%} interval over tasks)"
        tables["differences of one seed"] = differences_table(single.pooled, title)
        tables["training of one seed"] = _training(seeds, plan, plan.single)
    return tables


def _training(seeds: Sequence[SeedRun], plan: AblationPlan, names: Sequence[str]) -> TableContent:
    records = {
        name: mean_record([read_training(run.arms[name]) for run in _runs_of(name, seeds, plan)]) for name in names
    }
    return training_table(records)


def _runs_of(name: str, seeds: Sequence[SeedRun], plan: AblationPlan) -> Sequence[SeedRun]:
    return seeds if name in plan.several else seeds[:1]


def _only(run: SeedRun, names: Sequence[str]) -> SeedRun:
    lacks = [name for name in names if name not in run.arms]
    if lacks:
        raise ValueError(
            f"expected the arms {', '.join(names)} in {run.name}, got none of {', '.join(lacks)}; run them"
        )
    return SeedRun(run.name, {name: run.arms[name] for name in names}, run.baselines)


def _plan_json(plan: AblationPlan) -> dict[str, Any]:
    pairs = {
        "several_pairs": [pair.name for pair in plan.several_pairs],
        "single_pairs": [pair.name for pair in plan.single_pairs],
    }
    return asdict(plan) | pairs | {"tested": Quantity.FR_5.value}
